"""Tasks as data, and the rows that their places become."""

import numpy as np
import pytest

from harness.errors import StimulusError
from harness.probe.tasks import (
    Inputs,
    Part,
    Place,
    ProbeItem,
    ProbeTask,
    Target,
    item_rows,
    probe_request,
)
from harness.record.context import Start
from harness.record.tokens import tokenise

TEXTS = {"a": "The old dog slept.", "b": "It did not rain.", "c": "We left.", "unused": "No."}
WHOLE = {name: (0, len(text)) for name, text in TEXTS.items()}


def item(text, start, end, label, part, **more):
    return ProbeItem((Place(text, start, end),), label, part, **more)


ITEMS = (
    item("a", 8, 11, "noun", Part.TRAIN),
    item("a", 4, 7, "adjective", Part.TRAIN),
    item("b", 11, 15, "noun", Part.DEV),
    item("c", 0, 2, "noun", Part.TEST),
)


def task(items=ITEMS, inputs=Inputs.SPAN, target=Target.CLASS, **more):
    return ProbeTask("t", "syntax", inputs, target, tuple(items), **more)


def test_rows_are_the_places_each_once():
    pair = ProbeItem((Place("b", 11, 15), Place("b", 0, 2)), "x", Part.TRAIN)
    other = ProbeItem((Place("b", 0, 2), Place("b", 11, 15)), "y", Part.TRAIN)
    late = [
        ProbeItem((Place(t, *WHOLE[t]), Place(t, 0, 2)), "x", p)
        for t, p in (("a", Part.DEV), ("c", Part.TEST))
    ]
    pairs = ProbeTask("p", "syntax", Inputs.SPAN_PAIR, Target.CLASS, (pair, other, *late))
    request = probe_request("r", TEXTS, [task(), pairs])
    places = [(p.name, span) for p in request.stimuli.passages for span in p.spans]
    assert len(set(places)) == len(places)
    assert "unused" not in {name for name, _ in places}
    for made in (task(), pairs):
        for one, rows in zip(made.items, item_rows(request, made), strict=True):
            assert [places[r] for r in rows] == [(p.text, (p.start, p.end)) for p in one.places]


def test_every_text_follows_a_start_token():
    request = probe_request("r", TEXTS, [task()])
    assert request.context.start is Start.BOS
    assert request.context.kind == "prefix"


class Merging:
    """A tokenizer that makes tokens of two characters, with spaces in front."""

    def __call__(self, text, **options):
        spans = [(i, min(i + 2, len(text))) for i in range(0, len(text), 2)]
        return {"input_ids": list(range(len(spans))), "offset_mapping": spans}


def test_spans_own_the_tokens_that_they_overlap():
    request = probe_request("r", TEXTS, [task()])
    passage = request.stimuli.passages[0]  # "The old dog slept."
    tokens = tokenise(passage, Merging())
    owned = [set(tokens.owners[tokens.owners[:, 0] == i, 1]) for i in range(2)]
    assert owned == [{2, 3}, {4, 5}]  # "ol" "d " and "do" "g "


@pytest.mark.parametrize(
    ("items", "more", "message"),
    [
        (ITEMS[:3], {}, "no test items"),
        ((item("a", 0, 3, "noun", Part.TRAIN), *ITEMS[2:]), {}, "labels are the same"),
        ((item("a", 0, 3, "noun", Part.TEST), *ITEMS), {}, "is in test and in train"),
        ((item("a", 0, 3, 1.0, Part.TRAIN), *ITEMS), {}, "is no class"),
        (ITEMS, {"inputs": Inputs.PAIR}, "a pair has 2"),
        (ITEMS, {"target": Target.NUMBER}, "is no number"),
    ],
)
def test_a_task_that_cannot_be_scored_is_refused(items, more, message):
    with pytest.raises(StimulusError, match=message):
        task(items, **more)


def test_numbers_are_finite():
    with pytest.raises(StimulusError, match="label is nan"):
        task([item("a", 0, 3, float("nan"), Part.TRAIN)], target=Target.NUMBER)


def test_groups_named_by_the_task_hold():
    grouped = [
        item("a", 8, 11, "noun", Part.TRAIN, group="d1"),
        item("a", 4, 7, "verb", Part.TRAIN, group="d1"),
        item("b", 11, 15, "noun", Part.DEV, group="d1"),
        item("c", 0, 2, "noun", Part.TEST, group="d2"),
    ]
    with pytest.raises(StimulusError, match="group 'd1' is in train and in dev"):
        task(grouped)


@pytest.mark.parametrize(
    ("place", "inputs", "message"),
    [
        (Place("z", 0, 2), Inputs.SPAN, "no text 'z'"),
        (Place("a", 8, 40), Inputs.SPAN, "nothing to read"),
        (Place("a", -1, 3), Inputs.SPAN, "nothing to read"),
        (Place("a", 3, 4), Inputs.SPAN, "nothing to read"),
        (Place("a", 0, 7), Inputs.SENTENCE, "not the whole text"),
    ],
)
def test_a_place_outside_its_text_is_an_error(place, inputs, message):
    whole = [
        ProbeItem((Place(t, *WHOLE[t]),), label, part)
        for t, label, part in (
            ("a", "x", Part.TRAIN),
            ("unused", "y", Part.TRAIN),
            ("b", "x", Part.DEV),
            ("c", "x", Part.TEST),
        )
    ]
    bad = task([ProbeItem((place,), "x", Part.TRAIN, group="train"), *whole], inputs=inputs)
    with pytest.raises(StimulusError, match=message):
        probe_request("r", TEXTS, [bad])


def test_rows_of_another_request_are_an_error():
    request = probe_request("r", TEXTS, [task()])
    other = task([item("a", 0, 3, "x", Part.TRAIN), *ITEMS])
    with pytest.raises(StimulusError, match="does not read"):
        item_rows(request, other)


def test_classes_are_those_of_training():
    unseen = task([*ITEMS, item("c", 3, 7, "verb", Part.TEST)])
    assert unseen.classes == ("adjective", "noun")
    assert np.shape(item_rows(probe_request("r", TEXTS, [unseen]), unseen)) == (5, 1)
