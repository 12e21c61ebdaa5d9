"""Scores of many predictions of the same held-out responses."""

from __future__ import annotations

import numpy as np

from harness.encode.design.options import Metric
from harness.numeric.arrays import Doubles, Floats


class FoldScore:
    """Scores many predictions of the same held-out responses.

    Parameters
    ----------
    responses : array, shape (n_samples, n_targets)
        Held-out responses.
    metric : Metric
        What to compute.
    """

    def __init__(self, responses: Floats, metric: Metric) -> None:
        self._metric = metric
        self._centred = responses - responses.mean(axis=0)
        constant = np.ptp(responses, axis=0) == 0
        self._total = np.where(constant, np.nan, _dot(self._centred, self._centred))

    def __call__(self, errors: Floats) -> Doubles:
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


def _dot(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.einsum("...tv,...tv->...v", a, b))
