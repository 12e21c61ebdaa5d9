"""Inner cross-validation: prediction errors of every penalty in every inner fold.

Two solvers give the same errors. :class:`harness.encode.solve.leave_out.LeaveBlockOut` needs one
decomposition in all, :class:`harness.encode.solve.refit.RefitEach` one for each fold but less work
for
each target. Which is cheaper depends on sizes only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Protocol

from harness.encode.design.kernel import Spectrum
from harness.encode.design.splits import Fold
from harness.numeric.arrays import Doubles, Floats, Positions


class InnerSolver(StrEnum):
    """How inner folds are solved."""

    LEAVE_OUT = "leave-out"
    REFIT = "refit"


class FoldErrors(Protocol):
    """A block of targets in one inner fold."""

    @property
    def test(self) -> Positions:
        """Held-out rows, as positions among the training rows."""
        ...

    @property
    def errors(self) -> Floats:
        """Responses minus predictions, (n_penalties, n_test, n_targets)."""
        ...

    def gains(self, columns: FoldErrors) -> Doubles:
        """``X' G y`` over the fold's own training rows, (n_penalties, n_columns, n_targets).

        ``G`` takes these rows to the residuals of their ridge fit; ``X`` are other targets that
        went through the same inner fold.
        """
        ...


class InnerFolds(Protocol):
    """Inner folds of a plan, solved in one of two ways."""

    def each(self, responses: Doubles) -> Iterator[FoldErrors]:
        """Take a block of centred targets, (n_train, n_targets), through the inner folds."""
        ...

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        ...


def cheaper_solver(
    spectrum: Spectrum, folds: Sequence[Fold], n_penalties: int, n_targets: int
) -> InnerSolver:
    """Choose the solver that needs less time for a number of targets.

    The factors were measured on one core with AVX-512; only their ratios matter, and a wrong choice
    costs time, nothing else.

    Parameters
    ----------
    spectrum : Spectrum
        Of the training rows.
    folds : sequence of Fold
        Inner folds.
    n_penalties : int
        Length of the grid.
    n_targets : int
        Targets that will go through the plan, over all blocks.

    Returns
    -------
    InnerSolver
    """
    n_train, rank = spectrum.basis.shape
    functions = 7.0
    leave_out = refit = 0.0
    for fold in folds:
        left, train, test = n_train - len(fold.train), len(fold.train), len(fold.test)
        size = min(rank, train)
        leave_out += n_penalties * (left**2 * rank + left**3) * 1.5
        leave_out += n_targets * (2 * left * rank * functions + 2 * n_penalties * left * test)
        refit += 9.0 * size**3 + 2.0 * train * size * (train + rank)
        refit += n_targets * (2 * train * size + 2 * test * size * functions)
    leave_out += n_targets * 4.0 * n_train * rank
    return InnerSolver.LEAVE_OUT if leave_out < refit else InnerSolver.REFIT
