"""Which items of a task are taken: a fixed order, and caps."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from harness.probe.tasks import Inputs, Part, Place, ProbeItem, ProbeTask, Target
from harness.stimuli.passages import Span

from .corpus import Text

MOST = {Part.TRAIN: 600, Part.DEV: 200, Part.TEST: 300}
"""Items of a task."""
MOST_TEXTS = {Part.TRAIN: 1000, Part.DEV: 300, Part.TEST: 400}
"""Texts that a task may look at. What is recorded stays affordable."""
MOST_OF_TEXT = 6
"""Items of a task from one text, so that many documents take part."""
FEWEST = {Part.TRAIN: 30, Part.DEV: 5, Part.TEST: 10}
"""Items of a class; classes that are rarer in one of the parts are left out."""
NO_GAIN = "no model that was measured gains over the lexical baseline"
"""Why a task stands aside whose gain has an interval that holds 0 in every model measured."""
UNTRAINED_GAINS = "an untrained network gains over the lexical baseline, too"
"""Why a task stands aside whose baseline is weaker than what random features can tell."""
FEWEST_OF_TWO = 100
"""Training items of the rarer of two classes; a task with fewer stays out of the categories."""


@dataclass(frozen=True)
class Candidate:
    """What could become an item.

    Parameters
    ----------
    spans : tuple of (int, int)
        Characters of the text.
    label : str or float
    type : str
        For the control task.
    cue : str
        What is seen on the surface and would tell the label. Of candidates with one cue, as many
        are taken of each class, so that it tells nothing. Empty: whatever the task offers.
    """

    spans: tuple[Span, ...]
    label: str | float
    type: str
    cue: str = ""


@dataclass(frozen=True)
class Definition:
    """How a task is made from texts.

    Parameters
    ----------
    name, category, phenomenon : str
    candidates : callable
        Yields what a text offers.
    inputs : Inputs
    target : Target
    notes : str
    aside : str
        Why the task stays out of its category; empty where it counts.
    """

    name: str
    category: str
    phenomenon: str
    candidates: Callable[[Text], Iterator[Candidate]]
    inputs: Inputs = Inputs.SPAN
    target: Target = Target.CLASS
    notes: str = ""
    aside: str = ""


def make_task(definition: Definition, texts: Sequence[Text]) -> ProbeTask:
    """Make a task from the texts.

    Texts come in the order of a hash of their names, candidates of a text in that of their places:
    the same for all tasks, so that tasks read the same texts and words where they can.
    """
    offers = _Offers(definition, {part: ordered(texts, part)[:n] for part, n in MOST_TEXTS.items()})
    classes = offers.labels(Part.TRAIN) if definition.target is Target.CLASS else set()
    # Rare classes go one after the other: the places they took may suffice for another.
    while classes and (rare := _rarest(_all_taken(offers, classes), classes)):
        classes.discard(rare)
    items = _all_taken(offers, classes)
    return ProbeTask(
        name=definition.name,
        category=definition.category,
        inputs=definition.inputs,
        target=definition.target,
        items=tuple(items),
        phenomenon=definition.phenomenon,
        licence="annotations CC-BY-4.0",
        notes=definition.notes,
        aside=definition.aside or _too_few(items, classes),
    )


def _all_taken(offers: _Offers, classes: AbstractSet[str | float]) -> list[ProbeItem]:
    return [item for part in Part for item in _taken(part, offers, classes)]


def _too_few(items: Sequence[ProbeItem], classes: AbstractSet[str | float]) -> str:
    counts = Counter(item.label for item in items if item.part is Part.TRAIN)
    fewest = min((counts[label] for label in classes), default=FEWEST_OF_TWO)
    if len(classes) == 2 and fewest < FEWEST_OF_TWO:
        return f"{fewest} training items of the rarer class"
    return ""


def ordered(texts: Sequence[Text], part: Part) -> list[Text]:
    """Texts of one part in the order in which tasks look at them."""
    return sorted((t for t in texts if t.part is part), key=lambda t: _rank(t.name))


class _Offers:
    """What texts offer to one task, found when first asked for."""

    def __init__(self, definition: Definition, texts: Mapping[Part, Sequence[Text]]) -> None:
        self._definition, self._texts = definition, texts
        self._found: dict[str, list[Candidate]] = {}
        self._sorted: set[str] = set()

    def labels(self, part: Part) -> set[str | float]:
        """Return all labels of a part."""
        return {c.label for text in self._texts[part] for c in self._of(text)}

    def of(self, part: Part) -> Iterator[tuple[Text, Candidate]]:
        """Yield the candidates of a part in their order."""
        for text in self._texts[part]:
            found = self._of(text)
            if text.name not in self._sorted:
                found.sort(key=lambda c: _rank(text.name, c.spans))
                self._sorted.add(text.name)
            for candidate in found:
                yield text, candidate

    def _of(self, text: Text) -> list[Candidate]:
        if text.name not in self._found:
            self._found[text.name] = list(self._definition.candidates(text))
        return self._found[text.name]


def _rarest(items: Sequence[ProbeItem], classes: AbstractSet[str | float]) -> str | float | None:
    """Return the rarest class, if it is too rare in a part; one that took no place is."""
    counts = Counter((item.part, item.label) for item in items)
    # How many times as many as it needs.
    share = {label: min(counts[part, label] / FEWEST[part] for part in Part) for label in classes}
    rarest = min(classes, key=lambda label: (share[label], str(label)))
    return rarest if share[rarest] < 1 else None


def _taken(part: Part, offers: _Offers, classes: AbstractSet[str | float]) -> list[ProbeItem]:
    """Take items of a part in order, until a cap is reached."""
    most = MOST[part]
    # Twice the even share, so that a frequent class does not swallow a task.
    most_of_class = math.ceil(most * min(1, 2 / len(classes))) if len(classes) > 2 else most // 2
    quotas = _quotas(offers.of(part), classes, most)
    of_text: Counter[str] = Counter()
    of_class: Counter[str] = Counter()
    of_cell: Counter[tuple[str, str | float]] = Counter()
    items: list[ProbeItem] = []
    for text, found in offers.of(part):
        if of_text[text.name] >= MOST_OF_TEXT:
            continue
        if isinstance(found.label, str):
            if found.label not in classes or of_class[found.label] >= most_of_class:
                continue
            cell = found.cue, found.label
            if found.cue and of_cell[cell] >= quotas.get(found.cue, 0):
                continue
            of_class[found.label] += 1
            of_cell[cell] += 1
        of_text[text.name] += 1
        places = tuple(Place(text.name, start, end) for start, end in found.spans)
        items.append(ProbeItem(places, found.label, part, text.document, found.type))
        if len(items) == most:
            break
    return items


def _quotas(
    offers: Iterator[tuple[Text, Candidate]], classes: AbstractSet[str | float], most: int
) -> Mapping[str, int]:
    """Items of each class to take for each cue, so that every class has as many, and all fit."""
    of_text: Counter[str] = Counter()
    counts: Counter[tuple[str, str | float]] = Counter()
    for text, found in offers:
        if found.cue and found.label in classes and of_text[text.name] < MOST_OF_TEXT:
            of_text[text.name] += 1
            counts[found.cue, found.label] += 1
    even = {cue: min(counts[cue, label] for label in classes) for cue, _ in counts}
    share = min(1.0, most / max(sum(even.values()) * len(classes), 1))
    return {cue: int(n * share) for cue, n in even.items()}


def _rank(*names: object) -> bytes:
    return hashlib.sha256(repr(names).encode()).digest()
