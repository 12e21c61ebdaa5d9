"""Whether alignment goes on growing with size, or its growth breaks.

A straight line over log parameters against broken sticks, by leave-one-model-out prediction error.
Leaving one point out of a least-squares fit needs no second fit (Allen 1974, the PRESS statistic),
so that every left-out model, every knot and every bootstrap draw cost one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.numeric.arrays import Doubles

CURVES = ("line", "plateau", "broken stick")
"""Straight; rising and then flat; two slopes that meet at a knot."""

FEWEST = {"line": 4, "plateau": 5, "broken stick": 6}
"""Different sizes below which a curve is not fitted: one more than it has parameters, left out."""

_KNOTS = 25
_BLOCK = 2**22


@dataclass(frozen=True, eq=False)
class CurveFit:
    """Curves over log parameters, for several targets.

    Parameters
    ----------
    error : array, shape (n_curves, n_targets)
        Root mean squared error of predicting a left-out model, in the order of ``CURVES``; NaN for
        a curve with too few sizes.
    knot : array, shape (n_curves, n_targets)
        Where the fit to all models breaks, in log10 parameters; NaN for the line.
    p : array, shape (n_curves, n_targets)
        How often models scattered about the fitted line favour the curve over the line as much as
        these do; NaN for the line.
    sizes : int
        Number of different sizes.
    """

    error: Doubles
    knot: Doubles
    p: Doubles
    sizes: int


def fit_curves(x: Doubles, y: Doubles, draws: int = 1000, seed: int = 0) -> CurveFit:
    """Fit straight line, plateau and broken stick.

    Parameters
    ----------
    x : array, shape (n_models,)
        log10 of the number of parameters.
    y : array, shape (n_models, n_targets)
        Alignment.
    draws, seed : int
        Of the parametric bootstrap under the straight line.

    Notes
    -----
    The test resamples models, not participants: how models of a size scatter about the line is what
    could be mistaken for a break. Residuals are drawn from a normal distribution with the line's
    residual variance.
    """
    n_targets = y.shape[1]
    sizes = len(np.unique(x))
    error, knot, p = np.full((3, len(CURVES), n_targets), np.nan)
    usable = [name for name in CURVES if sizes >= FEWEST[name]]
    if not usable:
        return CurveFit(error, knot, p, sizes)
    designs = {name: _designs(name, x) for name in usable}
    for name in usable:
        found, at = _left_out_error(designs[name], y)
        error[CURVES.index(name)] = found
        if name != "line":
            knot[CURVES.index(name)] = _knots(name, x)[at]
    line = designs["line"][0]
    fitted = line @ np.linalg.lstsq(line, y, rcond=None)[0]
    scatter = np.sqrt(np.square(y - fitted).sum(axis=0) / (len(x) - 2))
    noise = np.random.default_rng(seed).standard_normal((len(x), draws))
    for target in range(n_targets):
        drawn = fitted[:, [target]] + scatter[target] * noise
        spread = np.square(drawn - line @ np.linalg.lstsq(line, drawn, rcond=None)[0]).sum(axis=0)
        null = _left_out_error(designs["line"], drawn)[0] ** 2
        for name in usable[1:]:
            i = CURVES.index(name)
            # In units of the line's residuals, as a t statistic is of its error.
            gain = (error[0, target] ** 2 - error[i, target] ** 2) / scatter[target] ** 2
            chance = null - _left_out_error(designs[name], drawn)[0] ** 2
            chance *= (len(x) - 2) / spread
            if np.isfinite(gain):
                p[i, target] = ((chance >= gain).sum() + 1) / (draws + 1)
    return CurveFit(error, knot, p, sizes)


def _knots(name: str, x: Doubles) -> Doubles:
    """Candidate breaks: with any one size left out, a sloping piece still has two of its own."""
    sizes = np.unique(x)
    return np.linspace(sizes[2], sizes[-2 if name == "plateau" else -3], _KNOTS)


def _designs(name: str, x: Doubles) -> list[Doubles]:
    one = np.ones_like(x)
    if name == "line":
        return [np.column_stack([one, x])]
    if name == "plateau":
        return [np.column_stack([one, np.minimum(x, k)]) for k in _knots(name, x)]
    return [np.column_stack([one, x, np.maximum(x - k, 0)]) for k in _knots(name, x)]


def _left_out_error(
    designs: list[Doubles], y: Doubles
) -> tuple[Doubles, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Leave-one-out error where the knot is chosen without the point left out.

    Returns
    -------
    error : array, shape (n_targets,)
    best : array of int, shape (n_targets,)
        Design that fits all points best.
    """
    n, n_targets = y.shape
    hats = np.stack([d @ np.linalg.pinv(d) for d in designs])
    leverage = np.diagonal(hats, axis1=1, axis2=2)
    solvable = leverage < 1 - 1e-9
    error = np.empty(n_targets)
    best = np.empty(n_targets, np.intp)
    width = max(1, _BLOCK // (n * len(designs)))
    for start in range(0, n_targets, width):
        part = y[:, start : start + width]
        residual = part[None] - hats @ part
        total = np.square(residual).sum(axis=1)
        free = np.where(solvable, 1 - leverage, 1.0)[:, :, None]
        left_out = residual / free
        without = total[:, None] - residual**2 / free
        without[~solvable] = np.inf
        chosen = np.argmin(without, axis=0)
        predicted = np.take_along_axis(left_out, chosen[None], axis=0)[0]
        error[start : start + width] = np.sqrt(np.square(predicted).mean(axis=0))
        best[start : start + width] = np.argmin(total, axis=0)
    return error, best
