"""Geometries instead of predictions: RSA and linear CKA of held-out rows, nothing fitted to them.

Both compare which rows are alike in the model with which are alike in the brain, in the rows that a
fold holds out. Confounds have left both sides; nuisance regressors are taken out of both, with
weights from the training rows. The layer is chosen on training rows. A model has a hundred times
more units than a region, which a kernel without its diagonal does not reward: CKA is that of
Kornblith et al. (2019), unbiased as in Song et al. (2012). Rows of one run that are near in time
are alike whatever they hold: pairs within the purge gap are left out of both measures;
so are rows whose delays reach back before the start of a run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.ceilings.cross_fit import Z_REGION, Parts, mean_ratio
from harness.encode.design.band import ColumnBand, make_band, make_columns
from harness.encode.design.narrowed import narrowed
from harness.encode.design.options import EncodingOptions, Metric
from harness.encode.design.splits import Fold, contiguous_folds, held_out_pieces, run_starts
from harness.encode.score.relative import interval, relative
from harness.encode.score.responses import Responses
from harness.errors import DataError, ScoreError

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def score_similarity(
    recording: xr.DataArray,
    data: Responses,
    options: EncodingOptions,
    seed: int = 0,
    folds: Sequence[Fold] | None = None,
) -> xr.Dataset:
    """Score how alike the geometries of a model and of responses are.

    Parameters
    ----------
    recording : DataArray (sample, layer, unit)
    data : Responses
        Regions; a region of one time course has the geometry of points on a line, and ``all``, all
        regions together, that of their pattern.
    options : EncodingOptions
        ``metric`` is ``rsa`` or ``cka``; of the others delays, folds, gap and width count.
    seed : int
        Of the bootstrap.
    folds : sequence of Fold, optional
        Outer folds, where the data set prescribes them.

    Returns
    -------
    Dataset
        ``value`` with ``low`` and ``high`` (95 % bootstrap over participants); by (participant,
        roi, layer): ``r``, a description; by (participant, roi): ``r_best`` at the layer that the
        training rows of all participants favour, ``layer_best``, ``ceiling_loo``, the same of a
        participant with the mean geometry of the others; by (fold, participant, roi): ``fold_r``;
        ``ceiling``; ``normalised`` (:func:`harness.encode.score.relative.relative`).

    Raises
    ------
    ScoreError
        The recording has other rows.
    DataError
        Participants have confounds of their own.
    """
    if recording.sizes["sample"] != len(data.runs):
        raise ScoreError(
            f"the recording has {recording.sizes['sample']} samples, the responses {len(data.runs)}"
        )
    recording = narrowed(recording, data.runs, options.projected)
    if folds is None:
        folds = contiguous_folds(data.runs, options.n_outer, options.gap)
    clean = data.cleaned(held_out_pieces(data.runs, folds))
    confounds = clean.confounds
    if confounds is not None and confounds.own:
        raise DataError(f"{options.metric} knows no confounds of single participants")
    shared = None if confounds is None else confounds.shared
    beside: Floats | None = None
    if data.nuisance:
        columns = np.column_stack(list(data.nuisance.values()))
        made = make_columns(columns, data.runs, options.delays, name="nuisance", confounds=shared)
        beside = np.asarray(made.columns, np.float64)
    values = clean.values
    patterns = [values[:, :, [k]] for k in range(len(data.rois))] + [values]
    rois = (*data.rois, "all")
    places = []
    early = _early(data.runs, max(options.delays))
    for fold in folds:
        for part in (fold.train, fold.test):
            rows = part[~early[part]]
            maps = _without(beside, fold, rows)
            pairs = _pairs(data.runs, rows, options.gap)
            places.append((rows, maps, pairs))
    n_layers = recording.sizes["layer"]
    shape = (len(folds), 2, n_layers, len(data.participants), len(rois))
    found = np.full(shape, np.nan)
    tops = np.full((len(folds), len(data.participants), len(rois)), np.nan)
    brains = [_brains(patterns, *place, options.metric) for place in places]
    for number in range(len(folds)):
        tops[number] = _others(brains[2 * number + 1], places[2 * number + 1][2], options.metric)
    for layer in range(n_layers):
        band = make_band(
            np.asarray(recording[:, layer].values),
            data.runs,
            options.delays,
            name=f"layer {layer}",
            confounds=shared,
        )
        kernel = band.columns @ band.columns.T if isinstance(band, ColumnBand) else band.kernel
        for place, (rows, maps, pairs) in enumerate(places):
            own = _geometry(_mapped(np.asarray(kernel, np.float64), maps, rows), options.metric)
            for k, people in enumerate(brains[place]):
                for i, brain in enumerate(people):
                    score = similarity(own, brain, pairs, options.metric)
                    found[place // 2, place % 2, layer, i, k] = score
    return _dataset(found, tops, data, rois, recording, options, clean.account, seed)


def similarity(one: Floats, other: Floats, pairs: Mask, metric: Metric) -> float:
    """Compare two geometries over some pairs of rows.

    Parameters
    ----------
    one, other : array, shape (n_rows, n_rows)
        Squared distances for RSA; kernels for CKA.
    pairs : array of bool, shape (n_rows, n_rows)
        Symmetric, without the diagonal.
    metric : Metric

    Returns
    -------
    float
        Pearson r over pairs for RSA. For CKA the cosine of the kernels after U-centring over pairs:
        what every row has with the others on average is taken out, without the diagonal.
    """
    if metric is Metric.RSA:
        a, b = one[pairs], other[pairs]
        a, b = a - a.mean(), b - b.mean()
    else:
        a, b = _centred(one, pairs)[pairs], _centred(other, pairs)[pairs]
    norm = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / norm if norm > 0 else math.nan


def _centred(kernel: Floats, pairs: Mask) -> Floats:
    """Take additive effects of rows out of a kernel, over the pairs in use, by least squares."""
    weights = pairs.astype(np.float64)
    counts = np.diag(weights.sum(axis=1))
    # k_ij = a_i + a_j: normal equations (D + W) a = row sums.
    sums = (kernel * weights).sum(axis=1)
    effects = np.linalg.lstsq(counts + weights, sums, rcond=None)[0]
    return np.asarray(kernel - effects[:, None] - effects[None])


def _pairs(runs: npt.ArrayLike, rows: npt.NDArray[np.intp], gap: int) -> Mask:
    """Pairs of different rows that are no neighbours in time."""
    labels = np.asarray(runs)[rows]
    apart = np.abs(rows[:, None] - rows[None]) > gap
    return np.asarray(apart | (labels[:, None] != labels[None]))


def _early(runs: npt.ArrayLike, delay: int) -> Mask:
    """Rows that look back before the start of their run: short, and so alike, on both sides."""
    labels = np.asarray(runs)
    starts = run_starts(labels)
    lengths = np.diff([*starts, len(labels)])
    return np.asarray(np.arange(len(labels)) - np.repeat(starts, lengths) < delay)


def _without(beside: Floats | None, fold: Fold, rows: npt.NDArray[np.intp]) -> Floats | None:
    """Map training rows to what nuisance, fitted to them, predicts in some rows."""
    if beside is None:
        return None
    train = beside[fold.train]
    centre = train.mean(axis=0)
    found = (beside[rows] - centre) @ np.linalg.pinv(train - centre)
    full = np.zeros((len(rows), len(beside)))
    # With the intercept: the mean of the training rows goes, too.
    full[:, fold.train] = found - found.mean(axis=1, keepdims=True) + 1 / len(fold.train)
    return full


def _mapped(kernel: Floats, maps: Floats | None, rows: npt.NDArray[np.intp]) -> Floats:
    """Kernel of rows without nuisance: ``(E - M) K (E - M)'``, E the rows themselves."""
    if maps is None:
        return kernel[np.ix_(rows, rows)]
    left = kernel[rows] - maps @ kernel
    return np.asarray(left[:, rows] - left @ maps.T)


def _geometry(kernel: Floats, metric: Metric) -> Floats:
    if metric is Metric.CKA:
        return kernel
    own = np.diag(kernel)
    return np.asarray(own[:, None] + own[None] - 2 * kernel)


def _brains(
    patterns: Sequence[Floats],
    rows: npt.NDArray[np.intp],
    maps: Floats | None,
    pairs: Mask,
    metric: Metric,
) -> list[list[Floats]]:
    """Geometries of rows, by region and participant."""
    found = []
    for pattern in patterns:
        each = []
        for person in pattern:
            own = person[rows] if maps is None else person[rows] - maps @ person
            each.append(_geometry(own @ own.T, metric))
        found.append(each)
    return found


def _others(brains: Sequence[Sequence[Floats]], pairs: Mask, metric: Metric) -> Floats:
    """Compare each participant with the mean of the others, (n_participants, n_rois)."""
    out = np.full((len(brains[0]), len(brains)), np.nan)
    if len(brains[0]) < 3:
        return out
    for k, people in enumerate(brains):
        total = np.sum(people, axis=0)
        for i, own in enumerate(people):
            out[i, k] = similarity(own, total - own, pairs, metric)
    return out


def _dataset(
    found: Floats,
    tops: Floats,
    data: Responses,
    rois: tuple[str, ...],
    recording: xr.DataArray,
    options: EncodingOptions,
    account: str,
    seed: int,
) -> xr.Dataset:
    # By fold and region, the layer that training rows of all participants favour.
    best = np.nanmean(found[:, 0], axis=2).argmax(axis=1)  # (fold, roi)
    heldout = found[:, 1]  # (fold, layer, participant, roi)
    folds = np.take_along_axis(heldout, best[:, None, None], axis=1)[:, 0]
    r = folds.mean(axis=0)
    layers = np.asarray(recording["layer"].values)
    people = r.mean(axis=1)
    mean, low, high = interval(people, seed)
    each, regions = {}, {}
    error = np.sqrt(np.nanmean(tops.var(axis=0, ddof=1)) / len(tops)) if len(tops) > 1 else np.nan
    for i, person in enumerate(data.participants):
        null = np.full(len(rois), error)
        parts = Parts(folds[:, i], tops[:, i], null, squared=False)
        each[person] = mean_ratio(parts, Z_REGION)
        regions[person] = {
            roi: mean_ratio(parts.of(np.arange(len(rois)) == k), Z_REGION)
            for k, roi in enumerate(rois)
        }
    share = relative(each, regions, seed, together=True)
    dims = ("participant", "roi")
    said = "r of distances" if options.metric is Metric.RSA else "unbiased linear CKA"
    return xr.Dataset(
        {
            "value": mean,
            "low": low,
            "high": high,
            "ceiling": float(tops.mean()),
            "r": ((*dims, "layer"), np.moveaxis(heldout.mean(axis=0), 0, -1)),
            "r_best": (dims, r),
            "layer_best": ("roi", np.median(layers[best], axis=0)),
            "fold_r": (("fold", *dims), folds),
            "ceiling_loo": (dims, tops.mean(axis=0)),
            **share.data_vars,
        },
        coords={
            "participant": np.array(data.participants, object),
            "roi": np.array(rois, object),
            "layer": layers,
        },
        attrs={
            **share.attrs,
            "encoding_options": json.dumps(asdict(options), default=str),
            "similarity": f"{said}, held-out rows, pairs more than {options.gap} rows apart",
            "ceiling_kind": "leave-one-out geometry of the other participants",
            "interval_kind": "95 % bootstrap over participants",
            "participants": len(data.participants),
            "left_out": json.dumps(dict(data.left_out)),
            "nuisance": ", ".join(data.nuisance),
            "confounds": account,
            "score_seed": seed,
        },
    )
