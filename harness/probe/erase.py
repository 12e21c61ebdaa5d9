"""Linear erasure: take out of states all that a linear probe could tell a property from.

A probe says that a property can be read from states, not that the model uses it. Erased at a layer
of a model that goes on from there (:mod:`harness.probe.intervene`), what then falls was used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.linalg

from harness.errors import ScoreError
from harness.numeric.arrays import Doubles, Floats

SMALL = 1e-9
"""Variance of an axis, and strength of a direction, relative to the largest, that is rounding."""


@dataclass(frozen=True)
class Eraser:
    """An affine map that takes a subspace of whitened states to its mean.

    Parameters
    ----------
    mean : array (n_units,)
    matrix : array (n_units, n_units)
        What is taken away of a deviation from the mean.
    rank : int
        Dimensions that are taken away.
    """

    mean: Doubles
    matrix: Doubles
    rank: int

    @classmethod
    def leace(cls, x: Floats, labels: npt.ArrayLike) -> Eraser:
        """Erase a property: afterwards no linear classifier does better than a constant.

        Of all affine maps with that effect on these items it changes them least.

        Parameters
        ----------
        x : array (n_items, n_units)
        labels : array (n_items,)
            Classes, or numbers.

        Raises
        ------
        ScoreError
            There are fewer than two classes, or states are not finite.

        References
        ----------
        Belrose, Schneider-Joseph, Ravfogel, Cotterell, Raff & Biderman (2023), LEACE: Perfect
        linear concept erasure in closed form, NeurIPS, theorem 4.3.
        """
        z = _indicators(np.asarray(labels))
        mean, root, inverse = _whitening(x)
        centred = np.asarray(x, np.float64) - mean
        shared = centred.T @ (z - z.mean(axis=0)) / len(z)
        u, strength, _ = scipy.linalg.svd(inverse @ shared, full_matrices=False)
        return cls._of(mean, root, inverse, u[:, strength > SMALL * max(strength[0], 1e-30)])

    @classmethod
    def random(cls, x: Floats, rank: int, seed: int = 0) -> Eraser:
        """Erase a random subspace of the whitened states, for comparison.

        Parameters
        ----------
        x : array (n_items, n_units)
        rank : int
            Of the eraser that it is compared with.
        seed : int
        """
        mean, root, inverse = _whitening(x)
        draw = np.random.default_rng(seed).standard_normal((x.shape[1], rank))
        # Within what the items span: elsewhere there is nothing to erase.
        u, _ = np.linalg.qr(inverse @ root @ draw)
        return cls._of(mean, root, inverse, u)

    @classmethod
    def _of(cls, mean: Doubles, root: Doubles, inverse: Doubles, axes: Doubles) -> Eraser:
        return cls(mean, root @ axes @ (axes.T @ inverse), axes.shape[1])

    def erase(self, x: Floats) -> Floats:
        """Erase, (…, n_units)."""
        deviation = np.asarray(x, np.float64) - self.mean
        return np.asarray(x - deviation @ self.matrix.T, np.asarray(x).dtype)


def _indicators(labels: npt.NDArray[np.generic]) -> Doubles:
    """Numbers, or one column a class: (n_items, n_columns)."""
    if labels.dtype.kind == "f":
        return labels.astype(np.float64)[:, None]
    classes, member = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        raise ScoreError("there is nothing to erase: all labels are the same")
    return np.eye(len(classes))[member]


def _whitening(x: Floats) -> tuple[Doubles, Doubles, Doubles]:
    """Mean, square root of the covariance, and the root's pseudo-inverse."""
    wide = np.asarray(x, np.float64)
    if not np.isfinite(wide).all():
        raise ScoreError("a state is not finite", "a compressed model that gives NaN is broken")
    mean = wide.mean(axis=0)
    variances, axes = scipy.linalg.eigh(np.cov(wide, rowvar=False, bias=True))
    kept = variances > SMALL * variances[-1]
    lengths, axes = np.sqrt(variances[kept]), axes[:, kept]
    return mean, (axes * lengths) @ axes.T, (axes / lengths) @ axes.T
