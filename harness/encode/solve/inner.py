"""Inner folds of few targets: solved from one decomposition, or from one each.

:mod:`harness.encode.solve.leave_out` needs one decomposition in all, a refit one for each fold but
less work for each target. Which is cheaper depends on sizes only; errors are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from harness.encode.design.kernel import Spectrum, decompose_features, decompose_kernel
from harness.encode.design.options import Precision
from harness.encode.design.splits import Fold
from harness.encode.solve.filters import FilterBank, filter_bank
from harness.encode.solve.passed import Block, block_of
from harness.numeric.arrays import Doubles, Floats, Positions

TOLERANCE = {Precision.DOUBLE: 1e-9, Precision.SINGLE: 1e-6}
"""Of the filters of a refit."""


class InnerSolver(StrEnum):
    """How inner folds are solved."""

    LEAVE_OUT = "leave-out"
    REFIT = "refit"


def cheaper_solver(
    spectrum: Spectrum, folds: Sequence[Fold], n_penalties: int, n_targets: int
) -> InnerSolver:
    """Choose the solver that needs less time for a number of targets over all blocks.

    The factors were measured on one core with AVX-512; only their ratios matter, and a wrong choice
    costs time, nothing else.
    """
    n_train, rank = spectrum.basis.shape
    functions = 7.0
    leave_out = refit = 0.0
    for fold in folds:
        left, train, test = n_train - len(fold.train), len(fold.train), len(fold.test)
        size = min(rank, train)
        leave_out += n_penalties * (left**2 * rank + left**3) * 1.5
        leave_out += n_targets * (2 * left * rank * functions + 2 * n_penalties * left * test)
        refit += 9.0 * size**3 + 2.0 * train * size * (train + rank)
        refit += n_targets * (2 * train * size + 2 * test * size * functions)
    leave_out += n_targets * 4.0 * n_train * rank
    return InnerSolver.LEAVE_OUT if leave_out < refit else InnerSolver.REFIT


def decomposed_folds(
    spectrum: Spectrum, folds: Sequence[Fold], precision: Precision = Precision.DOUBLE
) -> Iterator[tuple[Fold, Spectrum]]:
    """Decompose the training rows of inner folds one after another, from that of all of them.

    ``precision`` is of the decompositions of kernels; the rank of a fold may be 0.
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


@dataclass(frozen=True, eq=False)
class _Piece:
    """One inner fold, decomposed by itself; its basis and held-out rows as products are made."""

    fold: Fold
    basis: Floats
    heldout: Floats
    bank: FilterBank
    own: Spectrum | None


@dataclass(frozen=True, eq=False)
class Refitted:
    """Targets in one inner fold; a :class:`harness.encode.solve.passed.Passed`."""

    piece: _Piece
    penalties: Doubles
    train: Floats  # (n_train, n_targets), about the mean of the fold's training rows
    held: Floats  # (n_test, n_targets), about the same mean

    @property
    def test(self) -> Positions:
        """Held-out rows, as positions among the training rows."""
        return self.piece.fold.test

    @cached_property
    def errors(self) -> Floats:
        """Responses minus predictions, (n_penalties, n_test, n_targets)."""
        piece, n_penalties = self.piece, len(self.penalties)
        if not piece.bank.blocks:
            # Features vary in the held-out rows only: nothing can be predicted.
            return np.broadcast_to(self.held, (n_penalties, *self.held.shape))
        terms = piece.bank.terms(piece.basis.T @ self.train)
        return self.held + piece.bank.apply(piece.heldout, terms, -np.ones(n_penalties))

    @cached_property
    def block(self) -> Block:
        """The targets in the fold's training rows, in float64."""
        assert self.piece.own is not None, "the plan was made for no joint fit"
        return block_of(self.piece.own, self.penalties, self.train)

    def gains(self, x: Refitted) -> Doubles:
        """``X' G y`` over the fold's training rows."""
        return self.block.gains(x.block)


@dataclass(frozen=True, eq=False)
class Refits:
    """Inner folds decomposed one by one. Made by :func:`refit_each`."""

    _penalties: Doubles
    _pieces: tuple[_Piece, ...]

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        arrays = {id(a): a.nbytes for p in self._pieces for a in (p.basis, p.heldout)}
        kept = [p.own for p in self._pieces if p.own is not None]
        arrays |= {id(a): a.nbytes for own in kept for a in (own.basis, own.heldout)}
        return sum(arrays.values())

    def each(self, responses: Floats) -> Iterator[Refitted]:
        """Take centred targets, (n_train, n_targets), through the folds."""
        for piece in self._pieces:
            train = responses[piece.fold.train]
            mean = train.mean(axis=0)
            yield Refitted(piece, self._penalties, train - mean, responses[piece.fold.test] - mean)


def refit_each(
    spectrum: Spectrum,
    folds: Sequence[Fold],
    penalties: Doubles,
    precision: Precision,
    *,
    decomposed: Precision = Precision.DOUBLE,
    keep: bool = False,
) -> Refits:
    """Decompose every inner fold; for the rest see :func:`harness.encode.solve.scan.plan_scan`.

    ``precision`` is of the products of the scan, ``decomposed`` of the decompositions; they are
    kept in float64 for joint fits.
    """
    kind, pieces = np.dtype(precision.value), []
    for fold, own in decomposed_folds(spectrum, folds, decomposed):
        basis, heldout = (part.astype(kind, copy=False) for part in (own.basis, own.heldout))
        bank = filter_bank(own.values, penalties, TOLERANCE[precision], precision)
        pieces.append(_Piece(fold, basis, heldout, bank, own if keep else None))
    return Refits(penalties, tuple(pieces))
