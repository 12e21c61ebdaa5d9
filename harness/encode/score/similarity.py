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
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.ceilings.cross_fit import Z_REGION, Parts, mean_ratio
from harness.encode.design.band import ColumnBand, make_band, make_columns
from harness.encode.design.confounds import Cleaning
from harness.encode.design.narrowed import narrowed
from harness.encode.design.options import EncodingOptions, Metric
from harness.encode.design.splits import Fold, contiguous_folds, held_out_pieces, run_starts
from harness.encode.score.relative import interval, relative
from harness.encode.score.responses import Responses
from harness.errors import DataError, ScoreError
from harness.numeric.arrays import Bools, Doubles, Positions

LAGS = 100
"""Rows, at most, up to which the autocorrelation of noise is taken out of geometries."""


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
    beside: Doubles | None = None
    if data.nuisance:
        columns = np.column_stack(list(data.nuisance.values()))
        made = make_columns(columns, data.runs, options.delays, name="nuisance", confounds=shared)
        beside = np.asarray(made.columns, np.float64)
    values = clean.values
    patterns = [values[:, :, [k]] for k in range(len(data.rois))] + [values]
    rois = (*data.rois, "all")
    early = _early(data.runs, max(options.delays))
    places = []
    for fold in folds:
        train, test = (
            _place(beside, fold, part[~early[part]], data.runs, options)
            for part in (fold.train, fold.test)
        )
        places += [train, replace(test, chance=_chance(test, data.runs, shared))]
    n_layers, n_people = recording.sizes["layer"], len(data.participants)
    found = np.full((len(folds), n_layers, n_people, len(rois)), np.nan)
    favour = np.full((len(folds), n_layers, len(rois)), np.nan)
    tops = np.full((len(folds), n_people, len(rois)), np.nan)
    # Of training rows only what chooses a layer: the mean over participants.
    brains = []
    for number, place in enumerate(places):
        each = [[place.vector(place.kernel_of(y)) for y in pattern] for pattern in patterns]
        if number % 2 == 0:
            brains.append(np.stack([np.mean(people, axis=0) for people in each])[:, None])
        else:
            tops[number // 2] = _others(patterns, place)
            brains.append(np.stack([np.stack(people) for people in each]))
    for layer in range(n_layers):
        band = make_band(
            np.asarray(recording[:, layer].values),
            data.runs,
            options.delays,
            name=f"layer {layer}",
            confounds=shared,
        )
        kernel = np.asarray(
            band.columns @ band.columns.T if isinstance(band, ColumnBand) else band.kernel,
            np.float64,
        )
        for number, (place, brain) in enumerate(zip(places, brains, strict=True)):
            scores = brain @ place.vector(place.mapped(kernel))  # (roi, participant)
            if number % 2 == 0:
                favour[number // 2, layer] = scores[:, 0]
            else:
                found[number // 2, layer] = scores.T
    return _dataset(found, favour, tops, data, rois, recording, options, clean.account, seed)


@dataclass(frozen=True, eq=False)
class _Place:
    """Rows whose geometry is compared: the training or the held-out ones of a fold.

    Parameters
    ----------
    rows : array of int, shape (n_rows,)
    maps : array, shape (n_rows, n_samples), optional
        From training rows to what nuisance predicts in these.
    pairs : array of bool, shape (n_rows, n_rows)
    metric : Metric
    effects : array, shape (n_rows, n_rows), optional
        From sums over the pairs of a row to additive effects of rows.
    chance : array, shape (n_pairs, n_lags), optional
        Orthonormal basis of the geometries that noise has; see :func:`_chance`.
    """

    rows: Positions
    maps: Doubles | None
    pairs: Bools
    metric: Metric
    effects: Doubles | None
    chance: Doubles | None = None

    def mapped(self, kernel: Doubles) -> Doubles:
        """Kernel of the rows without nuisance: ``(E - M) K (E - M)'``, E the rows themselves."""
        if self.maps is None:
            return np.asarray(kernel[np.ix_(self.rows, self.rows)])
        left = kernel[self.rows] - self.maps @ kernel
        return np.asarray(left[:, self.rows] - left @ self.maps.T)

    def kernel_of(self, pattern: Doubles) -> Doubles:
        """Kernel of responses (n_samples, k) in the rows, without nuisance."""
        own = pattern[self.rows]
        if self.maps is not None:
            own = own - self.maps @ pattern
        return np.asarray(own @ own.T)

    def vector(self, kernel: Doubles) -> Doubles:
        """Geometry over pairs, of mean 0 and norm 1, so that a product is the measure."""
        upper = np.triu(self.pairs, 1)
        if self.effects is None:
            own = np.diag(kernel)
            values = (own[:, None] + own[None] - 2 * kernel)[upper]
            values = values - values.mean()
        else:
            row = self.effects @ np.where(self.pairs, kernel, 0).sum(axis=1)
            values = (kernel - row[:, None] - row[None])[upper]
        if self.chance is not None:
            values = values - self.chance @ (self.chance.T @ values)
        norm = float(np.sqrt(values @ values))
        return np.asarray(values / norm if norm > 0 else np.full_like(values, np.nan))


def _place(
    beside: Doubles | None,
    fold: Fold,
    rows: Positions,
    runs: npt.ArrayLike,
    options: EncodingOptions,
) -> _Place:
    pairs = _pairs(runs, rows, options.gap)
    effects: Doubles | None = None
    if options.metric is Metric.CKA:
        # k_ij = a_i + a_j over pairs: (D + W) a = row sums, by least squares.
        weights = pairs.astype(np.float64)
        moments = np.diag(weights.sum(axis=1)) + weights
        effects = np.asarray(np.linalg.pinv(moments, hermitian=True), np.float64)
    return _Place(rows, _without(beside, fold, rows), pairs, options.metric, effects)


def _chance(place: _Place, runs: npt.ArrayLike, cleaning: Cleaning | None) -> Doubles:
    """Return a basis of the geometries that noise has, white or autocorrelated, (n_pairs, n_lags).

    The expected kernel of stationary noise is a sum over lags of kernels that are 1 where two rows
    of a run are that far apart. What leaves both sides (slow periods, nuisance) leaves its own mark
    on each of them, the same in a model and in a brain: on *Alice* white noise in 576 units reached
    nine tenths of the ceiling by it.
    """
    labels = np.asarray(runs)
    order = np.arange(len(labels))
    apart = np.abs(order[:, None] - order[None])
    same = labels[:, None] == labels[None]
    near = np.ix_(place.rows, place.rows)
    furthest = int(apart[near][same[near]].max())
    found = []
    for lag in range(min(furthest, LAGS) + 1):
        kernel = (same & (apart == lag)).astype(np.float64)
        if cleaning is not None:
            kernel = cleaning.pieces.kernel(kernel)
        vector = place.vector(place.mapped(kernel))
        if np.isfinite(vector).all():
            found.append(vector)
    if not found:
        return np.zeros((int(np.triu(place.pairs, 1).sum()), 0))
    left, size, _ = np.linalg.svd(np.stack(found, axis=1), full_matrices=False)
    return np.asarray(left[:, size > 1e-8 * size[0]])


def _pairs(runs: npt.ArrayLike, rows: Positions, gap: int) -> Bools:
    """Pairs of different rows that are no neighbours in time."""
    labels = np.asarray(runs)[rows]
    apart = np.abs(rows[:, None] - rows[None]) > gap
    return np.asarray(apart | (labels[:, None] != labels[None]))


def _early(runs: npt.ArrayLike, delay: int) -> Bools:
    """Rows that look back before the start of their run: short, and so alike, on both sides."""
    labels = np.asarray(runs)
    starts = run_starts(labels)
    lengths = np.diff([*starts, len(labels)])
    return np.asarray(np.arange(len(labels)) - np.repeat(starts, lengths) < delay)


def _without(beside: Doubles | None, fold: Fold, rows: Positions) -> Doubles | None:
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


def _others(patterns: Sequence[Doubles], place: _Place) -> Doubles:
    """Compare each participant with the mean geometry of the others, (n_participants, n_rois)."""
    n = len(patterns[0])
    out = np.full((n, len(patterns)), np.nan)
    for k, pattern in enumerate(patterns):
        kernels = np.stack([place.kernel_of(y) for y in pattern])
        total = kernels.sum(axis=0)
        for i, own in enumerate(kernels if n > 2 else ()):
            out[i, k] = place.vector(own) @ place.vector(total - own)
    return out


def _dataset(
    found: Doubles,
    favour: Doubles,
    tops: Doubles,
    data: Responses,
    rois: tuple[str, ...],
    recording: xr.DataArray,
    options: EncodingOptions,
    account: str,
    seed: int,
) -> xr.Dataset:
    # By fold and region, the layer that training rows of all participants favour.
    best = favour.argmax(axis=1)  # (fold, roi)
    folds = np.take_along_axis(found, best[:, None, None], axis=1)[:, 0]
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
            "r": ((*dims, "layer"), np.moveaxis(found.mean(axis=0), 0, -1)),
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
