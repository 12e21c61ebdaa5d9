"""Task folders as Holmes publishes them, one row a noun, for every kind of probe."""

import csv
from pathlib import Path

from harness.probe.tasks import Inputs

NOUNS = ("dog", "cat", "fox", "owl", "bee", "ant", "hen", "cow", "pig", "rat", "eel", "ape")
PARTS = ("train",) * 6 + ("dev",) * 3 + ("test",) * 3


def rows(make, labels):
    """A row a noun: what ``make`` writes for it, and its label in turn."""
    made = []
    for i, (noun, part) in enumerate(zip(NOUNS, PARTS, strict=True)):
        inputs, context = make(noun)
        cells = {"id": i, "inputs": repr(inputs), "context": repr(context) if context else ""}
        made.append({**cells, "label": labels[i % len(labels)], "set-0": part})
    return made


def write(root, name, kind, made, num_labels=2, **config):
    folder = Path(root) / name
    folder.mkdir(parents=True)
    fields = ["", "id", "inputs", "context", "label", "set-0"]
    with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fields)
        writer.writeheader()
        for i, row in enumerate(made):
            writer.writerow({"": i, **row})
    lines = {"probe_task_type": kind, "num_labels": num_labels, "control_task_type": "NONE"}
    text = "".join(f"{key}: {value}\n" for key, value in {**lines, **config}.items())
    (folder / "config-none.yaml").write_text(text)
    return folder


def sentence(noun):
    return [f"the {noun} ran"], None


def pair(noun):
    return [f"the {noun} ran", f"a {noun} hid"], None


def token(noun):
    return [(noun, 0, 4, 7)], [f"the {noun} ran"]


def tokens(noun):
    return [("the", 0, 0, 3), (noun, 0, 4, 7)], [f"the {noun} ran"]


def across(noun):
    return [(noun, 0, 4, 7), (noun, 1, 2, 5)], [f"the {noun} ran", f"a {noun} hid"]


def spans(noun):
    parts = [("the", 0, 0, 3, 0), (noun, 0, 4, 7, 0), ("ran", 0, 8, 11, 1)]
    return parts, [f"the {noun} ran"]


KINDS_WRITTEN = [
    ("SENTENCE", sentence, Inputs.SENTENCE, [["the dog ran"]]),
    ("SENTENCE_PAIR_BI", pair, Inputs.PAIR, [["the dog ran", "a dog hid"]]),
    ("SENTENCE_PAIR_CROSS", pair, Inputs.SENTENCE, [["the dog ran  a dog hid"]]),
    ("SENTENCE_TOKENS", token, Inputs.SPAN, [["dog"]]),
    ("SENTENCE_TOKENS", tokens, Inputs.SPAN_PAIR, [["the", "dog"]]),
    ("SENTENCE_PAIR_TOKENS_BI", across, Inputs.SPAN_PAIR, [["dog", "dog"]]),
    ("SENTENCE_PAIR_TOKENS_CROSS", across, Inputs.SPAN_PAIR, [["dog", "dog"]]),
    ("SENTENCE_SPANS", spans, Inputs.SPAN_PAIR, [["the dog", "ran"]]),
]
"""Kind, what writes its cells, what a probe takes, and what the first item's places read."""
