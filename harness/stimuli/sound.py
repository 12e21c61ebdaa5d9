"""The sound of a passage: a WAV file, and where it begins on the clock of the words."""

from __future__ import annotations

import hashlib
import math
import struct
import warnings
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import DataError
from harness.numeric.arrays import Singles

_CONVERT = "write it anew, as 16-bit PCM: ffmpeg -i FILE -ac 1 -ar 16000 -c:a pcm_s16le NEW.wav"
_CUT = "Reached EOF"
"""How scipy's warning about a file that ends too early begins."""
_FAULTS = (ValueError, EOFError, TypeError, struct.error)
"""What scipy raises of a file that is no WAV file, or not a whole one."""


@dataclass(frozen=True)
class Sound:
    """A recording of sound, known by its content wherever it lies.

    Parameters
    ----------
    path : str
        Of a WAV file: PCM of 8 to 32 bits or floats, any rate, any number of channels.
    content : str
        sha256 of its bytes.
    start : float
        Time of its first sample on the clock of the passage, s.
    """

    path: str = field(compare=False)
    content: str
    start: float = 0.0

    @property
    def key(self) -> tuple[str, float]:
        """What determines what is heard when."""
        return self.content, self.start

    def duration(self) -> float:
        """Return its length, s, from its header where that can be.

        Raises
        ------
        DataError
            It is not a whole WAV file.
        """
        try:
            rate, samples = _opened(self.path, mmap=True)
        except _FAULTS:  # 24 bits cannot be mapped; a file that is cut short neither
            rate, samples = _read(Path(self.path).read_bytes(), self.path)
        return len(samples) / rate

    def samples(self, rate: int) -> Singles:
        """Return the sound at a sampling rate, (n_samples,), channels averaged, full scale 1.

        Polyphase resampling (``scipy.signal.resample_poly``) has no delay: sample i is at
        ``i / rate`` s.

        Parameters
        ----------
        rate : int
            Samples a second.

        Raises
        ------
        DataError
            It is not a whole WAV file, is silent, holds values that are not finite, or is no longer
            what it was when it was planned.
        """
        from scipy.signal import resample_poly

        content = Path(self.path).read_bytes()
        if hashlib.sha256(content).hexdigest() != self.content:
            raise DataError(f"{self.path} has changed since the run was planned", "run again")
        own, samples = _read(content, self.path)
        mono = _mono(samples)
        if not np.isfinite(mono).all():
            raise DataError(f"{self.path} holds samples that are not finite", _CONVERT)
        if not mono.any():
            raise DataError(f"{self.path} is silent", "is it the file that was played?")
        if own == rate:
            return mono
        shared = math.gcd(own, rate)
        resampled: Singles = resample_poly(mono, rate // shared, own // shared).astype(np.float32)
        return resampled


def _read(content: bytes, path: str) -> tuple[int, Any]:
    try:
        return _opened(BytesIO(content), mmap=False)
    except _FAULTS as error:
        raise DataError(f"{path} is not a whole WAV file: {error}", _CONVERT) from error


def _opened(file: Any, *, mmap: bool) -> tuple[int, Any]:
    """Return rate and samples, (n_samples,) or (n_samples, channels).

    Raises
    ------
    ValueError
        And what else scipy raises of a file that is none, or is cut short.
    """
    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks that are no sound
        warnings.filterwarnings("error", _CUT, wavfile.WavFileWarning)
        try:
            rate, samples = wavfile.read(file, mmap=mmap)
        except wavfile.WavFileWarning as error:
            raise ValueError(f"it is cut short ({error})") from error
    if not len(samples) or not rate:
        raise ValueError("it holds no sample")
    return int(rate), samples


def _mono(samples: Any) -> Singles:
    """Average channels, and bring whole numbers to a full scale of 1."""
    scale, middle = 1.0, 0.0
    if samples.dtype.kind in "iu":
        scale = 2.0 ** (8 * samples.dtype.itemsize - 1)  # 24 bits come left-justified in 32
        middle = scale if samples.dtype.kind == "u" else 0.0
    columns = samples.reshape(len(samples), -1)
    total = np.zeros(len(columns), np.float32)
    for channel in columns.T:
        total += (channel.astype(np.float32) - np.float32(middle)) / np.float32(scale)
    return total / np.float32(columns.shape[1])
