"""When the states of a speech model are, and through which windows it is shown a sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

WINDOW = 16.0
"""Seconds that a model of the waveform is shown at once; Whisper's are what it was made for."""
EDGE = 4.0
"""Seconds at either end of a window whose states are taken from the neighbouring window."""


@dataclass(frozen=True)
class FrameClock:
    """Frames of a speech model in samples.

    Parameters
    ----------
    rate : int
        Samples a second.
    step : int
        Samples from one frame to the next.
    field : int
        Samples that a frame is made of before any attention; 1 where it is centred on a sample and
        the sound is padded around it.
    """

    rate: int
    step: int
    field: int = 1

    @property
    def first(self) -> float:
        """Middle of the first frame, s."""
        return (self.field - 1) / 2 / self.rate

    @property
    def seconds(self) -> float:
        """From one frame to the next."""
        return self.step / self.rate

    def count(self, samples: int) -> int:
        """Return the number of frames of a sound."""
        if self.field == 1:
            return ceil(samples / self.step)
        return max(0, (samples - self.field) // self.step + 1)

    def samples(self, start: int, stop: int) -> slice:
        """Return the samples of frames ``start`` to ``stop``."""
        if self.field == 1:
            return slice(start * self.step, stop * self.step)
        return slice(start * self.step, (stop - 1) * self.step + self.field)


@dataclass(frozen=True)
class SoundWindow:
    """Frames that are read at once, and those of them whose states are taken.

    Parameters
    ----------
    start, stop : int
        Frames that the model is shown.
    begin, end : int
        Frames that are taken from this window.
    """

    start: int
    stop: int
    begin: int
    end: int


def overlapping(count: int, size: int, edge: int) -> list[SoundWindow]:
    """Part frames into windows of one size that overlap.

    Parameters
    ----------
    count : int
        Frames in all.
    size : int
        Frames of a window.
    edge : int
        Frames at either end that are taken from its neighbours; at the ends of the sound there is
        none.

    Returns
    -------
    list of SoundWindow
        Each frame is taken once. The last window ends with the sound, and is as long as the others
        where there are as many frames.
    """
    windows: list[SoundWindow] = []
    start = begin = 0
    while begin < count:
        stop = min(start + size, count)
        end = count if stop == count else stop - edge
        windows.append(SoundWindow(start, stop, begin, end))
        begin = end
        start = max(0, min(end - edge, count - size))
    return windows


def clock_of_waveform(config: Any, rate: int) -> FrameClock | None:
    """Return the frames of a stack of unpadded convolutions over samples; None where there is none.

    A stack of kernels k and strides s has the stride ``prod s`` and the receptive field
    ``1 + sum (k_i - 1) prod_{j < i} s_j`` (wav2vec 2.0: 320 and 400 samples, 20 and 25 ms).
    """
    kernels, strides = (getattr(config, f"conv_{what}", None) for what in ("kernel", "stride"))
    if not isinstance(kernels, list | tuple) or not isinstance(strides, list | tuple):
        return None
    step, field = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (int(kernel) - 1) * step
        step *= int(stride)
    return FrameClock(rate, step, field)


def clock_of_bands(config: Any, prepared: Mapping[str, Any], rate: int) -> FrameClock | None:
    """Return the frames of an encoder of log-mel bands; None where it is none.

    Whisper: bands every ``hop_length`` samples, centred on them, then a convolution of stride 2,
    centred, too.
    """
    positions, hop = getattr(config, "max_source_positions", None), prepared.get("hop_length")
    bands, frames = getattr(config, "num_mel_bins", None), prepared.get("nb_max_frames")
    if not positions or not hop or not bands or frames != 2 * positions:
        return None
    return FrameClock(rate, 2 * int(hop))
