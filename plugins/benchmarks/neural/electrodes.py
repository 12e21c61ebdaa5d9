"""Electrodes of an intracranial recording: FIF files, places, activity around words."""

from __future__ import annotations

import csv
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import DataError, ExtraMissing
from harness.numeric.arrays import Bools, Doubles, Ints, Singles

WORDS_AT_ONCE = 100
"""Words whose surroundings are read together: half a minute of all channels."""
_UNITS = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
_NOT_WHOLE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    LookupError,
    TypeError,
    AttributeError,
    struct.error,
)
"""What MNE-Python raises on files that end early, depending on where."""


@dataclass(frozen=True, eq=False)
class Electrodes:
    """The good channels of a recording.

    Parameters
    ----------
    path : Path
        The FIF file.
    names : tuple of str
    places : array, shape (n_electrodes, 3)
        In MNI space, mm; NaN where nobody knows.
    rate : float
        Samples a second.
    n_samples : int
    first : int
        Number of the first sample on the clock of the words.
    """

    path: Path
    names: tuple[str, ...]
    places: Doubles
    rate: float
    n_samples: int
    first: int
    _raw: Any = field(repr=False)

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self.n_samples / self.rate

    def covers(self, onsets: Doubles, lags: Sequence[float], window: float) -> Bools:
        """Which words have the windows of all lags within the recording, (n_words,)."""
        begin, end = self._windows(onsets, lags, window)
        return np.asarray((begin >= 0).all(axis=1) & (end <= self.n_samples).all(axis=1))

    def around(self, onsets: Doubles, lags: Sequence[float], window: float) -> Singles:
        """Average activity in a window around each lag from each word's onset.

        Parameters
        ----------
        onsets : array, shape (n_words,)
            In s.
        lags : sequence of float
            Middles of the windows, s.
        window : float
            Length of the windows, s; at least one sample.

        Returns
        -------
        array, shape (n_words, n_electrodes, n_lags)

        Raises
        ------
        DataError
            The file ends early.
        """
        begin, end = self._windows(onsets, lags, window)
        values = np.empty((len(onsets), len(self.names), len(lags)), np.float32)
        for start in range(0, len(onsets), WORDS_AT_ONCE):
            words = slice(start, start + WORDS_AT_ONCE)
            low, high = int(begin[words].min()), int(end[words].max())
            try:
                signal = np.asarray(self._raw.get_data(start=low, stop=high), np.float64)
            except _NOT_WHOLE as error:
                raise _damaged(self.path, error) from error
            # A running sum turns the mean of any window into one difference.
            sums = np.concatenate([np.zeros((len(signal), 1)), signal.cumsum(axis=1)], axis=1)
            length = (end[words] - begin[words])[:, None]
            means = sums[:, end[words] - low] - sums[:, begin[words] - low]
            values[words] = means.swapaxes(0, 1) / length
        return values

    def _windows(self, onsets: Doubles, lags: Sequence[float], window: float) -> tuple[Ints, Ints]:
        """First sample and the one after the last, (n_words, n_lags) each."""
        middles = (onsets[:, None] + np.asarray(lags)) * self.rate - self.first
        length = max(1, round(window * self.rate))
        begin = np.floor(middles - length / 2 + 0.5).astype(np.int64)
        return begin, begin + length


def open_electrodes(signal: Path, places: Path, system: Path) -> Electrodes:
    """Open a recording, reading its header, and find its electrodes.

    Parameters
    ----------
    signal : Path
        A FIF file of continuous activity.
    places : Path
        BIDS ``electrodes.tsv``: ``name``, ``x``, ``y``, ``z``.
    system : Path
        BIDS ``coordsystem.json``, which states the unit of the places.

    Raises
    ------
    DataError
        A file is not whole, or there is no good channel.
    ExtraMissing
        MNE-Python is not installed.
    """
    try:
        import mne
    except ImportError as error:
        raise ExtraMissing(
            "MNE-Python is not installed", "pip install 'brainpress[neural]'"
        ) from error
    try:
        raw = mne.io.read_raw_fif(signal, preload=False, verbose="ERROR")
        picks = mne.pick_types(raw.info, ecog=True, seeg=True, exclude="bads")
        names = tuple(raw.ch_names[i] for i in picks)
    except _NOT_WHOLE as error:
        raise _damaged(signal, error) from error
    if not names:
        raise DataError(
            f"{signal} has no good electrode among its {len(raw.ch_names)} channels",
            "give the high-gamma derivative, with channels of type ECOG",
        )
    known = read_places(places, system)
    found = np.array([known.get(name, (np.nan,) * 3) for name in names])
    raw = raw.pick(list(names), verbose="ERROR")
    rate = float(raw.info["sfreq"])
    return Electrodes(signal, names, found, rate, int(raw.n_times), int(raw.first_samp), raw)


def read_places(places: Path, system: Path) -> dict[str, tuple[float, float, float]]:
    """Read where electrodes are, in mm.

    Raises
    ------
    DataError
        A column is missing, a place is no number, or the unit is not known.
    """
    try:
        unit = json.loads(system.read_text(encoding="utf-8"))["iEEGCoordinateUnits"]
        scale = _UNITS[unit]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{system} states no unit that is known: {error!r}", "m, cm or mm; fetch it again"
        ) from error
    with places.open(encoding="utf-8-sig", newline="") as lines:
        table = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        if missing := [c for c in ("name", "x", "y", "z") if c not in (table.fieldnames or ())]:
            raise DataError(f"{places} lacks the columns {', '.join(missing)}", "fetch it again")
        found = {}
        for number, row in enumerate(table, start=2):
            try:
                x, y, z = (
                    np.nan if row[c] in ("n/a", "") else scale * float(row[c]) for c in "xyz"
                )
            except (TypeError, ValueError):
                raise DataError(
                    f"{places}, line {number}: {row['name']} has no usable place",
                    "the file was cut short or changed: fetch it again",
                ) from None
            found[str(row["name"])] = (x, y, z)
    return found


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} is not a whole FIF file: {error}", "remove it and fetch it again")
