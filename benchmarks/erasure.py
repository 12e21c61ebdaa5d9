"""What follows when a property is erased from a model: probes, minimal pairs, alignment.

A property that words of GUM are annotated with is taken out of the states of one layer (LEACE), at
every token, and the model goes on from there. Beside it stands the removal of as many random
dimensions. A probe says that a property can be read; this says what hangs on it.

    python benchmarks/erasure.py --model smollm2-135m --layer 15 --properties part-of-speech number
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from brainpress_plugins.benchmarks.linguistic.gum_probes import corpus
from brainpress_plugins.benchmarks.linguistic.minimal_pairs.benchmark import MinimalPairs
from brainpress_plugins.benchmarks.neural.brennan2016_alice import Alice
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from harness.lm.load import load
from harness.lm.source import resolve
from harness.probe.erase import Eraser
from harness.probe.intervene import erased
from harness.probe.minimal_pairs import pair_request, score_pairs
from harness.probe.tasks import Part
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.record.subject import LanguageSubject
from harness.spec.registry import registry
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Items, Pool

VALUES = {
    "number": ("Number", ("Sing", "Plur"), ("NOUN",)),
    "tense": ("Tense", ("Past", "Pres"), ("VERB", "AUX")),
}


@dataclass(frozen=True)
class Words:
    """Words of GUM as they are asked for, and what each is annotated with."""

    request: Request
    tokens: list[corpus.Token]
    training: np.ndarray

    @classmethod
    def of(cls, n_train: int, n_test: int) -> Words:
        passages, tokens, training = [], [], []
        counts = {Part.TRAIN: n_train, Part.TEST: n_test}
        for text in corpus.texts():
            if counts.get(text.part, 0) and text.name.endswith("/2"):
                counts[text.part] -= 1
                own = [t for t in text.tokens if t.own]
                passages.append(Passage(text.name, text.text, tuple(t.span for t in own)))
                tokens += own
                training += [text.part is Part.TRAIN] * len(own)
        context = Context("prefix", start=Start.BOS)
        request = Request(
            Stimuli("gum words", tuple(passages)), Measure.HIDDEN, context, Items(Pool.LAST)
        )
        return cls(request, tokens, np.array(training))

    def labels(self, name: str) -> np.ndarray:
        """Label of each word; empty where it has none."""
        if name == "part-of-speech":
            return np.array([t.word.upos for t in self.tokens])
        feature, values, upos = VALUES[name]
        found = [
            t.word.features.get(feature, "") if t.word.upos in upos else "" for t in self.tokens
        ]
        return np.array([v if v in values else "" for v in found])


def probed(words: Words, states: np.ndarray, name: str) -> float:
    """Accuracy of a new probe on other documents."""
    labels = words.labels(name)
    fit, test = (labels != "") & words.training, (labels != "") & ~words.training
    scale = StandardScaler().fit(states[fit])
    probe = LogisticRegression(C=0.01, max_iter=300).fit(scale.transform(states[fit]), labels[fit])
    return float(probe.score(scale.transform(states[test]), labels[test]))


def conditions(
    words: Words, states: np.ndarray, names: list[str], seeds: int
) -> Iterator[tuple[str, Eraser | None]]:
    """Nothing, each property, and as many random dimensions."""
    yield "intact", None
    for name in names:
        labels = words.labels(name)
        chosen = (labels != "") & words.training
        eraser = Eraser.leace(states[chosen], labels[chosen])
        yield name, eraser
        for seed in range(seeds):
            control = Eraser.random(states[words.training], eraser.rank, seed)
            yield f"random, {eraser.rank} ({seed})", control


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--layer", type=int, default=15)
    parser.add_argument("--properties", nargs="+", default=["part-of-speech", "number"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--texts", type=int, nargs=2, default=(120, 30))
    parser.add_argument("--every", type=int, default=4, help="take every so many-th pair")
    chosen = parser.parse_args()
    spec = registry().models.get(chosen.model)
    speaker = load(resolve(spec), spec)
    subject, layer = LanguageSubject(speaker), chosen.layer
    words = Words.of(*chosen.texts)
    pairs = MinimalPairs().pairs[:: chosen.every]
    asked, alice = pair_request("pairs", pairs), Alice()
    (story,) = alice.requests()
    intact = subject.record(words.request)
    first: dict[str, np.ndarray] = {}
    paradigms = ("subject-verb-number", "determiner-noun-number", "distractor-agreement")
    print(f"{spec.name}, layer {layer}; {len(words.tokens)} words, {len(pairs)} pairs\n")
    heads = [
        *(f"probe of {n}, layer {layer} / last" for n in chosen.properties),
        "pairs",
        "agreement",
        "Alice r",
    ]
    print("| erased | " + " | ".join(heads) + " | CPU s |\n|" + "---|" * (len(heads) + 2))
    for name, eraser in conditions(
        words, intact.isel(layer=layer).values, chosen.properties, chosen.seeds
    ):
        start = time.process_time()
        with erased(speaker.model, layer, eraser) if eraser else nullcontext():
            states = intact if eraser is None else subject.record(words.request)
            answer, heard = subject.record(asked), subject.record(story)
        here, last = (states.isel(layer=at).values for at in (layer, -1))
        cells = [
            f"{probed(words, here, n):.3f} / {probed(words, last, n):.3f}"
            for n in chosen.properties
        ]
        score = score_pairs(pairs, answer)
        right = (np.sign(score["margin"].values) + 1) / 2
        agree = np.array([p.paradigm in paradigms for p in pairs])
        later = heard.isel(layer=slice(layer, None, 5))
        aligned = alice.score({story: later})
        r = aligned["r_best"].mean([d for d in aligned["r_best"].dims if d != "participant"]).values
        found = {"pairs": right, "agreement": right[agree], "Alice r": r}
        for head, values in found.items():
            base = first.setdefault(head, values)
            change = values - base
            error = change.std(ddof=1) / np.sqrt(len(change))
            cells.append(f"{values.mean():.3f} ({change.mean():+.3f} ± {error:.3f})")
        print(
            f"| {name} | " + " | ".join(cells) + f" | {time.process_time() - start:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
