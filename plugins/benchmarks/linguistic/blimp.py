"""BLiMP, the Benchmark of Linguistic Minimal Pairs for English (Warstadt et al. 2020)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import DataError
from harness.fetch.listing import Listing
from harness.probe.pair_benchmark import PairBenchmark
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    from harness.fetch.resource import Resource
    from harness.probe.minimal_pairs import Pair

COMMIT = "d07303a7662f1942d70c5e2bbac7aa021c6cdbd0"
FILES = Listing(
    "brainpress_plugins.benchmarks.linguistic",
    "blimp.json",
    f"https://raw.githubusercontent.com/alexwarstadt/blimp/{COMMIT}/data",
    where="blimp",
    licence="CC-BY-4.0",
    suffix=".jsonl",
)

#: BLiMP's fields and our categories. Fourteen paradigms (binding, control and raising, the scope of
#: polarity items) are filed under both syntax and semantics, in two spellings; Holmes (Waldis et
#: al. 2024) counts all of them as syntax, and so do we.
CATEGORIES = {
    "morphology": "morphology",
    "syntax": "syntax",
    "semantics": "semantics",
    "syntax_semantics": "syntax",
    "syntax/semantics": "syntax",
}


@dataclass(frozen=True)
class Blimp(PairBenchmark):
    """67 paradigms of 1,000 pairs each.

    Parameters
    ----------
    first : int, optional
        Only so many pairs of each paradigm, from its beginning.

    Raises
    ------
    DataError
        ``first`` is not positive, or a file does not hold what it should.
    OfflineError
        A file is not on this machine and the network is off.
    """

    stimuli: ClassVar = "blimp"

    first: int | None = None

    def __post_init__(self) -> None:
        if self.first is not None and self.first < 1:
            raise DataError(f"the first {self.first} pairs of a paradigm are none")
        _ = self.pairs  # data that is missing is found when the run is planned

    @staticmethod
    def resources(**_: object) -> tuple[Resource, ...]:
        """All files."""
        return FILES.resources()

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs, by paradigm in alphabetical order."""
        return tuple(
            pair
            for name in FILES.entries
            for pair in read_paradigm(FILES.path(name), name, self.first)
        )


def read_paradigm(path: Path, name: str, first: int | None = None) -> Iterator[Pair]:
    """Read one of BLiMP's files.

    Parameters
    ----------
    path : Path
        A file of JSON objects, one a line.
    name : str
        The paradigm it must hold.
    first : int, optional
        Stop after so many pairs.

    Yields
    ------
    Pair
        Category after ``CATEGORIES``; the phenomenon is BLiMP's ``linguistics_term``.

    Raises
    ------
    DataError
        A line is not an object with the fields of BLiMP, or belongs to another paradigm; there are
        fewer lines than wanted.
    """
    from harness.probe.minimal_pairs import Pair

    number = 0
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(islice(lines, first), start=1):
            row = _row(path, number, line)
            if row["UID"] != name:
                raise DataError(f"{path}, line {number} is of paradigm {row['UID']!r}, not {name}")
            yield Pair(
                good=row["sentence_good"],
                bad=row["sentence_bad"],
                paradigm=name,
                category=CATEGORIES[row["field"]],
                identifier=f"{name}/{row['pairID']}",
                phenomenon=row["linguistics_term"],
            )
    if number < (first or 1):
        raise DataError(f"{path} holds {number} pairs, fewer than the {first or 1} wanted")


_FIELDS = ("sentence_good", "sentence_bad", "UID", "field", "linguistics_term", "pairID")


def _row(path: Path, number: int, line: str) -> dict[str, str]:
    try:
        found = json.loads(line)
        row: dict[str, str] = {field: found[field] for field in _FIELDS}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}, line {number} is not a pair of BLiMP: {type(error).__name__} {error}",
            f"each line is a JSON object with {', '.join(_FIELDS)}",
        ) from error
    if row["field"] not in CATEGORIES:
        raise DataError(
            f"{path}, line {number}: unknown field {row['field']!r}",
            f"known are {', '.join(CATEGORIES)}",
        )
    return row


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Offer the whole benchmark, and the first 100 pairs of each paradigm."""
    common: dict[str, Any] = {
        "target": "brainpress_plugins.benchmarks.linguistic.blimp:Blimp",
        "kind": "linguistic",
        "metric": "accuracy, mean over 67 paradigms",
        "chance": 0.5,
        "margin": 0.02,
        "licence": "CC-BY-4.0",
        "citation": (
            "Warstadt, Parrish, Liu, Mohananey, Peng, Wang & Bowman (2020). BLiMP: The benchmark of"
            " linguistic minimal pairs for English. TACL 8, 377-392."
        ),
        "homepage": "https://github.com/alexwarstadt/blimp",
        "notes": (
            "Fields filed under both syntax and semantics count as syntax, as in Holmes. Preferring"
            " the sentence with fewer words gets .51 overall, but .88 on animate_subject_trans, .70"
            " on drop_argument and .68 on intransitive. Accuracies below chance are real."
        ),
    }
    return [
        BenchmarkSpec(
            "blimp", tags=("minimal-pairs", "real"), data="67 paradigms x 1,000 pairs", **common
        ),
        BenchmarkSpec(
            "blimp-100",
            options={"first": 100},
            tags=("minimal-pairs", "real"),
            data="67 paradigms x 100 pairs",
            **common,
        ),
    ]
