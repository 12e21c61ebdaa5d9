"""Outer folds with their inner ones, and which targets can be scored in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.encode.design.options import EncodingOptions
from harness.encode.design.result import Unusable
from harness.encode.design.splits import Fold, contiguous_folds, held_out_pieces, piece_folds
from harness.numeric.arrays import Bools, Floats, Positions

FLAT = 10
"""Rows in sequence with one value that nobody measured: a scan that stopped, padded with zeros or a
fill value. Three volumes of one value can happen where signals are whole numbers."""


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
    runs: npt.ArrayLike,
    options: EncodingOptions,
    folds: Sequence[Fold] | None = None,
    *,
    cleaned: bool = False,
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
    cleaned : bool
        Whether confounds were taken out of pieces: inner folds then hold out whole ones.

    Returns
    -------
    tuple of Split
    """
    outer = contiguous_folds(runs, options.n_outer, options.gap) if folds is None else folds
    pieces = held_out_pieces(runs, outer)
    splits = []
    for fold in outer:
        if cleaned:
            inner = piece_folds(runs, pieces, options.n_inner, options.gap, fold.train)
        else:
            inner = contiguous_folds(runs, options.n_inner, options.gap, rows=fold.train)
        positions = [
            Fold(np.searchsorted(fold.train, part.train), np.searchsorted(fold.train, part.test))
            for part in inner
        ]
        splits.append(Split(fold, tuple(positions)))
    return tuple(splits)


def unusable_targets(
    responses: Floats, splits: Sequence[Split], runs: npt.ArrayLike
) -> tuple[Unusable, ...]:
    """Find targets with values that are not finite, or that do not vary where they must.

    Parameters
    ----------
    responses : array, shape (n_samples, n_targets)
        Responses.
    splits : sequence of Split
        The folds.
    runs : array, shape (n_samples,)
        Run label of every row. A target that is constant in a run, or for long in one, was not
        measured there: zeros or a fill value.

    Returns
    -------
    tuple of Unusable
        By target; the first reason found.
    """
    reasons = _reasons(responses, splits, np.asarray(runs))
    return tuple(Unusable(target, reasons[target]) for target in sorted(reasons))


def usable_columns(responses: Floats, runs: npt.ArrayLike) -> Bools:
    """Find columns that are finite and were measured throughout every run.

    Parameters
    ----------
    responses : array, shape (n_samples, n_columns)
    runs : array, shape (n_samples,)
        Run label of every row.

    Returns
    -------
    array of bool, shape (n_columns,)
    """
    labels = np.asarray(runs)
    usable = np.isfinite(responses).all(axis=0) & (flat_from(responses, labels) < 0)
    for label in np.unique(labels):
        usable &= np.ptp(responses[labels == label], axis=0) > 0
    return np.asarray(usable)


def flat_from(responses: Floats, runs: npt.ArrayLike) -> Positions:
    """Find where columns stand still for ``FLAT`` rows of a run or more.

    Parameters
    ----------
    responses : array, shape (n_samples, n_columns)
    runs : array, shape (n_samples,)
        Run label of every row.

    Returns
    -------
    array of int, shape (n_columns,)
        Row at which the first such stretch begins; -1 where there is none.
    """
    labels, values = np.asarray(runs), np.asarray(responses)
    first = np.full(values.shape[1], -1, np.intp)
    if len(values) < FLAT:
        return first
    same = (values[1:] == values[:-1]) & (labels[1:] == labels[:-1])[:, None]
    counts = np.cumsum(np.concatenate([np.zeros((1, same.shape[1]), bool), same]), axis=0)
    still = counts[FLAT - 1 :] - counts[: 1 - FLAT] == FLAT - 1
    found = still.any(axis=0)
    first[found] = still[:, found].argmax(axis=0)
    return first


def _reasons(responses: Floats, splits: Sequence[Split], runs: npt.NDArray[Any]) -> dict[int, str]:
    reasons: dict[int, str] = {}
    finite = np.isfinite(responses)
    for target in np.flatnonzero(~finite.all(axis=0)):
        bad = np.flatnonzero(~finite[:, target])
        reasons[int(target)] = f"{len(bad)} values are not finite (first at row {bad[0]})"
    checks: list[tuple[str, Positions]] = [("all rows", np.arange(len(responses)))]
    checks += [(f"run {label}", np.flatnonzero(runs == label)) for label in np.unique(runs)]
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
    flat = flat_from(responses, runs)
    for target in np.flatnonzero(flat >= 0):
        reasons.setdefault(int(target), f"constant for {FLAT} rows or more from row {flat[target]}")
    return reasons
