"""Inner cross-validation from one decomposition: what leaving rows out does to a fit.

With ``G = I - H`` (``H`` the hat matrix of the fit to all training rows, intercept included), the
errors of rows ``S`` predicted from the other rows are ``inv(G[S, S]) @ (G @ y)[S]``: the block form
of the leave-one-out identity (Cook & Weisberg 1982, eq. 2.2.8). Purged rows are left out with the
held-out block and not scored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg

from harness.encode.design.kernel import Spectrum
from harness.encode.design.options import Precision
from harness.encode.design.splits import Fold
from harness.encode.solve.filters import FilterBank, filter_bank
from harness.encode.solve.passed import Block, block_of
from harness.errors import ScoreError
from harness.numeric.arrays import Doubles, Floats, Positions

TOLERANCE = {Precision.DOUBLE: 1e-8, Precision.SINGLE: 1e-7}
"""Of the filters. Leaving rows out amplifies what is small, so it is tight."""


@dataclass(frozen=True, eq=False)
class _Piece:
    """One inner fold. ``left_out`` are first its test rows, then those purged around them."""

    left_out: Positions
    n_test: int
    rows: Floats  # of the eigenvectors, (n_left_out, rank)
    inverse: Floats  # inv(G[S, S]) for each penalty


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Targets with one inner fold's rows left out; a :class:`harness.encode.solve.passed.Passed`.

    Parameters
    ----------
    block : Block
        The targets in all training rows.
    residuals : array, shape (n_penalties, n_left_out, n_targets)
        ``(G @ y)[S]``.
    """

    piece: _Piece
    block: Block
    residuals: Floats

    @property
    def test(self) -> Positions:
        """Held-out rows, as positions among the training rows."""
        return self.piece.left_out[: self.piece.n_test]

    @cached_property
    def errors(self) -> Floats:
        """Responses minus predictions, (n_penalties, n_test, n_targets)."""
        return np.asarray(self.piece.inverse[:, : self.piece.n_test] @ self.residuals)

    @cached_property
    def all_errors(self) -> Floats:
        """The same in all rows left out, purged ones too."""
        return np.asarray(self.piece.inverse @ self.residuals)

    def gains(self, x: LeftOut) -> Doubles:
        """``X' G y`` over the remaining rows: over all rows, less what the left-out rows add."""
        added = x.all_errors.swapaxes(1, 2) @ self.residuals
        return self.block.gains(x.block) - added


@dataclass(frozen=True, eq=False)
class LeaveBlockOut:
    """Inner folds solved by the leave-block-out identity. Made by :func:`leave_block_out`."""

    _spectrum: Spectrum
    _penalties: Doubles
    _bank: FilterBank
    _pieces: tuple[_Piece, ...]

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return sum(piece.rows.nbytes + piece.inverse.nbytes for piece in self._pieces)

    def each(self, responses: Floats) -> Iterator[LeftOut]:
        """Take centred targets, (n_train, n_targets), through the folds."""
        block = block_of(self._spectrum, self._penalties, responses)
        terms = self._bank.terms(block.axes)
        # What no feature reaches is left over whole, whatever the penalty.
        rest = None
        if not self._spectrum.complete:
            # In float32 responses keep a hair of their mean, which small penalties amplify.
            centred = responses - responses.mean(axis=0, dtype=np.float64)
            rest = centred - self._spectrum.basis @ block.axes
        for piece in self._pieces:
            residuals = self._bank.apply(piece.rows, terms, self._penalties)
            if rest is not None:
                residuals += rest[piece.left_out].astype(residuals.dtype, copy=False)
            yield LeftOut(piece, block, residuals)


def leave_block_out(
    spectrum: Spectrum, folds: Sequence[Fold], penalties: Doubles, precision: Precision
) -> LeaveBlockOut:
    """Compute what the identity needs for every inner fold and penalty.

    Parameters
    ----------
    spectrum : Spectrum
        Of all training rows.
    folds : sequence of Fold
        Inner folds, as positions among the training rows.
    penalties : array, shape (n_penalties,)
    precision : Precision
        Of the products of the scan.

    Raises
    ------
    ScoreError
        A penalty is too small to leave rows out.
    """
    return LeaveBlockOut(
        spectrum,
        penalties,
        filter_bank(spectrum.values, penalties, TOLERANCE[precision], precision),
        tuple(_piece(spectrum, fold, penalties, precision) for fold in folds),
    )


def _piece(spectrum: Spectrum, fold: Fold, penalties: Doubles, precision: Precision) -> _Piece:
    dtype = np.dtype(precision.value)
    purged = np.setdiff1d(np.arange(spectrum.n_train), np.r_[fold.train, fold.test])
    left_out = np.r_[fold.test, purged]
    rows = spectrum.basis[left_out]
    # Column-major, as LAPACK wants it: nothing is copied on the way in.
    columns = np.asfortranarray(rows.T)
    inverse = np.empty((len(penalties), len(left_out), len(left_out)), dtype=dtype)
    for number, penalty in enumerate(penalties):
        inverse[number] = _inverse(columns, spectrum, penalty)
    return _Piece(left_out, len(fold.test), rows.astype(dtype, copy=False), inverse)


def _inverse(columns: Doubles, spectrum: Spectrum, penalty: float) -> Doubles:
    """``inv(G[S, S])`` for the rows ``S`` of the eigenvectors, given as columns."""
    size = columns.shape[1]
    kept = np.sqrt(spectrum.values / (spectrum.values + penalty))
    # I - H; H has the constant vector of the unpenalised intercept besides the eigenvectors.
    rest = np.full((size, size), -1 / spectrum.n_train, order="F")
    rest.ravel(order="K")[:: size + 1] += 1
    rest = scipy.linalg.blas.dsyrk(
        -1.0, columns * kept[:, None], beta=1.0, c=rest, trans=1, lower=1, overwrite_c=1
    )
    factor, failed = scipy.linalg.lapack.dpotrf(rest, lower=1, overwrite_a=1, clean=1)
    if failed:
        raise ScoreError(
            f"penalty {penalty:g} is too small for this kernel: leaving rows out is singular",
            "start the penalty grid higher (penalty_low)",
        )
    lower, _ = scipy.linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    inverse = lower + lower.T
    inverse.ravel(order="K")[:: size + 1] /= 2
    return np.asarray(inverse)
