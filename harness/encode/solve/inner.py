"""Inner folds of a plan: solved from one decomposition, or one by one.

:mod:`harness.encode.solve.leave_out` needs one decomposition in all, a refit one for each fold but
less work for each target. Which is cheaper depends on sizes only; errors are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

import numpy as np

from harness.encode.design.kernel import (
    Spectrum,
    decompose_features,
    decompose_kernel,
)
from harness.encode.design.options import Precision
from harness.encode.design.splits import Fold


class InnerSolver(StrEnum):
    """How inner folds are solved."""

    LEAVE_OUT = "leave-out"
    REFIT = "refit"


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


def decomposed_folds(
    spectrum: Spectrum, folds: Sequence[Fold], precision: Precision = Precision.DOUBLE
) -> Iterator[tuple[Fold, Spectrum]]:
    """Decompose the training rows of inner folds, one after another.

    Parameters
    ----------
    spectrum : Spectrum
        Of all training rows.
    folds : sequence of Fold
        Inner folds, as positions among the training rows.
    precision : Precision
        Of the decompositions of kernels.

    Yields
    ------
    fold : Fold
    spectrum : Spectrum
        Of the fold's own training rows; its rank may be 0.
    """
    # Principal components of the training rows stand in for their features.
    components = spectrum.basis * np.sqrt(spectrum.values)
    shortest = min(len(fold.train) for fold in folds)
    kernel = None
    if 2 * components.shape[1] > shortest:
        kernel = components @ components.T
        del components
    for fold in folds:
        if kernel is None:
            own = decompose_features(components[fold.train], components[fold.test])
        else:
            own = decompose_kernel(
                kernel[np.ix_(fold.train, fold.train)],
                kernel[np.ix_(fold.test, fold.train)],
                precision,
            )
        yield fold, own
