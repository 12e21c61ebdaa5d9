"""Multiple choice: which answer is most probable after its question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
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


class Choose(StrEnum):
    """Which answer is taken for the model's."""

    SUM = "sum"
    """The one with the highest log-probability: lm-eval's ``acc``."""
    BYTE = "byte"
    """The one with the highest log-probability per UTF-8 byte: lm-eval's ``acc_norm``.

    Of answers of one word it takes the longer: *Yes* for *No*, whatever was asked.
    """
    PRIOR = "prior"
    """The one that the question makes most probable, over what it is after a question that says
    nothing (Holtzman et al. 2021; Zhao et al. 2021)."""


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
    neutral : str
        A prompt of the same form that asks nothing, for :attr:`Choose.PRIOR`; empty: there is none.

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
    neutral: str = ""

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
        space belongs to the choice, in whatever way a tokenizer writes it. Choices after neutral
        prompts come last, each once.
    """
    asked = [
        continued(f"{question.identifier}/{number}", question.prompt, choice)
        for question in questions
        for number, choice in enumerate(question.choices)
    ]
    neutral = [
        continued(f"neutral/{number}", prompt, choice)
        for number, (prompt, choice) in enumerate(_neutral(questions))
    ]
    context = Context("prefix", start=Start.BOS)
    return Request(Stimuli(name, (*asked, *neutral)), Measure.LOGPROB, context, Regions())


def continued(name: str, prompt: str, choice: str) -> Passage:
    """Return a prompt, a space and what follows, with the characters of both."""
    start = len(prompt) + 1
    return Passage(name, f"{prompt} {choice}", ((0, len(prompt)), (start, start + len(choice))))


def _neutral(questions: Sequence[Question]) -> tuple[tuple[str, str], ...]:
    """Return neutral prompts and the choices after them, each pair once."""
    return tuple(dict.fromkeys((q.neutral, c) for q in questions if q.neutral for c in q.choices))


def score_choices(
    questions: Sequence[Question], recording: xr.DataArray, choose: Choose = Choose.SUM
) -> xr.Dataset:
    """Turn log-probabilities of choices into accuracies.

    Choices that tie for the first place share the credit.

    Parameters
    ----------
    questions : sequence of Question
        As they were given to :func:`choice_request`.
    recording : DataArray
        Dims (sample, layer, unit), (2 choices of all questions, 1, 1): the answer to that request.
    choose : Choose
        Which answer is the model's. Sums suit letters and single words, bytes options that are
        whole texts.

    Returns
    -------
    Dataset
        As of :func:`harness.probe.accuracy.count_accuracy`; over ``task`` also ``chance`` (a
        guess), ``majority`` (always the most frequent answer), ``balanced_accuracy`` (mean over
        the right answers that occur, each weighing the same; NaN where questions have choices of
        their own), ``commonest`` (share of the questions that get the most frequent answer, by
        its place among the choices: 1 of a model that always says the same), and the accuracy by
        every rule, ``sum_accuracy``, ``byte_accuracy`` and, where questions have a neutral prompt,
        ``prior_accuracy``; over dim ``question`` ``right`` with coordinate ``question_task``.

    Raises
    ------
    ScoreError
        The recording has another shape than the questions ask for, or is not finite; or a question
        has no neutral prompt and ``choose`` needs one.
    """
    values = _by_rule(questions, recording)
    if choose not in values:
        raise ScoreError(
            "a question has no neutral prompt to take the answers' prior from",
            "give Question(neutral=…), or choose by sum or byte",
        )
    credit = {
        rule: np.array([_credit(v, q.answer) for v, q in zip(found, questions, strict=True)])
        for rule, found in values.items()
    }
    tasks: dict[str, CountedTask] = {}
    for q in questions:
        tasks.setdefault(q.task, CountedTask(q.task, q.category, q.phenomenon))
    number = {name: i for i, name in enumerate(tasks)}
    member = np.array([number[q.task] for q in questions])
    counts = np.bincount(member)
    right = credit[choose]
    said = np.array([int(np.argmax(v)) for v in values[choose]])
    score = count_accuracy(tuple(tasks.values()), member, right)
    for rule, found in credit.items():
        score[f"{rule}_accuracy"] = ("task", np.bincount(member, found) / counts)
    return score.assign(
        chance=("task", np.bincount(member, [1 / len(q.choices) for q in questions]) / counts),
        majority=("task", [_majority(questions, name) for name in tasks]),
        balanced_accuracy=("task", [_balanced(questions, right, name) for name in tasks]),
        commonest=(
            "task",
            [np.bincount(said[member == i]).max() / n for i, n in enumerate(counts)],
        ),
        right=("question", right.astype(np.float32)),
    ).assign_coords(question_task=("question", member))


def _by_rule(questions: Sequence[Question], recording: xr.DataArray) -> dict[Choose, list[Doubles]]:
    """Return what each rule compares, by question: (n_choices,)."""
    neutral = _neutral(questions)
    logprobs = _of_choices(questions, len(neutral), recording)
    n_asked = len(logprobs) - len(neutral)
    before = dict(zip(neutral, logprobs[n_asked:], strict=True))
    stops = np.cumsum([len(q.choices) for q in questions])
    summed = np.split(logprobs[:n_asked], stops[:-1])
    pairs = list(zip(summed, questions, strict=True))
    found = {
        Choose.SUM: summed,
        Choose.BYTE: [values / np.array(q.lengths) for values, q in pairs],
    }
    if all(q.neutral for q in questions):
        found[Choose.PRIOR] = [
            values - np.array([before[q.neutral, c] for c in q.choices]) for values, q in pairs
        ]
    return found


def _balanced(questions: Sequence[Question], right: Doubles, task: str) -> float:
    """Mean over the answers of a task of how often each is found; NaN without shared choices."""
    inside = [(q, r) for q, r in zip(questions, right, strict=True) if q.task == task]
    if len({q.choices for q, _ in inside}) > 1:
        return float("nan")
    by_answer: dict[int, list[float]] = {}
    for q, r in inside:
        by_answer.setdefault(q.answer, []).append(float(r))
    return float(np.mean([np.mean(found) for found in by_answer.values()]))


def _credit(values: Doubles, answer: int) -> float:
    best = values == values.max()
    return float(best[answer] / best.sum())


def _majority(questions: Sequence[Question], task: str) -> float:
    said = [q.choices[q.answer] for q in questions if q.task == task]
    return max(said.count(answer) for answer in set(said)) / len(said)


def _of_choices(questions: Sequence[Question], n_neutral: int, recording: xr.DataArray) -> Doubles:
    rows = 2 * (sum(len(question.choices) for question in questions) + n_neutral)
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
