"""What a minimiser remembers: its last steps, and the inverse Hessian that they suggest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.numeric.arrays import Bools, Doubles, Floats


@dataclass
class Past:
    """Remembered steps of every problem, and the guess of the inverse Hessian that they make.

    The two loops over remembered steps (Nocedal & Wright 2006, algorithm 7.4) take four operations
    with all parameters for each step. The compact representation gives the same direction by four
    products with all steps at once. A step takes the place of the oldest, and the triangular matrix
    of the paper is kept as its inverse, which a step extends by a column.

    Parameters
    ----------
    scale : array (n_problems, n_parameters)
        Guess of the inverse of the Hessian's diagonal.
    moves, changes : array (n_problems, memory, n_parameters)
        Of the point and of the gradient; 0 for a step that taught nothing, because the problem did
        not move or bends downwards.
    inverse : array (n_problems, memory, memory)
        Of the products of moves with changes of the same and of later steps.
    curvatures : array (n_problems, memory)
        Products of moves with their own changes.
    count : int
        Steps that were added.

    References
    ----------
    Byrd, Nocedal & Schnabel (1994), Representations of quasi-Newton matrices and their use in
    limited memory methods, Mathematical Programming 63, theorem 2.2.
    """

    scale: Floats
    moves: Floats
    changes: Floats
    inverse: Doubles
    curvatures: Doubles
    count: int = 0

    @classmethod
    def of(cls, scale: Floats, memory: int) -> Past:
        """Begin without a step."""
        m, d = scale.shape
        moves, changes = np.zeros((2, m, memory, d), scale.dtype)
        inverse = np.zeros((m, memory, memory))
        return cls(scale, moves, changes, inverse, np.zeros((m, memory)))

    def only(self, keep: Bools) -> Past:
        """Leave out some problems."""
        return Past(
            self.scale[keep],
            self.moves[keep],
            self.changes[keep],
            self.inverse[keep],
            self.curvatures[keep],
            self.count,
        )

    def add(self, move: Floats, change: Floats) -> None:
        """Remember a step: how points moved, and how gradients changed with it."""
        curvature = dot(move, change).astype(np.float64)
        taught = curvature > 0
        if not taught.all():
            move, change = move * taught[:, None], change * taught[:, None]
        place = self.count % len(self.moves[0])
        self.count += 1
        used = slice(min(self.count, len(self.moves[0])))
        self.moves[:, place], self.changes[:, place] = move, change
        self.curvatures[:, place] = np.where(taught, curvature, 0)
        self.inverse[:, place] = self.inverse[:, :, place] = 0
        rho = np.where(taught, 1 / np.where(taught, curvature, 1), 0)
        met = _product(self.inverse[:, used, used], _dots(self.moves[:, used], change))
        self.inverse[:, used, place] = -rho[:, None] * met
        self.inverse[:, place, place] = rho

    def direction(self, gradients: Floats) -> Floats:
        """Return minus the inverse Hessian times the gradients, (n_problems, n_parameters)."""
        if not self.count:
            return np.asarray(-self.scale * gradients)
        used = slice(min(self.count, len(self.moves[0])))
        moves, changes = self.moves[:, used], self.changes[:, used]
        inverse = self.inverse[:, used, used]
        share = _product(inverse, _dots(moves, gradients))
        out = _combination(share, changes)
        out -= gradients
        out *= self.scale
        out *= self._size()
        met = self.curvatures[:, used] * share + _dots(changes, out)
        out -= _combination(_product(np.swapaxes(inverse, 1, 2), met), moves)
        return out

    def _size(self) -> Floats:
        """Return what the last step says ``scale`` is to be multiplied by, (n_problems, 1)."""
        last = (self.count - 1) % len(self.moves[0])
        change, curvature = self.changes[:, last], self.curvatures[:, last]
        bent = dot(change, self.scale * change).astype(np.float64)
        taught = (curvature > 0) & (bent > 0)
        size = np.where(taught, curvature / np.where(taught, bent, 1), 1)
        return size[:, None].astype(change.dtype)


def dot(a: Floats, b: Floats) -> Any:
    """Inner products problem by problem, (n_problems,), in the arithmetic of the arrays."""
    return np.einsum("pd,pd->p", a, b)


def _dots(many: Floats, one: Floats) -> Doubles:
    """Products of (m, k, d) and (m, d): (m, k)."""
    return np.asarray(_product(many, one), np.float64)


def _product(matrices: Any, vectors: Any) -> Any:
    return (matrices @ vectors[:, :, None])[:, :, 0]


def _combination(shares: Doubles, many: Floats) -> Floats:
    """Sum of (m, k, d) over k, with shares (m, k)."""
    return np.asarray((shares.astype(many.dtype)[:, None] @ many)[:, 0])
