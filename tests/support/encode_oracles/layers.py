"""Encode responses from every layer of a recording, choosing the layer without looking ahead."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from encode_oracles.choice import LayerChoice
from encode_oracles.nuisance import among_all, score_nuisance
from encode_oracles.ridge import GridEnds, RidgePlan, grid_ends, plan_ridge
from harness.encode.design.band import Band, make_band, make_columns
from harness.encode.design.kernel import Spectrum, model_grid
from harness.encode.design.options import EncodingOptions
from harness.encode.design.result import EncodingResult, NuisanceResult, Unusable, scatter
from harness.encode.design.scores import pearson, r_squared
from harness.encode.design.splits import Fold, check_runs
from harness.encode.design.targets import Split, make_splits, unusable_targets
from harness.errors import DataError
from harness.numeric.arrays import Doubles, Floats, Positions
from harness.numeric.threads import spread

DEFAULT = EncodingOptions()

KEPT = 2**29
"""Bytes of plans kept for the joint fit with nuisance regressors; further ones are made again."""


@dataclass(frozen=True, eq=False)
class _Curves:
    """What fills up as layers are scored: arrays of shape (n_folds, n_layers, n_usable)."""

    r: Doubles
    r2: Doubles
    inner: Doubles
    penalty: Doubles
    ends: Doubles
    choices: tuple[LayerChoice, ...]

    @classmethod
    def empty(cls, splits: Sequence[Split], n_layers: int, groups: Positions) -> _Curves:
        shape = (len(splits), n_layers, len(groups))
        r, r2, inner, penalty = (np.full(shape, np.nan) for _ in range(4))
        choices = tuple(LayerChoice(groups, len(split.outer.test)) for split in splits)
        return cls(r, r2, inner, penalty, np.zeros((2, *shape[:2])), choices)

    @property
    def chosen(self) -> Positions:
        """Layer of each target in each fold, (n_folds, n_usable)."""
        return np.stack([choice.chosen for choice in self.choices])


class _Layers:
    """Plans of the layers in the outer folds, made on demand and kept while they fit in memory.

    A layer's kernel serves all folds; a plan serves the layer curve, and the joint fit with
    nuisance regressors where the layer is chosen.
    """

    def __init__(
        self,
        features: Floats,
        runs: npt.ArrayLike,
        splits: Sequence[Split],
        options: EncodingOptions,
        n_targets: int,
        memory: int,
    ) -> None:
        self.splits = splits
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
                precision=self._options.typed,
            )
            self._band = kept = (layer, band)
        return kept[1]

    def plan(self, fold: int, layer: int) -> RidgePlan:
        """Plan a layer's ridge regression in a fold."""
        found = self._kept.get((fold, layer))
        if found is None:
            found = layer_plan(self.band(layer), self.splits[fold], self._options, self._n_targets)
            if self._bytes + found.nbytes <= self._memory:
                self._kept[fold, layer] = found
                self._bytes += found.nbytes
        return found


def encode_layers(
    features: Floats,
    responses: Floats,
    runs: npt.ArrayLike,
    *,
    options: EncodingOptions = DEFAULT,
    nuisance: Floats | None = None,
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
        Centred here with training means; with several runs, z-score them by run before.
    runs : array, shape (n_samples,)
        Run label of every row.
    options : EncodingOptions
        Choices.
    nuisance : array, shape (n_samples, n_regressors), optional
        Regressors that the model has to beat, the same for all targets; z-scored and delayed like
        the features. Adds :class:`harness.encode.design.result.NuisanceResult`.
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
    regressors = None
    if nuisance is not None:
        regressors = make_columns(nuisance, labels, options.delays, name="nuisance")
    splits = make_splits(labels, options, folds)
    unusable = unusable_targets(responses, splits, labels)
    n_targets = responses.shape[1]
    usable = np.setdiff1d(np.arange(n_targets), [item.target for item in unusable])
    y = responses[:, usable].astype(np.float64)
    # Without nuisance nobody asks for a plan again.
    memory = 0 if regressors is None else KEPT
    layers = _Layers(features, labels, splits, options, len(usable), memory)
    groups = _groups(target_groups, n_targets)[usable]
    curves = _Curves.empty(splits, features.shape[1], groups)
    with spread(len(labels)) as each:
        for layer in range(features.shape[1]):
            # Folds share the layer's kernel: it is made before they part ways.
            layers.band(layer)
            each(partial(_score_layer, layers, layer, y, curves), range(len(splits)))
        beyond = None
        if regressors is not None:
            found = score_nuisance(
                regressors, y, splits, curves.chosen, layers.plan, layer_plan, options, each
            )
            beyond = among_all(found, usable, n_targets)
    return _result(options, splits, curves, usable, n_targets, unusable, beyond)


def layer_plan(
    band: Band,
    split: Split,
    options: EncodingOptions,
    n_targets: int,
    grid: Callable[[EncodingOptions, Spectrum], Doubles] = model_grid,
) -> RidgePlan:
    """Plan the ridge regression of one band in one outer fold.

    Parameters
    ----------
    band : Band
        A layer, or nuisance.
    split : Split
        The fold.
    options : EncodingOptions
        Penalty grid, metric, precision, solver.
    n_targets : int
        About how many targets will go through the plan.
    grid : callable
        What makes the penalties of the band.

    Returns
    -------
    RidgePlan
    """
    spectrum = band.spectrum(split.outer)
    penalties = grid(options, spectrum)
    return plan_ridge(
        spectrum,
        split.inner,
        penalties,
        metric=options.metric,
        precision=options.typed,
        n_targets=n_targets,
    )


def _checked(features: Floats, responses: Floats, n_samples: int) -> tuple[Floats, Floats]:
    x, y = np.asarray(features), np.asarray(responses)
    if x.ndim != 3 or y.ndim != 2 or len(x) != n_samples or len(y) != n_samples:
        raise DataError(
            f"features {x.shape}, responses {y.shape} and {n_samples} run labels do not fit",
            "expected (sample, layer, unit), (sample, target) and one run label a sample",
        )
    return x, y


def _groups(target_groups: Sequence[Hashable] | None, n_targets: int) -> Positions:
    if target_groups is None:
        return np.arange(n_targets)
    if len(target_groups) != n_targets:
        raise DataError(
            f"{len(target_groups)} target groups for {n_targets} targets",
            "give one label for every target",
        )
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(g, len(numbers)) for g in target_groups], dtype=np.intp)


def _score_layer(
    layers: _Layers, layer: int, responses: Doubles, curves: _Curves, fold: int
) -> None:
    split = layers.splits[fold]
    plan = layers.plan(fold, layer)
    fit = plan.fit(responses[split.outer.train])
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
    usable: Positions,
    n_targets: int,
    unusable: tuple[Unusable, ...],
    nuisance: NuisanceResult | None,
) -> EncodingResult:
    chosen = curves.chosen

    def at_chosen(curve: Doubles) -> Doubles:
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


def _warnings(ends: Doubles, unusable: tuple[Unusable, ...], n_targets: int) -> tuple[str, ...]:
    found = []
    if unusable:
        found.append(f"{len(unusable)} of {n_targets} targets cannot be scored")
    return (*found, *GridEnds(*ends.mean(axis=(1, 2))).warnings)
