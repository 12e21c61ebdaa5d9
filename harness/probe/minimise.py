"""Many smooth problems minimised side by side: limited-memory BFGS, one row a problem.

Probes of one layer differ in their labels, weights and penalties and share their features, so
evaluating all of them is two matrix products. Everything else here is element by element.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

Objective = Callable[[Floats, Ints], tuple[Doubles, Floats]]
"""Called with points (m, n_parameters) and the numbers (m,) of their problems; returns values (m,)
and gradients (m, n_parameters)."""

MEMORY = 10
ARMIJO = 1e-4
SHRINKAGE = (0.1, 0.5)
"""A step that is too long becomes the minimum of a parabola, but within these shares of it."""
STEPS = 12
COMPACT = 0.7
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
    converged: npt.NDArray[np.bool_]


def minimise(
    objective: Objective,
    start: Floats,
    scale: Floats,
    tolerance: float = 1e-6,
    max_iterations: int = 500,
) -> Minimum:
    """Minimise a batch of problems.

    Parameters
    ----------
    objective : callable
    start : array (n_problems, n_parameters)
    scale : array (n_problems, n_parameters)
        A guess of the inverse of the Hessian's diagonal. The better the guess, the fewer
        iterations.
    tolerance : float
        A problem is done when the decrease that its quadratic model still promises is below this
        share of its value (of .01, for values below that), or when rounding hides all decrease.
    max_iterations : int

    Returns
    -------
    Minimum

    References
    ----------
    Nocedal & Wright (2006), Numerical Optimization, algorithms 7.4 and 7.5; backtracking from a
    unit step. Convex problems keep the curvature condition by themselves; elsewhere a pair that
    breaks it is left out.
    """
    n_problems = len(start)
    values = np.empty(n_problems)
    points = np.array(start)
    converged = np.zeros(n_problems, np.bool_)
    state = _State.begin(objective, points.copy(), scale)
    iterations = 0
    while iterations < max_iterations:
        iterations += 1
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
    scale: Floats
    working: npt.NDArray[np.bool_]
    moves: list[Floats]
    changes: list[Floats]

    @classmethod
    def begin(cls, objective: Objective, points: Floats, scale: Floats) -> _State:
        problems = np.arange(len(points))
        values, gradients = objective(points, problems)
        working = np.ones(len(points), np.bool_)
        return cls(objective, problems, points, values, gradients, scale, working, [], [])

    def only(self, keep: npt.NDArray[np.bool_]) -> _State:
        return _State(
            self.objective,
            self.problems[keep],
            self.points[keep],
            self.values[keep],
            self.gradients[keep],
            self.scale[keep],
            self.working[keep],
            [m[keep] for m in self.moves],
            [c[keep] for c in self.changes],
        )

    def step(self, tolerance: float) -> None:
        directions = self._directions()
        slopes = _dot(directions, self.gradients)
        uphill = slopes >= 0
        if uphill.any():
            directions[uphill] = -self.scale[uphill] * self.gradients[uphill]
            slopes = _dot(directions, self.gradients)
        self.working &= -slopes / 2 > tolerance * np.maximum(np.abs(self.values), 1e-2)
        moved, points, values, gradients = self._search(directions, slopes)
        # No step lowers the value: rounding has the last word.
        self.working &= moved & (values < self.values)
        self.moves = [*self.moves[1 - MEMORY :], points - self.points]
        self.changes = [*self.changes[1 - MEMORY :], gradients - self.gradients]
        self.points, self.values, self.gradients = points, values, gradients

    def _directions(self) -> Floats:
        """Two loops over the remembered steps (Nocedal & Wright 2006, algorithm 7.4)."""
        q = self.gradients.copy()
        curvature = [_dot(s, y) for s, y in zip(self.moves, self.changes, strict=True)]
        # A problem that did not move, or a pair of negative curvature, teaches nothing.
        rho = [np.where(c > 0, 1 / np.where(c > 0, c, 1), 0).astype(q.dtype) for c in curvature]
        shares = []
        for s, y, r in reversed(list(zip(self.moves, self.changes, rho, strict=True))):
            shares.append(r * _dot(s, q))
            q -= shares[-1][:, None] * y
        q *= self.scale
        if self.moves:
            y, c = self.changes[-1], curvature[-1]
            bent = _dot(y, self.scale * y)
            taught = (c > 0) & (bent > 0)
            q *= np.where(taught, c / np.where(taught, bent, 1), 1).astype(q.dtype)[:, None]
        for s, y, r, share in zip(self.moves, self.changes, rho, reversed(shares), strict=True):
            q += (share - r * _dot(y, q))[:, None] * s
        return -q

    def _search(
        self, directions: Floats, slopes: Doubles
    ) -> tuple[npt.NDArray[np.bool_], Floats, Doubles, Floats]:
        points, values, gradients = self.points.copy(), self.values.copy(), self.gradients.copy()
        moved = ~self.working
        rounding = 4 * np.finfo(self.points.dtype).eps * np.abs(self.values)
        lengths = np.ones(len(self.points))
        for _ in range(STEPS):
            rows = np.flatnonzero(~moved)
            if len(rows) == 0:
                break
            length, before = lengths[rows], self.values[rows]
            step = length.astype(self.points.dtype)[:, None] * directions[rows]
            tried = self.points[rows] + step
            found, slope = self.objective(tried, self.problems[rows])
            promised = length * slopes[rows]
            good = found <= before + ARMIJO * promised + rounding[rows]
            taken = rows[good]
            points[taken], values[taken], gradients[taken] = tried[good], found[good], slope[good]
            moved[taken] = True
            bend = np.maximum(found - before - promised, 1e-300)
            lengths[rows] = length * np.clip(-promised / (2 * bend), *SHRINKAGE)
        return moved, points, values, gradients


def _dot(a: Floats, b: Floats) -> Any:
    return np.einsum("pd,pd->p", a, b)
