"""Whose variance it is: bands fitted jointly, and what the joint fit loses without each.

Bands are the model (one layer a fold, which all regions favour together on training rows), static
embeddings (layer 0 of the same recording), lexical and position regressors, and autocorrelation:
rows of an identity matrix, smoothed, which know nothing but when a volume was taken (Feghhi et al.
2024; Hadidi et al. 2025). Banded ridge (Nunez-Elizalde et al. 2019; Dupré la Tour et al. 2022) with
candidate scales of all bands, of which every target takes the best by inner folds. A band's unique
R2 is the joint R2 less that of the same candidates with the band's scale at 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.stats
import xarray as xr

from harness.encode.design.band import ColumnBand, make_band
from harness.encode.design.confounds import Confounds
from harness.encode.design.options import EncodingOptions
from harness.encode.design.scores import r_squared
from harness.encode.design.splits import Fold
from harness.encode.design.targets import Split, make_splits
from harness.encode.score.relative import interval
from harness.errors import DataError
from harness.numeric.arrays import Doubles, Floats

BANDS = ("model", "static", "position", "autocorrelation", "lexical")
CANDIDATES = 64
"""Scales of all bands together; besides, each band alone at some scales, and nothing at all."""
ALONE = (-2.5, -1.5, -0.5)
LOW, HIGH = -3.5, 0.5
"""Scales of kernels of mean diagonal 1, against a penalty of 1: powers of ten."""
SMOOTH = 4.0
"""Standard deviation of the smoothed identity rows, volumes: half of the default gap."""


def partition(
    features: Floats,
    responses: Floats,
    runs: npt.ArrayLike,
    bands: Mapping[str, Floats],
    layers: Sequence[int],
    *,
    options: EncodingOptions,
    confounds: Confounds | None = None,
    folds: Sequence[Fold],
) -> tuple[tuple[str, ...], Doubles, Doubles]:
    """Part held-out R2 among bands.

    Parameters
    ----------
    features : array, shape (n_samples, n_layers, n_units)
        Layer 0 is the static band.
    responses : array, shape (n_samples, n_targets)
        Finite; confounds taken out.
    runs : array, shape (n_samples,)
    bands : mapping
        Regressors (n_samples, k) of further bands, by name.
    layers : sequence of int
        Of the model, by fold.
    options, confounds, folds
        See :func:`harness.encode.solve.layers.encode_layers`.

    Returns
    -------
    names : tuple of str
    unique : array, shape (n_bands, n_targets)
    joint : array, shape (n_targets,)
        R2 of all bands.

    Raises
    ------
    DataError
        Participants have confounds of their own.
    """
    if confounds is not None and confounds.own:
        raise DataError("partition knows no confounds of single participants", "leave motion in")
    labels = np.asarray(runs)
    shared = None if confounds is None else confounds.shared

    def kernel(values: Floats, name: str) -> Doubles:
        band = make_band(values, labels, options.delays, name=name, confounds=shared)
        if isinstance(band, ColumnBand):
            columns = np.asarray(band.columns, np.float64)
            return _scaled(columns @ columns.T)
        return _scaled(np.asarray(band.kernel, np.float64))

    given = {name: kernel(values, name) for name, values in bands.items()}
    given["autocorrelation"] = smoothed_identity(labels)
    if shared is not None:
        given["autocorrelation"] = _scaled(shared.pieces.kernel(given["autocorrelation"]))
    given["static"] = kernel(features[:, 0], "static embeddings")
    # With layer 0 as the model's own there is nothing else to tell it from.
    models = {layer: kernel(features[:, layer], f"layer {layer}") for layer in set(layers)}
    names = tuple(name for name in BANDS if name == "model" or name in given)
    scales = candidates(len(names))
    y = np.asarray(responses, np.float64)
    found = np.zeros((len(folds), len(names) + 1, y.shape[1]))
    splits = make_splits(labels, options, folds, cleaned=confounds is not None)
    for number, split in enumerate(splits):
        kernels = np.stack([given[n] if n in given else models[layers[number]] for n in names])
        found[number, -1] = _best(kernels, scales, split, y)
        for band in range(len(names)):
            without = scales.copy()
            without[:, band] = 0
            found[number, band] = _best(kernels, np.unique(without, axis=0), split, y)
    mean = found.mean(axis=0)
    return names, np.asarray(mean[-1] - mean[:-1]), np.asarray(mean[-1])


def smoothed_identity(runs: npt.ArrayLike, width: float = SMOOTH) -> Doubles:
    """Inner products of the rows of an identity matrix, smoothed within runs.

    Parameters
    ----------
    runs : array, shape (n_samples,)
    width : float
        Standard deviation, rows.

    Returns
    -------
    array, shape (n_samples, n_samples)
        A Gaussian of the distance in time; 0 between runs.
    """
    labels = np.asarray(runs)
    rows = np.arange(len(labels))
    apart = (rows[:, None] - rows[None]) / width
    return np.asarray(np.exp(-0.5 * apart**2) * (labels[:, None] == labels[None]))


def candidates(n_bands: int) -> Doubles:
    """Scales of bands, (n_candidates, n_bands): seeded, evenly spread in their logarithms."""
    spread = scipy.stats.qmc.Sobol(n_bands, seed=0).random(CANDIDATES)
    together = 10 ** (LOW + (HIGH - LOW) * spread)
    alone = np.concatenate([10**power * np.eye(n_bands) for power in ALONE])
    return np.concatenate([np.zeros((1, n_bands)), alone, together])


def _scaled(kernel: Doubles) -> Doubles:
    return kernel / max(float(np.diag(kernel).mean()), 1e-300)


def _best(kernels: Doubles, scales: Doubles, split: Split, y: Doubles) -> Doubles:
    """Held-out R2 of every target at the candidate that its inner folds favour."""
    train = split.outer.train
    inner = np.zeros((len(scales), y.shape[1]))
    outer = np.empty_like(inner)
    for number, scale in enumerate(scales):
        kernel = np.tensordot(scale, kernels, axes=1)
        for part in split.inner:
            fold = Fold(train[part.train], train[part.test])
            inner[number] += r_squared(y[fold.test], _predicted(kernel, fold, y))
        outer[number] = r_squared(y[split.outer.test], _predicted(kernel, split.outer, y))
    return np.asarray(outer[inner.argmax(axis=0), np.arange(y.shape[1])])


def _predicted(kernel: Doubles, fold: Fold, y: Doubles) -> Doubles:
    """Predict by ridge regression with an intercept and a penalty of 1."""
    train = kernel[np.ix_(fold.train, fold.train)]
    across = kernel[np.ix_(fold.test, fold.train)]
    column = train.mean(axis=0)
    centred = train - column - column[:, None] + column.mean()
    across = across - column
    across -= across.mean(axis=1, keepdims=True)
    mean = y[fold.train].mean(axis=0)
    centred[np.diag_indices_from(centred)] += 1.0
    solved = scipy.linalg.solve(centred, y[fold.train] - mean, assume_a="pos")
    return np.asarray(across @ solved + mean)


def table(names: Sequence[str], unique: Doubles, joint: Doubles, seed: int = 0) -> xr.Dataset:
    """Lay out a partition.

    Parameters
    ----------
    names : sequence of str
    unique : array, shape (n_bands, n_participants, n_rois)
    joint : array, shape (n_participants, n_rois)
    seed : int
        Of the bootstrap.

    Returns
    -------
    Dataset
        ``partition`` (band, participant, roi), unique R2; ``partition_mean``, ``partition_low`` and
        ``partition_high`` (band,), over participants (95 % bootstrap); ``partition_joint``
        (participant, roi).
    """
    each = np.array([interval(own.mean(axis=1), seed) for own in unique])
    return xr.Dataset(
        {
            "partition": (("band", "participant", "roi"), unique),
            "partition_joint": (("participant", "roi"), joint),
            "partition_mean": ("band", each[:, 0]),
            "partition_low": ("band", each[:, 1]),
            "partition_high": ("band", each[:, 2]),
        },
        coords={"band": np.array(names, object)},
    )
