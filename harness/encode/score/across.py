"""Prediction of a participant from fits to all others: what generalises beyond who was measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.design.features import zscore_by_run
from harness.encode.design.options import EncodingOptions
from harness.encode.design.scores import pearson
from harness.encode.design.splits import Fold
from harness.encode.score.relative import interval
from harness.encode.score.responses import Cleaned
from harness.encode.solve.layers import encode_layers
from harness.errors import DataError
from harness.numeric.arrays import Floats

FEWEST = 3
"""Participants: a mean of others is of two at least."""


def across_participants(
    features: Floats,
    clean: Cleaned,
    runs: npt.ArrayLike,
    options: EncodingOptions,
    folds: Sequence[Fold],
    seed: int = 0,
) -> xr.Dataset:
    """Fit the mean of the others, score who was left out, in parts that were held out besides.

    Layer and penalty of each are chosen on training rows of the others: of the participant who is
    scored nothing is used.

    Parameters
    ----------
    features : array, shape (n_samples, n_layers, n_units)
    clean : Cleaned
        Responses to one stimulus.
    runs : array, shape (n_samples,)
    options : EncodingOptions
    folds : sequence of Fold
    seed : int
        Of the bootstrap.

    Returns
    -------
    Dataset
        ``cross_r`` (participant, roi): mean over folds of r; ``cross``, ``cross_low`` and
        ``cross_high``, its mean over participants and their 95 % bootstrap interval. Empty for
        fewer than three participants.

    Raises
    ------
    DataError
        Participants have confounds of their own.
    """
    n, _, k = clean.values.shape
    if n < FEWEST:
        return xr.Dataset()
    if clean.confounds is not None and clean.confounds.own:
        raise DataError("cross=true knows no confounds of single participants", "leave motion in")
    total = clean.values.sum(axis=0)
    others = [zscore_by_run((total - own) / (n - 1), runs) for own in clean.values]
    result = encode_layers(
        features,
        np.concatenate(others, axis=1),
        runs,
        options=options,
        confounds=clean.confounds,
        folds=folds,
    )
    own = np.concatenate(list(clean.values), axis=1)
    r, start = [], 0
    for fold in folds:
        predicted = result.predictions[start : start + len(fold.test)]
        r.append(pearson(own[fold.test], predicted))
        start += len(fold.test)
    found = np.mean(r, axis=0).reshape(n, k)
    mean, low, high = interval(found.mean(axis=1), seed)
    return xr.Dataset(
        {
            "cross_r": (("participant", "roi"), found),
            "cross": mean,
            "cross_low": low,
            "cross_high": high,
        }
    )
