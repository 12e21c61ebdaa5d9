"""Many smooth problems minimised side by side: limited-memory BFGS, one row a problem.

Probes of one layer differ in their labels, weights and penalties and share their features, so
evaluating all of them is two matrix products. Everything else here is element by element.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.numeric.arrays import Bools, Doubles, Floats, Ints
from harness.probe.past import Past, dot

Objective = Callable[[Floats, Ints], tuple[Doubles, Floats]]
"""Called with points (m, n_parameters) and the numbers (m,) of their problems; returns values (m,)
and gradients (m, n_parameters)."""

Scale = Callable[[Ints], Floats]
"""Called with the numbers (m,) of problems at work; returns a guess of the inverse of the Hessian's
diagonal (m, n_parameters) at the points where the objective was last asked for them."""

MEMORY = 10
"""Steps that are remembered."""
ARMIJO = 1e-4
SHRINKAGE = (0.1, 0.5)
"""A step that is too long becomes the minimum of a parabola, but within these shares of it."""
STEPS = 12
COMPACT = 0.8
"""Finished problems are put aside when this share or less is still at work."""


@dataclass(frozen=True)
class Minimum:
    """Where a batch of problems ended.

    Parameters
    ----------
    points : array (n_problems, n_parameters)
    values : array (n_problems,)
    iterations : int
        Of the problem that took longest.
    converged : array (n_problems,) of bool
        False where the iterations ran out.
    """

    points: Floats
    values: Doubles
    iterations: int
    converged: Bools


def minimise(
    objective: Objective,
    start: Floats,
    scale: Floats | Scale,
    tolerance: float = 1e-6,
    max_iterations: int = 500,
) -> Minimum:
    """Minimise a batch of problems.

    Parameters
    ----------
    objective : callable
    start : array (n_problems, n_parameters)
    scale : array (n_problems, n_parameters), or callable
        A guess of the inverse of the Hessian's diagonal. The better the guess, the fewer
        iterations; a function is asked before each.
    tolerance : float
        A problem is done when the decrease that its quadratic model still promises is below this
        share of its value (of .01, for values below that), or when rounding hides all decrease.
    max_iterations : int

    Returns
    -------
    Minimum

    References
    ----------
    Nocedal & Wright (2006), Numerical Optimization, algorithm 7.5; backtracking from a unit step.
    Convex problems keep the curvature condition by themselves; elsewhere a pair that breaks it is
    left out.
    """
    points = np.array(start)
    values = np.empty(len(start))
    converged = np.zeros(len(start), np.bool_)
    fixed = np.ones_like(points) if callable(scale) else scale
    state = _State.begin(objective, points.copy(), Past.of(fixed, MEMORY))
    iterations = 0
    while iterations < max_iterations:
        iterations += 1
        if callable(scale):
            state.past.scale = scale(state.problems)
        state.step(tolerance)
        if state.working.mean() <= COMPACT or not state.working.any():
            done = ~state.working
            points[state.problems[done]] = state.points[done]
            values[state.problems[done]] = state.values[done]
            converged[state.problems[done]] = True
            state = state.only(state.working)
            if len(state.problems) == 0:
                break
    points[state.problems] = state.points
    values[state.problems] = state.values
    converged[state.problems] = ~state.working
    return Minimum(points, values, iterations, converged)


@dataclass
class _State:
    """Problems at work, one row each."""

    objective: Objective
    problems: Ints
    points: Floats
    values: Doubles
    gradients: Floats
    working: Bools
    past: Past

    @classmethod
    def begin(cls, objective: Objective, points: Floats, past: Past) -> _State:
        problems = np.arange(len(points))
        values, gradients = objective(points, problems)
        working = np.ones(len(points), np.bool_)
        return cls(objective, problems, points, values, gradients, working, past)

    def only(self, keep: Bools) -> _State:
        return _State(
            self.objective,
            self.problems[keep],
            self.points[keep],
            self.values[keep],
            self.gradients[keep],
            self.working[keep],
            self.past.only(keep),
        )

    def step(self, tolerance: float) -> None:
        directions = self.past.direction(self.gradients)
        slopes = dot(directions, self.gradients)
        uphill = slopes >= 0
        if uphill.any():
            directions[uphill] = -self.past.scale[uphill] * self.gradients[uphill]
            slopes = dot(directions, self.gradients)
        self.working &= -slopes / 2 > tolerance * np.maximum(np.abs(self.values), 1e-2)
        moved, points, values, gradients = self._search(directions, slopes)
        # No step lowers the value: rounding has the last word.
        self.working &= moved & (values < self.values)
        self.past.add(points - self.points, gradients - self.gradients)
        self.points, self.values, self.gradients = points, values, gradients

    def _search(self, directions: Floats, slopes: Doubles) -> tuple[Bools, Floats, Doubles, Floats]:
        points, values, gradients = self.points.copy(), self.values.copy(), self.gradients.copy()
        moved = ~self.working
        rounding = 4 * np.finfo(self.points.dtype).eps * np.abs(self.values)
        lengths = np.ones(len(self.points))
        for _ in range(STEPS):
            left = np.flatnonzero(~moved)
            if len(left) == 0:
                break
            # Views, where it is all of them: most unit steps do.
            rows = slice(None) if len(left) == len(moved) else left
            length, before = lengths[rows], self.values[rows]
            tried = self.points[rows] + length.astype(points.dtype)[:, None] * directions[rows]
            found, slope = self.objective(tried, self.problems[rows])
            promised = length * slopes[rows]
            good = found <= before + ARMIJO * promised + rounding[rows]
            if good.all() and len(left) == len(moved):
                return good, tried, found, slope
            taken = left[good]
            points[taken], values[taken], gradients[taken] = tried[good], found[good], slope[good]
            moved[taken] = True
            bend = np.maximum(found - before - promised, 1e-300)
            lengths[left] = length * np.clip(-promised / (2 * bend), *SHRINKAGE)
        return moved, points, values, gradients
