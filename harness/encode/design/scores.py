"""How well predictions match responses, per target."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from harness.encode.design.options import Metric

FloatArray = npt.NDArray[np.floating[Any]]
DoubleArray = npt.NDArray[np.float64]


def pearson(responses: FloatArray, predictions: FloatArray) -> DoubleArray:
    """Pearson correlation of each target with its prediction.

    Parameters
    ----------
    responses : array, shape (n_samples, n_targets)
        What was measured.
    predictions : array, shape (n_samples, n_targets)
        What was predicted.

    Returns
    -------
    array, shape (n_targets,)
        NaN where either does not vary.
    """
    y = _centred(responses)
    p = _centred(predictions)
    norm = np.sqrt(np.square(y).sum(axis=0) * np.square(p).sum(axis=0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 0, (y * p).sum(axis=0) / norm, np.nan)


def r_squared(responses: FloatArray, predictions: FloatArray) -> DoubleArray:
    """Coefficient of determination of each target, ``1 - SSE / SST``.

    SST is about the mean of the given (held-out) rows, as in scikit-learn: the mean predicted from
    training rows scores 0 or less.

    Parameters
    ----------
    responses : array, shape (n_samples, n_targets)
        What was measured.
    predictions : array, shape (n_samples, n_targets)
        What was predicted.

    Returns
    -------
    array, shape (n_targets,)
        Not clipped; NaN where responses do not vary.
    """
    y = np.asarray(responses, dtype=np.float64)
    total = np.square(_centred(y)).sum(axis=0)
    error = np.square(y - predictions).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > 0, 1 - error / total, np.nan)


class FoldScore:
    """Scores many predictions of the same held-out responses.

    Parameters
    ----------
    responses : array, shape (n_samples, n_targets)
        Held-out responses.
    metric : Metric
        What to compute.
    """

    def __init__(self, responses: FloatArray, metric: Metric) -> None:
        self._metric = metric
        self._centred = responses - responses.mean(axis=0)
        constant = np.ptp(responses, axis=0) == 0
        self._total = np.where(constant, np.nan, _dot(self._centred, self._centred))

    def __call__(self, errors: FloatArray) -> DoubleArray:
        """Score predictions, given as responses - predictions, per target.

        Parameters
        ----------
        errors : array, shape (..., n_samples, n_targets)
            Prediction errors.

        Returns
        -------
        array, shape (..., n_targets)
            NaN where responses do not vary. A prediction without variance has correlation 0.
        """
        if self._metric is Metric.R2:
            return np.asarray(1 - _dot(errors, errors) / self._total)
        # The mean of the responses is left out: it would only be taken off again.
        predictions = self._centred - errors
        predictions -= predictions.mean(axis=-2, keepdims=True)
        norm = np.sqrt(_dot(predictions, predictions) * self._total)
        with np.errstate(invalid="ignore", divide="ignore"):
            r = _dot(self._centred, predictions) / norm
        return np.where(norm == 0, 0.0, r)


def _centred(x: FloatArray) -> DoubleArray:
    values = np.asarray(x, dtype=np.float64)
    centred: DoubleArray = values - values.mean(axis=0)
    # Rounding leaves a constant column with a tiny, meaningless spread.
    centred[:, np.ptp(values, axis=0) == 0] = 0
    return centred


def _dot(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("...tv,...tv->...v", a, b))
