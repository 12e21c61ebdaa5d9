"""From features in the time base of the recording to the design of a regression.

Per run: z-score, delay, remove drifts. The kernel of delayed features is a sum of shifted copies of
one Gram matrix, so delays cost next to nothing (z-score *before* delaying).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.encode.design.splits import check_runs, run_starts
from harness.errors import DataError
from harness.numeric.arrays import Doubles, Floats, Positions


def zscore_by_run(x: Floats, runs: npt.ArrayLike) -> Floats:
    """Give every column mean 0 and standard deviation 1 within each run.

    A column that does not vary within a run becomes 0 there.

    Parameters
    ----------
    x : array, shape (n_samples, n_columns)
        Features or responses.
    runs : array, shape (n_samples,)
        Run label of every row.

    Returns
    -------
    array, shape (n_samples, n_columns)
        Same dtype as ``x`` (float64 where ``x`` is not floating).

    Raises
    ------
    DataError
        A value is NaN or infinite; the message names run and column.
    """
    values = _matrix(x)
    out = np.empty_like(values)
    for label, rows in _each_run(runs, len(values)):
        part = values[rows]
        finite = np.isfinite(part).all(axis=0)
        if not finite.all():
            columns = np.flatnonzero(~finite)
            raise DataError(
                f"run {label!s}: column {columns[0]} has values that are not finite "
                f"({len(columns)} such columns)",
                "repair or drop these columns before encoding",
            )
        mean = part.mean(axis=0, dtype=np.float64)
        scale = part.std(axis=0, dtype=np.float64)
        # An exact test: the standard deviation of equal float32 values need not be exactly 0.
        scale[part.min(axis=0) == part.max(axis=0)] = np.inf
        out[rows] = (part - mean) / scale
    return out


def delayed(features: Floats, runs: npt.ArrayLike, delays: Sequence[int]) -> Floats:
    """Set copies of the features, each shifted by a delay, side by side (a FIR design).

    Parameters
    ----------
    features : array, shape (n_samples, n_units)
        Features, z-scored: what lies before the start of a run is taken as 0, their mean.
    runs : array, shape (n_samples,)
        Run label of every row; nothing is shifted from one run into another.
    delays : sequence of int
        Delays in rows (TRs), 0 or more.

    Returns
    -------
    array, shape (n_samples, n_delays * n_units)
        Column ``d * n_units + u`` is unit ``u`` at ``delays[d]``.

    Raises
    ------
    DataError
        A delay is negative or given twice.
    """
    values = _matrix(features)
    n_units = values.shape[1]
    out = np.zeros((len(values), len(_check_delays(delays)) * n_units), dtype=values.dtype)
    for _, rows in _each_run(runs, len(values)):
        length = rows.stop - rows.start
        for number, delay in enumerate(delays):
            if delay < length:
                columns = slice(number * n_units, (number + 1) * n_units)
                out[rows.start + delay : rows.stop, columns] = values[
                    rows.start : rows.stop - delay
                ]
    return out


def delayed_gram(
    features_a: Floats,
    runs_a: npt.ArrayLike,
    delays: Sequence[int],
    features_b: Floats | None = None,
    runs_b: npt.ArrayLike | None = None,
) -> Floats:
    """Inner products of delayed features, from one Gram matrix of the features as they are.

    Equal to ``delayed(a) @ delayed(b).T``: a delay moves both rows of a pair, so each delay adds
    the same Gram matrix, shifted along its diagonal, with what crosses the start of a run left out.

    Parameters
    ----------
    features_a : array, shape (n_samples_a, n_units)
        Features, z-scored.
    runs_a : array, shape (n_samples_a,)
        Run label of every row.
    delays : sequence of int
        Delays in rows.
    features_b, runs_b : array, optional
        The other side; ``features_a`` by default.

    Returns
    -------
    array, shape (n_samples_a, n_samples_b)
        float64. The products are made in the dtype of the features, 1,024 units at a time, and
        added up in float64.

    Raises
    ------
    DataError
        A delay is negative or given twice.
    """
    a = _matrix(features_a)
    b = a if features_b is None else _matrix(features_b)
    starts_a = run_starts(check_runs(runs_a))
    starts_b = starts_a if runs_b is None else run_starts(check_runs(runs_b))
    gram = _gram(a, b)
    kernel = np.zeros_like(gram)
    for delay in _check_delays(delays):
        if delay >= min(gram.shape):
            continue
        shifted = gram[: len(a) - delay, : len(b) - delay].copy() if delay else gram
        if delay:
            shifted[_before_start(starts_a, delay, len(a))] = 0
            shifted[:, _before_start(starts_b, delay, len(b))] = 0
        kernel[delay:, delay:] += shifted
    return kernel


def highpass(x: Floats, runs: npt.ArrayLike, tr: float, cutoff: float) -> Floats:
    """Remove the mean and slow drifts of every run with a discrete cosine basis.

    The drifts removed are the cosines (DCT-II) with periods of ``cutoff`` seconds or longer, as in
    SPM. The basis is even about both ends of the run: where a drift slopes at an end, a remainder
    rings there and fades over about ``cutoff`` seconds. A run shorter than ``cutoff / 2`` loses
    only its mean. Every row mixes in rows up to about ``cutoff`` away, so a filtered run should be
    held out as a whole where that is possible.

    Parameters
    ----------
    x : array, shape (n_samples, n_columns)
        Responses. A column with NaN in a run is NaN in all of that run.
    runs : array, shape (n_samples,)
        Run label of every row.
    tr : float
        Time between rows, in seconds.
    cutoff : float
        Longest period kept, in seconds.

    Returns
    -------
    array, shape (n_samples, n_columns)

    Raises
    ------
    DataError
        ``tr`` or ``cutoff`` is not positive.
    """
    if not (tr > 0 and cutoff > 0):
        raise DataError(f"tr {tr} s and cutoff {cutoff} s", "both must be positive, in seconds")
    values = _matrix(x)
    out = np.empty_like(values)
    for _, rows in _each_run(runs, len(values)):
        part = values[rows].astype(np.float64)
        length = len(part)
        order = np.arange(1, min(int(2 * length * tr / cutoff), length - 1) + 1)
        time = (np.arange(length) + 0.5) / length
        basis = np.sqrt(2 / length) * np.cos(np.pi * time[:, None] * order)
        part = part - part.mean(axis=0)
        out[rows] = part - basis @ (basis.T @ part)
    return out


def _matrix(x: Floats) -> Floats:
    values = np.asarray(x)
    if values.ndim != 2:
        raise DataError(
            f"expected an array of shape (n_samples, n_columns), got {values.shape}",
            "give one row a sample; a single column is x[:, None]",
        )
    return values if np.issubdtype(values.dtype, np.floating) else values.astype(np.float64)


def _each_run(runs: npt.ArrayLike, n_samples: int) -> Iterator[tuple[Any, slice]]:
    labels = check_runs(runs)
    if len(labels) != n_samples:
        raise DataError(
            f"{len(labels)} run labels for {n_samples} rows", "give one label for every row"
        )
    starts = run_starts(labels)
    for start, stop in zip(starts, np.r_[starts[1:], n_samples], strict=True):
        yield labels[start], slice(int(start), int(stop))


def _check_delays(delays: Sequence[int]) -> Sequence[int]:
    if not delays or min(delays) < 0 or len(set(delays)) < len(delays):
        raise DataError(
            f"delays {tuple(delays)}", "delays are different whole numbers of rows, 0 or more"
        )
    return delays


def _gram(a: Floats, b: Floats) -> Doubles:
    total = np.zeros((len(a), len(b)))
    for start in range(0, a.shape[1], 1024):
        left = np.ascontiguousarray(a[:, start : start + 1024])
        # One array times its own transpose: BLAS then computes a triangle only.
        right = left if b is a else b[:, start : start + 1024]
        total += left @ right.T
    return total


def _before_start(starts: Positions, delay: int, length: int) -> Positions:
    """Rows of a shifted Gram matrix that would move into the next run."""
    crossing = (starts[1:, None] - np.arange(1, delay + 1)).ravel()
    return crossing[(crossing >= 0) & (crossing < length - delay)]
