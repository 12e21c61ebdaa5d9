"""A stack of all layers instead of one that was chosen (Breiman 1996; Lin et al. 2024).

Every layer predicts the rows that inner folds hold out. The weights of a target's stack are those,
none below 0 and together 1, whose average of these predictions has the least squared error; with
them the layers' held-out predictions are averaged. Antonello et al. (2023) read models out so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.optimize

from harness.encode.design.band import Band, make_band, make_columns
from harness.encode.design.confounds import Confounds
from harness.encode.design.kernel import nuisance_grid
from harness.encode.design.options import EncodingOptions
from harness.encode.design.result import EncodingResult, scatter
from harness.encode.design.scores import pearson, product_measure, r_squared
from harness.encode.design.splits import Fold
from harness.encode.design.targets import Split, make_splits
from harness.errors import DataError
from harness.numeric.arrays import Doubles, Floats, Positions


def simplex_weights(products: Doubles) -> Doubles:
    """Find weights, none below 0 and together 1, of the least quadratic form.

    ``min w'Rw`` over the simplex has the direction of ``min x'Rx + (1'x - 1)**2`` over ``x >= 0``:
    with ``x = s w`` that is ``s**2 w'Rw + (s - 1)**2``, least in ``w`` where ``w'Rw`` is. Lawson
    and Hanson's active set solves it exactly.

    Parameters
    ----------
    products : array, shape (n_targets, n_parts, n_parts)
        Inner products of the parts' errors.

    Returns
    -------
    array, shape (n_targets, n_parts)
    """
    n_targets, n_parts, _ = products.shape
    found = np.empty((n_targets, n_parts))
    wanted = np.r_[np.zeros(n_parts), 1.0]
    for target, own in enumerate(products):
        scale = max(float(np.trace(own)) / n_parts, 1e-300)
        values, axes = np.linalg.eigh(own / scale)
        root = np.sqrt(values.clip(min=0))[:, None] * axes.T
        x, _ = scipy.optimize.nnls(np.vstack([root, np.ones(n_parts)]), wanted)
        found[target] = x / x.sum()
    return found


@dataclass(frozen=True, eq=False)
class _Fitted:
    """Predictions of one band in an outer fold: of its training rows by inner folds; held out."""

    inner: Doubles  # (n_train, n_targets)
    heldout: Doubles  # (n_heldout, n_targets)


def stacked(
    result: EncodingResult,
    features: Floats,
    responses: Floats,
    runs: npt.ArrayLike,
    *,
    nuisance: Floats | None = None,
    confounds: Confounds | None = None,
    folds: Sequence[Fold] | None = None,
) -> EncodingResult:
    """Replace the scores of one chosen layer by those of a stack of all.

    Parameters
    ----------
    result : EncodingResult
        Of :func:`harness.encode.solve.layers.encode_layers` with the other arguments.
    features, responses, runs, nuisance, confounds, folds
        See there.

    Returns
    -------
    EncodingResult
        ``r_best``, ``r2_best``, their folds and ``predictions`` of the stack; ``chosen``: the layer
        of the highest weight. The joint fit is a stack of all layers and nuisance.

    Raises
    ------
    DataError
        Participants have confounds of their own.
    """
    if confounds is not None and confounds.own:
        raise DataError(
            "readout=stacked knows no confounds of single participants", "leave motion in"
        )
    options = result.options
    labels = np.asarray(runs)
    splits = make_splits(labels, options, folds, cleaned=confounds is not None)
    bad = [item.target for item in result.unusable]
    n_targets = responses.shape[1]
    usable = np.setdiff1d(np.arange(n_targets), bad)
    y = np.asarray(responses, np.float64)[:, usable]
    shared = None if confounds is None else confounds.shared
    kept: list[list[_Fitted]] = [[] for _ in splits]

    def through(band: Band) -> Band:
        mean = None if confounds is None else confounds.mean
        return band if mean is None else band.through(mean)

    for layer in range(features.shape[1]):
        band = through(
            make_band(
                features[:, layer],
                labels,
                options.delays,
                name=f"layer {layer}",
                precision=options.typed,
                confounds=shared,
            )
        )
        for number, split in enumerate(splits):
            penalty = result.penalty[number, layer][usable]
            kept[number].append(_fitted(band, split, y, penalty))
    beside = None
    if nuisance is not None:
        beside = through(
            make_columns(nuisance, labels, options.delays, name="nuisance", confounds=shared)
        )
    return _restacked(result, splits, kept, y, usable, beside)


def _fitted(band: Band, split: Split, y: Doubles, penalty: Doubles) -> _Fitted:
    """Predict training rows from inner folds, and held-out rows, at given penalties."""
    train = split.outer.train
    inner = np.full((len(train), y.shape[1]), np.nan)
    for part in split.inner:
        inner[part.test] = _predicted(band, Fold(train[part.train], train[part.test]), y, penalty)
    return _Fitted(inner, _predicted(band, split.outer, y, penalty))


def _predicted(band: Band, fold: Fold, y: Doubles, penalty: Doubles) -> Doubles:
    spectrum = band.spectrum(fold)
    own = y[fold.train]
    mean = own.mean(axis=0)
    axes = spectrum.basis.T @ (own - mean)
    return np.asarray(spectrum.heldout @ (axes / (spectrum.values[:, None] + penalty)) + mean)


def _nuisance(band: Band, split: Split, y: Doubles, options: EncodingOptions) -> _Fitted:
    """Fit nuisance at the penalty that inner folds favour, target by target."""
    grid = nuisance_grid(options, band.spectrum(split.outer))
    train = y[split.outer.train]
    each = [_fitted(band, split, y, np.full(y.shape[1], penalty)) for penalty in grid]
    errors = [np.square(train - one.inner).sum(axis=0) for one in each]
    best = np.argmin(errors, axis=0)
    columns = np.arange(y.shape[1])
    return _Fitted(
        np.stack([one.inner for one in each])[best, :, columns].T,
        np.stack([one.heldout for one in each])[best, :, columns].T,
    )


def _weights(parts: Sequence[_Fitted], train: Doubles) -> Doubles:
    errors = np.stack([train - part.inner for part in parts], axis=-1)  # (row, target, part)
    return simplex_weights(np.einsum("rta,rtb->tab", errors, errors))


def _restacked(
    result: EncodingResult,
    splits: Sequence[Split],
    kept: Sequence[Sequence[_Fitted]],
    y: Doubles,
    usable: Positions,
    beside: Band | None,
) -> EncodingResult:
    n_targets = result.r_best.shape[0]
    chosen = result.chosen.copy()
    predictions, names = [], ("r", "r2", "joint_r", "joint_r2", "with_model")
    found: dict[str, list[Doubles]] = {name: [] for name in names}
    shares = []
    for number, (split, parts) in enumerate(zip(splits, kept, strict=True)):
        train, measured = y[split.outer.train], y[split.outer.test]
        weights = _weights(parts, train)
        chosen[number, usable] = weights.argmax(axis=1)
        each = np.stack([part.heldout for part in parts], axis=-1)
        predicted = np.einsum("rta,ta->rt", each, weights)
        predictions.append(predicted)
        found["r"].append(pearson(measured, predicted))
        found["r2"].append(r_squared(measured, predicted))
        if beside is None:
            continue
        both = [*parts, _nuisance(beside, split, y, result.options)]
        weights = _weights(both, train)
        offset = train.mean(axis=0)
        each = np.stack([part.heldout - offset for part in both], axis=-1) * weights
        halves = np.stack([each[..., :-1].sum(axis=-1), each[..., -1]])
        joint = halves.sum(axis=0) + offset
        found["joint_r"].append(pearson(measured, joint))
        found["joint_r2"].append(r_squared(measured, joint))
        found["with_model"].append((weights[:, :-1].sum(axis=1) > 0).astype(np.float64))
        shares.append(product_measure(measured, halves, offset))

    def among_all(values: list[Doubles]) -> Doubles:
        return scatter(np.stack(values), usable, n_targets)

    fold_r, fold_r2 = among_all(found["r"]), among_all(found["r2"])
    nuisance = result.nuisance
    if nuisance is not None and beside is not None:
        joint_r, joint_r2 = among_all(found["joint_r"]), among_all(found["joint_r2"])
        nuisance = replace(
            nuisance,
            fold_joint_r=joint_r,
            fold_joint_r2=joint_r2,
            joint_r=joint_r.mean(axis=0),
            joint_r2=joint_r2.mean(axis=0),
            unique_r2=joint_r2.mean(axis=0) - nuisance.r2,
            with_model=among_all(found["with_model"]).mean(axis=0),
            split_r2=among_all(shares).mean(axis=0),
        )
    return replace(
        result,
        chosen=chosen,
        fold_r_best=fold_r,
        fold_r2_best=fold_r2,
        r_best=fold_r.mean(axis=0),
        r2_best=fold_r2.mean(axis=0),
        predictions=scatter(np.concatenate(predictions), usable, n_targets),
        nuisance=nuisance,
    )
