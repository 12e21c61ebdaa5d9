"""Choices of an encoding analysis: a literal, so that a plugin can offer it as an option.

Loads neither NumPy nor torch: listing benchmarks imports this module.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from harness.errors import DataError
from harness.spec.specs import BenchmarkSpec


class Metric(StrEnum):
    """What inner cross-validation maximises, or what is compared instead of predictions."""

    R2 = "r2"
    CORRELATION = "correlation"
    RSA = "rsa"
    """Representational similarity: r between distances of held-out rows in model and brain."""
    CKA = "cka"
    """Linear centred kernel alignment of held-out rows, without the bias of wide models."""

    @property
    def compares(self) -> bool:
        """Whether geometries are compared, and nothing is predicted."""
        return self in (Metric.RSA, Metric.CKA)

    def restated(self, spec: BenchmarkSpec) -> BenchmarkSpec:
        """Return a benchmark's spec as it is with this metric.

        Where geometries are compared there is no unique part, and a margin in r says nothing.
        """
        if not self.compares:
            return spec
        what = "r of distances (RSA)" if self is Metric.RSA else "unbiased linear CKA"
        _, _, over = spec.metric.partition(", ")
        return replace(
            spec,
            metric=", ".join(filter(None, (f"{what} of held-out rows beyond that of noise", over))),
            margin=None,
            margins={name: m for name, m in spec.margins.items() if name == "normalised"},
            headline="normalised",
            headline_reason=(
                "Geometries of measured responses are noisy: what a model reaches is read beside"
                " what the other participants reach."
            ),
        )


class Readout(StrEnum):
    """What becomes of the layers of a model."""

    BEST = "best"
    """One layer, chosen on training rows."""
    STACKED = "stacked"
    """Predictions of all layers, averaged with weights that inner folds give (Breiman 1996; Lin et
    al. 2024): none below 0, together 1."""


class Precision(StrEnum):
    """Floating-point type of products of features, and of the scan over penalties.

    Decompositions are in float64 either way.
    """

    DOUBLE = "float64"
    SINGLE = "float32"


class Solver(StrEnum):
    """Implementation of the ridge regressions."""

    BRAINPRESS = "brainpress"
    HIMALAYA = "himalaya"
    """``KernelRidgeCV``, and ``MultipleKernelRidgeCV`` for model and nuisance, of the himalaya
    package (Dupré la Tour et al. 2022): the same folds, penalties and kernels, another program."""


class Speed(StrEnum):
    """Arithmetic of the scan over penalties.

    The final fit at the chosen penalty is never made in less than float32.
    """

    EXACT = "exact"
    """As ``EncodingOptions.precision`` says."""
    FLOAT32 = "float32"
    """Inner folds are decomposed in float32, too, as himalaya does: half the time of a plan. Inner
    scores are off by less than 1e-4 but at penalties under some 1e-4 of the largest eigenvalue."""
    BFLOAT16 = "bfloat16"
    """Products in bfloat16 besides: several times faster where the hardware has it. Scores of
    neighbouring penalties that are within about .002 of each other may be taken for one another."""


@dataclass(frozen=True)
class EncodingOptions:
    """Choices of an encoding analysis. ``dataclasses.asdict`` of it is JSON.

    Parameters
    ----------
    delays : tuple of int
        FIR delays, in rows (TRs).
    n_outer : int
        Outer folds, on which scores are computed.
    n_inner : int
        Inner folds, on which penalty and layer are chosen.
    gap : int
        Rows purged on either side of a held-out block within its run. Eight TRs of 2 s bring
        noise with the autocorrelation of fMRI to a score of 0.
    penalties : int
        Length of the penalty grid.
    penalty_low, penalty_high : float
        Ends of the grid, relative to the training kernel's mean and largest eigenvalue.
    nuisance_penalties : int
        Length of the grid of the nuisance band's own penalty.
    metric : Metric
        What inner cross-validation maximises.
    precision : Precision, optional
        Floating-point type of feature products and of the scan over penalties. Default: float64
        for regions and other responses in memory, float32 for voxels that are read in blocks.
    solver : Solver
        Implementation of the ridge regressions.
    speed : Speed
        Whether the scan over penalties may be less precise than the rest. Training rows as a whole
        are decomposed in float64 either way.
    permutations : int
        Block permutations behind p-values of voxels; 0 for none. Regions always have theirs.
    projected : int
        Width that every layer is projected to, by one seeded Gaussian matrix; 0: as it is. A wider
        model has more regressors: claims about size are to hold without.
    readout : Readout
        One layer, or a stack of all.
    partition : bool
        Whether the variance of regions is parted among bands: model, static embeddings, lexical,
        position, autocorrelation.
    cross : bool
        Whether every participant is predicted from fits to the others, besides.

    Raises
    ------
    DataError
        A number is out of range.
    """

    delays: tuple[int, ...] = (1, 2, 3, 4)
    n_outer: int = 5
    n_inner: int = 4
    gap: int = 8
    penalties: int = 20
    penalty_low: float = 1e-3
    penalty_high: float = 10.0
    nuisance_penalties: int = 10
    metric: Metric = Metric.R2
    precision: Precision | None = None
    solver: Solver = Solver.BRAINPRESS
    speed: Speed = Speed.EXACT
    permutations: int = 0
    projected: int = 0
    readout: Readout = Readout.BEST
    partition: bool = False
    cross: bool = False

    def __post_init__(self) -> None:
        counts = (self.penalties, self.nuisance_penalties)
        if min(counts) < 1 or not self.penalty_low > 0:
            raise DataError(
                f"{self.penalties} and {self.nuisance_penalties} penalties from"
                f" {self.penalty_low:g}",
                "a grid has at least one penalty, and starts above 0",
            )
        if self.projected < 0:
            raise DataError(f"a width of {self.projected}", "give the units of a layer; 0: all")

    def only(self, what: str, **allowed: object) -> None:
        """Refuse choices that an analysis cannot follow.

        Parameters
        ----------
        what : str
            What is scored, in the plural.
        allowed : object
            By name, the only value that a choice may have there.

        Raises
        ------
        DataError
            A choice has another value.
        """
        for name, value in allowed.items():
            if (asked := getattr(self, name)) != value:
                raise DataError(f"{what} know no {name}={str(asked).lower()}", "score regions")

    @property
    def typed(self) -> Precision:
        """The precision; float64 where none was asked for."""
        return self.precision or Precision.DOUBLE

    def in_precision(self, default: Precision) -> EncodingOptions:
        """Return the same options with a precision, where none was asked for."""
        return self if self.precision else replace(self, precision=default)
