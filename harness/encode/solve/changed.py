"""Ridge regression on a design that differs from the one that all share by a few columns.

The design of a participant with own confounds ``Q`` taken out has the kernel
``P K P = K + V M V'`` with ``V = [Q, K Q]``. Its residuals are those of a joint fit of the shared
features with the columns ``V``, whose penalty is ``a inv(M)``: they follow from the shared plan,
through which ``V`` passes as responses do, and nothing is decomposed again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from harness.encode.solve.passed import Fitted, Folds, Passed
from harness.encode.solve.scan import Final, Scan
from harness.numeric.arrays import Doubles, Floats, Positions


@dataclass(frozen=True, eq=False)
class _Columns:
    """``V`` in the rows of a fit, and ``inv(V' G V + a inv(M))`` for each penalty ``a``."""

    passed: Fitted
    solved: Doubles

    @classmethod
    def of(cls, passed: Fitted, penalties: Doubles, inverse: Doubles) -> _Columns:
        gram = passed.gains(passed)
        equations = gram + penalties[:, None, None] * inverse
        return cls(passed, np.asarray(np.linalg.inv(equations), np.float64))


@dataclass(frozen=True, eq=False)
class _Fitted:
    """Targets in the rows of a fit of the changed design."""

    own: Fitted
    columns: _Columns

    @cached_property
    def along(self) -> Doubles:
        """``V' G y``."""
        return self.own.gains(self.columns.passed)

    @cached_property
    def weights(self) -> Doubles:
        """Of the columns, (n_penalties, n_columns, n_targets)."""
        return np.asarray(self.columns.solved @ self.along)

    def gains(self, x: _Fitted) -> Doubles:
        """``X' G y`` of the changed design."""
        return self.own.gains(x.own) - x.along.swapaxes(1, 2) @ self.weights


@dataclass(frozen=True, eq=False)
class _Passed(_Fitted):
    own: Passed

    @property
    def test(self) -> Positions:
        return self.own.test

    @cached_property
    def errors(self) -> Floats:
        passed: Passed = self.columns.passed  # type: ignore[assignment]
        return np.asarray(self.own.errors - passed.errors @ self.weights)


@dataclass(frozen=True, eq=False)
class _Folds:
    """Inner folds of the changed design."""

    shared: Folds
    columns: tuple[_Columns, ...]

    @property
    def nbytes(self) -> int:
        return sum(each.solved.nbytes for each in self.columns)

    def each(self, responses: Floats) -> Iterator[_Passed]:
        for own, columns in zip(self.shared.each(responses), self.columns, strict=True):
            yield _Passed(own, columns)


@dataclass(frozen=True, eq=False)
class _Final:
    """The final fit of the changed design."""

    shared: Final
    columns: _Columns
    train: Doubles
    heldout: Doubles

    @property
    def nbytes(self) -> int:
        return self.columns.solved.nbytes

    def fitted(self, centred: Doubles) -> _Fitted:
        return _Fitted(self.shared.fitted(centred), self.columns)

    def predict(self, responses: Floats, chosen: Positions, width: int) -> Floats:
        mean = responses.mean(axis=0, dtype=np.float64)
        centred = responses - mean
        weights = self.fitted(centred).weights[chosen, :, np.arange(len(chosen))].T
        rest = self.shared.predict(centred - self.train @ weights, chosen, width)
        return np.asarray(rest + self.heldout @ weights + mean)


def changed_scan(scan: Scan, train: Doubles, heldout: Doubles, inverse: Doubles) -> Scan:
    """Plan the changed design from the plan of the shared one, which is of few targets.

    Parameters
    ----------
    scan : Scan
        Of the shared design.
    train, heldout : array, shape (n_train, n_columns), (n_heldout, n_columns)
        ``V``.
    inverse : array, shape (n_columns, n_columns)
        Of ``M``.
    """
    assert scan.folds is not None
    mean = train.mean(axis=0)
    train = train - mean

    def columns(passed: Fitted) -> _Columns:
        return _Columns.of(passed, scan.penalties, inverse)

    return replace(
        scan,
        folds=_Folds(scan.folds, tuple(map(columns, scan.folds.each(train)))),
        final=_Final(scan.final, columns(scan.final.fitted(train)), train, heldout - mean),
    )
