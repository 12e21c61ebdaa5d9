"""How loud a sound is, and how it rises, in windows around words."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Mapping
from io import BytesIO

import numpy as np

from harness.errors import DataError
from harness.numeric.arrays import Doubles, Ints

from .lags import Lags, window_bounds, window_means

FRAME = 0.01
"""Power is taken over so long, s."""
FLOOR = -60.0
"""Softer frames, and silence, are so loud beside the loudest frame of all, dB."""
BEFORE = 0.4
"""What is heard so long before a window still moves it, s."""


def read_power(content: bytes, name: str) -> tuple[Doubles, float]:
    """Return the mean square of each frame of a WAV file, (n_frames,), and its length in s.

    Raises
    ------
    DataError
        It is not a whole WAV file.
    """
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks that are no sound
            rate, samples = wavfile.read(BytesIO(content))
    except (ValueError, EOFError, TypeError, struct.error) as error:
        raise DataError(f"{name} is not a whole WAV file: {error}", "fetch it again") from error
    mono = np.asarray(samples, np.float64).reshape(len(samples), -1).mean(axis=1)
    edges = np.round(np.arange(0, len(mono), FRAME * rate)).astype(np.int64)
    if not len(edges):
        raise DataError(f"{name} holds no sound", "fetch it again")
    sums = np.add.reduceat(mono**2, edges)
    return sums / np.diff(np.r_[edges, len(mono)]), len(mono) / rate


def levels_and_rises(power: Mapping[int, Doubles]) -> dict[int, Doubles]:
    """Return level (dB below the loudest frame of all) and its rises, (2, n_frames) by sound."""
    loudest = max(own.max() for own in power.values())
    if not loudest > 0:
        raise DataError("the sounds are silent", "fetch the archive of stimuli again")
    found = {}
    for number, own in power.items():
        least = loudest * 10 ** (FLOOR / 10)
        level = 10 * np.log10(np.maximum(own, least) / loudest)
        found[number] = np.stack([level, np.maximum(np.diff(level, prepend=FLOOR), 0.0)])
    return found


def sound_around_words(
    power: Mapping[int, Doubles], segments: Ints, onsets: Doubles, lags: Lags
) -> Doubles:
    """Average level and rises of the sound in windows from ``BEFORE`` the first lag to the last.

    Parameters
    ----------
    power : mapping
        Frames of each sound, see :func:`read_power`.
    segments : array of int, shape (n_words,)
        Sound of each word.
    onsets : array, shape (n_words,)
        In s, from the beginning of its sound.
    lags : Lags

    Returns
    -------
    array, shape (n_words, 2 * n_windows)
        Before a sound and after it is silence.
    """
    first, last = lags.middles[0], lags.middles[-1]
    n = int(np.floor((last - first + BEFORE) / lags.window + 1e-9)) + 1
    middles = tuple(last - lags.window * i for i in reversed(range(n)))
    values = np.empty((len(onsets), 2, n))
    for number, signal in levels_and_rises(power).items():
        words = np.flatnonzero(segments == number)
        if not len(words):
            continue
        begin, end = window_bounds(onsets[words], middles, lags.window, 1 / FRAME)
        before, after = max(0, -int(begin.min())), max(0, int(end.max()) - signal.shape[1])
        silence = np.array([[FLOOR], [0.0]])
        whole = np.concatenate(
            [silence.repeat(before, axis=1), signal, silence.repeat(after, axis=1)], axis=1
        )
        values[words] = window_means(whole, begin + before, end + before)
    return values.reshape(len(onsets), -1)
