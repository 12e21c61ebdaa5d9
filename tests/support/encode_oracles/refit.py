"""Inner cross-validation with a decomposition for each inner fold.

More work on the feature side than :mod:`harness.encode.solve.leave_out`, less for each target: the
way
for whole brains, and for kernels so small that a decomposition costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from encode_oracles.inner import FoldErrors
from harness.encode.design.kernel import Spectrum, decompose_features, decompose_kernel
from harness.encode.design.options import Precision
from harness.encode.design.splits import Fold
from harness.encode.solve.filters import FilterBank, filter_bank
from harness.numeric.arrays import Doubles, Floats, Positions

TOLERANCE = {Precision.DOUBLE: 1e-9, Precision.SINGLE: 1e-6}
"""Of the filters; errors are not amplified here."""


@dataclass(frozen=True, eq=False)
class RefitFold:
    """One inner fold.

    Parameters
    ----------
    train, test : array of int
        Rows, as positions among the training rows of the plan.
    spectrum : Spectrum
        Of the fold's own training rows.
    basis, heldout : array
        Its eigenvectors and held-out rows in the precision of the scan.
    bank : FilterBank
        Filters of all penalties.
    """

    train: Positions
    test: Positions
    spectrum: Spectrum
    basis: Floats
    heldout: Floats
    bank: FilterBank


@dataclass(frozen=True, eq=False)
class Refitted:
    """A block of targets in one inner fold."""

    piece: RefitFold
    penalties: Doubles
    centred: Doubles  # (n_inner_train, n_targets)
    heldout: Doubles  # (n_test, n_targets), about the mean of the training rows

    @property
    def test(self) -> Positions:
        """Held-out rows, as positions among the training rows of the plan."""
        return self.piece.test

    @cached_property
    def errors(self) -> Floats:
        """Responses minus predictions, (n_penalties, n_test, n_targets)."""
        dtype = self.piece.basis.dtype
        heldout = self.heldout.astype(dtype, copy=False)
        bank = self.piece.bank
        if not bank.blocks:
            # Features vary in the held-out rows only: nothing can be learned from the others.
            return np.broadcast_to(heldout, (len(self.penalties), *heldout.shape))
        axes = self.piece.basis.T @ self.centred.astype(dtype, copy=False)
        errors = bank.apply(self.piece.heldout, bank.terms(axes), -np.ones(len(self.penalties)))
        errors += heldout
        return errors

    @cached_property
    def axes(self) -> Doubles:
        """Coordinates on the eigenvectors, in double precision."""
        return np.asarray(self.piece.spectrum.basis.T @ self.centred)

    def gains(self, columns: FoldErrors) -> Doubles:
        """``X' G y`` over the fold's training rows: all of it, less what ridge fits."""
        x = cast(Refitted, columns)
        values = self.piece.spectrum.values
        shrink = values / (values + self.penalties[:, None])
        return np.asarray(x.centred.T @ self.centred - (x.axes.T * shrink[:, None]) @ self.axes)


@dataclass(frozen=True, eq=False)
class RefitEach:
    """Inner folds solved one by one.

    Made by :func:`refit_each`.
    """

    _penalties: Doubles
    _pieces: tuple[RefitFold, ...]

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return sum(
            array.nbytes
            for piece in self._pieces
            for array in {
                id(a): a
                for a in (
                    piece.spectrum.basis,
                    piece.spectrum.heldout,
                    piece.basis,
                    piece.heldout,
                )
            }.values()
        )

    def each(self, responses: Doubles) -> Iterator[FoldErrors]:
        """Take a block of centred targets through the inner folds.

        Parameters
        ----------
        responses : array, shape (n_train, n_targets)
            Centred or not; every fold takes off the mean of its own training rows.

        Yields
        ------
        Refitted
        """
        for piece in self._pieces:
            train = responses[piece.train]
            mean = train.mean(axis=0)
            yield Refitted(piece, self._penalties, train - mean, responses[piece.test] - mean)


def refit_each(
    spectrum: Spectrum, folds: Sequence[Fold], penalties: Doubles, precision: Precision
) -> RefitEach:
    """Decompose the training rows of every inner fold.

    Parameters
    ----------
    spectrum : Spectrum
        Of all training rows.
    folds : sequence of Fold
        Inner folds, as positions among the training rows.
    penalties : array, shape (n_penalties,)
        Penalties.
    precision : Precision
        Of the products of the scan.

    Returns
    -------
    RefitEach
    """
    dtype = np.dtype(precision.value)
    pieces = (
        RefitFold(
            fold.train,
            fold.test,
            own,
            own.basis.astype(dtype, copy=False),
            own.heldout.astype(dtype, copy=False),
            filter_bank(own.values, penalties, TOLERANCE[precision], precision),
        )
        for fold, own in decomposed_folds(spectrum, folds)
    )
    return RefitEach(penalties, tuple(pieces))


def decomposed_folds(
    spectrum: Spectrum, folds: Sequence[Fold], precision: Precision = Precision.DOUBLE
) -> Iterator[tuple[Fold, Spectrum]]:
    """Decompose the training rows of inner folds, one after another.

    Parameters
    ----------
    spectrum : Spectrum
        Of all training rows.
    folds : sequence of Fold
        Inner folds, as positions among the training rows.
    precision : Precision
        Of the decompositions of kernels.

    Yields
    ------
    fold : Fold
    spectrum : Spectrum
        Of the fold's own training rows; its rank may be 0.
    """
    # Principal components of the training rows stand in for their features.
    components = spectrum.basis * np.sqrt(spectrum.values)
    shortest = min(len(fold.train) for fold in folds)
    kernel = None
    if 2 * components.shape[1] > shortest:
        kernel = components @ components.T
        del components
    for fold in folds:
        if kernel is None:
            own = decompose_features(components[fold.train], components[fold.test])
        else:
            own = decompose_kernel(
                kernel[np.ix_(fold.train, fold.train)],
                kernel[np.ix_(fold.test, fold.train)],
                precision,
            )
        yield fold, own
