"""The cheapest way to take voxels through the filters of many penalties.

The prediction of a held-out row is a sum over eigenvectors, each with its filter ``1 / (s + a)``.
Over a segment of eigenvalues the filters of 20 penalties are combinations of a few functions. A
segment is applied in one of two ways:

- in two steps: voxels are projected on its eigenvectors, then multiplied by held-out rows times
  functions. Good for the few leading eigenvalues, whose filters differ most;
- directly: held-out rows, functions and eigenvectors are multiplied beforehand into one matrix from
  training rows to held-out rows for each function. Good for the long tail, where few functions do,
  and held-out rows are fewer than eigenvectors.

Where segments begin and which way each takes is found by dynamic programming over the number of
multiplications for a voxel.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from harness.encode.design.kernel import Spectrum
from harness.encode.solve.filters import FilterBlock
from harness.numeric.arrays import Doubles

KNOTS = 18
"""Where segments may end, evenly over the logarithm of the eigenvalues."""

SPREAD = 3.0
"""How much further from its filter an eigenvector of less than the mean eigenvalue may be. There
are thousands of them, and responses lie on all a little: their errors cancel, while a response may
well lie on one of the leading eigenvectors."""

OVERHEAD = 60
"""Of one function for a held-out row and voxel, in multiplications: its way through memory."""


@dataclass(frozen=True, eq=False)
class Segment(FilterBlock):
    """Neighbouring eigenvalues, and how the functions that make up their filters are applied."""

    direct: bool  # as matrices from training to held-out rows


@dataclass(frozen=True, eq=False)
class _Path:
    """Segments up to a knot, and what they cost."""

    cost: float
    segments: tuple[Segment, ...] = ()


def cheapest_segments(
    spectrum: Spectrum, penalties: Doubles, tolerance: float
) -> tuple[Segment, ...]:
    """Cut eigenvalues into segments.

    Parameters
    ----------
    spectrum : Spectrum
        Of a fold's training rows, with its held-out rows.
    penalties : array, shape (n_penalties,)
        Ascending.
    tolerance : float
        Largest error of a prediction (root mean square over held-out rows), relative to the spread
        of a response that lies on one eigenvector; where a penalty predicts none so large, relative
        to the largest that it predicts. ``SPREAD`` times that for eigenvectors of less than the
        mean eigenvalue.

    Returns
    -------
    tuple of Segment
        They cover all eigenvalues.
    """
    values = spectrum.values
    if values.size == 0:
        return ()
    n_train, n_test = spectrum.n_train, len(spectrum.heldout)
    reach = np.linalg.norm(spectrum.heldout, axis=0) * np.sqrt(n_train / n_test)
    filters = 1 / (values + penalties[:, None])
    largest = (reach * filters).max(axis=1, keepdims=True)
    scale = np.where(largest > 0, np.minimum(1.0, largest), 1.0)
    allowed = np.where(values < values.sum() / n_train, SPREAD, 1.0) * tolerance
    # Below the smallest penalty all filters are flat: distances there count for nothing.
    position = np.log(values + penalties[0])
    inner = np.linspace(position[0], position[-1], KNOTS + 1)[1:-1]
    ends = sorted({0, len(values), *map(int, np.searchsorted(-position, -inner))})
    best = {0: _Path(0.0)} | {end: _Path(np.inf) for end in ends[1:]}
    for start, stop in itertools.combinations(ends, 2):
        # Pairs come by their start: the way to it is final.
        before = best[start]
        columns = slice(start, stop)
        segment = _fit(filters[:, columns], reach[columns], scale, allowed[columns])
        for direct in (False, True):
            cost = before.cost + _cost(segment[0], n_train, n_test, len(penalties), direct=direct)
            if cost < best[stop].cost:
                chosen = Segment(columns, *segment, direct=direct)
                best[stop] = _Path(cost, (*before.segments, chosen))
    return best[len(values)].segments


def _fit(
    filters: Doubles, reach: Doubles, scale: Doubles, allowed: Doubles
) -> tuple[Doubles, Doubles]:
    """Functions of the eigenvalue and their weights: as few as the tolerance allows."""
    weighed = filters * reach / scale
    left, singular, right = np.linalg.svd(weighed, full_matrices=False)
    # Left out from the smallest up, until one more would show.
    count = len(singular)
    missing = np.zeros_like(weighed)
    while count > 1:
        missing += left[:, count - 1 : count] * singular[count - 1] * right[count - 1]
        if (np.abs(missing) > allowed).any():
            break
        count -= 1
    kept = slice(0, count)
    # Not right / reach, which can be 0.
    functions = left[:, kept].T @ (filters / scale)
    return functions, scale * left[:, kept]


def _cost(
    functions: Doubles, n_train: int, n_test: int, n_penalties: int, *, direct: bool
) -> float:
    """Multiplications for a voxel."""
    n_functions, n_columns = functions.shape
    through = n_train if direct else n_columns
    projected = 0 if direct else n_train * n_columns
    return projected + n_test * n_functions * (through + n_penalties + OVERHEAD)
