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

from harness.encode.design.features import delayed, delayed_gram, zscore_by_run
from harness.encode.design.kernel import FloatArray, Spectrum, feature_spectrum, kernel_spectrum
from harness.encode.design.options import Precision
from harness.encode.design.splits import Fold
from harness.errors import DataError


@dataclass(frozen=True, eq=False)
class Kernels:
    """Inner products of rows, not centred.

    Parameters
    ----------
    train : array, shape (n_train, n_train)
    heldout : array, shape (n_heldout, n_train)
    """

    train: FloatArray
    heldout: FloatArray


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
    kernel: FloatArray

    def spectrum(self, fold: Fold) -> Spectrum:
        """Decompose the training rows of a fold; the held-out rows come along."""
        kernels = self.kernels(fold)
        with named(self.name):
            return kernel_spectrum(kernels.train, kernels.heldout)

    def kernels(self, fold: Fold) -> Kernels:
        """Take the inner products of the rows of a fold."""
        rows = (np.ix_(part, fold.train) for part in (fold.train, fold.test))
        return Kernels(*(self.kernel[part] for part in rows))


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
    columns: FloatArray

    def spectrum(self, fold: Fold) -> Spectrum:
        """Decompose the training rows of a fold; the held-out rows come along."""
        with named(self.name):
            return feature_spectrum(self.columns[fold.train], self.columns[fold.test])

    def kernels(self, fold: Fold) -> Kernels:
        """Compute the inner products of the rows of a fold."""
        train = np.asarray(self.columns[fold.train], np.float64)
        return Kernels(train @ train.T, np.asarray(self.columns[fold.test], np.float64) @ train.T)


Band = KernelBand | ColumnBand


def make_band(
    features: FloatArray,
    runs: npt.ArrayLike,
    delays: Sequence[int],
    *,
    name: str,
    precision: Precision = Precision.DOUBLE,
) -> Band:
    """Z-score features by run and delay them.

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
        values = zscore_by_run(np.asarray(features, dtype=np.dtype(precision.value)), runs)
        # A singular value decomposition costs more per column than an eigendecomposition per row.
        if 2 * values.shape[1] * len(delays) < len(values):
            return ColumnBand(name, delayed(values, runs, delays))
        return KernelBand(name, delayed_gram(values, runs, delays))


def make_columns(
    regressors: FloatArray, runs: npt.ArrayLike, delays: Sequence[int], *, name: str
) -> ColumnBand:
    """Z-score regressors by run and delay them, as columns however many there are.

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

    Returns
    -------
    ColumnBand

    Raises
    ------
    DataError
        A value is NaN or infinite, or the shape does not fit.
    """
    with named(name):
        values = zscore_by_run(np.asarray(regressors, dtype=np.float64), runs)
        return ColumnBand(name, delayed(values, runs, delays))


@contextmanager
def named(name: str) -> Iterator[None]:
    """Say whose fault an error is."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{name}: {error.message}", error.hint) from error
