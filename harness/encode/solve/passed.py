"""Targets that go through ridge fits with every penalty of a grid.

With ``G`` the operator from responses to the residuals of a fit, two things say what nuisance
columns ``X`` add to it: ``X' G y``, and errors in held-out rows, which columns have like responses.
Inner folds of few targets are solved in one of two ways (:mod:`harness.encode.solve.inner`); either
gives both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from harness.encode.design.kernel import Spectrum
from harness.numeric.arrays import Doubles, Floats, Positions


class Fitted(Protocol):
    """A block of targets in the rows of a fit."""

    def gains(self, x: Any) -> Doubles:
        """``X' G y``, (n_penalties, n_columns, n_targets), of columns fitted in the same rows."""
        ...


class Passed(Fitted, Protocol):
    """A block of targets that went through an inner fold."""

    @property
    def test(self) -> Positions:
        """Held-out rows, as positions among the training rows."""
        ...

    @property
    def errors(self) -> Floats:
        """Responses minus predictions, (n_penalties, n_test, n_targets)."""
        ...


class Folds(Protocol):
    """Inner folds of a plan."""

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        ...

    def each(self, responses: Floats) -> Iterator[Passed]:
        """Take centred targets, (n_train, n_targets), through the folds."""
        ...


@dataclass(frozen=True, eq=False)
class Block:
    """Targets about their mean, and on the eigenvectors of the rows that were decomposed."""

    spectrum: Spectrum
    penalties: Doubles
    centred: Floats  # (n_rows, n_targets)
    axes: Doubles  # (rank, n_targets)
    # Weak: a block's products with itself must not keep it.
    _known: WeakKeyDictionary[Block, Doubles] = field(default_factory=WeakKeyDictionary)

    def gains(self, x: Block) -> Doubles:
        """``X' G y``, (n_penalties, n_columns, n_targets), once for all folds that ask for it."""
        known = self._known.get(x)
        if known is None:
            values = self.spectrum.values
            shrink = values / (values + self.penalties[:, None])
            explained = (x.axes.T * shrink[:, None]) @ self.axes
            known = self._known[x] = x.centred.T @ self.centred - explained
        return known


def block_of(spectrum: Spectrum, penalties: Doubles, centred: Floats) -> Block:
    """Project centred targets, (n_rows, n_targets), on the eigenvectors of their rows."""
    return Block(spectrum, penalties, centred, spectrum.basis.T @ centred)
