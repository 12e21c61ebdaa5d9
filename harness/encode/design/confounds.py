"""What leaves the responses leaves the features: drift, motion and other confounds.

With confounds ``C`` in the design beside the delayed features ``X``, least squares gives the same
weights as regressing ``P y`` on ``P X``, ``P = I - C pinv(C)`` (Frisch & Waugh 1933; Lovell 1963).
The theorem is about the *design*, so ``P`` acts on the delayed features, not on features that are
delayed afterwards. Regressing confounds out of responses alone leaves in the features what can no
longer be found in the responses: noise.

``P`` must not join rows that are held out to rows that are trained on. After a projection over a
whole run, ``C' P y = 0`` and ``C' P X = 0``: what the training rows have of a confound, the
held-out ones have with the other sign, in responses and features alike. A model with more columns
than rows, which can fit the training rows whatever they are, then predicts held-out rows from
nothing: white noise in 576 units scores r = .07 on *Alice* so, random walks .14, and the more the
wider they are. Confounds are therefore projected out of every *piece* on its own: a stretch of a
run that is held out together (:func:`harness.encode.design.splits.held_out_pieces`), a whole run
where whole runs are held out.

A drift that everybody shares is taken out of the kernel once: ``P K P``. Confounds that differ
between participants (motion) change a kernel by a matrix of low rank, which needs no other
decomposition (:mod:`harness.encode.solve.by_participant`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.encode.design.features import zscore_by_run
from harness.encode.design.splits import check_runs
from harness.errors import DataError
from harness.numeric.arrays import Doubles, Floats, Positions

RANK = 1e-8
"""Directions of confounds below this share of their largest singular value are rounding."""


SLOW = 0.1
"""Directions of a run's slow cosines in a piece stay below this share of the largest one: they
hold a hundredth of a drift's power there, and are slow only by cancellation."""

NOTHING_LEFT = 1e-6
"""Share of its spread that a feature must keep to be told from rounding."""


class Operator(Protocol):
    """A symmetric linear map of the rows of a design."""

    def rows(self, columns: npt.ArrayLike) -> Doubles:
        """Apply it to columns, (n_samples, n_columns)."""
        ...

    def kernel(self, kernel: npt.ArrayLike) -> Doubles:
        """Apply it to both sides of a kernel, (n_samples, n_samples)."""
        ...


@dataclass(frozen=True, eq=False)
class Projection:
    """Takes everything out that lies in the span of confounds.

    Parameters
    ----------
    basis : array, shape (n_samples, rank)
        Orthonormal columns.
    """

    basis: Doubles

    def rows(self, columns: npt.ArrayLike) -> Doubles:
        """Project columns, (n_samples, n_columns)."""
        x = np.asarray(columns, np.float64)
        return np.asarray(x - self.basis @ (self.basis.T @ x))

    def kernel(self, kernel: npt.ArrayLike) -> Doubles:
        """Return ``P K P``, (n_samples, n_samples)."""
        k = np.asarray(kernel, np.float64)
        across = k @ self.basis
        k = k - across @ self.basis.T
        k -= self.basis @ (across - self.basis @ (self.basis.T @ across)).T
        return np.asarray(k)

    def beyond(self, other: Projection) -> Projection:
        """Return the projection onto what ``other`` leaves of these confounds.

        The two one after the other, in any order, take out both.
        """
        return Projection(_orthonormal(other.rows(self.basis)))


@dataclass(frozen=True, eq=False)
class MeanProjection:
    """The mean of several participants' projections: what happens to a mean of cleaned responses.

    If each participant's responses are ``P_p (X b + noise)``, their mean is ``mean(P_p) X b`` and
    noise: the design that goes with a group mean is ``mean(P_p) X``.

    Parameters
    ----------
    projections : sequence of Projection
    """

    projections: Sequence[Projection]

    def rows(self, columns: npt.ArrayLike) -> Doubles:
        """Average the projections of columns, (n_samples, n_columns)."""
        x = np.asarray(columns, np.float64)
        lost = sum(p.basis @ (p.basis.T @ x) for p in self.projections)
        return np.asarray(x - lost / len(self.projections))

    def kernel(self, kernel: npt.ArrayLike) -> Doubles:
        """Return ``M K M``, (n_samples, n_samples)."""
        return self.rows(self.rows(kernel).T)


@dataclass(frozen=True, eq=False)
class Cleaning:
    """How a drift that all responses share leaves features.

    Parameters
    ----------
    runs : Projection
        By run. A choice of features, before delays: their scale, which ridge regression heeds, is
        then that of what responses may still hold, and a slow feature is not cut off in mid-air
        where the first volumes of a run look back before its start.
    pieces : Projection
        By piece, as out of the responses; for the delayed design.
    """

    runs: Projection
    pieces: Projection


@dataclass(frozen=True, eq=False)
class Confounds:
    """What was taken out of responses, and is to be taken out of their design.

    Parameters
    ----------
    shared : Cleaning
        Of all responses: drift.
    own : tuple of Projection
        What was taken out besides of the responses of one participant each
        (:meth:`Projection.beyond` the shared one).
    owner : array of int, shape (n_targets,), optional
        Participant of each target, as a position in ``own``.
    mean : MeanProjection, optional
        Instead of ``owner``: all targets are means of responses that were cleaned so.
    """

    shared: Cleaning
    own: tuple[Projection, ...] = ()
    owner: Positions | None = None
    mean: MeanProjection | None = None


@dataclass(frozen=True)
class Drift:
    """Periods that are taken out of responses and features.

    Parameters
    ----------
    tr : float
        Time between rows, s.
    cutoff : float, optional
        Longest period that is kept, s. None: no more than means are taken out.
    """

    tr: float
    cutoff: float | None

    def projection(self, pieces: npt.ArrayLike, runs: npt.ArrayLike | None = None) -> Projection:
        """Make the projection for rows in these pieces (of these runs)."""
        return drift_basis(pieces, self.tr, self.cutoff, runs)

    def cleaning(self, runs: npt.ArrayLike, pieces: npt.ArrayLike) -> Cleaning:
        """Make what takes the drift out of features."""
        return Cleaning(self.projection(runs), self.projection(pieces, runs))


def drift_basis(
    pieces: npt.ArrayLike,
    tr: float,
    cutoff: float | None,
    runs: npt.ArrayLike | None = None,
) -> Projection:
    """Make a basis of slow drift, each piece on its own: its mean, and the run's slow cosines.

    The cosines are those of :func:`harness.encode.design.features.highpass`: periods of ``cutoff``
    and longer (DCT-II) of the whole run. A piece that is shorter than such a period sees a stretch
    of each, a slope or an arc; a stretch of many of them is nearly spanned by a few, which are kept
    (``SLOW``). In a piece that is a whole run nothing is left away.

    Parameters
    ----------
    pieces : array, shape (n_samples,)
        Label of the piece of every row.
    tr : float
        Time between rows, s.
    cutoff : float, optional
        Longest period that is kept, s. None: the mean of every piece, only.
    runs : array, shape (n_samples,), optional
        Run of every row; each piece lies in one run. Without it pieces are runs.

    Returns
    -------
    Projection

    Raises
    ------
    DataError
        ``tr`` or ``cutoff`` is not positive.
    """
    if not tr > 0 or (cutoff is not None and not cutoff > 0):
        raise DataError(f"tr {tr} s and cutoff {cutoff} s", "both must be positive, in seconds")
    labels = check_runs(pieces)
    whole = labels if runs is None else check_runs(runs)
    columns = []
    for run in _rows_of_runs(whole):
        length = len(run)
        most = 0 if cutoff is None else min(int(2 * length * tr / cutoff), length - 1)
        time = (np.arange(length) + 0.5) / length
        cosines = np.cos(np.pi * time[:, None] * np.arange(1, most + 1))
        for piece in _rows_of_runs(labels[run]):
            slow = cosines[piece] - cosines[piece].mean(axis=0)
            left, share, _ = np.linalg.svd(slow, full_matrices=False)
            kept = left[:, share > SLOW * share.max(initial=0)]
            part = np.zeros((len(labels), 1 + kept.shape[1]))
            part[run[piece]] = np.column_stack([np.full(len(piece), len(piece) ** -0.5), kept])
            columns.append(part)
    return Projection(np.concatenate(columns, axis=1))


def confound_basis(runs: npt.ArrayLike, confounds: npt.ArrayLike) -> Projection:
    """Make an orthonormal basis of a participant's confounds, each run or piece on its own.

    Parameters
    ----------
    runs : array, shape (n_samples,)
        Label of every row: of its run, or of its piece.
    confounds : array, shape (n_samples, n_confounds)
        Motion, aCompCor, …; in any unit. A column may repeat another, or be constant.

    Returns
    -------
    Projection
        With the mean of every run.

    Raises
    ------
    DataError
        The shape is another one, or a value is not finite.
    """
    labels = check_runs(runs)
    c = np.asarray(confounds, np.float64)
    if c.ndim != 2 or len(c) != len(labels) or not np.isfinite(c).all():
        raise DataError(
            f"confounds of shape {c.shape} for {len(labels)} rows",
            "give finite numbers, one row for every row of the responses",
        )
    bases = []
    for rows in _rows_of_runs(labels):
        part = c[rows] - c[rows].mean(axis=0)
        scale = part.std(axis=0)
        part = part[:, scale > 0] / scale[scale > 0]
        own = _orthonormal(np.column_stack([np.ones(len(rows)), part]))
        basis = np.zeros((len(labels), own.shape[1]))
        basis[rows] = own
        bases.append(basis)
    return Projection(np.concatenate(bases, axis=1))


def without(features: Floats, runs: npt.ArrayLike, confounds: Projection) -> Floats:
    """Z-score features by run, before and after a drift is taken out of them; before delays.

    Parameters
    ----------
    features : array, shape (n_samples, n_units)
    runs : array, shape (n_samples,)
        Run label of every row.
    confounds : Projection

    Returns
    -------
    array, shape (n_samples, n_units)
        Of the dtype of the features; 0 where nothing is left of a unit in a run.
    """
    values = zscore_by_run(features, runs)
    left = confounds.rows(values)
    for rows in _rows_of_runs(check_runs(runs)):
        part = left[rows]
        part[:, part.std(axis=0) < NOTHING_LEFT] = 0
        left[rows] = part
    return zscore_by_run(left.astype(values.dtype, copy=False), runs)


def joined(first: Projection, second: Projection) -> Projection:
    """Return the projection that takes out what either takes out."""
    return Projection(np.concatenate([first.basis, second.beyond(first).basis], axis=1))


def _rows_of_runs(labels: npt.NDArray[Any]) -> list[Positions]:
    _, first = np.unique(labels, return_index=True)
    return [np.flatnonzero(labels == labels[start]) for start in np.sort(first)]


def _orthonormal(columns: Doubles) -> Doubles:
    """Span of columns of unit scale, without what is rounding."""
    if not columns.shape[1]:
        return columns
    left, singular, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, singular > RANK * max(1.0, float(singular[0]))])
