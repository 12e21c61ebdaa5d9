"""One step of an analysis: targets through the plan of a layer in a fold, into a tally.

The same steps serve regions in memory and voxels that are read in blocks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from harness.encode.design.kernel import DoubleArray, FloatArray
from harness.encode.design.scores import pearson, product_measure, r_squared
from harness.encode.design.splits import IntArray
from harness.encode.design.targets import Split
from harness.encode.solve.himalaya import HimalayaJoint
from harness.encode.solve.joint_scan import JointScan
from harness.encode.solve.plan import Plan
from harness.encode.solve.scan import ScanFit
from harness.encode.solve.tally import Tally

Flags = npt.NDArray[np.bool_]


def score_layer(
    tally: Tally, plan: Plan, fold: int, layer: int, voxels: IntArray, responses: FloatArray
) -> tuple[ScanFit, Flags]:
    """Choose penalties, predict held-out rows and keep the scores.

    Parameters
    ----------
    tally : Tally
        Where scores go.
    plan : Plan
        Of the layer in the fold.
    fold, layer : int
        Their numbers.
    voxels : array of int, shape (n_voxels,)
        Which of the tally's targets these are.
    responses : array, shape (n_samples, n_voxels)
        Finite, of all rows.

    Returns
    -------
    fit : ScanFit
    better : array of bool, shape (n_voxels,)
        Targets that the layer suits better than those before.
    """
    fit = plan.ridge.fit(responses[plan.split.outer.train])
    better = keep(tally, plan.split, fold, layer, voxels, responses, fit, fit.best)
    return fit, better


def keep(
    tally: Tally,
    split: Split,
    fold: int,
    layer: int,
    voxels: IntArray,
    responses: FloatArray,
    fit: ScanFit,
    inner: DoubleArray,
) -> Flags:
    """Score a fit's predictions and add them to a tally; see :func:`score_layer`."""
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


def score_alone(
    tally: Tally, plan: Plan, fold: int, voxels: IntArray, responses: FloatArray
) -> None:
    """Fit nuisance alone and keep its scores.

    Parameters
    ----------
    tally : Tally
    plan : Plan
        Of nuisance in the fold.
    fold : int
    voxels : array of int, shape (n_voxels,)
    responses : array, shape (n_samples, n_voxels)
    """
    assert tally.nuisance is not None
    rows = plan.split.outer
    train, measured = responses[rows.train], responses[rows.test]
    fit = plan.ridge.fit(train)
    offset = train.mean(axis=0, dtype=np.float64)
    tally.nuisance.alone(
        fold,
        voxels,
        inner=fit.best,
        r=pearson(measured, fit.predictions),
        r2=r_squared(measured, fit.predictions),
        share=product_measure(measured, (fit.predictions - offset)[None], offset)[0],
    )


def score_joint(
    tally: Tally,
    joint: JointScan | HimalayaJoint,
    split: Split,
    fold: int,
    voxels: IntArray,
    responses: FloatArray,
    inner: DoubleArray,
) -> None:
    """Fit model and nuisance jointly; where that is no better on inner folds, leave the model out.

    Nuisance alone is among the candidates, so that unique R2 is then exactly 0.

    Parameters
    ----------
    tally : Tally
    joint : JointScan or HimalayaJoint
        Of the layer and nuisance in the fold.
    split : Split
        The fold.
    fold : int
        Its number.
    voxels : array of int, shape (n_voxels,)
    responses : array, shape (n_samples, n_voxels)
    inner : array, shape (n_penalties, n_voxels)
        Inner scores of the model alone.
    """
    kept = tally.nuisance
    assert kept is not None
    kept.leave_out(fold, voxels)
    train, measured = responses[split.outer.train], responses[split.outer.test]
    fit = joint.fit(train, inner, kept.inner[fold, voxels])
    if not fit.better.any():
        return
    train, measured = train[:, fit.better], measured[:, fit.better]
    offset = train.mean(axis=0, dtype=np.float64)
    parts = np.stack([fit.model, fit.nuisance])
    predicted = parts.sum(axis=0) + offset
    kept.take_in(
        fold,
        voxels[fit.better],
        r=pearson(measured, predicted),
        r2=r_squared(measured, predicted),
        split=product_measure(measured, parts, offset),
    )
