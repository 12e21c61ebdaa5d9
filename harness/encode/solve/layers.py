"""Encode responses from every layer of a recording, choosing the layer without looking ahead."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.encode.design.band import Band, ColumnBand, make_band, make_columns
from harness.encode.design.confounds import Confounds
from harness.encode.design.kernel import nuisance_grid
from harness.encode.design.options import EncodingOptions, Precision, Solver
from harness.encode.design.result import EncodingResult, Unusable, scatter
from harness.encode.design.splits import Fold, check_runs
from harness.encode.design.targets import Split, make_splits, unusable_targets
from harness.encode.solve.by_participant import OwnDesigns
from harness.encode.solve.plan import Plan, make_plan, plan_bytes
from harness.encode.solve.scan import FEW, ScanFit
from harness.encode.solve.steps import keep, score_alone, score_joint
from harness.encode.solve.tally import Tally
from harness.errors import DataError
from harness.numeric.arrays import Doubles, Floats, Positions
from harness.numeric.threads import spread
from harness.place import memory

DEFAULT = EncodingOptions()

KEPT = 2**29
"""Bytes of plans, at most, that are kept for the joint fit with nuisance regressors; further ones
are made again."""


@dataclass(eq=False)
class _Layers:
    """Plans of the layers in the outer folds, made on demand and kept while they fit in memory.

    A layer's kernel serves all folds; a plan serves the layer curve, and the joint fit with
    nuisance regressors where the layer is chosen.
    """

    features: Floats
    runs: npt.NDArray[Any]
    splits: Sequence[Split]
    options: EncodingOptions
    n_targets: int
    nuisance: ColumnBand | None
    confounds: Confounds | None
    own: OwnDesigns | None
    keep: int
    grids: dict[tuple[int, int], Doubles] = field(default_factory=dict)
    _band: tuple[int, Band] | None = None
    _kept: dict[tuple[int, int], Plan] = field(default_factory=dict)

    def band(self, layer: int) -> Band:
        """Make a layer's band, or find the one made last."""
        if self._band is None or self._band[0] != layer:
            band = make_band(
                self.features[:, layer],
                self.runs,
                self.options.delays,
                name=f"layer {layer}",
                precision=self.options.typed,
                confounds=None if self.confounds is None else self.confounds.shared,
            )
            if self.confounds is not None and self.confounds.mean is not None:
                band = band.through(self.confounds.mean)
            self._band = (layer, band)
        return self._band[1]

    def plan(self, fold: int, layer: int) -> Plan:
        """Plan a layer's ridge regression in a fold."""
        found = self._kept.get((fold, layer))
        if found is None:
            joint = self.nuisance is not None
            # Own designs pass through the plan as few targets do.
            n_targets = self.n_targets if self.own is None else min(self.n_targets, FEW)
            keep = joint or self.own is not None
            found = make_plan(
                self.band(layer), self.splits[fold], self.options, n_targets, keep=keep
            )
            self.grids[fold, layer] = found.ridge.penalties
            held = sum(plan.nbytes for plan in list(self._kept.values()))
            # Without nuisance nobody asks for a plan again.
            if joint and held + found.nbytes <= self.keep:
                self._kept[fold, layer] = found
        return found

    def designs(self) -> Sequence[tuple[int | None, Positions]]:
        """List participants and their targets; nobody and all targets, where all share a design."""
        return [(None, np.arange(self.n_targets))] if self.own is None else self.own.members

    def own_nuisance(self, person: int | None) -> ColumnBand:
        """Return the nuisance band of a participant."""
        assert self.nuisance is not None
        if person is None or self.own is None:
            return self.nuisance
        return self.nuisance.through(self.own.projections[person])

    def own_plan(self, person: int | None, fold: int, layer: int) -> Plan:
        """Plan a layer's ridge regression for a participant: from the plan that all share."""
        shared = self.plan(fold, layer)
        if person is None or self.own is None:
            return shared
        if self.options.solver is not Solver.HIMALAYA:
            return shared.projected(*self.own.change(person, layer, self.band))

        def same_grid(*_: object) -> Doubles:
            return shared.ridge.penalties

        mine = self.band(layer).through(self.own.projections[person])
        return make_plan(mine, self.splits[fold], self.options, self.n_targets, grid=same_grid)

    def score(self, layer: int, responses: Doubles, tally: Tally, fold: int) -> None:
        """Fit all targets in the training rows of a fold, each with its design."""
        split = self.splits[fold]
        train = responses[split.outer.train]
        parts = [
            (members, self.own_plan(person, fold, layer).ridge.fit(train[:, members]))
            for person, members in self.designs()
        ]
        order = np.argsort(np.concatenate([members for members, _ in parts]))
        fit = ScanFit(
            np.concatenate([fit.inner for _, fit in parts], axis=1)[:, order],
            np.concatenate([fit.chosen for _, fit in parts])[order],
            np.concatenate([fit.predictions for _, fit in parts], axis=1)[:, order],
        )
        keep(tally, split, fold, layer, np.arange(self.n_targets), responses, fit, fit.best)
        tally.count_ends(fold, layer, len(self.grids[fold, layer]))

    def score_beyond(self, responses: Doubles, tally: Tally, fold: int) -> None:
        """Fit nuisance alone, and jointly with the layer that each target chose."""
        split, chosen = self.splits[fold], tally.layer_best[fold]
        for person, targets in self.designs():
            band = self.own_nuisance(person)
            alone = make_plan(band, split, self.options, len(targets), grid=nuisance_grid)
            score_alone(tally, alone, fold, targets, responses[:, targets])
            for layer in np.unique(chosen[targets]):
                members = targets[chosen[targets] == layer]
                plan, y = self.own_plan(person, fold, int(layer)), responses[:, members]
                score_joint(tally, plan.joint(band), split, fold, members, y, plan.start(y))


def encode_layers(
    features: Floats,
    responses: Floats,
    runs: npt.ArrayLike,
    *,
    options: EncodingOptions = DEFAULT,
    nuisance: Floats | None = None,
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
    NotEnoughMemory
        The machine does not hold a layer's plan.
    """
    options = options.in_precision(Precision.DOUBLE)
    labels = check_runs(runs)
    features, responses = _checked(features, responses, len(labels))
    keep = _room(len(features), features.shape[2], options)
    splits = make_splits(labels, options, folds, cleaned=confounds is not None)
    unusable = unusable_targets(responses, splits, labels)
    n_targets = responses.shape[1]
    usable = np.setdiff1d(np.arange(n_targets), [item.target for item in unusable])
    layers = _Layers(
        features,
        labels,
        splits,
        options,
        len(usable),
        None if nuisance is None else _regressors(nuisance, labels, options, confounds),
        confounds,
        OwnDesigns.of(confounds, usable),
        keep,
    )
    tally = Tally.empty(
        splits,
        features.shape[1],
        len(usable),
        nuisance=nuisance is not None,
        groups=_groups(target_groups, n_targets)[usable],
    )
    y = responses[:, usable].astype(np.float64)
    with spread(len(labels)) as each:
        for layer in range(features.shape[1]):
            # Folds share the layer's kernel: it is made before they part ways.
            band = layers.band(layer)
            if layers.own is not None:
                layers.own.prepare(layer, band)
            each(partial(layers.score, layer, y, tally), range(len(splits)))
        if nuisance is not None:
            each(partial(layers.score_beyond, y, tally), range(len(splits)))
    return _result(layers, tally, usable, n_targets, unusable)


def _room(n_samples: int, n_units: int, options: EncodingOptions) -> int:
    """Refuse what does not fit; return the bytes that plans may be kept in for the joint fit."""
    needed = plan_bytes(n_samples, n_units, options)
    what = f"encoding {n_samples} rows from layers of {n_units} units"
    memory.check_room(needed, what, "projected=WIDTH narrows layers; or a machine with more memory")
    left = memory.available()
    return KEPT if left is None else min(KEPT, int(memory.SHARE * left.size - needed) // 2)


def _regressors(
    nuisance: Floats,
    labels: npt.NDArray[Any],
    options: EncodingOptions,
    confounds: Confounds | None,
) -> ColumnBand:
    """Make the nuisance band that all targets share."""
    shared = None if confounds is None else confounds.shared
    band = make_columns(nuisance, labels, options.delays, name="nuisance", confounds=shared)
    mean = None if confounds is None else confounds.mean
    return band if mean is None else band.through(mean)


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


def _result(
    layers: _Layers,
    tally: Tally,
    usable: Positions,
    n_targets: int,
    unusable: tuple[Unusable, ...],
) -> EncodingResult:
    assert tally.inner is not None
    assert tally.penalties is not None

    def among_all(values: Floats) -> Doubles:
        return scatter(np.asarray(values, np.float64), usable, n_targets)

    penalty = np.full_like(tally.r, np.nan)
    for at, grid in layers.grids.items():
        penalty[at] = grid[tally.penalties[at]]
    chosen = np.full((len(layers.splits), n_targets), -1, dtype=np.intp)
    chosen[:, usable] = tally.layer_best
    fold_r, fold_r2 = among_all(tally.r), among_all(tally.r2)
    fold_r_best, fold_r2_best = among_all(tally.r_best), among_all(tally.r2_best)
    warnings = [f"{len(unusable)} of {n_targets} targets cannot be scored"] if unusable else []
    return EncodingResult(
        options=layers.options,
        folds=tuple(split.outer for split in layers.splits),
        r=fold_r.mean(axis=0),
        r2=fold_r2.mean(axis=0),
        fold_r=fold_r,
        fold_r2=fold_r2,
        inner_score=among_all(tally.inner),
        chosen=chosen,
        r_best=fold_r_best.mean(axis=0),
        r2_best=fold_r2_best.mean(axis=0),
        fold_r_best=fold_r_best,
        fold_r2_best=fold_r2_best,
        predictions=among_all(tally.predicted(np.arange(len(usable)))),
        penalty=among_all(penalty),
        grid_ends=tally.ends,
        unusable=unusable,
        warnings=(*warnings, *tally.warnings()),
        nuisance=tally.nuisance.result(usable, n_targets) if tally.nuisance else None,
    )
