"""Responses of participants, and what is taken out of them and of their design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.encode.design.confounds import (
    Confounds,
    Drift,
    MeanProjection,
    Projection,
    confound_basis,
)
from harness.encode.design.features import zscore_by_run
from harness.encode.design.targets import FLAT, flat_from
from harness.errors import DataError
from harness.numeric.arrays import Doubles, Ints, Positions


@dataclass(frozen=True, eq=False)
class Responses:
    """Responses of several participants to one stimulus, ready to be scored.

    Parameters
    ----------
    values : array (participant, sample, roi)
        z-scored by run; drift and confounds are still in them.
    participants, rois : tuple of str
    runs : array (sample,)
        Run of each sample.
    nuisance : mapping
        Regressors (sample,) that any account of the responses must beat, by name.
    confounds : array (participant, sample, k), optional
        What has nothing to do with the stimulus: motion, aCompCor.
    drift : Drift, optional
        Slow periods that are taken out.
    left_out : mapping
        Participants that were dropped, and why.
    bands : mapping
        Further regressors (sample,) by name, by band: for the partition of variance.
    absent : mapping
        By participant, labels of the runs that they lack; values are NaN there.
    repeats : mapping
        By participant, the repeats (n_repeats, n_rows, roi) of the run that was presented several
        times, of which ``values`` have the mean.
    repeated_rows : array of int, optional
        Rows of that run, where it is known which it is.
    """

    values: Doubles
    participants: tuple[str, ...]
    rois: tuple[str, ...]
    runs: Ints
    nuisance: Mapping[str, Doubles] = field(default_factory=dict)
    confounds: Doubles | None = None
    drift: Drift | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    bands: Mapping[str, Mapping[str, Doubles]] = field(default_factory=dict)
    absent: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    repeats: Mapping[str, Doubles] = field(default_factory=dict)
    repeated_rows: Positions | None = None

    def __post_init__(self) -> None:
        shape = (len(self.participants), len(self.runs), len(self.rois))
        if self.values.shape != shape:
            raise DataError(f"responses have shape {self.values.shape}, their labels say {shape}")
        if self.confounds is not None and self.confounds.shape[:2] != shape[:2]:
            raise DataError(f"confounds have shape {self.confounds.shape}, the responses {shape}")

    def of(self, participants: Sequence[str], rows: Positions) -> Responses:
        """Return some participants, in rows (of whole runs) that they all have."""
        known = self.repeated_rows
        if known is not None:
            inside = np.isin(known, rows).all()
            known = np.searchsorted(rows, known).astype(np.intp) if inside else None
        who = np.array([self.participants.index(name) for name in participants], np.intp)
        return replace(
            self,
            values=self.values[np.ix_(who, rows)],
            participants=tuple(participants),
            runs=self.runs[rows],
            nuisance={name: column[rows] for name, column in self.nuisance.items()},
            confounds=None if self.confounds is None else self.confounds[np.ix_(who, rows)],
            bands={
                band: {name: column[rows] for name, column in own.items()}
                for band, own in self.bands.items()
            },
            absent={},
            repeats={name: self.repeats[name] for name in participants if name in self.repeats},
            repeated_rows=known,
        )

    def cleaned(self, pieces: npt.ArrayLike) -> Cleaned:
        """Take drift and confounds out of everybody's responses, piece by piece; z-score by run.

        Parameters
        ----------
        pieces : array of int, shape (n_samples,)
            Rows that are held out together
            (:func:`harness.encode.design.splits.held_out_pieces`).

        Returns
        -------
        Cleaned
        """
        if self.drift is None and self.confounds is None:
            return Cleaned(self.values, self._mean(self.values), None, None, "")
        drift = self.drift or Drift(1.0, None)
        shared = drift.cleaning(self.runs, pieces)
        own: list[Projection] = []
        if self.confounds is not None:
            own = [confound_basis(pieces, c).beyond(shared.pieces) for c in self.confounds]
        values = np.empty_like(self.values)
        for number, response in enumerate(self.values):
            left = shared.pieces.rows(response)
            if own:
                left = own[number].rows(left)
            values[number] = zscore_by_run(left, self.runs)
        owner = np.repeat(np.arange(len(self.participants)), len(self.rois))
        said = f"means and slow cosines ({shared.pieces.basis.shape[1]} columns)"
        if own:
            ranks = sorted({projection.basis.shape[1] for projection in own})
            said += f"; of each participant {ranks[0]} to {ranks[-1]} besides"
        said += f"; out of responses, features and nuisance, in {len(np.unique(pieces))} pieces"
        return Cleaned(
            values,
            self._mean(values),
            Confounds(shared, tuple(own), owner if own else None),
            Confounds(shared, mean=MeanProjection(own) if own else None),
            said,
        )

    def _mean(self, values: Doubles) -> Doubles:
        return np.asarray(zscore_by_run(values.mean(axis=0), self.runs), np.float64)


@dataclass(frozen=True, eq=False)
class Cleaned:
    """Responses without drift and confounds; everything that stands side by side is of them.

    Parameters
    ----------
    values : array (participant, sample, roi)
    group : array (sample, roi)
        Their mean over participants.
    confounds : Confounds, optional
        What the design of every (participant, roi), in this order, is to lose.
    group_confounds : Confounds, optional
        What the design of the mean is to lose: responses ``P_p y_p`` have the mean
        ``mean(P_p) X b`` and noise.
    account : str
        What was taken out.
    """

    values: Doubles
    group: Doubles
    confounds: Confounds | None
    group_confounds: Confounds | None
    account: str


def prepare(
    values: Mapping[str, npt.ArrayLike],
    rois: tuple[str, ...],
    runs: npt.ArrayLike,
    *,
    tr: float,
    cutoff: float | None,
    confounds: Mapping[str, npt.ArrayLike] | None = None,
    nuisance: Mapping[str, npt.ArrayLike] | None = None,
    bands: Mapping[str, Mapping[str, Doubles]] | None = None,
    absent: Mapping[str, tuple[Any, ...]] | None = None,
    repeats: Mapping[str, Doubles] | None = None,
    repeated_rows: Positions | None = None,
) -> Responses:
    """Z-score each participant's responses by run, and say what is to be taken out of them.

    Parameters
    ----------
    values : mapping
        Responses (sample, roi) by participant.
    rois : tuple of str
    runs : array (sample,)
    tr : float
        Seconds from one sample to the next.
    cutoff : float, optional
        Longest period that is kept, in s.
    confounds : mapping, optional
        What has nothing to do with the stimulus (motion, aCompCor), (sample, k) by participant.
    nuisance : mapping, optional
        What has to do with the stimulus, but not with its meaning, (sample,) by name.
    bands : mapping, optional
        Further regressors of bands (:func:`harness.stimuli.position.bands`).
    absent : mapping, optional
        By participant, labels of the runs that they lack. Their rows are not looked at.
    repeats : mapping, optional
        By participant, the repeats of the run that was repeated, (n_repeats, n_rows, roi).
    repeated_rows : array of int, optional
        Rows of that run.

    Returns
    -------
    Responses
        Without the participants whose responses are not finite, or constant in a run or for long
        in one: zeros and fill values stand for what is missing.

    Raises
    ------
    DataError
        Nobody is left, or lengths differ.
    """
    labels = np.asarray(runs)
    kept: dict[str, Doubles] = {}
    left_out: dict[str, str] = {}
    for name, given in values.items():
        response = np.asarray(given, np.float64)
        if response.shape != (len(labels), len(rois)):
            raise DataError(
                f"participant {name} has responses of shape {response.shape},"
                f" not {(len(labels), len(rois))} (sample, roi)"
            )
        there = ~np.isin(labels, list((absent or {}).get(name, ())))
        if reason := _unusable(response[there], rois, labels[there]):
            left_out[name] = reason
            continue
        own = np.full(response.shape, np.nan)
        own[there] = zscore_by_run(response[there], labels[there])
        kept[name] = own
    if not kept:
        raise DataError(f"no participant is left: {left_out}")
    moved = None
    if confounds is not None:
        moved = np.stack([np.asarray(confounds[name], np.float64) for name in kept])
    return Responses(
        np.stack(list(kept.values())),
        tuple(kept),
        rois,
        labels,
        {k: np.asarray(v, np.float64) for k, v in (nuisance or {}).items()},
        moved,
        None if cutoff is None else Drift(tr, cutoff),
        left_out,
        bands or {},
        {name: tuple(lacked) for name, lacked in (absent or {}).items() if name in kept and lacked},
        {name: each for name, each in (repeats or {}).items() if name in kept},
        repeated_rows,
    )


def _unusable(response: Doubles, rois: tuple[str, ...], labels: npt.NDArray[Any]) -> str:
    for column, roi in zip(response.T, rois, strict=True):
        if not np.isfinite(column).all():
            return f"{roi} holds values that are not finite"
        for run in np.unique(labels):
            part = column[labels == run]
            if np.ptp(part) == 0:
                where = "" if len(part) == len(column) else f" in run {run}"
                return f"{roi} is constant ({part[0]:g}){where}"
    flat = flat_from(response, labels)
    for start, column, roi in zip(flat, response.T, rois, strict=True):
        if start >= 0:
            return f"{roi} is constant ({column[start]:g}) for {FLAT} samples or more from {start}"
    return ""
