"""Multiple choice: which answer is most probable after its question, for its length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import ScoreError, StimulusError
from harness.numeric.arrays import Doubles
from harness.probe.accuracy import CountedTask, count_accuracy
from harness.probe.regions import Regions
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.stimuli.passages import Passage, Stimuli

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Question:
    """A question with a closed set of answers.

    Parameters
    ----------
    prompt : str
        What the model reads before an answer, without white space at its end.
    choices : tuple of str
        The answers, two or more, all different.
    answer : int
        Number of the right one.
    task, category : str
    identifier : str
        Unique among the questions of a benchmark.
    phenomenon : str

    Raises
    ------
    StimulusError
        There are fewer than two choices, two are the same, one is empty, or the right one is none.
    """

    prompt: str
    choices: tuple[str, ...]
    answer: int
    task: str
    category: str
    identifier: str
    phenomenon: str = ""

    def __post_init__(self) -> None:
        known = {choice.strip() for choice in self.choices}
        if len(known) < len(self.choices) or len(known) < 2 or "" in known:
            raise StimulusError(
                f"question {self.identifier!r}: {self.choices} are not two or more different texts"
            )
        if not 0 <= self.answer < len(self.choices):
            raise StimulusError(
                f"question {self.identifier!r}: no choice {self.answer} of {len(self.choices)}"
            )
        if self.prompt != self.prompt.strip() or not self.prompt:
            raise StimulusError(
                f"question {self.identifier!r}: a prompt is not empty and has no white space at"
                " its ends"
            )

    @property
    def lengths(self) -> tuple[int, ...]:
        """UTF-8 bytes of each choice."""
        return tuple(len(choice.encode()) for choice in self.choices)


def choice_request(name: str, questions: Sequence[Question]) -> Request:
    """Ask for the log-probability of every prompt and of every choice after it.

    Returns
    -------
    Request
        A passage is a prompt, a space and a choice; it yields two rows, prompt and choice. The
        space belongs to the choice, in whatever way a tokenizer writes it.
    """
    passages = tuple(
        Passage(
            f"{question.identifier}/{number}",
            f"{question.prompt} {choice}",
            (
                (0, len(question.prompt)),
                (len(question.prompt) + 1, len(question.prompt) + 1 + len(choice)),
            ),
        )
        for question in questions
        for number, choice in enumerate(question.choices)
    )
    context = Context("prefix", start=Start.BOS)
    return Request(Stimuli(name, passages), Measure.LOGPROB, context, Regions())


def score_choices(questions: Sequence[Question], recording: xr.DataArray) -> xr.Dataset:
    """Turn log-probabilities of choices into accuracies.

    The answer is the choice with the highest log-probability per UTF-8 byte (the unit that is the
    same for every tokenizer). Choices that tie for the first place share the credit.

    Parameters
    ----------
    questions : sequence of Question
        As they were given to :func:`choice_request`.
    recording : DataArray
        Dims (sample, layer, unit), (2 choices of all questions, 1, 1): the answer to that request.

    Returns
    -------
    Dataset
        As of :func:`harness.probe.accuracy.count_accuracy`; over ``task`` also ``chance`` (a
        guess), ``majority`` (always the most frequent answer) and ``summed_accuracy`` (without
        regard to length); over dim ``question`` ``right`` with coordinate ``question_task``.

    Raises
    ------
    ScoreError
        The recording has another shape than the questions ask for, or is not finite.
    """
    logprobs = _of_choices(questions, recording)
    per_byte, summed, at = list[float](), list[float](), 0
    for question in questions:
        mine = logprobs[at : at + len(question.choices)]
        summed.append(_credit(mine, question.answer))
        per_byte.append(_credit(mine / np.array(question.lengths), question.answer))
        at += len(question.choices)
    tasks: dict[str, CountedTask] = {}
    for q in questions:
        tasks.setdefault(q.task, CountedTask(q.task, q.category, q.phenomenon))
    number = {name: i for i, name in enumerate(tasks)}
    member = np.array([number[q.task] for q in questions])
    counts = np.bincount(member)
    score = count_accuracy(tuple(tasks.values()), member, per_byte)
    return score.assign(
        chance=("task", np.bincount(member, [1 / len(q.choices) for q in questions]) / counts),
        majority=("task", [_majority(questions, name) for name in tasks]),
        summed_accuracy=("task", np.bincount(member, summed) / counts),
        right=("question", np.array(per_byte, np.float32)),
    ).assign_coords(question_task=("question", member))


def _credit(values: Doubles, answer: int) -> float:
    best = values == values.max()
    return float(best[answer] / best.sum())


def _majority(questions: Sequence[Question], task: str) -> float:
    said = [q.choices[q.answer] for q in questions if q.task == task]
    return max(said.count(answer) for answer in set(said)) / len(said)


def _of_choices(questions: Sequence[Question], recording: xr.DataArray) -> Doubles:
    rows = 2 * sum(len(question.choices) for question in questions)
    if recording.shape != (rows, 1, 1):
        raise ScoreError(
            f"{len(questions)} questions need a recording of shape ({rows}, 1, 1),"
            f" not {recording.shape}",
            "the recording answers another request: make it from the request of these questions",
        )
    logprobs: Doubles = recording.values.reshape(-1, 2)[:, 1].astype(np.float64)
    if not np.isfinite(logprobs).all():
        raise ScoreError(
            "the log-probability of a choice is not finite",
            "record again in float32; a compressed model that gives NaN is broken",
        )
    return logprobs
