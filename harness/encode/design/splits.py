"""Folds of a time series that keep training and held-out rows apart.

Neighbouring volumes of an fMRI run share noise, so rows may never be shuffled into folds: on pure
autocorrelated noise shuffled rows score r of about .5. Folds here are whole runs, or contiguous
blocks of runs with a purge gap around them. No other splitter exists.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import DataError
from harness.numeric.arrays import Positions

MINIMUM_ROWS = 10
"""A held-out part with fewer rows has no usable correlation; neither has a training part."""


@dataclass(frozen=True, eq=False)
class Fold:
    """One way to divide rows into training and held-out ones.

    Parameters
    ----------
    train, test : array of int, shape (n_train,), (n_test,)
        Row numbers of the whole recording, ascending. Rows in neither were purged.
    """

    train: Positions
    test: Positions


def contiguous_folds(
    runs: npt.ArrayLike, n_folds: int, gap: int, *, rows: npt.ArrayLike | None = None
) -> tuple[Fold, ...]:
    """Divide a recording into folds of contiguous blocks, or of whole runs.

    With at least ``n_folds`` runs, whole runs are dealt to folds (:func:`grouped_folds`). With
    fewer, runs are cut into contiguous blocks of nearly equal length; a block never straddles a
    run or a hole in time. Training rows of the same run within ``gap`` rows of a held-out row are
    purged.

    Parameters
    ----------
    runs : array, shape (n_samples,)
        Run label of every row of the recording. A run is one unbroken stretch of rows.
    n_folds : int
        Number of folds, at least 2.
    gap : int
        Rows purged on either side of a held-out block.
    rows : array of int, optional
        Divide these rows only (the training rows of an outer fold). Time is still that of the whole
        recording: rows that became neighbours because others were taken out are not contiguous.

    Returns
    -------
    tuple of Fold
        Row numbers refer to the whole recording. Each of ``rows`` is held out exactly once.

    Raises
    ------
    DataError
        A run is in pieces, a fold would be too short, or purging leaves too little to train on.
    """
    labels = np.asarray(runs)
    chosen = _rows(labels, rows)
    _check_counts(n_folds, gap)
    if len(np.unique(labels[chosen])) >= n_folds:
        return grouped_folds(labels, n_folds, gap=gap, rows=chosen)
    stretches = _stretches(labels, chosen)
    if len(stretches) >= n_folds:
        blocks = [np.concatenate(group) for group in _deal(stretches, n_folds)]
    else:
        parts = _apportion([len(stretch) for stretch in stretches], n_folds)
        blocks = [
            block
            for stretch, n_parts in zip(stretches, parts, strict=True)
            for block in np.array_split(stretch, n_parts)
        ]
    return _folds(labels, chosen, blocks, gap)


def grouped_folds(
    runs: npt.ArrayLike, n_folds: int, *, gap: int = 0, rows: npt.ArrayLike | None = None
) -> tuple[Fold, ...]:
    """Deal whole runs to folds of nearly equal length.

    Longest run first, each to the fold that is shortest so far; deterministic.

    Parameters
    ----------
    runs : array, shape (n_samples,)
        Run label of every row of the recording.
    n_folds : int
        Number of folds, at least 2.
    gap : int
        Checked only: rows of different runs are apart already.
    rows : array of int, optional
        Divide these rows only.

    Returns
    -------
    tuple of Fold

    Raises
    ------
    DataError
        There are fewer runs than folds, or a fold would be too short.
    """
    labels = np.asarray(runs)
    chosen = _rows(labels, rows)
    _check_counts(n_folds, gap)
    names, first = np.unique(labels[chosen], return_index=True)
    if len(names) < n_folds:
        raise DataError(
            f"{len(names)} runs cannot be dealt to {n_folds} folds",
            "use contiguous_folds, which cuts runs into blocks, or fewer folds",
        )
    members = [chosen[labels[chosen] == name] for name in names[np.argsort(first)]]
    blocks = [np.sort(np.concatenate(group)) for group in _deal(members, n_folds)]
    return _folds(labels, chosen, blocks, gap)


def held_out_run(runs: npt.ArrayLike, run: Hashable) -> tuple[Fold, ...]:
    """Train on all runs but one and test on that: the split that a data set prescribes.

    Parameters
    ----------
    runs : array, shape (n_samples,)
        Run label of every row.
    run : hashable
        Label of the test run.

    Returns
    -------
    tuple of one Fold

    Raises
    ------
    DataError
        There is no such run, or a part would be too short.
    """
    labels = check_runs(runs)
    test = np.flatnonzero(labels == run)
    if len(test) == 0:
        raise DataError(f"there is no run {run!s}", f"runs: {', '.join(map(str, set(labels)))}")
    return _folds(labels, np.arange(len(labels)), [test], 0)


def check_runs(runs: npt.ArrayLike) -> npt.NDArray[Any]:
    """Refuse run labels that are not one unbroken stretch of rows each.

    Parameters
    ----------
    runs : array, shape (n_samples,)
        Run label of every row.

    Returns
    -------
    array, shape (n_samples,)
        The labels as an array.

    Raises
    ------
    DataError
        Labels are not one-dimensional, or a label comes back after another one.
    """
    labels = np.asarray(runs)
    if labels.ndim != 1 or labels.size == 0:
        raise DataError(
            f"run labels have shape {labels.shape}", "give one label for every row of the recording"
        )
    starts = run_starts(labels)
    names, counts = np.unique(labels[starts], return_counts=True)
    if counts.max() > 1:
        raise DataError(
            f"run {names[counts.argmax()]!s} is in {counts.max()} separate stretches of rows",
            "order rows by run, or give each stretch a label of its own",
        )
    return labels


def run_starts(labels: npt.NDArray[Any]) -> Positions:
    """First row of every run.

    Parameters
    ----------
    labels : array, shape (n_samples,)
        Run label of every row.

    Returns
    -------
    array of int, shape (n_runs,)
    """
    return np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])


def _rows(labels: npt.NDArray[Any], rows: npt.ArrayLike | None) -> Positions:
    check_runs(labels)
    if rows is None:
        return np.arange(len(labels))
    chosen = np.unique(np.asarray(rows, dtype=np.intp))
    if chosen.size == 0 or chosen[0] < 0 or chosen[-1] >= len(labels):
        raise DataError(
            f"rows to divide must lie in 0..{len(labels) - 1}", "give the training rows of a fold"
        )
    return chosen


def _check_counts(n_folds: int, gap: int) -> None:
    if n_folds < 2:
        raise DataError(f"{n_folds} folds hold nothing out", "ask for at least 2 folds")
    if gap < 0:
        raise DataError(f"a purge gap of {gap} rows", "a gap is a number of rows, 0 or more")


def _stretches(labels: npt.NDArray[Any], rows: Positions) -> list[Positions]:
    """Maximal pieces of ``rows`` that are unbroken in time and within one run."""
    broken = (np.diff(rows) > 1) | (labels[rows[1:]] != labels[rows[:-1]])
    return np.split(rows, np.flatnonzero(broken) + 1)


def _deal(pieces: Sequence[Positions], n_folds: int) -> list[list[Positions]]:
    groups: list[list[Positions]] = [[] for _ in range(n_folds)]
    lengths = np.zeros(n_folds, dtype=int)
    for piece in sorted(pieces, key=lambda rows: (-len(rows), rows[0])):
        shortest = int(np.argmin(lengths))
        groups[shortest].append(piece)
        lengths[shortest] += len(piece)
    groups = [sorted(group, key=lambda rows: int(rows[0])) for group in groups]
    return sorted(groups, key=lambda group: int(group[0][0]))


def _apportion(lengths: Sequence[int], n_parts: int) -> list[int]:
    """How many blocks each stretch is cut into: one each, then where blocks are longest."""
    parts = [1] * len(lengths)
    while sum(parts) < n_parts:
        longest = max(range(len(lengths)), key=lambda i: (lengths[i] / parts[i], -i))
        parts[longest] += 1
    return parts


def _folds(
    labels: npt.NDArray[Any], rows: Positions, blocks: Sequence[Positions], gap: int
) -> tuple[Fold, ...]:
    folds = []
    for number, test in enumerate(blocks):
        train = _purged(labels, rows, test, gap)
        for what, part in (("held-out", test), ("training", train)):
            if len(part) < MINIMUM_ROWS:
                raise DataError(
                    f"fold {number + 1} of {len(blocks)} has {len(part)} {what} rows "
                    f"(of {len(rows)}, gap {gap}); at least {MINIMUM_ROWS} are needed",
                    "ask for fewer folds or a shorter gap, or use a longer recording",
                )
        folds.append(Fold(train=train, test=test))
    return tuple(folds)


def _purged(labels: npt.NDArray[Any], rows: Positions, test: Positions, gap: int) -> Positions:
    near = np.zeros(len(labels), dtype=bool)
    near[test] = True
    # Runs are unbroken, so a distance in time within a run is a distance in rows.
    for shift in range(1, gap + 1):
        for there, here in ((test + shift, test), (test - shift, test)):
            inside = (there >= 0) & (there < len(labels))
            same = labels[there[inside]] == labels[here[inside]]
            near[there[inside][same]] = True
    return np.asarray(rows[~near[rows]])


def held_out_pieces(runs: npt.ArrayLike, folds: Sequence[Fold]) -> Positions:
    """Cut runs where outer folds cut them.

    Parameters
    ----------
    runs : array, shape (n_samples,)
        Run label of every row of the recording.
    folds : sequence of Fold
        Outer folds.

    Returns
    -------
    array of int, shape (n_samples,)
        Number of the piece of every row: neighbours of one run that are held out together, or
        never.
    """
    labels = np.asarray(runs)
    fold_of = np.full(len(labels), -1)
    for number, fold in enumerate(folds):
        fold_of[fold.test] = number
    starts = (labels[1:] != labels[:-1]) | (fold_of[1:] != fold_of[:-1])
    return np.concatenate([[0], np.cumsum(starts)]).astype(np.intp)


def piece_folds(
    runs: npt.ArrayLike, pieces: npt.ArrayLike, n_folds: int, gap: int, rows: Positions
) -> tuple[Fold, ...]:
    """Divide rows into folds of whole pieces, neighbours together.

    What was projected out of a piece joins its rows: inner folds that cut it would leak.

    Parameters
    ----------
    runs, pieces : array, shape (n_samples,)
        Run and piece of every row of the recording.
    n_folds : int
        Number of folds; with fewer pieces, as many as there are.
    gap : int
        Rows purged on either side of a held-out block within its run.
    rows : array of int
        Rows to divide, ascending.

    Returns
    -------
    tuple of Fold
        Each of ``rows`` is held out exactly once. Where there are fewer than two pieces, or as many
        runs as folds, those of :func:`contiguous_folds`.
    """
    labels, parts = np.asarray(runs), np.asarray(pieces)
    names, sizes = np.unique(parts[rows], return_counts=True)
    if len(names) < 2 or len(np.unique(labels[rows])) >= n_folds:
        return contiguous_folds(runs, n_folds, gap, rows=rows)
    n_folds = min(n_folds, len(names))
    middle = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    group = np.minimum((middle * n_folds).astype(int), n_folds - 1)
    if len(np.unique(group)) < n_folds:  # a piece is longer than a share: deal them by number
        group = np.arange(len(names)) * n_folds // len(names)
    own = group[np.searchsorted(names, parts[rows])]
    folds = []
    for number in range(n_folds):
        test = rows[own == number]
        near = np.zeros(len(labels), bool)
        for shift in range(-gap, gap + 1):
            moved = test + shift
            inside = (moved >= 0) & (moved < len(labels))
            moved, from_ = moved[inside], test[inside]
            near[moved[labels[moved] == labels[from_]]] = True
        folds.append(Fold(rows[(own != number) & ~near[rows]], test))
    return tuple(folds)
