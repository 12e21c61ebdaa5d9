"""Banded ridge regression: any number of feature bands, each with a share of its own per target.

A mixture gives every band a weight on the simplex; the mixed kernel is an ordinary kernel, and the
plan of :mod:`harness.encode.solve.ridge` serves it. Each target takes the mixture and penalty that
inner
cross-validation favours: the optimum of himalaya's random search over the same candidates (Dupré la
Tour et al. 2022). For one model band and a few nuisance regressors,
:mod:`harness.encode.solve.joint` is
much faster.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from encode_oracles.ridge import best_penalty, plan_ridge
from harness.encode.design.kernel import Spectrum, kernel_spectrum
from harness.encode.design.options import Metric, Precision
from harness.encode.design.splits import Fold
from harness.errors import DataError
from harness.numeric.arrays import Doubles, Floats, Positions


@dataclass(frozen=True, eq=False)
class BandedFit:
    """What banded ridge regression found.

    Parameters
    ----------
    inner_scores : array, shape (n_mixtures, n_targets)
        Inner cross-validation score of each mixture at its best penalty.
    mixture : array of int, shape (n_targets,)
        Index of the chosen mixture; the earlier one where two score the same.
    penalty : array of int, shape (n_targets,)
        Index of the chosen penalty.
    bands : array, shape (n_bands, n_heldout, n_targets)
        Each band's part of the predictions of the held-out rows.
    offset : array, shape (n_targets,)
        Intercept; predictions are ``bands.sum(0) + offset``.
    """

    inner_scores: Doubles
    mixture: Positions
    penalty: Positions
    bands: Doubles
    offset: Doubles

    @property
    def predictions(self) -> Doubles:
        """Predictions of the held-out rows, shape (n_heldout, n_targets)."""
        return np.asarray(self.bands.sum(axis=0) + self.offset)


def band_mixtures(n_bands: int, steps: int) -> Doubles:
    """Evenly spaced points of the simplex, its corners included.

    Parameters
    ----------
    n_bands : int
        Number of bands.
    steps : int
        Steps from one corner to another: weights are multiples of ``1 / steps``.

    Returns
    -------
    array, shape (n_mixtures, n_bands)
        Rows add up to 1; the most even mixtures come first.
    """
    if n_bands < 1 or steps < 1:
        raise DataError(f"{n_bands} bands in {steps} steps", "both are at least 1")
    bars = itertools.combinations(range(steps + n_bands - 1), n_bands - 1)
    parts = [np.diff([-1, *bar, steps + n_bands - 1]) - 1 for bar in bars]
    mixtures = np.array(parts, dtype=np.float64) / steps
    return mixtures[np.argsort(np.square(mixtures).sum(axis=1), kind="stable")]


def fit_banded(
    kernels: Floats,
    heldout: Floats,
    responses: Floats,
    folds: Sequence[Fold],
    mixtures: npt.ArrayLike,
    penalties: npt.ArrayLike,
    *,
    metric: Metric = Metric.R2,
    precision: Precision = Precision.DOUBLE,
) -> BandedFit:
    """Choose a mixture of bands and a penalty for each target, and predict the held-out rows.

    Parameters
    ----------
    kernels : array, shape (n_bands, n_train, n_train)
        Kernel of each band in the training rows, not centred. Bands of different scale should be
        divided by their trace first.
    heldout : array, shape (n_bands, n_heldout, n_train)
        Inner products of held-out with training rows.
    responses : array, shape (n_train, n_targets)
        Finite.
    folds : sequence of Fold
        Inner folds; row numbers are positions among the training rows.
    mixtures : array, shape (n_mixtures, n_bands)
        Weights of the bands to try; see :func:`band_mixtures`.
    penalties : array, shape (n_penalties,)
        Positive, ascending; the same for every mixture.
    metric : Metric
        What inner cross-validation maximises.
    precision : Precision
        Of the products of the scan over penalties.

    Returns
    -------
    BandedFit

    Raises
    ------
    DataError
        Shapes do not fit, or a weight is negative.
    """
    k, cross = np.asarray(kernels, np.float64), np.asarray(heldout, np.float64)
    y = np.asarray(responses)
    weights = np.asarray(mixtures, np.float64)
    grid = np.asarray(penalties, np.float64)
    _check(k, cross, y, weights)
    n_targets = y.shape[1]
    scores = np.full((len(weights), n_targets), np.nan)
    best = np.full(n_targets, -np.inf)
    mixture, penalty = np.zeros((2, n_targets), dtype=np.intp)
    for number, weight in enumerate(weights):
        spectrum = _mixed(k, cross, weight)
        plan = plan_ridge(spectrum, folds, grid, metric=metric, precision=precision)
        found = plan.score(y)
        at = best_penalty(found)
        scores[number] = np.take_along_axis(found, at[None], axis=0)[0]
        better = scores[number] > best
        best[better], mixture[better], penalty[better] = scores[number, better], number, at[better]
    bands = np.empty((len(k), cross.shape[1], n_targets))
    for number in np.unique(mixture):
        members = np.flatnonzero(mixture == number)
        spectrum = _mixed(k, cross, weights[number])
        bands[:, :, members] = _predict(
            spectrum, cross, k, weights[number], y[:, members], grid[penalty[members]]
        )
    return BandedFit(scores, mixture, penalty, bands, y.mean(axis=0, dtype=np.float64))


def _check(k: Doubles, cross: Doubles, y: Floats, weights: Doubles) -> None:
    n_bands, n_train = k.shape[:2]
    fits = (
        k.shape == (n_bands, n_train, n_train)
        and cross.ndim == 3
        and (cross.shape[0], cross.shape[2]) == (n_bands, n_train)
        and y.ndim == 2
        and len(y) == n_train
        and weights.ndim == 2
        and weights.shape[1] == n_bands
    )
    if not fits:
        raise DataError(
            f"kernels {k.shape}, held-out {cross.shape}, responses {y.shape} and mixtures "
            f"{weights.shape} do not fit",
            "expected (band, train, train), (band, held-out, train), (train, target), "
            "(mixture, band)",
        )
    if (weights < 0).any() or (weights.sum(axis=1) <= 0).any():
        raise DataError("a mixture has a negative weight, or none", "use band_mixtures")


def _mixed(kernels: Doubles, heldout: Doubles, weight: Doubles) -> Spectrum:
    return kernel_spectrum(
        np.tensordot(weight, kernels, axes=1), np.tensordot(weight, heldout, axes=1)
    )


def _predict(
    spectrum: Spectrum,
    heldout: Doubles,
    kernels: Doubles,
    weight: Doubles,
    responses: Floats,
    penalties: Doubles,
) -> Doubles:
    """Predict the held-out rows from each band's share of one mixture."""
    axes = spectrum.basis.T @ (responses - responses.mean(axis=0, dtype=np.float64))
    axes /= spectrum.values[:, None] + penalties
    # Dual weights add up to 0, so that only the mean over training rows is left to take off.
    dual = spectrum.basis @ axes
    means = kernels.mean(axis=1)
    return np.stack(
        [
            share * (cross @ dual - mean @ dual)
            for share, cross, mean in zip(weight, heldout, means, strict=True)
        ]
    )
