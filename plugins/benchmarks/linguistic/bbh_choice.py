"""BIG-Bench-Hard as multiple choice: the tasks whose answers form a closed set (Suzgun 2023)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DataError
from harness.fetch.listing import Listing
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.fetch.resource import Resource
    from harness.probe.choice import Question
    from harness.record.request import Recordings, Request

COMMIT = "9ee07bd481feebf959a6b59d61ea57bdcf30964d"
FILES = Listing(
    "brainpress_plugins.benchmarks.linguistic",
    "bbh_choice.json",
    f"https://raw.githubusercontent.com/suzgunmirac/BIG-Bench-Hard/{COMMIT}/bbh",
    where="bbh",
    licence="MIT",
    suffix=".json",
)

#: Answers of the tasks that list no lettered options. The four tasks that are not here and have no
#: options either (dyck_languages, multistep_arithmetic_two, object_counting, word_sorting) have
#: open answers.
WORDS = {
    "boolean_expressions": ("True", "False"),
    "causal_judgement": ("Yes", "No"),
    "formal_fallacies": ("valid", "invalid"),
    "navigate": ("Yes", "No"),
    "sports_understanding": ("yes", "no"),
    "web_of_lies": ("Yes", "No"),
}

_OPTION = re.compile(r"^(\([A-Z]\)) (.+)$", re.MULTILINE)


class Answers(StrEnum):
    """What stands for an option."""

    LETTER = "letter"
    """``(A)``, the answer as the benchmark gives it."""
    TEXT = "text"
    """What the option says."""


@dataclass(frozen=True)
class BbhChoice:
    """23 tasks, the question once and each answer after it.

    Parameters
    ----------
    first : int, optional
        Only so many questions of each task, from its beginning.
    longest : int, optional
        Only questions of at most so many bytes, for models with a short context. A task that has
        none is left out.
    answers : str
        ``letter`` or ``text``, see :class:`Answers`.
    choose : str
        ``sum``, ``byte`` or ``prior``, see :class:`harness.probe.choice.Choose`.
    shots : int
        Questions of the same task that are shown with their answers before each: the first of its
        file, which are not asked.

    Raises
    ------
    DataError
        An option is nonsense, a file does not hold what it should, or no question is left.
    OfflineError
        A file is not on this machine and the network is off.
    """

    first: int | None = None
    longest: int | None = None
    answers: str = "letter"
    choose: str = "sum"
    shots: int = 0

    def __post_init__(self) -> None:
        from harness.probe.choice import Choose

        for name in ("first", "longest"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise DataError(f"{name}={value} leaves no question")
        if self.answers not in list(Answers):
            raise DataError(f"no answers {self.answers!r}", f"one of {', '.join(Answers)}")
        if self.choose not in list(Choose):
            raise DataError(f"no rule {self.choose!r}", f"one of {', '.join(Choose)}")
        if self.shots < 0:
            raise DataError(f"shots={self.shots}: as many questions cannot be shown")
        if not self.questions:  # data that is missing is found when the run is planned
            raise DataError(f"no question has at most {self.longest} bytes")

    @staticmethod
    def resources(**_: object) -> tuple[Resource, ...]:
        """All files."""
        return FILES.resources()

    def requests(self) -> tuple[Request, ...]:
        """Ask for the log-probability of every answer after its question."""
        return (self.request,)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Return accuracies by task, see :func:`harness.probe.choice.score_choices`."""
        from harness.probe.choice import Choose, score_choices

        return score_choices(self.questions, recordings[self.request], Choose(self.choose))

    @cached_property
    def request(self) -> Request:
        """Log-probabilities of all answers."""
        from harness.probe.choice import choice_request

        return choice_request("bbh-choice", self.questions)

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """All questions, by task in alphabetical order."""
        return tuple(
            question for task in FILES.entries for question in self._of(FILES.path(task), task)
        )

    def _of(self, path: Path, task: str) -> Iterator[Question]:
        read = read_task(path, task, Answers(self.answers), self.shots)
        short = (q for q in read if self.longest is None or len(q.prompt.encode()) <= self.longest)
        return islice(short, self.first)


def read_task(
    path: Path, task: str, answers: Answers = Answers.LETTER, shots: int = 0
) -> Iterator[Question]:
    """Read one of the files.

    Five questions of the published files are broken and left out: in three the answer is none of
    the options (a title with commas was cut into several), in two an option is lost.

    Parameters
    ----------
    path : Path
    task : str
    answers : Answers
    shots : int
        Questions that come before every other, with their answers, and are not asked.

    Yields
    ------
    Question
        ``Q: …``, a line, ``A:``; neutral is ``Q: N/A``, a line, ``A:``, after the same shots. The
        choices are those of ``WORDS`` or the options of the question.

    Raises
    ------
    DataError
        The file does not hold examples with an input and a target.
    """
    from harness.probe.choice import Question

    try:
        examples = json.loads(path.read_text(encoding="utf-8"))["examples"]
        rows = [(str(e["input"]), str(e["target"])) for e in examples]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not a task of BIG-Bench-Hard: {type(error).__name__} {error}",
            "it is a JSON object whose 'examples' have an 'input' and a 'target'",
        ) from error
    shown = list[str]()
    for number, (text, target) in enumerate(rows):
        labels, said = _choices(task, text)
        if target not in labels or len(set(said)) < len(said) or len(said) < 2:
            continue
        choices, answer = labels if answers is Answers.LETTER else said, labels.index(target)
        if len(shown) < shots:
            shown.append(f"Q: {text}\nA: {choices[answer]}\n\n")
            continue
        before = "".join(shown)
        yield Question(
            prompt=f"{before}Q: {text}\nA:",
            neutral=f"{before}Q: N/A\nA:",
            choices=tuple(choices),
            answer=answer,
            task=task,
            category="reasoning",
            identifier=f"{task}/{number}",
        )


def _choices(task: str, text: str) -> tuple[Sequence[str], Sequence[str]]:
    """Return the labels of the choices, and what they say."""
    if task in WORDS:
        return WORDS[task], WORDS[task]
    options = _OPTION.findall(text)
    return [label for label, _ in options], [said.strip() for _, said in options]


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Offer all questions, those that fit a short context, and both kinds of answer."""
    common: dict[str, Any] = {
        "target": "brainpress_plugins.benchmarks.linguistic.bbh_choice:BbhChoice",
        "kind": "linguistic",
        "metric": "accuracy, mean over tasks",
        "margin": 0.02,
        "version": 3,
        "licence": "MIT",
        "citation": (
            "Suzgun, Scales, Schärli, Gehrmann, Tay, Chung, Chowdhery, Le, Chi, Zhou & Wei (2023)."
            " Challenging BIG-Bench tasks and whether chain-of-thought can solve them. Findings of"
            " ACL 2023, 13003-13051."
        ),
        "homepage": "https://github.com/suzgunmirac/BIG-Bench-Hard",
        "tags": ("choice", "reasoning", "real"),
    }
    notes = (
        "No examples are shown (shots=3 shows three) and no reasoning is generated, so figures are"
        " not those of chain of thought. The answer is the one of highest log-probability, as in"
        " lm-eval's acc (choose=byte is its acc_norm, choose=prior divides by what an answer is"
        " after a question that says nothing). Models under a few billion parameters are near"
        " chance, and give one answer to most questions of a task by any rule: see commonest and"
        " balanced_accuracy."
    )
    return [
        BenchmarkSpec(
            "bbh-choice", chance=0.313, data="23 tasks, 5,506 questions", notes=notes, **common
        ),
        BenchmarkSpec(
            "bbh-choice-text",
            options={"answers": "text"},
            chance=0.313,
            data="23 tasks, 5,506 questions",
            notes=notes,
            **common,
        ),
        BenchmarkSpec(
            "bbh-choice-short",
            options={"first": 20, "longest": 700},
            chance=0.326,
            data="21 tasks x 20 questions of at most 700 bytes",
            notes=notes,
            **common,
        ),
    ]
