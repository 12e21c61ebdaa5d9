"""A speech model in the scanner: it hears what language models read.

It is shown the sound of a run in windows that overlap (:mod:`harness.lm.frames`). States of every
layer are Lanczos-filtered from the middles of the frames onto the volumes, as words are. They
attend to what is before and after them within their window: at least ``EDGE`` s of sound on either
side, but at the ends of the sound. (What a language model has of a word is of the words before it.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr

from harness.errors import RecordingError, Unsupported
from harness.lm.frames import EDGE, SoundWindow, overlapping
from harness.record.growing import Growing, NotFinite, grown
from harness.record.request import Request
from harness.record.size import bytes_of
from harness.record.unheard import unheard
from harness.stimuli.lanczos import frames_matrix
from harness.stimuli.readouts import Lanczos

if TYPE_CHECKING:
    from harness.lm.speech import SpeechModel
    from harness.numeric.arrays import Singles
    from harness.stimuli.passages import Passage


@dataclass(frozen=True)
class SpeechSubject:
    """A loaded speech model that records.

    Parameters
    ----------
    speech : SpeechModel
    progress : callable, optional
        Called with (frames done, frames in all).
    scratch : Path, optional
        As for :class:`harness.record.subject.LanguageSubject`.
    """

    speech: SpeechModel
    progress: Callable[[int, int], None] | None = None
    scratch: Path | None = None

    def record_all(self, requests: Sequence[Request]) -> dict[str, xr.DataArray]:
        """Answer requests; those that differ in their readout alone share one pass.

        Returns
        -------
        dict
            By the key of the request: arrays (sample, layer, unit), float32, as
            :meth:`harness.record.subject.LanguageSubject.record_all` returns. Attributes
            ``tokens`` (frames that went through the model) and ``forward_seconds``.

        Raises
        ------
        Unsupported
            Something other than hidden states on volumes is asked for, or there is no sound.
        DataError
            A sound is not to be read, or is shorter than a frame.
        RecordingError
            A state is not finite.
        """
        for request in requests:
            if silent := unheard(request):
                raise Unsupported(f"{self.speech.spec.name} {silent}")
        groups: dict[str, list[Request]] = {}
        for request in requests:
            groups.setdefault(request.pass_key, []).append(request)
        answers: dict[str, xr.DataArray] = {}
        for group in groups.values():
            answers |= self._pass(group)
        return answers

    def _pass(self, group: list[Request]) -> dict[str, xr.DataArray]:
        counts = {r.key: r.readout.rows(r.stimuli) for r in group}
        outs = self._empty(group, counts)
        read, taken, seconds = 0, 0, 0.0
        passages = group[0].stimuli.passages
        heard = sum(p.sound.duration() for p in passages if p.sound is not None)
        whole = round(heard / self.speech.clock.seconds)
        for number, passage in enumerate(passages):
            samples = self._sound(passage)
            total = self.speech.clock.count(len(samples))
            matrices = {r.key: self._onto(r, number, total) for r in group}
            for window, states, took in self._windows(samples, total):
                for key, matrix in matrices.items():
                    first = sum(counts[key][:number])
                    _add(outs[key], matrix[:, window.begin : window.end], first, states)
                read, seconds = read + window.stop - window.start, seconds + took
                taken += window.end - window.begin
                if self.progress is not None:
                    self.progress(taken, max(taken, whole))
        return {r.key: self._recording(r, outs[r.key], read, seconds) for r in group}

    def _empty(
        self, group: list[Request], counts: dict[str, tuple[int, ...]]
    ) -> dict[str, Growing]:
        shape = self.speech.layers, self.speech.units
        rows = sum(map(sum, counts.values()))
        return {
            r.key: grown(
                (sum(counts[r.key]), *shape),
                self.speech.device,
                None if self.scratch is None else self.scratch / r.key,
                bytes_of((rows, *shape)),
            )
            for r in group
        }

    def _sound(self, passage: Passage) -> Singles:
        assert passage.sound is not None
        clock = self.speech.clock
        samples = passage.sound.samples(clock.rate)
        if not clock.count(len(samples)):
            raise RecordingError(
                f"the sound of {passage.name!r} has {len(samples)} samples at {clock.rate} Hz, less"
                f" than a frame of {self.speech.spec.name}",
                "give all of it",
            )
        return samples

    def _onto(self, request: Request, number: int, total: int) -> Any:
        """Matrix (rows, frames) of a passage."""
        readout, clock = request.readout, self.speech.clock
        sound = request.stimuli.passages[number].sound
        assert isinstance(readout, Lanczos)
        assert sound is not None
        first = sound.start + clock.first
        times = readout.times[number]
        return frames_matrix(first, clock.seconds, total, times, readout.lobes).tocsc()

    def _windows(
        self, samples: Singles, total: int
    ) -> Iterator[tuple[SoundWindow, list[torch.Tensor], float]]:
        """Yield each window with the states that are taken from it, and how long it took, s."""
        speech = self.speech
        for window in overlapping(total, speech.window, edge_frames(speech)):
            start = time.perf_counter()
            shown = samples[speech.clock.samples(window.start, window.stop)]
            states = speech.states(shown)
            taken = slice(window.begin - window.start, window.end - window.start)
            yield window, [layer[taken] for layer in states], time.perf_counter() - start

    def _recording(
        self, request: Request, out: Growing, frames: int, seconds: float
    ) -> xr.DataArray:
        try:
            values = out.variable()
        except NotFinite as error:
            raise RecordingError(
                f"the hidden states of {self.speech.spec.name} on {request.stimuli.name} are not"
                f" finite (row {error.row})",
                "with dtype float16 activations can overflow: use float32 or bfloat16",
            ) from error
        counts = request.readout.rows(request.stimuli)
        names = np.repeat([p.name for p in request.stimuli.passages], counts)
        seen = self.speech.window * self.speech.clock.seconds
        edge = edge_frames(self.speech) * self.speech.clock.seconds
        return xr.DataArray(
            values,
            coords={"layer": np.arange(values.shape[1]), "passage": ("sample", names)},
            name="recording",
            attrs={
                "measure": str(request.measure),
                "context": f"sound: windows of {seen:.1f} s, {edge:.1f} s at either end taken from"
                " the next; states attend both ways",
                "stimuli": request.stimuli.name,
                "tokens": frames,
                "forward_seconds": seconds,
            },
        )


def edge_frames(speech: SpeechModel) -> int:
    """Return the frames at either end of a window that are taken from its neighbours."""
    return min(round(EDGE / speech.clock.seconds), speech.window // 4)


def _add(out: Growing, matrix: Any, first: int, states: list[torch.Tensor]) -> None:
    """Add the states of some frames, (n_frames, units) by layer, to the rows that they touch."""
    own = matrix.tocsr()
    touched = np.flatnonzero(np.diff(own.indptr))
    if not len(touched):
        return
    weights = torch.from_numpy(own[touched].toarray().astype(np.float32)).to(states[0].device)
    for layer, values in enumerate(states):
        out.add(layer, touched + first, weights @ values)
