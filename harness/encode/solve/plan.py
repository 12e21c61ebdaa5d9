"""What a band's fits are made by: one plan for a layer, or nuisance, in an outer fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.encode.design.band import Band, ColumnBand
from harness.encode.design.kernel import Spectrum, model_grid, nuisance_grid
from harness.encode.design.options import EncodingOptions, Solver
from harness.encode.design.targets import Split
from harness.encode.solve.changed import changed_scan
from harness.encode.solve.himalaya import HimalayaJoint, HimalayaRidge
from harness.encode.solve.joint_scan import JointScan, plan_joint_scan
from harness.encode.solve.scan import Scan, plan_scan
from harness.errors import ScoreError
from harness.numeric.arrays import Doubles, Floats

Grid = Callable[[EncodingOptions, Spectrum], Doubles]


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything about a band in an outer fold that does not depend on responses.

    Made by :func:`make_plan`. ``ridge`` takes targets: ``ridge.fit(responses)``.
    """

    split: Split
    options: EncodingOptions
    spectrum: Spectrum
    ridge: Scan | HimalayaRidge

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        # In float64 the final fit has the eigenvectors of the spectrum itself.
        return self.ridge.nbytes

    def start(self, responses: Floats) -> Doubles:
        """Inner scores of each penalty, (n_penalties, n_targets), that a joint fit starts from."""
        return self.ridge.start(responses[self.split.outer.train])

    def joint(self, nuisance: ColumnBand) -> JointScan | HimalayaJoint:
        """Plan joint fits with nuisance regressors: ``joint.fit(responses, inner, alone)``."""
        rows, ridge = self.split.outer, self.ridge
        penalties = nuisance_grid(self.options, nuisance.spectrum(rows))
        if isinstance(ridge, HimalayaRidge):
            return HimalayaJoint(ridge, nuisance.kernels(rows), penalties)
        columns = nuisance.columns[rows.train], nuisance.columns[rows.test]
        return plan_joint_scan(ridge, self.spectrum, self.split.inner, *columns, penalties)

    def projected(self, columns: Doubles, inverse: Doubles) -> Plan:
        """Plan a design that differs from this one by a few columns.

        Parameters
        ----------
        columns : array, shape (n_samples, n_columns)
            ``V`` of :mod:`harness.encode.solve.changed`, in all rows.
        inverse : array, shape (n_columns, n_columns)
            Of its matrix ``M``.

        Raises
        ------
        ScoreError
            himalaya solves: give it the changed band itself.
        """
        if not isinstance(self.ridge, Scan):
            raise ScoreError("only our own plans share decompositions", "plan the changed band")
        rows = self.split.outer
        parts = columns[rows.train], columns[rows.test]
        return replace(self, ridge=changed_scan(self.ridge, *parts, inverse))


def plan_bytes(n_samples: int, n_units: int, options: EncodingOptions) -> int:
    """Return the bytes of memory that making a layer's plan takes at most.

    Measured: a kernel, its decomposition and those of the inner folds peak at 8 matrices of the
    smaller side of the delayed design; the design itself comes on top.
    """
    side = min(n_samples, n_units * len(options.delays))
    return 8 * (8 * n_samples * side + 2 * n_samples * n_units)


def make_plan(
    band: Band,
    split: Split,
    options: EncodingOptions,
    n_targets: int,
    *,
    device: str = "cpu",
    grid: Grid = model_grid,
    keep: bool = False,
) -> Plan:
    """Plan the ridge regression of one band in one outer fold.

    Parameters
    ----------
    band : Band
        A layer, or nuisance.
    split : Split
        The fold.
    options : EncodingOptions
    n_targets : int
        About how many targets will go through the plan.
    device : str
        Where products with targets are made.
    grid : callable
        Makes the penalties of the band.
    keep : bool
        Whether a joint fit of few targets will follow.
    """
    spectrum = band.spectrum(split.outer)
    penalties = grid(options, spectrum)
    ridge: Scan | HimalayaRidge
    if options.solver is Solver.HIMALAYA:
        kernels = band.kernels(split.outer)
        ridge = HimalayaRidge(kernels, split.inner, penalties, options.metric)
    else:
        ridge = plan_scan(
            spectrum,
            split.inner,
            penalties,
            metric=options.metric,
            precision=options.typed,
            speed=options.speed,
            device=device,
            n_voxels=n_targets,
            keep=keep,
        )
    return Plan(split, options, spectrum, ridge)
