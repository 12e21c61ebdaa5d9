"""Entity tracking in a user's folder: what is in which box (Kim & Schuster 2023).

Options for each question, the right one first, are the format of the BabyLM evaluation of 2025.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError, StimulusError
from harness.place.locate import DATA_VARIABLE, find_folder
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.probe.choice import Question
    from harness.record.request import Recordings, Request


@dataclass(frozen=True)
class EntityTracking:
    """Boxes, what is moved between them, and the question what one contains.

    Parameters
    ----------
    folder : str
        Path of the folder, or its name in a data folder (``BRAINPRESS_DATA``): ``.jsonl`` files.

    Raises
    ------
    DataError
        The folder is not there or holds no question; a file does not hold what it should.
    """

    folder: str = "entity_tracking"

    def __post_init__(self) -> None:
        _ = self.questions  # data that is missing is found when the run is planned

    def requests(self) -> tuple[Request, ...]:
        """Ask for the log-probability of every option after its text."""
        return (self.request,)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Return accuracies by task, see :func:`harness.probe.choice.score_choices`."""
        from harness.probe.choice import score_choices

        return score_choices(self.questions, recordings[self.request])

    @cached_property
    def request(self) -> Request:
        """Log-probabilities of all options."""
        from harness.probe.choice import choice_request

        return choice_request("entity-tracking", self.questions)

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """All questions, by file in alphabetical order."""
        folder = find_folder(self.folder, _HINT)
        found = tuple(q for path in sorted(folder.rglob("*.jsonl")) for q in read_file(path))
        if not found:
            raise DataError(f"no question in {folder}", _HINT)
        return found


def read_file(path: Path) -> Iterator[Question]:
    """Read a file of questions.

    Parameters
    ----------
    path : Path
        JSON objects, one a line: ``input_prefix``, what is read; ``options``, the right one first;
        ``numops``, how often something is done to the box that is asked for.

    Yields
    ------
    Question
        A task is a file and a number of operations: ``regular_2_ops``. Options are in alphabetical
        order, so that the place of an answer says nothing.

    Raises
    ------
    DataError
        A line is not such an object, or there is no single space before its options.
    """
    from harness.probe.choice import Question

    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                prefix, options = str(row["input_prefix"]), [str(o) for o in row["options"]]
                prompt, right = prefix.rstrip(), options[0].strip()
                if any(prefix + o != f"{prompt} {o.strip()}" for o in options):
                    raise StimulusError("one space stands between a text and an option")
                choices = tuple(sorted(option.strip() for option in options))
                yield Question(
                    prompt=prompt,
                    choices=choices,
                    answer=choices.index(right),
                    task=f"{path.stem}_{row['numops']}_ops",
                    category="discourse",
                    identifier=f"{path.stem}/{number}",
                    phenomenon="entity tracking",
                )
            except (ValueError, KeyError, TypeError, IndexError, StimulusError) as error:
                raise DataError(
                    f"{path}, line {number} is no question: {type(error).__name__} {error}",
                    "each line is a JSON object with input_prefix, options and numops",
                ) from error


_HINT = (
    "put the .jsonl files of the BabyLM evaluation's entity tracking (https://osf.io/ryjfm), or"
    f" your own, in a folder named entity_tracking in a folder of {DATA_VARIABLE}"
)


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Offer the questions of a folder ``entity_tracking``."""
    return [
        BenchmarkSpec(
            "entity-tracking",
            target="brainpress_plugins.benchmarks.linguistic.entity_tracking:EntityTracking",
            kind="linguistic",
            metric="accuracy, mean over tasks",
            chance=0.2,
            margin=0.02,
            tags=("choice", "entity-tracking", "real"),
            citation=(
                "Kim & Schuster (2023). Entity tracking in language models. ACL 2023, 3835-3855."
            ),
            licence="of the files",
            homepage="https://github.com/sebschu/entity-tracking-lms",
            notes=(
                "Not fetched: the authors ask that texts are kept out of training data. Chance is"
                " one in the number of options, by task in the score (chance). Accuracy rises"
                " without tracking where nothing is done to a box: read numops apart."
            ),
            data="whatever the folder holds: one task a file and number of operations",
        )
    ]
