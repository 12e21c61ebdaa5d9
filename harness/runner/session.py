"""A variant at work: loaded when first needed, compressed once, recorded once, then let go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import xarray as xr

from harness.errors import ChecksumError, CorruptError, Unsupported
from harness.lm.capabilities import COMPRESS
from harness.lm.controls import AUTOCORRELATION, SPEECH
from harness.lm.files import ModelFiles
from harness.lm.source import resolve
from harness.place.memory import check_room, give_back
from harness.place.place import Place
from harness.record.request import Request
from harness.record.size import chunk_of, held_bytes, layer_file, recording_bytes
from harness.runner.cells import NONE, Variant
from harness.runner.device_memory import halved
from harness.runner.keys import Keys
from harness.runner.options import RunOptions
from harness.runner.progress import Progress
from harness.spec.specs import load_target
from harness.store.blocks import Block
from harness.store.store import Kind, Store

if TYPE_CHECKING:
    from harness.lm.load import LanguageModel
    from harness.lm.speech import SpeechModel


class Subject(Protocol):
    """What answers requests: a language model, or a control that is none."""

    def record_all(self, requests: Sequence[Request]) -> dict[str, xr.DataArray]:
        """Answer requests, by the key of each."""


@dataclass
class Session:
    """One variant during a run.

    Nothing is loaded until something has to be computed: a variant whose results are all in the
    store costs a look at the store.

    Parameters
    ----------
    variant : Variant
    store : Store
    place : Place
    options : RunOptions
    progress : Progress
    stimuli : mapping
        Texts that the variant will be tested on, by name: calibration text must not hold them.
    """

    variant: Variant
    store: Store
    place: Place
    options: RunOptions
    progress: Progress
    stimuli: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def files(self) -> ModelFiles:
        """Files of the model; fetched if they are not here."""
        return self._resolved()

    def _resolved(self) -> ModelFiles:
        model = self.variant.model
        try:
            return resolve(model, offline=True)
        except Exception:
            if self.place.offline:
                raise
        self.progress.stage(self.variant, "fetching")
        return resolve(model, progress=self.progress.advance)

    @cached_property
    def keys(self) -> Keys:
        """Keys of what is stored of the variant."""
        return Keys(self.files.fingerprint, self.variant.compressor, self.options.dtype)

    @property
    def key(self) -> str:
        """Key of the variant's weights."""
        return self.keys.variant

    @cached_property
    def device(self) -> str:
        """The device asked for, or found."""
        return self.place.found_device()

    def recording(self, request: Request) -> xr.DataArray:
        """Open a recording, made again if it decayed in the store or is gone.

        All its bytes are read once, for its seal, and let go; who scores reads the layers it wants
        when it wants them. The file is closed with the last reference to the array.
        """
        key = self.keys.recording(request)
        self.record([request])  # where it is not there: another run may have dropped it
        try:
            return self.store.opened(Kind.RECORDING, key)["recording"]
        except CorruptError:
            self.record([request])
            return self.store.opened(Kind.RECORDING, key)["recording"]

    def mend(self, requests: Iterable[Request]) -> bool:
        """Read recordings whole, and make those again that have decayed; say whether any had."""
        mended = False
        for request in requests:
            try:
                self.store.check(Kind.RECORDING, self.keys.recording(request), anew=True)
            except CorruptError:
                self.record([request])
                mended = True
        return mended

    def record(self, requests: Iterable[Request]) -> None:
        """Make the recordings that are not in the store.

        Each pass is made under a lock and stored as soon as it is done, so that a kill loses one
        pass at most and two processes never make the same one.
        """
        passes: dict[str, list[Request]] = {}
        for request in requests:
            if not self._has(request):
                passes.setdefault(request.pass_key, []).append(request)
        for group in passes.values():
            with self.store.lock(Kind.RECORDING, self.keys.recording(group[0])):
                missing = list({r.key: r for r in group if not self._has(r)}.values())
                if missing:
                    self._record(missing)

    def forget(self, requests: Iterable[Request]) -> None:
        """Drop recordings and kept weights from the store, so that they are made again."""
        self.store.remove_weights(self.key)
        for request in requests:
            self.store.remove(Kind.RECORDING, self.keys.recording(request))

    def report(self) -> xr.Dataset:
        """Return what the compressor did; the variant is compressed if that is not known."""
        if not self.store.has(Kind.COMPRESSION, self.key):
            self._make_report()
        try:
            return self.store.read(Kind.COMPRESSION, self.key)
        except CorruptError:
            self.close()
            self._make_report()
            return self.store.read(Kind.COMPRESSION, self.key)

    def _make_report(self) -> None:
        if self.variant.model.control == AUTOCORRELATION:  # there is nothing to weigh
            self.store.write(Kind.COMPRESSION, self.key, xr.Dataset(attrs={"parameters": 0}))
        elif self.variant.model.control == SPEECH:  # nor has it a perplexity
            size = {"parameters": self._hearing.parameters}
            self.store.write(Kind.COMPRESSION, self.key, xr.Dataset(attrs=size))
        else:
            _ = self._loaded

    def model(self) -> LanguageModel:
        """Return the variant's model, loaded and compressed."""
        return self._loaded

    def close(self) -> None:
        """Let the model go, and what was freed with it."""
        self.__dict__.pop("_loaded", None)
        self.__dict__.pop("_hearing", None)
        give_back()

    def _has(self, request: Request) -> bool:
        return self.store.has(Kind.RECORDING, self.keys.recording(request))

    def _record(self, requests: list[Request]) -> None:
        from harness.compress.report.meter import Meter

        if self.variant.model.control == SPEECH:
            _ = self._hearing
        elif self.variant.model.control != AUTOCORRELATION:
            _ = self._loaded  # what loading takes is no part of recording
        first = requests[0]
        what = f"recording {first.stimuli.name} ({first.measure}, {first.context})"
        size = sum(recording_bytes(request, self.files.config) for request in requests)
        check_room(held_bytes(size), what, "benchmarks of fewer words at a time want less")

        def record(part: int) -> dict[str, xr.DataArray]:
            again = f", a batch of 1/{part}" if part > 1 else ""
            self.progress.stage(self.variant, what + again)
            return self._subject(scratch, part).record_all(requests)

        with self.store.scratch(Kind.RECORDING, self.keys.recording(first)) as scratch:
            with Meter(self.device) as meter:
                answers = halved(record, self.device, what)
            for request in requests:
                answer = answers.pop(request.key)
                answer.attrs |= {
                    "seconds": meter.seconds,
                    "peak_memory": meter.peak_memory,
                    "device": self.device,
                    "dtype": self.options.dtype,
                }
                self._keep(request, answer, scratch)

    def _keep(self, request: Request, answer: xr.DataArray, scratch: Path) -> None:
        """Store a recording; of one in files each layer goes when it is stored."""
        folder = scratch / request.key
        rows, layers, units = answer.shape
        if filed := folder.is_dir():
            self.progress.stage(self.variant, f"storing {request.stimuli.name}")

        def written(_: str, block: Block) -> None:
            if filed and block[0].stop == rows:
                layer_file(folder, block[1].start).unlink()

        self.store.write(
            Kind.RECORDING,
            self.keys.recording(request),
            answer.to_dataset(),
            chunks={"recording": chunk_of((rows, layers, units))},
            written=written,
            room=answer.nbytes // layers if filed else answer.nbytes,
        )

    def _subject(self, scratch: Path, part: int = 1) -> Subject:
        """Return what answers requests, in batches of a part of the size that was asked for."""
        if self.variant.model.control == AUTOCORRELATION:
            from harness.record.autocorrelation import AutocorrelationSubject

            return AutocorrelationSubject()
        if self.variant.model.control == SPEECH:
            from harness.record.hearing import SpeechSubject

            return SpeechSubject(self._hearing, progress=self.progress.advance, scratch=scratch)
        from harness.record.subject import BATCH_TOKENS, LanguageSubject

        size = self.options.batch_size
        return LanguageSubject(
            self._loaded,
            batch_size=size and max(1, size // part),
            batch_tokens=BATCH_TOKENS // part,
            progress=self.progress.advance,
            scratch=scratch,
        )

    @cached_property
    def _hearing(self) -> SpeechModel:
        from harness.lm.speech import load_speech

        self.progress.stage(self.variant, "loading")
        return load_speech(
            self.files, self.variant.model, device=self.device, dtype=self.options.dtype
        )

    @cached_property
    def _loaded(self) -> LanguageModel:
        if self.variant.model.control in (AUTOCORRELATION, SPEECH):
            raise Unsupported(f"{self.variant.model.name} is no language model")
        if self.variant.compressor.method == "none":
            return self._compressed()
        # Processes that record different stimuli of a variant share its folder of finished blocks.
        with self.store.lock(Kind.COMPRESSION, self.key):
            return self._compressed()

    def _compressed(self) -> LanguageModel:
        from harness.runner.compression import compress

        saved = self.store.weights_path(self.key) if self._keeps_weights else None
        if saved and saved.is_file() and self.store.has(Kind.COMPRESSION, self.key):
            try:
                return self._reloaded(saved)
            except CorruptError:
                self.store.set_aside(saved)
        model = self._base()
        compressor = self.variant.compressor
        if compressor.method != "none":
            self._check_compressible(model)
            self.progress.stage(self.variant, "compressing")
        report = compress(
            model,
            load_target(compressor),
            self._base_perplexity(),
            stimuli=self.stimuli,
            blocks=self.store.root / "blocks" / self.key if compressor.calibrated else None,
            save=saved,
            offline=self.place.offline,
        )
        self.store.write(Kind.COMPRESSION, self.key, report)
        return model

    def _base(self) -> LanguageModel:
        from harness.lm.load import load

        self.progress.stage(self.variant, "loading")
        spec, how = self.variant.model, {"device": self.device, "dtype": self.options.dtype}
        try:
            return load(self.files, spec, **how)
        except ChecksumError:
            # A conversion is made again, and a file that has an address fetched: the same bytes, or
            # another model than the one that was planned.
            again = self._resolved()
            if again.fingerprint != self.files.fingerprint:
                raise
            return load(again, spec, **how)

    @staticmethod
    def _check_compressible(model: LanguageModel) -> None:
        """Refuse a model that is found out, now that it is loaded, to have nothing to compress.

        Raises
        ------
        Unsupported
        """
        from harness.record.examined import refused

        if COMPRESS not in model.capabilities:
            raise refused(model, "layer that a compressor changes")

    def _reloaded(self, saved: Path) -> LanguageModel:
        from harness.runner.compression import reload

        model = self._base()
        compressor = load_target(self.variant.compressor)
        reload(model, compressor, saved, stimuli=self.stimuli, offline=self.place.offline)
        return model

    @property
    def _keeps_weights(self) -> bool:
        """Weights that took no calibration are made again faster than they are read."""
        return self.options.keep_weights and self.variant.compressor.calibrated

    def _base_perplexity(self) -> tuple[float, float] | None:
        base = Keys(self.files.fingerprint, NONE, self.options.dtype).variant
        if not self.store.has(Kind.COMPRESSION, base):
            return None
        try:
            said = self.store.read(Kind.COMPRESSION, base).attrs
        except CorruptError:  # it is measured again, and made again by the base's own variant
            return None
        return float(said["perplexity"]), float(said["bits_per_byte"])
