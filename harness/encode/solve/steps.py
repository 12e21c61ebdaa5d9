"""One step of an analysis: targets through the plan of a layer in a fold, into a tally.

The same steps serve regions in memory and voxels that are read in blocks.
"""

from __future__ import annotations

import numpy as np

from harness.encode.design.scores import pearson, product_measure, r_squared
from harness.encode.design.targets import Split
from harness.encode.solve.himalaya import HimalayaJoint
from harness.encode.solve.joint_scan import JointScan
from harness.encode.solve.plan import Plan
from harness.encode.solve.scan import ScanFit
from harness.encode.solve.tally import Tally
from harness.numeric.arrays import Bools, Doubles, Floats, Positions


def keep(
    tally: Tally,
    split: Split,
    fold: int,
    layer: int,
    voxels: Positions,
    responses: Floats,
    fit: ScanFit,
    inner: Doubles,
) -> Bools:
    """Score a fit's predictions of held-out rows and keep the scores.

    Parameters
    ----------
    tally : Tally
        Where scores go.
    split : Split
        The fold.
    fold, layer : int
        Their numbers.
    voxels : array of int, shape (n_voxels,)
        Which of the tally's targets these are.
    responses : array, shape (n_samples, n_voxels)
        Finite, of all rows.
    fit : ScanFit
    inner : array, shape (n_voxels,)
        Inner scores of its penalties.

    Returns
    -------
    array of bool, shape (n_voxels,)
        Targets that the layer suits better than those before.
    """
    measured = responses[split.outer.test]
    return tally.add(
        fold,
        layer,
        voxels,
        inner=inner,
        penalty=fit.chosen,
        r=pearson(measured, fit.predictions),
        r2=r_squared(measured, fit.predictions),
        predictions=fit.predictions,
    )


def score_alone(tally: Tally, plan: Plan, fold: int, voxels: Positions, responses: Floats) -> None:
    """Fit nuisance alone, by its plan in the fold, and keep its scores; see :func:`keep`."""
    kept, rows = tally.nuisance, plan.split.outer
    assert kept is not None
    train, measured = responses[rows.train], responses[rows.test]
    fit = plan.ridge.fit(train)
    offset = train.mean(axis=0, dtype=np.float64)
    at = fold, voxels
    kept.inner[at] = fit.best
    kept.r[at] = pearson(measured, fit.predictions)
    kept.r2[at] = r_squared(measured, fit.predictions)
    kept.errors[fold, :, voxels] = kept.add_up(measured - fit.predictions).T
    kept.share[at] = product_measure(measured, (fit.predictions - offset)[None], offset)[0]


def score_joint(
    tally: Tally,
    joint: JointScan | HimalayaJoint,
    split: Split,
    fold: int,
    voxels: Positions,
    responses: Floats,
    inner: Doubles,
) -> None:
    """Fit model and nuisance jointly; where that is no better on inner folds, leave the model out.

    Nuisance alone is among the candidates, so that unique R2 is then exactly 0. ``inner`` are
    scores of the model alone, (n_penalties, n_voxels); for the rest see :func:`keep`.
    """
    kept, at = tally.nuisance, (fold, voxels)
    assert kept is not None
    kept.joint_r[at], kept.joint_r2[at] = kept.r[at], kept.r2[at]
    kept.split_r2[0][at], kept.split_r2[1][at] = 0, kept.share[at]
    kept.with_model[at] = 0
    kept.joint_errors[fold, :, voxels] = kept.errors[fold, :, voxels]
    train, measured = responses[split.outer.train], responses[split.outer.test]
    fit = joint.fit(train, inner, kept.inner[at])
    if not fit.better.any():
        return
    train, measured = train[:, fit.better], measured[:, fit.better]
    offset = train.mean(axis=0, dtype=np.float64)
    parts = np.stack([fit.model, fit.nuisance])
    predicted = parts.sum(axis=0) + offset
    at = fold, voxels[fit.better]
    kept.joint_r[at] = pearson(measured, predicted)
    kept.joint_r2[at] = r_squared(measured, predicted)
    kept.split_r2[:, fold, at[1]] = product_measure(measured, parts, offset)
    kept.joint_errors[fold, :, at[1]] = kept.add_up(measured - predicted).T
    kept.with_model[at] = 1
