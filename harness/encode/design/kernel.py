"""Principal axes of the training features: what every penalty, fold and target shares.

A ridge fit with an unpenalised intercept needs the features only through the eigenvectors ``U`` and
eigenvalues ``s`` of their centred kernel. They come from the kernel (rows by rows) or from the
covariance (columns by columns), whichever is smaller; what follows does not know which.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from harness.encode.design.options import EncodingOptions, Precision
from harness.errors import DataError
from harness.numeric.arrays import Doubles, Floats


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigendecomposition of the centred kernel of the training rows.

    Parameters
    ----------
    basis : array, shape (n_train, rank)
        Orthonormal eigenvectors ``U``, without the constant vector and the null space.
    values : array, shape (rank,)
        Eigenvalues, descending, positive.
    heldout : array, shape (n_heldout, rank)
        Inner products of the held-out rows (centred with the training mean) with the training rows,
        times ``U``: a ridge prediction is ``heldout @ ((U.T @ y) / (values + penalty))``.
    """

    basis: Doubles
    values: Doubles
    heldout: Doubles

    @property
    def n_train(self) -> int:
        """Number of training rows."""
        return self.basis.shape[0]

    @property
    def complete(self) -> bool:
        """Whether basis and constant vector together span all training rows."""
        return self.basis.shape[1] == self.n_train - 1


def kernel_spectrum(kernel: Floats, heldout: Floats) -> Spectrum:
    """Decompose the kernel of the training rows (the dual form).

    Parameters
    ----------
    kernel : array, shape (n_train, n_train)
        Inner products of the training rows, not centred.
    heldout : array, shape (n_heldout, n_train)
        Inner products of held-out with training rows, not centred.

    Returns
    -------
    Spectrum

    Raises
    ------
    DataError
        The kernel is not finite, or no feature varies over the training rows.
    """
    return _varying(decompose_kernel(kernel, heldout))


def feature_spectrum(features: Floats, heldout: Floats) -> Spectrum:
    """Decompose the covariance of the training features (the primal form).

    Parameters
    ----------
    features : array, shape (n_train, n_columns)
        Training rows of the design, not centred.
    heldout : array, shape (n_heldout, n_columns)
        Held-out rows.

    Returns
    -------
    Spectrum
        The same as :func:`kernel_spectrum` of the features' kernels, up to signs of eigenvectors.

    Raises
    ------
    DataError
        The features are not finite, or none varies over the training rows.
    """
    return _varying(decompose_features(features, heldout))


def decompose_kernel(
    kernel: Floats, heldout: Floats, precision: Precision = Precision.DOUBLE
) -> Spectrum:
    """Decompose a kernel as :func:`kernel_spectrum` does; its rank may be 0.

    Parameters
    ----------
    kernel : array, shape (n_train, n_train)
        Inner products of the training rows, not centred.
    heldout : array, shape (n_heldout, n_train)
        Inner products of held-out with training rows, not centred.
    precision : Precision
        Of the decomposition. In float32 it takes less than half the time, and is off by some
        1e-7 of the largest eigenvalue: the prediction with a penalty ``a`` by about that over
        ``a``, relative to the response.

    Returns
    -------
    Spectrum

    Raises
    ------
    DataError
        The kernel is not finite.
    """
    k = np.array(kernel, dtype=np.float64)
    if not np.isfinite(k).all():
        raise DataError("the kernel of the training rows is not finite", "check the features")
    scale = float(np.abs(np.diag(k)).mean())
    column = k.mean(axis=0)
    cross = np.asarray(heldout, dtype=np.float64) - column
    k -= column
    k -= k.mean(axis=1, keepdims=True)
    cross -= cross.mean(axis=1, keepdims=True)
    # LAPACK reads one triangle, by columns: the transpose goes in without a copy.
    k = k.astype(precision.value, copy=False).T
    values, basis = scipy.linalg.eigh(k, overwrite_a=True, check_finite=False, driver="evd")
    kept = _kept(values, scale, len(k))
    basis = np.ascontiguousarray(basis[:, ::-1][:, kept], dtype=np.float64)
    values = np.ascontiguousarray(values[::-1][kept], dtype=np.float64)
    return Spectrum(basis, values, cross @ basis)


def decompose_features(features: Floats, heldout: Floats) -> Spectrum:
    """Decompose features as :func:`feature_spectrum` does; their rank may be 0.

    Parameters
    ----------
    features : array, shape (n_train, n_columns)
        Training rows, not centred.
    heldout : array, shape (n_heldout, n_columns)
        Held-out rows.

    Returns
    -------
    Spectrum

    Raises
    ------
    DataError
        The features are not finite.
    """
    x = np.asarray(features, dtype=np.float64)
    if not np.isfinite(x).all():
        raise DataError("training features are not finite", "check the features")
    scale = float(np.square(x).sum(axis=1).mean())
    mean = x.mean(axis=0)
    x = x - mean
    # A thin singular value decomposition keeps directions that the covariance would square away.
    basis, singular, axes = scipy.linalg.svd(x, full_matrices=False, check_finite=False)
    values = np.square(singular)[::-1]
    kept = _kept(values, scale, len(x))
    projected = (np.asarray(heldout, dtype=np.float64) - mean) @ axes[kept].T
    return Spectrum(
        np.ascontiguousarray(basis[:, kept]),
        np.ascontiguousarray(values[::-1][kept]),
        projected * singular[kept],
    )


def _kept(ascending: Doubles, scale: float, n_rows: int) -> slice:
    """Leading directions, counted from the largest eigenvalue, that are not rounding error."""
    # Centring cancels: rounding is relative to the scale of the kernel before it.
    floor = np.finfo(np.float64).eps * n_rows * max(float(ascending[-1]), scale)
    return slice(0, int((ascending > floor).sum()))


def _varying(spectrum: Spectrum) -> Spectrum:
    if spectrum.values.size == 0:
        raise DataError(
            "no feature varies over the training rows",
            "check that the recording is not constant (a layer that is all zeros?)",
        )
    return spectrum


def penalty_grid(
    values: Doubles, n_rows: int, count: int, low: float = 1e-3, high: float = 10.0
) -> Doubles:
    """Penalties that span the spectrum of a training kernel, evenly in their logarithm.

    From ``low`` times the kernel's mean eigenvalue (its trace over the number of rows), where
    hardly anything is shrunk, to ``high`` times its largest eigenvalue, where everything is: the
    grid follows the scale of the features, so rescaling them changes no prediction.

    Parameters
    ----------
    values : array, shape (rank,)
        Eigenvalues of the centred kernel.
    n_rows : int
        Number of training rows.
    count : int
        Number of penalties.
    low, high : float
        Ends of the grid, relative to the mean and to the largest eigenvalue.

    Returns
    -------
    array, shape (count,)
        Ascending.
    """
    return np.geomspace(low * values.sum() / n_rows, high * values.max(), count)


def model_grid(options: EncodingOptions, spectrum: Spectrum) -> Doubles:
    """Make the penalties of the model's band, (n_penalties,), ascending."""
    return _grid(options, spectrum, options.penalties)


def nuisance_grid(options: EncodingOptions, spectrum: Spectrum) -> Doubles:
    """Make the penalties of the nuisance band, (n_nuisance_penalties,), ascending."""
    return _grid(options, spectrum, options.nuisance_penalties)


def _grid(options: EncodingOptions, spectrum: Spectrum, count: int) -> Doubles:
    ends = options.penalty_low, options.penalty_high
    return penalty_grid(spectrum.values, spectrum.n_train, count, *ends)
