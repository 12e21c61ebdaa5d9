"""Recordings from the scalp that come as FIF files with a label where each sound starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np

from harness.errors import DataError
from harness.numeric.arrays import Doubles, Ints, Singles

from .electrodes import NOT_WHOLE, damaged, mne_python
from .lags import Lags, window_bounds, window_means

BAND = (0.5, 20.0)
"""Edges of the filter, Hz."""
REACH = 3.3
"""What MNE-Python's filter of this band takes in on either side of a sample, s."""
MARGIN = 5.0
"""Of a recording, so much before a sound and after it is filtered with it, s."""
OVERLAP = 0.1
"""Sounds that overlap by more have wrong labels, s."""
VERSION = 1
"""Bumped when the same recording comes to have other activity."""


def activity_around_words(
    content: bytes,
    name: str,
    channels: Sequence[str],
    segments: Ints,
    onsets: Doubles,
    durations: Mapping[int, float],
    lags: Lags,
) -> Singles:
    """Filter the recording of each sound and average it in windows around words.

    Each sound is cut out with what surrounds it, up to half of the pause to the next one, and
    filtered on its own (zero phase, FIR, as :meth:`mne.io.Raw.filter` does by default): sounds that
    are held out share no sample with others.

    Parameters
    ----------
    content : bytes
        A FIF file. Annotations named by number of segment stand where its sound starts.
    name : str
        Of the file, for messages.
    channels : sequence of str
        Channels that are wanted.
    segments : array of int, shape (n_words,)
        Sound of each word.
    onsets : array, shape (n_words,)
        In s, from the beginning of its sound.
    durations : mapping
        Length of each sound, s.
    lags : Lags

    Returns
    -------
    array, shape (n_words, n_channels, n_lags)
        In microvolts. NaN for words of sounds that were not presented, or not recorded whole, and
        for channels that the file marks bad or does not have.

    Raises
    ------
    DataError
        The file is not whole, has none of the channels, names no segment, or names one twice.
    """
    raw = _read(content, name)
    rate, first = float(raw.info["sfreq"]), int(raw.first_samp)
    good = [c for c in channels if c in raw.ch_names and c not in raw.info["bads"]]
    if not good:
        raise DataError(
            f"{name} has no good channel of {channels[0]} to {channels[-1]} among its"
            f" {len(raw.ch_names)}",
            "fetch its archive again, or leave the participant out",
        )
    where = np.array([channels.index(c) for c in good])
    starts = {n: start - first for n, start in _starts(raw, name, durations).items()}
    stretches = _stretches(starts, durations, rate, int(raw.n_times), name)
    values = np.full((len(onsets), len(channels), len(lags.middles)), np.nan, np.float32)
    for number, (left, right) in stretches.items():
        words = np.flatnonzero(segments == number)
        begin, end = window_bounds(onsets[words], lags.middles, lags.window, rate)
        begin, end = begin + starts[number] - left, end + starts[number] - left
        inside = (begin >= 0).all(axis=1) & (end <= right - left).all(axis=1)
        if inside.any():
            signal = 1e6 * np.asarray(raw.get_data(good, left, right), np.float64)
            filtered = mne_python().filter.filter_data(signal, rate, *BAND, verbose="ERROR")
            means = window_means(filtered, begin[inside], end[inside])
            values[np.ix_(words[inside], where)] = means
    return values


def _read(content: bytes, name: str) -> Any:
    mne = mne_python()
    try:
        return mne.io.read_raw_fif(BytesIO(content), preload=True, verbose="ERROR")
    except NOT_WHOLE as error:
        raise damaged(name, error) from error


def _starts(raw: Any, name: str, durations: Mapping[int, float]) -> dict[int, int]:
    """Sample at which each segment starts, on the recording's own clock."""
    labels = {str(number): number for number in durations}
    named = [str(text) for text in raw.annotations.description if str(text) in labels]
    if not named or len(set(named)) < len(named):
        raise DataError(
            f"{name} marks the starts of the segments {', '.join(named) or 'none'}",
            "each is marked at most once, by its number: fetch the archive again, or leave the"
            " participant out",
        )
    events, _ = mne_python().events_from_annotations(
        raw, event_id=labels, regexp=None, verbose="ERROR"
    )
    return {int(number): int(sample) for sample, _, number in events}


def _stretches(
    starts: Mapping[int, int],
    durations: Mapping[int, float],
    rate: float,
    n_samples: int,
    name: str,
) -> dict[int, tuple[int, int]]:
    """First sample and the one after the last of what is filtered with each segment."""
    order = sorted(starts, key=lambda number: starts[number])
    ends = {number: starts[number] + round(durations[number] * rate) for number in order}
    margin = round(MARGIN * rate)
    found = {}
    left = 0
    for number, following in zip(order, [*order[1:], None], strict=True):
        right = n_samples
        if following is not None:
            right = (ends[number] + starts[following]) // 2
            if (over := (ends[number] - starts[following]) / rate) > OVERLAP:
                raise DataError(
                    f"{name} has segment {following} start {over:.1f} s before segment {number}"
                    " ends",
                    "its labels are wrong: leave the participant out",
                )
        cut = max(left, starts[number] - margin), min(right, ends[number] + margin, n_samples)
        if cut[0] < cut[1]:
            found[number] = cut
        left = right
    return found
