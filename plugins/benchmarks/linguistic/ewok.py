"""EWoK, Elements of World Knowledge, in a user's folder (Ivanova et al. 2024)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from harness.errors import DataError, StimulusError
from harness.place.locate import DATA_VARIABLE, find_folder
from harness.probe.pair_benchmark import ContrastBenchmark
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    from harness.probe.contrast import Contrast


@dataclass(frozen=True)
class Ewok(ContrastBenchmark):
    """Two contexts and two targets an item, each target fitting one context.

    Parameters
    ----------
    folder : str
        Path of the folder, or its name in a data folder (``BRAINPRESS_DATA``): files ``.csv`` as
        the authors' code writes them, or ``.jsonl``.

    Raises
    ------
    DataError
        The folder is not there or holds no items; a file does not hold what it should.
    """

    stimuli: ClassVar = "ewok"

    folder: str = "ewok"

    def __post_init__(self) -> None:
        _ = self.contrasts  # data that is missing is found when the run is planned

    @cached_property
    def contrasts(self) -> tuple[Contrast, ...]:
        """All contrasts, two an item, by file in alphabetical order."""
        folder = find_folder(self.folder, _HINT)
        paths = sorted(p for p in folder.rglob("*") if p.suffix in (".csv", ".jsonl"))
        found = tuple(contrast for path in paths for contrast in read_file(path))
        if not found:
            raise DataError(f"no item in {folder}", _HINT)
        return found


def read_file(path: Path) -> Iterator[Contrast]:
    """Read a file of items.

    Parameters
    ----------
    path : Path
        A CSV table, or JSON objects, one a line, with ``Domain``, ``Context1``, ``Context2``,
        ``Target1`` and ``Target2``.

    Yields
    ------
    Contrast
        For each item the first target after the first context and after the second, then the
        second target after the second and after the first: its accuracy is the mean of the two,
        as the authors count. The paradigm is the domain, the phenomenon the ``ContextType`` where
        there is one.

    Raises
    ------
    DataError
        A row has not these fields, or is no contrast.
    """
    from harness.probe.contrast import Contrast

    for line, row in _rows(path):
        try:
            domain, *texts = (str(row[field]).strip() for field in _FIELDS)
            one, two, first, second = texts
            kind = str(row.get("ContextType") or "")
            for side, text, good, bad in (("1", first, one, two), ("2", second, two, one)):
                yield Contrast(
                    text=text,
                    good=good,
                    bad=bad,
                    paradigm=domain,
                    category="semantics",
                    identifier=f"{path.stem}/{line}/{side}",
                    phenomenon=kind,
                )
        except (KeyError, TypeError, AttributeError, StimulusError) as error:
            raise DataError(
                f"{path}, line {line} is no item of EWoK: {type(error).__name__} {error}",
                f"each has {', '.join(_FIELDS)}",
            ) from error


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Yield the rows of a file with their lines."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        if path.suffix == ".csv":
            rows = csv.DictReader(lines)
            for row in rows:
                yield rows.line_num, row
            return
        for number, line in enumerate(lines, start=1):
            try:
                yield number, json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}, line {number} is not JSON: {error}") from error


_FIELDS = ("Domain", "Context1", "Context2", "Target1", "Target2")
_HINT = (
    "accept the terms at https://huggingface.co/datasets/ewok-core/ewok-core-1.0, download the"
    " items and put their .csv or .jsonl files in a folder named ewok in a folder of"
    f" {DATA_VARIABLE}"
)


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Offer the items of a folder ``ewok``."""
    return [
        BenchmarkSpec(
            "ewok",
            target="brainpress_plugins.benchmarks.linguistic.ewok:Ewok",
            kind="linguistic",
            metric="accuracy, mean over domains",
            chance=0.5,
            margin=0.02,
            tags=("contrasts", "world-knowledge", "real"),
            citation=(
                "Ivanova, Sathe, Lipkin et al. (2024). Elements of World Knowledge (EWoK): A"
                " cognition-inspired framework for evaluating basic world knowledge in language"
                " models. arXiv:2405.09605."
            ),
            licence="CC-BY-4.0, with terms of use: no plain text in public places",
            homepage="https://ewok-core.github.io",
            notes=(
                "Not fetched: the authors ask that items are shared in protected archives alone. A"
                " target is scored after the context that it fits and after the other."
            ),
            data="whatever the folder holds; ewok-core-1.0 has 11 domains, 4,374 items",
        )
    ]
