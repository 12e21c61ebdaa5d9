"""Which targets can be scored, and why the others cannot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.encode.kernel import FloatArray
from harness.encode.result import Unusable
from harness.encode.splits import Fold, IntArray


def unusable_targets(
    responses: FloatArray, outer: Sequence[Fold], inner: Sequence[Sequence[Fold]]
) -> tuple[Unusable, ...]:
    """Find targets with values that are not finite, or that do not vary where they must.

    Parameters
    ----------
    responses : array, shape (n_samples, n_targets)
        Responses.
    outer : sequence of Fold
        Outer folds.
    inner : sequence of sequence of Fold
        Inner folds of each outer fold.

    Returns
    -------
    tuple of Unusable
        By target; the first reason found.
    """
    reasons: dict[int, str] = {}
    finite = np.isfinite(responses)
    for target in np.flatnonzero(~finite.all(axis=0)):
        bad = np.flatnonzero(~finite[:, target])
        reasons[int(target)] = f"{len(bad)} values are not finite (first at row {bad[0]})"
    checks: list[tuple[str, IntArray]] = [("all rows", np.arange(len(responses)))]
    checks += [(f"the held-out rows of fold {k}", fold.test) for k, fold in enumerate(outer)]
    checks += [
        (f"the validation rows of inner fold {i} of fold {k}", part.test)
        for k, parts in enumerate(inner)
        for i, part in enumerate(parts)
    ]
    for where, rows in checks:
        part = responses[rows]
        for target in np.flatnonzero((part == part[0]).all(axis=0)):
            reasons.setdefault(int(target), f"constant in {where}")
    return tuple(Unusable(target, reasons[target]) for target in sorted(reasons))


def within(outer: Fold, inner: Sequence[Fold]) -> tuple[Fold, ...]:
    """Express inner folds as positions among the training rows of their outer fold.

    Parameters
    ----------
    outer : Fold
        The outer fold.
    inner : sequence of Fold
        Folds of its training rows, as row numbers of the recording.

    Returns
    -------
    tuple of Fold
    """
    return tuple(
        Fold(np.searchsorted(outer.train, fold.train), np.searchsorted(outer.train, fold.test))
        for fold in inner
    )
