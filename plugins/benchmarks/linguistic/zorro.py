"""Minimal pairs in a user's folder, in the format of Zorro (Huebner et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from harness.errors import DataError
from harness.place.locate import DATA_VARIABLE, find_folder
from harness.probe.pair_benchmark import PairBenchmark
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    from harness.probe.minimal_pairs import Pair


@dataclass(frozen=True)
class Zorro(PairBenchmark):
    """Paradigms in a folder, one text file each.

    Parameters
    ----------
    folder : str
        Path of the folder, or its name in a data folder (``BRAINPRESS_DATA``).
    category : str
        Category of the paradigms that Holmes does not list.

    Raises
    ------
    DataError
        The folder is not there or holds no paradigm; a file does not hold pairs.
    """

    stimuli: ClassVar = "zorro"

    folder: str = "zorro"
    category: str = "syntax"

    def __post_init__(self) -> None:
        from harness.probe.tasks import CATEGORIES

        if self.category not in CATEGORIES:
            raise DataError(f"no category {self.category!r}", f"one of {', '.join(CATEGORIES)}")
        _ = self.pairs  # data that is missing is found when the run is planned

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs, by paradigm in alphabetical order."""
        paths = sorted(find_folder(self.folder, _HINT).glob("*.txt"))
        if not paths:
            raise DataError(
                f"no paradigm in {self.folder}", "each is a .txt file: a bad line, a good line, …"
            )
        return tuple(pair for path in paths for pair in read_paradigm(path, self.category))


def read_paradigm(path: Path, category: str = "syntax") -> tuple[Pair, ...]:
    """Read a file of pairs.

    Lines alternate: an ungrammatical sentence, then its grammatical twin. Empty lines do not count.

    Parameters
    ----------
    path : Path
        Its name is the paradigm.
    category : str
        Used where Holmes does not list ``zorro-`` and the name.

    Returns
    -------
    tuple of Pair
        The phenomenon is the name up to the first ``-``.

    Raises
    ------
    DataError
        The file is not UTF-8 text, is empty, or holds an odd number of lines; or a pair is two
        times the same sentence.
    """
    from harness.probe.minimal_pairs import Pair

    from .holmes_format import taxonomy

    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as UTF-8 text: {error}") from error
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or len(lines) % 2:
        raise DataError(
            f"{path} holds {len(lines)} sentences, which are no pairs",
            "lines alternate: an ungrammatical sentence, then its grammatical twin",
        )
    known = taxonomy().get(f"zorro-{path.stem}")
    pairs = []
    for number, (bad, good) in enumerate(zip(lines[::2], lines[1::2], strict=True)):
        if bad == good:
            raise DataError(f"{path}: sentences {2 * number + 1} and {2 * number + 2} are the same")
        pairs.append(
            Pair(
                good=good,
                bad=bad,
                paradigm=path.stem,
                category=known.category if known else category,
                identifier=f"{path.stem}/{number}",
                phenomenon=known.phenomenon if known else path.stem.partition("-")[0],
            )
        )
    return tuple(pairs)


_HINT = (
    "put the .txt files of Zorro (https://github.com/phueb/Zorro) or your own in a folder named"
    f" zorro in a folder of {DATA_VARIABLE}"
)


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Offer the pairs of a folder ``zorro``."""
    return [
        BenchmarkSpec(
            "zorro",
            target="brainpress_plugins.benchmarks.linguistic.zorro:Zorro",
            kind="linguistic",
            metric="accuracy, mean over paradigms",
            chance=0.5,
            margin=0.02,
            tags=("minimal-pairs", "real"),
            citation=(
                "Huebner, Sulem, Fisher & Roth (2021). BabyBERTa: Learning more grammar with"
                " small-scale child-directed language. CoNLL 2021, 624-646."
            ),
            licence="of the files",
            homepage="https://github.com/phueb/Zorro",
            notes="Not fetched: put the files in a folder zorro of BRAINPRESS_DATA.",
            data="whatever the folder holds: one file a paradigm",
        )
    ]
