"""SyntaxGym 2020: 31 suites of controlled syntactic predictions (Hu et al. 2020)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DataError
from harness.plugin.hooks import hookimpl
from harness.plugin.specs import BenchmarkSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.record.request import Recordings, Request
    from plugins.benchmarks.linguistic.syntaxgym_suites import Suite

COMMIT = "a687ee8a2fa4d87715e7279981b84b74768e89fe"
ADDRESS = (
    f"https://raw.githubusercontent.com/brain-score/language/{COMMIT}"
    "/brainscore_language/benchmarks/syntaxgym/suites/syntaxgym-2020"
)

SPACINGS = ("published", "attached")


@dataclass(frozen=True)
class SyntaxGym:
    """Predictions about the surprisal of regions.

    Parameters
    ----------
    spacing : str
        ``published`` or ``attached``, see :class:`harness.probe.regions.Spacing`.

    Raises
    ------
    DataError
        A file is not a suite, or the spacing is unknown.
    OfflineError
        A file is not on this machine and the network is off.
    """

    spacing: str = "published"

    def __post_init__(self) -> None:
        if self.spacing not in SPACINGS:
            raise DataError(f"no spacing {self.spacing!r}", f"one of {', '.join(SPACINGS)}")
        _ = self.suites  # data that is missing is found when the run is planned

    @cached_property
    def suites(self) -> tuple[Suite, ...]:
        """All suites, in alphabetical order."""
        from plugins.benchmarks.linguistic.syntaxgym_suites import read_suite

        return tuple(
            read_suite(_file(name, size, sha256)) for name, (size, sha256) in _listed().items()
        )

    @cached_property
    def request(self) -> Request:
        """Log-probabilities of every region of every sentence."""
        from harness.probe.regions import Spacing
        from plugins.benchmarks.linguistic.syntaxgym_suites import region_request

        return region_request(self.suites, Spacing(self.spacing))

    def requests(self) -> tuple[Request, ...]:
        """Return the one request."""
        return (self.request,)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Return accuracies by suite and circuit, see ``score_suites`` of ``syntaxgym_suites``."""
        from harness.probe.regions import Spacing
        from plugins.benchmarks.linguistic.syntaxgym_suites import score_suites

        return score_suites(self.suites, Spacing(self.spacing), recordings[self.request])


def _listed() -> dict[str, list[Any]]:
    text = files("plugins.benchmarks.linguistic").joinpath("syntaxgym.json").read_text()
    listed: dict[str, list[Any]] = json.loads(text)
    return listed


def _file(name: str, size: int, sha256: str) -> Path:
    from harness.fetch.download import fetch
    from harness.fetch.network import is_offline
    from harness.fetch.resource import Resource

    resource = Resource(
        name=f"{name}.json",
        address=f"{ADDRESS}/{name}.json",
        sha256=sha256,
        size=size,
        licence="MIT",
        where=f"syntaxgym/{name}.json",
    )
    return fetch(resource, offline=is_offline())


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Offer the suites as published, and with punctuation where text has it."""
    common: dict[str, Any] = {
        "target": "plugins.benchmarks.linguistic.syntaxgym:SyntaxGym",
        "kind": "linguistic",
        "metric": "accuracy, mean over 31 suites",
        "chance": 0.285,
        "margin": 0.05,
        "licence": "MIT",
        "citation": (
            "Hu, Gauthier, Qian, Wilcox & Levy (2020). A systematic assessment of syntactic"
            " generalization in neural language models. ACL 2020, 1725-1744."
        ),
        "homepage": "https://syntaxgym.org",
        "tags": ("surprisal", "real"),
        "data": "31 suites, 799 items",
    }
    notes = (
        "An item passes when all predictions of its suite hold. The second prediction of"
        " fgd_hierarchy, that surprisals are equal, contradicts the first and is not scored."
        " Chance differs between suites: docs/linguistic-suites.md."
    )
    return [
        BenchmarkSpec("syntaxgym", notes=notes, **common),
        BenchmarkSpec(
            "syntaxgym-attached",
            options={"spacing": "attached"},
            notes=f"{notes} No space before punctuation, unlike published figures.",
            **common,
        ),
    ]
