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
from harness.numeric.arrays import Bools, Doubles, Singles
from harness.spec.extras import install_command

from .lags import window_bounds, window_means
from .mni_volumes import REGIONS

WORDS_AT_ONCE = 100
"""Words whose surroundings are read together: half a minute of all channels."""
NEAR = 20.0
"""Electrodes within this distance of a region's peak belong to it, mm."""
_UNITS = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
NOT_WHOLE = (
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
        begin, end = window_bounds(onsets, lags, window, self.rate, self.first)
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
        begin, end = window_bounds(onsets, lags, window, self.rate, self.first)
        values = np.empty((len(onsets), len(self.names), len(lags)), np.float32)
        for start in range(0, len(onsets), WORDS_AT_ONCE):
            words = slice(start, start + WORDS_AT_ONCE)
            low, high = int(begin[words].min()), int(end[words].max())
            try:
                signal = np.asarray(self._raw.get_data(start=low, stop=high), np.float64)
            except NOT_WHOLE as error:
                raise damaged(self.path, error) from error
            values[words] = window_means(signal, begin[words] - low, end[words] - low)
        return values


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
    mne = mne_python()
    try:
        raw = mne.io.read_raw_fif(signal, preload=False, verbose="ERROR")
        picks = mne.pick_types(raw.info, ecog=True, seeg=True, exclude="bads")
        names = tuple(raw.ch_names[i] for i in picks)
    except NOT_WHOLE as error:
        raise damaged(signal, error) from error
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


def near_peaks(places: Doubles) -> dict[str, Bools]:
    """Return the electrodes near the peak of each region, (n_electrodes,).

    Parameters
    ----------
    places : array, shape (n_electrodes, 3)
        In MNI space, mm.
    """
    return {
        name: np.linalg.norm(places - np.asarray(peak, float), axis=1) <= NEAR
        for name, peak in REGIONS.items()
    }


def mne_python() -> Any:
    """Return MNE-Python.

    Raises
    ------
    ExtraMissing
        It is not installed.
    """
    try:
        import mne
    except ImportError as error:
        raise ExtraMissing("MNE-Python is not installed", install_command("neural")) from error
    return mne


def damaged(file: Path | str, error: Exception) -> DataError:
    """Return the error that says of a file what MNE-Python found."""
    return DataError(f"{file} is not a whole FIF file: {error}", "remove it and fetch it again")
