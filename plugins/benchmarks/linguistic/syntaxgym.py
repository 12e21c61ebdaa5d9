"""SyntaxGym 2020: 31 suites of controlled syntactic predictions (Hu et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.errors import DataError
from harness.fetch.listing import Listing
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.fetch.resource import Resource
    from harness.record.request import Recordings, Request

    from .syntaxgym_suites import Suite

COMMIT = "a687ee8a2fa4d87715e7279981b84b74768e89fe"
FILES = Listing(
    "brainpress_plugins.benchmarks.linguistic",
    "syntaxgym.json",
    (
        f"https://raw.githubusercontent.com/brain-score/language/{COMMIT}"
        "/brainscore_language/benchmarks/syntaxgym/suites/syntaxgym-2020"
    ),
    where="syntaxgym",
    licence="MIT",
    suffix=".json",
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
        from .syntaxgym_suites import read_suite

        return tuple(read_suite(FILES.path(name)) for name in FILES.entries)

    @cached_property
    def request(self) -> Request:
        """Log-probabilities of every region of every sentence."""
        from harness.probe.regions import Spacing

        from .syntaxgym_suites import region_request

        return region_request(self.suites, Spacing(self.spacing))

    @staticmethod
    def resources(**_: object) -> tuple[Resource, ...]:
        """All files."""
        return FILES.resources()

    def requests(self) -> tuple[Request, ...]:
        """Return the one request."""
        return (self.request,)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Return accuracies by suite and circuit, see ``score_suites`` of ``syntaxgym_suites``."""
        from harness.probe.regions import Spacing

        from .syntaxgym_suites import score_suites

        return score_suites(self.suites, Spacing(self.spacing), recordings[self.request])


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Offer the suites as published, and with punctuation where text has it."""
    common: dict[str, Any] = {
        "target": "brainpress_plugins.benchmarks.linguistic.syntaxgym:SyntaxGym",
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
