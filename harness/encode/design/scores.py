"""How well predictions match responses, per target."""

from __future__ import annotations

import numpy as np

from harness.numeric.arrays import Doubles, Floats


def pearson(responses: Floats, predictions: Floats) -> Doubles:
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


def r_squared(responses: Floats, predictions: Floats) -> Doubles:
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


def product_measure(responses: Floats, bands: Floats, offset: Floats) -> Doubles:
    """Split the R2 of a joint prediction among the parts that add up to it.

    The product measure (Hoffman 1960; Pratt 1987), as in himalaya's ``r2_score_split``: a part gets
    ``sum((2 y - p) p_b) / sum(y ** 2)``, with ``p`` the joint prediction and everything about the
    mean of the held-out responses. What the intercept misses of that mean is charged to no band:
    shares add up to R2 less that (usually tiny) loss.

    Parameters
    ----------
    responses : array, shape (n_samples, n_targets)
        Held-out responses.
    bands : array, shape (n_bands, n_samples, n_targets)
        Parts of the predictions.
    offset : array, shape (n_targets,)
        Intercept.

    Returns
    -------
    array, shape (n_bands, n_targets)
        NaN where responses do not vary.
    """
    y = np.asarray(responses, np.float64)
    mean = y.mean(axis=0)
    centred = y - mean
    joint = bands.sum(axis=0) + (offset - mean)
    constant = np.ptp(y, axis=0) == 0
    total = np.where(constant, np.nan, np.square(centred).sum(axis=0))
    return np.asarray(((2 * centred - joint) * bands).sum(axis=1) / total)


def _centred(x: Floats) -> Doubles:
    values = np.asarray(x, dtype=np.float64)
    centred: Doubles = values - values.mean(axis=0)
    # Rounding leaves a constant column with a tiny, meaningless spread.
    centred[:, np.ptp(values, axis=0) == 0] = 0
    return centred
