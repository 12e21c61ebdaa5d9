"""Encode responses from every layer of a recording, choosing the layer without looking ahead."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.encode.design.band import Band, ColumnBand, make_band, make_columns
from harness.encode.design.confounds import Confounds
from harness.encode.design.kernel import DoubleArray, FloatArray, Spectrum
from harness.encode.design.result import (
    EncodingOptions,
    EncodingResult,
    NuisanceResult,
    Unusable,
    scatter,
)
from harness.encode.design.scores import pearson, r_squared
from harness.encode.design.splits import Fold, IntArray, check_runs
from harness.encode.design.targets import Split, make_splits, unusable_targets
from harness.encode.solve.by_participant import OwnDesigns
from harness.encode.solve.choice import LayerChoice
from harness.encode.solve.confounded import project_joint
from harness.encode.solve.nuisance import among_all, assembled, score_nuisance
from harness.encode.solve.ridge import GridEnds, RidgeFit, RidgePlan, grid_ends, plan_ridge
from harness.errors import DataError
from harness.numeric.threads import Each, spread

DEFAULT = EncodingOptions()

KEPT = 2**29
"""Bytes of plans kept for the joint fit with nuisance regressors; further ones are made again."""


@dataclass(frozen=True, eq=False)
class _Curves:
    """What fills up as layers are scored: arrays of shape (n_folds, n_layers, n_usable)."""

    r: DoubleArray
    r2: DoubleArray
    inner: DoubleArray
    penalty: DoubleArray
    ends: DoubleArray
    choices: tuple[LayerChoice, ...]

    @classmethod
    def empty(cls, splits: Sequence[Split], n_layers: int, groups: IntArray) -> _Curves:
        shape = (len(splits), n_layers, len(groups))
        r, r2, inner, penalty = (np.full(shape, np.nan) for _ in range(4))
        choices = tuple(LayerChoice(groups, len(split.outer.test)) for split in splits)
        return cls(r, r2, inner, penalty, np.zeros((2, *shape[:2])), choices)

    @property
    def chosen(self) -> IntArray:
        """Layer of each target in each fold, (n_folds, n_usable)."""
        return np.stack([choice.chosen for choice in self.choices])


class _Layers:
    """Plans of the layers in the outer folds, made on demand and kept while they fit in memory.

    A layer's kernel serves all folds; a plan serves the layer curve, and the joint fit with
    nuisance regressors where the layer is chosen.
    """

    def __init__(
        self,
        features: FloatArray,
        runs: npt.ArrayLike,
        splits: Sequence[Split],
        options: EncodingOptions,
        n_targets: int,
        memory: int,
        confounds: Confounds | None = None,
        own: OwnDesigns | None = None,
    ) -> None:
        self.splits = splits
        self.own = own
        self._confounds = confounds
        self._features = features
        self._runs = runs
        self._options = options
        self._n_targets = n_targets
        self._memory = memory
        self._band: tuple[int, Band] | None = None
        self._kept: dict[tuple[int, int], RidgePlan] = {}
        self._bytes = 0

    def band(self, layer: int) -> Band:
        """Make a layer's band, or find the one made last."""
        kept = self._band
        if kept is None or kept[0] != layer:
            band = make_band(
                self._features[:, layer],
                self._runs,
                self._options.delays,
                name=f"layer {layer}",
                precision=self._options.precision,
                confounds=None if self._confounds is None else self._confounds.shared,
            )
            if self._confounds is not None and self._confounds.mean is not None:
                band = band.through(self._confounds.mean)
            self._band = kept = (layer, band)
        return kept[1]

    def plan(self, fold: int, layer: int) -> RidgePlan:
        """Plan a layer's ridge regression in a fold."""
        found = self._kept.get((fold, layer))
        if found is None:
            split = self.splits[fold]
            spectrum = self.band(layer).spectrum(split.outer)
            found = layer_plan(spectrum, split, self._options, self._n_targets)
            if self._bytes + found.nbytes <= self._memory:
                self._kept[fold, layer] = found
                self._bytes += found.nbytes
        return found

    def fit(self, fold: int, layer: int, responses: DoubleArray) -> RidgeFit:
        """Fit all targets in the training rows of a fold, each with its own design."""
        split, plan = self.splits[fold], self.plan(fold, layer)
        if self.own is None:
            return plan.fit(responses[split.outer.train])
        changes = self.own.changes(layer, self.band)
        return self.own.fit(plan, changes, split.outer, responses)

    def person_plan(self, person: int, fold: int, layer: int) -> RidgePlan:
        """Plan a layer's ridge regression for the targets of one participant."""
        assert self.own is not None
        change = self.own.changes(layer, self.band)[person]
        return self.own.plan(self.plan(fold, layer), change, self.splits[fold].outer)


def encode_layers(
    features: FloatArray,
    responses: FloatArray,
    runs: npt.ArrayLike,
    *,
    options: EncodingOptions = DEFAULT,
    nuisance: FloatArray | None = None,
    confounds: Confounds | None = None,
    target_groups: Sequence[Hashable] | None = None,
    folds: Sequence[Fold] | None = None,
) -> EncodingResult:
    """Score how well each layer predicts responses, and the layer chosen on training rows.

    Features are z-scored by run and delayed. In every outer fold each layer's ridge regression
    takes the penalty, and each target (or group of targets) the layer, that inner folds of the
    training rows favour.

    Parameters
    ----------
    features : array, shape (n_samples, n_layers, n_units)
        A recording in the time base of the responses.
    responses : array, shape (n_samples, n_targets)
        Voxels, ROIs or electrodes, of one participant or of many who had the same stimulus.
        Centred here with training means; with several runs, z-score them by run before. Confounds
        are taken out before, too.
    runs : array, shape (n_samples,)
        Run label of every row.
    options : EncodingOptions
        Choices.
    nuisance : array, shape (n_samples, n_regressors), optional
        Regressors that the model has to beat, the same for all targets; z-scored and delayed like
        the features. Adds :class:`harness.encode.design.result.NuisanceResult`.
    confounds : Confounds, optional
        What was taken out of the responses; it is taken out of the delayed features and nuisance
        regressors (:mod:`harness.encode.design.confounds`).
    target_groups : sequence, length n_targets, optional
        Targets of one label choose one layer together, by their mean inner score. By default each
        chooses its own.
    folds : sequence of Fold, optional
        Outer folds, where the data set prescribes them (a test story). By default
        :func:`harness.encode.design.splits.contiguous_folds`.

    Returns
    -------
    EncodingResult

    Raises
    ------
    DataError
        Shapes do not fit, runs are too short for the folds, or features are not finite.
    """
    labels = check_runs(runs)
    features, responses = _checked(features, responses, len(labels))
    splits = make_splits(labels, options, folds, cleaned=confounds is not None)
    unusable = unusable_targets(responses, splits, labels)
    n_targets = responses.shape[1]
    usable = np.setdiff1d(np.arange(n_targets), [item.target for item in unusable])
    y = responses[:, usable].astype(np.float64)
    own = OwnDesigns.of(confounds, usable)
    # Without nuisance nobody asks for a plan again.
    memory = 0 if nuisance is None else KEPT
    width = len(usable) if own is None else own.n_columns(len(usable))
    layers = _Layers(features, labels, splits, options, width, memory, confounds, own)
    groups = _groups(target_groups, n_targets)[usable]
    curves = _Curves.empty(splits, features.shape[1], groups)
    with spread(len(labels)) as each:
        for layer in range(features.shape[1]):
            # Folds share the layer's kernel: it is made before they part ways.
            band = layers.band(layer)
            if own is not None:
                own.prepare(layer, band)
            each(partial(_score_layer, layers, layer, y, curves), range(len(splits)))
        beyond = None
        if nuisance is not None:
            regressors = _regressors(nuisance, labels, options, confounds)
            found = _beyond(regressors, y, layers, curves.chosen, options, each)
            beyond = among_all(found, usable, n_targets)
    return _result(options, splits, curves, usable, n_targets, unusable, beyond)


def layer_plan(
    spectrum: Spectrum, split: Split, options: EncodingOptions, n_targets: int
) -> RidgePlan:
    """Plan the ridge regression of one layer in one outer fold.

    Parameters
    ----------
    spectrum : Spectrum
        Of the fold's training rows.
    split : Split
        The fold.
    options : EncodingOptions
        Penalty grid, metric, precision.
    n_targets : int
        About how many targets will go through the plan.

    Returns
    -------
    RidgePlan
    """
    return plan_ridge(
        spectrum,
        split.inner,
        options.model_grid(spectrum),
        metric=options.metric,
        precision=options.precision,
        n_targets=n_targets,
    )


def _checked(
    features: FloatArray, responses: FloatArray, n_samples: int
) -> tuple[FloatArray, FloatArray]:
    x, y = np.asarray(features), np.asarray(responses)
    if x.ndim != 3 or y.ndim != 2 or len(x) != n_samples or len(y) != n_samples:
        raise DataError(
            f"features {x.shape}, responses {y.shape} and {n_samples} run labels do not fit",
            "expected (sample, layer, unit), (sample, target) and one run label a sample",
        )
    return x, y


def _groups(target_groups: Sequence[Hashable] | None, n_targets: int) -> IntArray:
    if target_groups is None:
        return np.arange(n_targets)
    if len(target_groups) != n_targets:
        raise DataError(
            f"{len(target_groups)} target groups for {n_targets} targets",
            "give one label for every target",
        )
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(g, len(numbers)) for g in target_groups], dtype=np.intp)


def _regressors(
    nuisance: FloatArray,
    labels: npt.NDArray[Any],
    options: EncodingOptions,
    confounds: Confounds | None,
) -> ColumnBand:
    shared = None if confounds is None else confounds.shared
    band = make_columns(nuisance, labels, options.delays, name="nuisance", confounds=shared)
    if confounds is not None and confounds.mean is not None:
        band = band.through(confounds.mean)
    return band


def _beyond(
    regressors: ColumnBand,
    responses: DoubleArray,
    layers: _Layers,
    chosen: IntArray,
    options: EncodingOptions,
    each: Each,
) -> NuisanceResult:
    """Fit nuisance alone and jointly, each participant with a design of their own."""
    own, splits = layers.own, layers.splits
    if own is None:
        return score_nuisance(regressors, responses, splits, chosen, layers.plan, options, each)
    parts = [
        score_nuisance(
            regressors.through(own.projections[person]),
            responses[:, members],
            splits,
            chosen[:, members],
            partial(layers.person_plan, person),
            options,
            each,
            join=project_joint,
        )
        for person, members in own.members
    ]
    return assembled(parts, [members for _, members in own.members])


def _score_layer(
    layers: _Layers, layer: int, responses: DoubleArray, curves: _Curves, fold: int
) -> None:
    split = layers.splits[fold]
    plan = layers.plan(fold, layer)
    fit = layers.fit(fold, layer, responses)
    measured = responses[split.outer.test]
    curves.r[fold, layer] = pearson(measured, fit.predictions)
    curves.r2[fold, layer] = r_squared(measured, fit.predictions)
    curves.inner[fold, layer] = fit.inner_scores.max(axis=0)
    curves.choices[fold].offer(layer, curves.inner[fold, layer], fit.predictions)
    curves.penalty[fold, layer] = plan.penalties[fit.chosen]
    ends = grid_ends(fit.chosen, len(plan.penalties))
    curves.ends[:, fold, layer] = ends.low, ends.high


def _result(
    options: EncodingOptions,
    splits: Sequence[Split],
    curves: _Curves,
    usable: IntArray,
    n_targets: int,
    unusable: tuple[Unusable, ...],
    nuisance: NuisanceResult | None,
) -> EncodingResult:
    chosen = curves.chosen

    def at_chosen(curve: DoubleArray) -> DoubleArray:
        return scatter(np.take_along_axis(curve, chosen[:, None], axis=1)[:, 0], usable, n_targets)

    fold_r = scatter(curves.r, usable, n_targets)
    fold_r2 = scatter(curves.r2, usable, n_targets)
    fold_r_best, fold_r2_best = at_chosen(curves.r), at_chosen(curves.r2)
    all_chosen = np.full((len(splits), n_targets), -1, dtype=np.intp)
    all_chosen[:, usable] = chosen
    return EncodingResult(
        options=options,
        folds=tuple(split.outer for split in splits),
        r=fold_r.mean(axis=0),
        r2=fold_r2.mean(axis=0),
        fold_r=fold_r,
        fold_r2=fold_r2,
        inner_score=scatter(curves.inner, usable, n_targets),
        chosen=all_chosen,
        r_best=fold_r_best.mean(axis=0),
        r2_best=fold_r2_best.mean(axis=0),
        fold_r_best=fold_r_best,
        fold_r2_best=fold_r2_best,
        predictions=scatter(
            np.concatenate([choice.predictions for choice in curves.choices]), usable, n_targets
        ),
        penalty=scatter(curves.penalty, usable, n_targets),
        grid_ends=curves.ends,
        unusable=unusable,
        warnings=_warnings(curves.ends, unusable, n_targets),
        nuisance=nuisance,
    )


def _warnings(ends: DoubleArray, unusable: tuple[Unusable, ...], n_targets: int) -> tuple[str, ...]:
    found = []
    if unusable:
        found.append(f"{len(unusable)} of {n_targets} targets cannot be scored")
    return (*found, *GridEnds(*ends.mean(axis=(1, 2))).warnings)
