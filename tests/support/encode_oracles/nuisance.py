"""What a model explains beyond nuisance regressors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from encode_oracles.joint import JointPlan, plan_joint
from encode_oracles.ridge import RidgePlan
from harness.encode.design.band import ColumnBand
from harness.encode.design.kernel import nuisance_grid
from harness.encode.design.options import EncodingOptions
from harness.encode.design.result import NuisanceResult, scatter
from harness.encode.design.scores import pearson, product_measure, r_squared
from harness.encode.design.targets import Split
from harness.numeric.arrays import Doubles, Positions
from harness.numeric.threads import Each

Plan = RidgePlan


@dataclass(frozen=True, eq=False)
class _Fold:
    """Scores of one outer fold, of shape (n_targets,)."""

    r: Doubles
    r2: Doubles
    joint_r: Doubles
    joint_r2: Doubles
    split_r2: Doubles  # (2, n_targets)
    with_model: Doubles


def score_nuisance(
    nuisance: ColumnBand,
    responses: Doubles,
    splits: Sequence[Split],
    chosen: Positions,
    plan_of: Callable[[int, int], Plan],
    make: Callable[..., Plan],
    options: EncodingOptions,
    each: Each,
) -> NuisanceResult:
    """Fit nuisance alone, and jointly with the chosen layer, in every outer fold.

    The joint fit may leave the model out: nuisance alone is among its candidates, and is taken
    where inner cross-validation finds no pair of penalties that does better. Unique R2 is then
    exactly 0.

    Parameters
    ----------
    nuisance : ColumnBand
        Regressors of all rows.
    responses : array, shape (n_samples, n_targets)
        Usable targets only.
    splits : sequence of Split
        Outer folds.
    chosen : array of int, shape (n_folds, n_targets)
        Layer of each target in each fold.
    plan_of : callable
        Ridge plan of a layer, given the numbers of fold and layer.
    make : callable
        What plans a band in a fold (:func:`harness.encode.solve.layers.layer_plan`).
    options : EncodingOptions
        Grids, metric, precision, solver.
    each : callable
        How to spread the folds (:func:`harness.numeric.threads.spread`).

    Returns
    -------
    NuisanceResult
    """
    found: dict[int, _Fold] = {}

    def score(number: int) -> None:
        split = splits[number]
        alone = make(nuisance, split, options, responses.shape[1], nuisance_grid)
        plan = partial(plan_of, number)
        found[number] = _score_fold(nuisance, responses, split, chosen[number], alone, plan)

    each(score, range(len(splits)))
    return _averaged([found[number] for number in range(len(splits))])


def among_all(result: NuisanceResult, usable: Positions, n_targets: int) -> NuisanceResult:
    """Put the results of usable targets among those of all.

    Parameters
    ----------
    result : NuisanceResult
        Of the usable targets.
    usable : array of int, shape (n_usable,)
        Their indices.
    n_targets : int
        Number of all targets.

    Returns
    -------
    NuisanceResult
        NaN for the other targets.
    """
    return NuisanceResult(
        **{
            name: scatter(np.asarray(value, dtype=np.float64), usable, n_targets)
            for name, value in vars(result).items()
        }
    )


def _score_fold(
    nuisance: ColumnBand,
    responses: Doubles,
    split: Split,
    chosen: Positions,
    alone: Plan,
    plan_of: Callable[[int], Plan],
) -> _Fold:
    train, test = split.outer.train, split.outer.test
    measured = responses[test]
    fit = alone.fit(responses[train])
    best = fit.inner_scores.max(axis=0)
    offset = responses[train].mean(axis=0)
    # What each target's joint prediction is made of, unless a layer improves on it.
    parts = np.stack([np.zeros_like(fit.predictions), fit.predictions - offset])
    with_model = np.zeros(len(chosen))
    for layer in np.unique(chosen):
        members = np.flatnonzero(chosen == layer)
        joint = _joint(plan_of(int(layer)), nuisance, split, alone.penalties).fit(
            responses[train][:, members]
        )
        better = joint.inner_score > best[members]
        with_model[members] = better
        parts[0][:, members[better]] = joint.model[:, better]
        parts[1][:, members[better]] = joint.nuisance[:, better]
    predicted = parts.sum(axis=0) + offset
    return _Fold(
        r=pearson(measured, fit.predictions),
        r2=r_squared(measured, fit.predictions),
        joint_r=pearson(measured, predicted),
        joint_r2=r_squared(measured, predicted),
        split_r2=product_measure(measured, parts, offset),
        with_model=with_model,
    )


def _joint(plan: Plan, nuisance: ColumnBand, split: Split, penalties: Doubles) -> JointPlan:
    columns = nuisance.columns
    return plan_joint(plan, columns[split.outer.train], columns[split.outer.test], penalties)


def _averaged(folds: Sequence[_Fold]) -> NuisanceResult:
    each = {name: np.stack([getattr(fold, name) for fold in folds]) for name in vars(folds[0])}
    mean = {name: values.mean(axis=0) for name, values in each.items()}
    return NuisanceResult(
        **mean,
        unique_r2=mean["joint_r2"] - mean["r2"],
        fold_r=each["r"],
        fold_r2=each["r2"],
        fold_joint_r=each["joint_r"],
        fold_joint_r2=each["joint_r2"],
    )
