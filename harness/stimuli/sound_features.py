"""What a sound does to an ear, whatever is said: its envelope, and the level of bands of mel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.errors import DataError
from harness.numeric.arrays import Doubles, Singles
from harness.stimuli.lanczos import frames_matrix
from harness.stimuli.sound import Sound

RATE = 16_000
"""Samples a second that sounds are brought to."""
WINDOW = 400
"""Samples of a Hann window: 25 ms."""
HOP = 160
"""Samples from one window to the next: 10 ms."""
FFT = 512
BANDS = 16
LOWEST = 60.0
"""Where the lowest band begins, Hz."""
HIGHEST = 8000.0
"""Where the highest band ends, Hz."""
RANGE = 60.0
"""Levels count from so much below the loudest band of a sound upwards, dB; silence is 0."""
COLUMNS = ("sound envelope", *(f"mel band {n}" for n in range(1, BANDS + 1)))
_BLOCK = 4096


def sound_features(samples: Singles) -> Doubles:
    """Envelope and mel bands of a sound, frame by frame.

    Parameters
    ----------
    samples : array (n_samples,)
        At ``RATE``.

    Returns
    -------
    array (n_frames, 1 + BANDS)
        Columns ``COLUMNS``. Frame i is of the samples from ``HOP * i``, so that its middle is at
        ``(HOP * i + WINDOW / 2) / RATE`` s. The envelope is the root of the mean square under
        the window; bands are levels in dB above ``RANGE`` below the loudest band of the sound.
    """
    n_frames = (len(samples) - WINDOW) // HOP + 1
    hann = np.hanning(WINDOW + 1)[:-1]
    filters = mel_filters()
    envelope, power = np.empty(n_frames), np.empty((n_frames, BANDS))
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    for at in range(0, n_frames, _BLOCK):
        rows = slice(at, min(at + _BLOCK, n_frames))
        own = frames[rows].astype(np.float64)
        envelope[rows] = np.sqrt(np.square(own) @ hann / hann.sum())
        power[rows] = np.square(np.abs(np.fft.rfft(own * hann, FFT))) @ filters
    least = power.max() * 10 ** (-RANGE / 10)
    return np.column_stack([envelope, 10 * np.log10(np.maximum(power, least) / least)])


def mel_filters() -> Doubles:
    """Return triangles of equal width in mel, (FFT / 2 + 1, BANDS).

    ``mel = 2595 log10(1 + Hz / 700)`` (O'Shaughnessy 1987; HTK Book, 5.4); each triangle is 1 at
    its middle, and 0 from the middles of its neighbours on.
    """
    low, high = (2595 * np.log10(1 + f / 700) for f in (LOWEST, HIGHEST))
    corners = 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)
    bins = np.arange(FFT // 2 + 1)[:, None] * RATE / FFT
    rising = (bins - corners[:-2]) / np.diff(corners[:-1])
    falling = (corners[2:] - bins) / np.diff(corners[1:])
    filters: Doubles = np.maximum(0.0, np.minimum(rising, falling))
    return filters


def sound_nuisance(sound: Sound, times: Sequence[float]) -> Doubles:
    """Envelope and mel bands on the clock of the volumes.

    Parameters
    ----------
    sound : Sound
    times : sequence of float, length n_times
        Times of the volumes on the clock of the passage, s.

    Returns
    -------
    array (n_times, 1 + BANDS)
        Columns ``COLUMNS``, Lanczos-filtered from the middles of the frames. Before the sound and
        after it is silence.

    Raises
    ------
    DataError
        The sound is shorter than a frame, or not to be read.
    """
    samples = sound.samples(RATE)
    if len(samples) < WINDOW:
        raise DataError(f"{sound.path} lasts {1000 * len(samples) / RATE:.0f} ms", "give all of it")
    frames = sound_features(samples)
    first = sound.start + WINDOW / 2 / RATE
    filtered: Doubles = frames_matrix(first, HOP / RATE, len(frames), times) @ frames
    return filtered
