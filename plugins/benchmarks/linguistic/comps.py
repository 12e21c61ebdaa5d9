"""COMPS: what concepts have, and what they inherit (Misra, Rayz & Ettinger 2023)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import DataError, StimulusError
from harness.probe.pair_benchmark import ContrastBenchmark
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    from harness.fetch.resource import Resource
    from harness.probe.contrast import Contrast

ADDRESS = "https://raw.githubusercontent.com/kanishkamisra/comps/main/data/comps"
FILES = {
    "comps_base": "semantics",
    "comps_wugs": "reasoning",
    "comps_wugs_dist-before": "reasoning",
    "comps_wugs_dist-in-between": "reasoning",
}
"""Files and their categories. A property of a concept is semantics; that an invented kind inherits
it, alone or beside another kind that does not, is reasoning."""


@dataclass(frozen=True)
class Comps(ContrastBenchmark):
    """A property after a concept that has it, and after one that has not.

    Parameters
    ----------
    first : int, optional
        Only so many contrasts of each file, from its beginning.

    Raises
    ------
    DataError
        ``first`` is not positive, or a file does not hold what it should.
    OfflineError
        A file is not on this machine and the network is off.
    """

    stimuli: ClassVar = "comps"

    first: int | None = None

    def __post_init__(self) -> None:
        if self.first is not None and self.first < 1:
            raise DataError(f"the first {self.first} contrasts of a file are none")
        _ = self.contrasts  # data that is missing is found when the run is planned

    @staticmethod
    def resources(**_: object) -> tuple[Resource, ...]:
        """All files."""
        return tuple(resource(name) for name in FILES)

    @cached_property
    def contrasts(self) -> tuple[Contrast, ...]:
        """All contrasts, by file."""
        from harness.fetch.download import fetch

        return tuple(
            contrast
            for name in FILES
            for contrast in read_file(fetch(resource(name)), name, self.first)
        )


def resource(name: str) -> Resource:
    """Return one of the files. The host's branch may move, and no checksum is published."""
    from harness.fetch.resource import Resource

    return Resource(
        name=f"{name}.jsonl",
        address=f"{ADDRESS}/{name}.jsonl",
        sha256="",
        licence="Apache-2.0",
        where=f"comps/{name}.jsonl",
    )


def read_file(path: Path, name: str, first: int | None = None) -> Iterator[Contrast]:
    """Read one of the files.

    Parameters
    ----------
    path : Path
        JSON objects, one a line.
    name : str
        One of ``FILES``.
    first : int, optional
        Stop after so many contrasts.

    Yields
    ------
    Contrast
        The paradigm is the file and how the concept without the property was found
        (``negative_sample_type``): ``base/taxonomic``.

    Raises
    ------
    DataError
        A line is not an object with the fields of COMPS, or there is none.
    """
    from harness.probe.contrast import Contrast

    number = 0
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(islice(lines, first), start=1):
            try:
                row = json.loads(line)
                text, good, bad, kind = (str(row[field]).strip() for field in _FIELDS)
                yield Contrast(
                    text=text,
                    good=good,
                    bad=bad,
                    paradigm=f"{name.removeprefix('comps_')}/{kind}",
                    category=FILES[name],
                    identifier=f"{name}/{number}",
                    phenomenon="property" if name == "comps_base" else "property inheritance",
                )
            except (ValueError, KeyError, TypeError, StimulusError) as error:
                raise DataError(
                    f"{path}, line {number} is no contrast of COMPS: {type(error).__name__}"
                    f" {error}",
                    f"each line is a JSON object with {', '.join(_FIELDS)}",
                ) from error
    if not number:
        raise DataError(f"{path} holds no contrast")


_FIELDS = ("property_phrase", "prefix_acceptable", "prefix_unacceptable", "negative_sample_type")


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Offer all contrasts, and the first 1,000 of each file."""
    common: dict[str, Any] = {
        "target": "brainpress_plugins.benchmarks.linguistic.comps:Comps",
        "kind": "linguistic",
        "metric": "accuracy, mean over files and kinds of the concept without the property",
        "chance": 0.5,
        "margin": 0.02,
        "tags": ("contrasts", "world-knowledge", "real"),
        "licence": "Apache-2.0",
        "citation": (
            "Misra, Rayz & Ettinger (2023). COMPS: Conceptual minimal pair sentences for testing"
            " robust property knowledge and its inheritance in pre-trained language models. EACL"
            " 2023, 2928-2949."
        ),
        "homepage": "https://github.com/kanishkamisra/comps",
        "notes": (
            "The log-probability of the property after either concept, as published: the same words"
            " are scored on both sides. Files have no published checksum: their content is part of"
            " a score's key."
        ),
    }
    return [
        BenchmarkSpec(
            "comps", data="49,340 contrasts of concepts, and of invented kinds", **common
        ),
        BenchmarkSpec(
            "comps-1000", options={"first": 1000}, data="4 files x 1,000 contrasts", **common
        ),
    ]
