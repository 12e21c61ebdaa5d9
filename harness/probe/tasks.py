"""Probing tasks as data: places in texts, their labels, and the request that reads them.

A task never says how it is solved. It names places by character offsets, so that leading spaces,
words of several tokens and spans of several words are exact whatever the tokenizer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from harness.errors import StimulusError
from harness.numeric.arrays import Ints
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.stimuli.passages import Passage, Span, Stimuli
from harness.stimuli.readouts import Items, Pool

CATEGORIES = ("morphology", "syntax", "semantics", "reasoning", "discourse")
"""The subfields of Holmes (Waldis et al. 2024)."""


class Inputs(StrEnum):
    """What a probe looks at; a pair is two places, their features side by side."""

    SENTENCE = "sentence"
    PAIR = "pair"
    """Two whole texts, each read by itself."""
    SPAN = "span"
    SPAN_PAIR = "span pair"

    @property
    def places(self) -> int:
        """Number of places of an item."""
        return 2 if self in (Inputs.PAIR, Inputs.SPAN_PAIR) else 1

    @property
    def whole(self) -> bool:
        """Whether a place is always a whole text."""
        return self in (Inputs.SENTENCE, Inputs.PAIR)


class Target(StrEnum):
    """Kind of label that a probe predicts."""

    CLASS = "class"
    NUMBER = "number"


class Part(StrEnum):
    """What an item is for: fitting, choosing (penalty, layer), or the score."""

    TRAIN = "train"
    DEV = "dev"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Place:
    """Characters ``[start, end)`` of a text.

    Parameters
    ----------
    text : str
        Name of the text.
    start, end : int
        Character offsets.
    """

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ProbeItem:
    """One example.

    Parameters
    ----------
    places : tuple of Place
        One, or two for a pair.
    label : str or float
        A class, or a finite number.
    part : Part
    group : str
        What must not be in two parts, and is resampled together for intervals: the document.
        Empty: the text of the first place.
    type : str
        What the control task gives one random label to (Hewitt & Liang 2019): a word form. Empty:
        the item is a type of its own.
    """

    places: tuple[Place, ...]
    label: str | float
    part: Part
    group: str = ""
    type: str = ""

    @property
    def cluster(self) -> str:
        """``group``, or the text it stands for."""
        return self.group or self.places[0].text


@dataclass(frozen=True)
class ProbeTask:
    """A probing task.

    Parameters
    ----------
    name : str
        Unique among the tasks that are scored together.
    category : str
        morphology, syntax, semantics, reasoning or discourse.
    inputs : Inputs
    target : Target
    items : tuple of ProbeItem
    phenomenon : str
        A finer name for what is tested.
    licence : str
        Of the texts and labels.
    notes : str
        What a user should know.
    aside : str
        Why the task stays out of the mean of its category and of the value (it is scored and
        listed); empty where it counts.

    Raises
    ------
    StimulusError
        A part has no item; a group is in two parts; an item has the wrong number of places or a
        label of the wrong kind; the training part holds fewer than two classes, or one number.
    """

    name: str
    category: str
    inputs: Inputs
    target: Target
    items: tuple[ProbeItem, ...]
    phenomenon: str = ""
    licence: str = ""
    notes: str = ""
    aside: str = ""

    def __post_init__(self) -> None:
        if self.category not in CATEGORIES:
            raise StimulusError(
                f"task {self.name!r}: unknown category {self.category!r}",
                f"one of {', '.join(CATEGORIES)}",
            )
        for i, item in enumerate(self.items):
            self._check_item(i, item)
        for part in Part:
            if not any(item.part is part for item in self.items):
                raise StimulusError(f"task {self.name!r} has no {part} items")
        self._check_groups()
        if len({item.label for item in self.items if item.part is Part.TRAIN}) < 2:
            raise StimulusError(f"task {self.name!r}: all training labels are the same")

    def _check_item(self, i: int, item: ProbeItem) -> None:
        if len(item.places) != self.inputs.places:
            raise StimulusError(
                f"task {self.name!r}, item {i}: {len(item.places)} places, and a"
                f" {self.inputs} has {self.inputs.places}"
            )
        named = isinstance(item.label, str)
        if named != (self.target is Target.CLASS):
            raise StimulusError(
                f"task {self.name!r}, item {i}: the label {item.label!r} is no {self.target}"
            )
        if not named and not math.isfinite(float(item.label)):
            raise StimulusError(f"task {self.name!r}, item {i}: the label is {item.label}")

    def _check_groups(self) -> None:
        seen: dict[str, Part] = {}
        for item in self.items:
            if seen.setdefault(item.cluster, item.part) is not item.part:
                raise StimulusError(
                    f"task {self.name!r}: group {item.cluster!r} is in {seen[item.cluster]} and in"
                    f" {item.part}",
                    "put all items of a group in one part",
                )

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Classes of the training part in alphabetical order; empty for numbers.

        A class that occurs in dev or test alone cannot be predicted: its items count as errors.
        """
        if self.target is Target.NUMBER:
            return ()
        return tuple(sorted({str(i.label) for i in self.items if i.part is Part.TRAIN}))

    def of(self, part: Part) -> tuple[ProbeItem, ...]:
        """Items of one part, in order."""
        return tuple(item for item in self.items if item.part is part)


def probe_request(
    name: str, texts: Mapping[str, str], tasks: Sequence[ProbeTask], pool: Pool = Pool.MEAN
) -> Request:
    """Ask for the hidden states of every place that some task looks at, each once.

    Parameters
    ----------
    name : str
        What the stimuli are called.
    texts : mapping
        Texts by name. Each is read whole, from its beginning, after a beginning-of-sequence token
        (so that the first token of a text, whose states are unlike any other's, is no item). A text
        with no place is left out. Nothing is cut: a text longer than a model's context is
        ``ContextTooLong`` when it is recorded, so no span is ever read in part.
    tasks : sequence of ProbeTask
    pool : Pool
        How the tokens of a place become one row.

    Returns
    -------
    Request
        Its rows are the places, by text and then by offset; :func:`item_rows` finds them again.

    Raises
    ------
    StimulusError
        A place is not in its text, or is not the whole text where the task says so.
    """
    spans: dict[str, set[Span]] = {}
    for task in tasks:
        for i, item in enumerate(task.items):
            for place in item.places:
                _check_place(task, i, place, texts)
                spans.setdefault(place.text, set()).add((place.start, place.end))
    passages = tuple(
        Passage(text, texts[text], tuple(sorted(spans[text]))) for text in texts if text in spans
    )
    context = Context("prefix", start=Start.BOS)
    return Request(Stimuli(name, passages), Measure.HIDDEN, context, Items(pool))


def _check_place(task: ProbeTask, i: int, place: Place, texts: Mapping[str, str]) -> None:
    where = f"task {task.name!r}, item {i}"
    if place.text not in texts:
        raise StimulusError(f"{where}: there is no text {place.text!r}")
    text = texts[place.text]
    piece = text[max(place.start, 0) : place.end]
    if not 0 <= place.start < place.end <= len(text) or not piece.strip():
        raise StimulusError(
            f"{where}: characters {place.start} to {place.end} of text {place.text!r}"
            f" ({len(text)} characters) hold nothing to read"
        )
    if task.inputs.whole and piece.strip() != text.strip():
        raise StimulusError(f"{where}: {piece!r} is not the whole text {place.text!r}")


def item_rows(request: Request, task: ProbeTask) -> Ints:
    """Rows of the recording that hold the places of each item.

    Parameters
    ----------
    request : Request
        From :func:`probe_request`, made with this task among others.
    task : ProbeTask

    Returns
    -------
    array (n_items, n_places)

    Raises
    ------
    StimulusError
        The request does not read one of the places.
    """
    passages = request.stimuli.passages
    rows: dict[Place, int] = {}
    for passage in passages:
        for start, end in passage.spans:
            rows[Place(passage.name, start, end)] = len(rows)
    try:
        return np.array([[rows[place] for place in item.places] for item in task.items], np.int64)
    except KeyError as error:
        raise StimulusError(
            f"task {task.name!r}: the request {request.stimuli.name!r} does not read {error}",
            "make the request from all tasks that are scored with it",
        ) from None
