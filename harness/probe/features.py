"""Features of a task in the coordinates in which probes are quick to fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from harness.errors import ScoreError
from harness.numeric.arrays import Floats
from harness.probe.gram import decomposed, lower_gram, spanned


@dataclass(frozen=True)
class Basis:
    """Standardised features, rotated onto the axes of their covariance.

    The rotation leaves an L2 penalty as it is, so a probe in these coordinates is the probe of the
    standardised features; but its Hessian is nearly diagonal, which is worth a factor of ten in
    iterations.

    Parameters
    ----------
    mean, sd : array (n_units,)
        Of the training items; a unit that does not vary has ``sd`` 1.
    axes : array (n_units, n_axes)
        Orthonormal columns.
    variances : array (n_axes,)
        Of the training items along each axis.
    """

    mean: Floats
    sd: Floats
    axes: Floats
    variances: Floats

    @classmethod
    def of(cls, x: Floats) -> Basis:
        """Take the basis of training items.

        Parameters
        ----------
        x : array (n_items, n_units)

        Raises
        ------
        ScoreError
            A feature is not finite.
        """
        return cls.fit(x)[0]

    @classmethod
    def fit(cls, x: Floats) -> tuple[Basis, Floats]:
        """Take the basis of training items, and express them in it.

        Parameters
        ----------
        x : array (n_items, n_units)

        Returns
        -------
        Basis
        array (n_items, n_axes)

        Raises
        ------
        ScoreError
            A feature is not finite.
        """
        if not np.isfinite(x).all():
            raise ScoreError(
                "a feature of a training item is not finite",
                "record again in float32; a compressed model that gives NaN is broken",
            )
        mean = x.mean(axis=0, dtype=np.float64).astype(x.dtype)
        sd = x.std(axis=0, dtype=np.float64).astype(x.dtype)
        # A constant unit has the rounding of its mean for a standard deviation.
        flat = sd <= 8 * np.finfo(x.dtype).eps * np.maximum(np.abs(mean), 1e-30)
        sd = np.where(flat, 1, sd).astype(x.dtype)
        standard = _standardised(x, mean, sd)
        standard[:, flat] = 0
        axes = _span(standard) if len(x) < x.shape[1] else decomposed(lower_gram(standard.T))[1]
        axes = np.ascontiguousarray(axes[:, ::-1], x.dtype)
        z = standard @ axes
        variances = np.square(z).mean(axis=0)
        return cls(mean, np.where(flat, np.inf, sd).astype(x.dtype), axes, variances), z

    def rotate(self, x: Floats) -> Floats:
        """Express items in the basis: (n_items, n_units) to (n_items, n_axes)."""
        return np.ascontiguousarray(_standardised(x, self.mean, self.sd) @ self.axes)


def _span(x: Floats) -> Floats:
    """Axes of fewer items than units: weights have no part outside the span of the items."""
    lengths, vectors = spanned(lower_gram(x))
    axes = x.T @ (vectors / lengths)
    # Small ones lose their right angles to rounding; the penalty needs them.
    try:
        factor = scipy.linalg.cholesky(lower_gram(axes.T), lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return np.linalg.qr(axes)[0]
    return np.asarray(
        scipy.linalg.solve_triangular(factor, axes.T, lower=True, check_finite=False).T
    )


def _standardised(x: Floats, mean: Floats, sd: Floats) -> Floats:
    return np.asarray((x - mean) / sd)
