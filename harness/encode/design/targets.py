"""Outer folds with their inner ones, and which targets can be scored in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.encode.design.kernel import FloatArray
from harness.encode.design.options import EncodingOptions
from harness.encode.design.result import Unusable
from harness.encode.design.splits import Fold, IntArray, contiguous_folds


@dataclass(frozen=True, eq=False)
class Split:
    """An outer fold with its inner folds.

    Parameters
    ----------
    outer : Fold
        Rows of the recording.
    inner : tuple of Fold
        Positions among the training rows of ``outer``.
    """

    outer: Fold
    inner: tuple[Fold, ...]


def make_splits(
    runs: npt.ArrayLike, options: EncodingOptions, folds: Sequence[Fold] | None = None
) -> tuple[Split, ...]:
    """Make outer folds, unless they are given, and the inner folds of each.

    Parameters
    ----------
    runs : array, shape (n_samples,)
        Run label of every row.
    options : EncodingOptions
        Numbers of folds and the purge gap.
    folds : sequence of Fold, optional
        Outer folds.

    Returns
    -------
    tuple of Split
    """
    outer = contiguous_folds(runs, options.n_outer, options.gap) if folds is None else folds
    splits = []
    for fold in outer:
        inner = contiguous_folds(runs, options.n_inner, options.gap, rows=fold.train)
        positions = [
            Fold(np.searchsorted(fold.train, part.train), np.searchsorted(fold.train, part.test))
            for part in inner
        ]
        splits.append(Split(fold, tuple(positions)))
    return tuple(splits)


def unusable_targets(
    responses: FloatArray, beneath: FloatArray, splits: Sequence[Split]
) -> tuple[Unusable, ...]:
    """Find targets with values that are not finite, or that do not vary where they must.

    Parameters
    ----------
    responses : array, shape (n_samples, n_targets)
        Responses.
    beneath : array, shape (n_samples, n_targets)
        What nuisance fits predict; may be ``responses`` itself.
    splits : sequence of Split
        The folds.

    Returns
    -------
    tuple of Unusable
        By target; the first reason found.
    """
    reasons = _reasons(responses, splits)
    if beneath is not responses:
        for target, reason in _reasons(beneath, splits).items():
            reasons.setdefault(target, f"{reason} (responses for the nuisance fit)")
    return tuple(Unusable(target, reasons[target]) for target in sorted(reasons))


def _reasons(responses: FloatArray, splits: Sequence[Split]) -> dict[int, str]:
    reasons: dict[int, str] = {}
    finite = np.isfinite(responses)
    for target in np.flatnonzero(~finite.all(axis=0)):
        bad = np.flatnonzero(~finite[:, target])
        reasons[int(target)] = f"{len(bad)} values are not finite (first at row {bad[0]})"
    checks: list[tuple[str, IntArray]] = [("all rows", np.arange(len(responses)))]
    checks += [(f"the held-out rows of fold {k}", s.outer.test) for k, s in enumerate(splits)]
    checks += [
        (f"the validation rows of inner fold {i} of fold {k}", s.outer.train[part.test])
        for k, s in enumerate(splits)
        for i, part in enumerate(s.inner)
    ]
    for where, rows in checks:
        part = responses[rows]
        for target in np.flatnonzero((part == part[0]).all(axis=0)):
            reasons.setdefault(int(target), f"constant in {where}")
    return reasons
