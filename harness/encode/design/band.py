"""A band of features: z-scored, delayed, and held in whichever form is cheaper.

With more delayed columns than rows a band is its kernel, with fewer it is its columns. Either gives
the spectrum of any set of training rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.encode.design.confounds import Cleaning, Operator, without
from harness.encode.design.features import delayed, delayed_gram, zscore_by_run
from harness.encode.design.kernel import Spectrum, feature_spectrum, kernel_spectrum
from harness.encode.design.options import Precision
from harness.encode.design.splits import Fold
from harness.errors import DataError
from harness.numeric.arrays import Floats


@dataclass(frozen=True, eq=False)
class Kernels:
    """Inner products of rows, not centred.

    Parameters
    ----------
    train : array, shape (n_train, n_train)
    heldout : array, shape (n_heldout, n_train)
    """

    train: Floats
    heldout: Floats


@dataclass(frozen=True, eq=False)
class KernelBand:
    """A band as inner products of its rows.

    Parameters
    ----------
    name : str
        What errors call it.
    kernel : array, shape (n_samples, n_samples)
        Of the z-scored, delayed features of all rows.
    """

    name: str
    kernel: Floats

    def spectrum(self, fold: Fold) -> Spectrum:
        """Decompose the training rows of a fold; the held-out rows come along."""
        kernels = self.kernels(fold)
        with named(self.name):
            return kernel_spectrum(kernels.train, kernels.heldout)

    def kernels(self, fold: Fold) -> Kernels:
        """Take the inner products of the rows of a fold."""
        rows = (np.ix_(part, fold.train) for part in (fold.train, fold.test))
        return Kernels(*(self.kernel[part] for part in rows))

    def through(self, operator: Operator) -> KernelBand:
        """Apply an operator to the rows of the design."""
        return KernelBand(self.name, operator.kernel(self.kernel))

    def products(self, columns: Floats) -> Floats:
        """Multiply the kernel with columns, (n_samples, n_columns)."""
        return np.asarray(self.kernel @ columns)


@dataclass(frozen=True, eq=False)
class ColumnBand:
    """A band as its columns.

    Parameters
    ----------
    name : str
        What errors call it.
    columns : array, shape (n_samples, n_columns)
        The z-scored, delayed features of all rows.
    """

    name: str
    columns: Floats

    def spectrum(self, fold: Fold) -> Spectrum:
        """Decompose the training rows of a fold; the held-out rows come along."""
        with named(self.name):
            return feature_spectrum(self.columns[fold.train], self.columns[fold.test])

    def through(self, operator: Operator) -> ColumnBand:
        """Apply an operator to the rows of the design."""
        return ColumnBand(self.name, operator.rows(self.columns))

    def products(self, columns: Floats) -> Floats:
        """Multiply the kernel with columns, (n_samples, n_columns)."""
        return np.asarray(self.columns @ (self.columns.T @ columns))

    def kernels(self, fold: Fold) -> Kernels:
        """Compute the inner products of the rows of a fold."""
        train = np.asarray(self.columns[fold.train], np.float64)
        return Kernels(train @ train.T, np.asarray(self.columns[fold.test], np.float64) @ train.T)


Band = KernelBand | ColumnBand


def make_band(
    features: Floats,
    runs: npt.ArrayLike,
    delays: Sequence[int],
    *,
    name: str,
    precision: Precision = Precision.DOUBLE,
    confounds: Cleaning | None = None,
) -> Band:
    """Z-score features by run, delay them, and take shared confounds out of the delayed design.

    Parameters
    ----------
    features : array, shape (n_samples, n_units)
        One layer, or nuisance regressors.
    runs : array, shape (n_samples,)
        Run label of every row.
    delays : sequence of int
        Delays in rows (TRs).
    name : str
        What errors call these features.
    precision : Precision
        Of the products that make the kernel.
    confounds : Cleaning, optional
        What was taken out of all responses: drift. See :mod:`harness.encode.design.confounds`.

    Returns
    -------
    KernelBand or ColumnBand
        The cheaper form: columns, where they are fewer than half the rows.

    Raises
    ------
    DataError
        A feature is NaN or infinite, with the name of the band, run and column.
    """
    with named(name):
        values = _scaled(np.asarray(features, dtype=np.dtype(precision.value)), runs, confounds)
        # A singular value decomposition costs more per column than an eigendecomposition per row.
        if 2 * values.shape[1] * len(delays) < len(values):
            columns = ColumnBand(name, delayed(values, runs, delays))
            return columns if confounds is None else columns.through(confounds.pieces)
        kernel = KernelBand(name, delayed_gram(values, runs, delays))
        return kernel if confounds is None else kernel.through(confounds.pieces)


def make_columns(
    regressors: Floats,
    runs: npt.ArrayLike,
    delays: Sequence[int],
    *,
    name: str,
    confounds: Cleaning | None = None,
) -> ColumnBand:
    """Make a band of regressors as :func:`make_band` does, as columns however many there are.

    Parameters
    ----------
    regressors : array, shape (n_samples, n_regressors)
        Nuisance regressors.
    runs : array, shape (n_samples,)
        Run label of every row.
    delays : sequence of int
        Delays in rows (TRs).
    name : str
        What errors call them.
    confounds : Cleaning, optional
        What was taken out of all responses.

    Returns
    -------
    ColumnBand

    Raises
    ------
    DataError
        A value is NaN or infinite, or the shape does not fit.
    """
    with named(name):
        values = _scaled(np.asarray(regressors, dtype=np.float64), runs, confounds)
        columns = ColumnBand(name, delayed(values, runs, delays))
        return columns if confounds is None else columns.through(confounds.pieces)


def _scaled(features: Floats, runs: npt.ArrayLike, confounds: Cleaning | None) -> Floats:
    if confounds is None:
        return zscore_by_run(features, runs)
    return without(features, runs, confounds.runs)


@contextmanager
def named(name: str) -> Iterator[None]:
    """Say whose fault an error is."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{name}: {error.message}", error.hint) from error
