"""A variant at work: loaded when first needed, compressed once, recorded once, then let go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import xarray as xr

from harness.errors import CorruptError
from harness.lm.files import ModelFiles
from harness.lm.source import resolve
from harness.place.place import Place
from harness.record.request import Request
from harness.runner.cells import NONE, Variant, recording_key, variant_key
from harness.runner.options import RunOptions
from harness.runner.progress import Progress
from harness.spec.specs import load_target
from harness.store.store import Kind, Store

if TYPE_CHECKING:
    from harness.lm.load import LanguageModel


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
        model = self.variant.model
        try:
            return resolve(model, offline=True)
        except Exception:
            if self.place.offline:
                raise
        self.progress.stage(self.variant, "fetching")
        return resolve(model, progress=self.progress.advance)

    @cached_property
    def key(self) -> str:
        """Key of the variant's weights."""
        return variant_key(self.files.fingerprint, self.variant.compressor, self.options.dtype)

    @cached_property
    def device(self) -> str:
        """The device asked for, or found."""
        return self.place.found_device()

    def recording(self, request: Request) -> xr.DataArray:
        """Open a recording, made again if it decayed in the store.

        Every layer is read once, for its checksum, and let go; who scores reads the layers it wants
        when it wants them. The file is closed with the last reference to the array.
        """
        key = recording_key(self.key, request)
        try:
            self._check(key)
        except CorruptError:
            self.record([request])
            self._check(key)
        path = self.store.path(Kind.RECORDING, key)
        return xr.open_dataset(path, engine="netcdf4")["recording"]

    def _check(self, key: str) -> None:
        with self.store.reading(Kind.RECORDING, key) as dataset:
            dataset.coords.to_dataset().load()
            for layer in range(dataset.sizes["layer"]):
                _ = dataset["recording"].isel(layer=layer).values

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
            with self.store.lock(Kind.RECORDING, recording_key(self.key, group[0])):
                missing = [r for r in group if not self._has(r)]
                if missing:
                    self._record(missing)

    def forget(self, requests: Iterable[Request]) -> None:
        """Drop recordings and kept weights from the store, so that they are made again."""
        self.store.remove_weights(self.key)
        for request in requests:
            self.store.remove(Kind.RECORDING, recording_key(self.key, request))

    def report(self) -> xr.Dataset:
        """Return what the compressor did; the variant is compressed if that is not known."""
        if not self.store.has(Kind.COMPRESSION, self.key):
            _ = self._loaded
        try:
            return self.store.read(Kind.COMPRESSION, self.key)
        except CorruptError:
            self.close()
            _ = self._loaded
            return self.store.read(Kind.COMPRESSION, self.key)

    def model(self) -> LanguageModel:
        """Return the variant's model, loaded and compressed."""
        return self._loaded

    def close(self) -> None:
        """Let the model go."""
        self.__dict__.pop("_loaded", None)

    def _has(self, request: Request) -> bool:
        return self.store.has(Kind.RECORDING, recording_key(self.key, request))

    def _record(self, requests: list[Request]) -> None:
        from harness.compress.report.meter import Meter
        from harness.record.subject import LanguageSubject

        model = self._loaded
        first = requests[0]
        self.progress.stage(
            self.variant, f"recording {first.stimuli.name} ({first.measure}, {first.context})"
        )
        subject = LanguageSubject(
            model, batch_size=self.options.batch_size, progress=self.progress.advance
        )
        with Meter(self.device) as meter:
            answers = subject.record_all(requests)
        for request in requests:
            answer = answers[request.key]
            answer.attrs |= {
                "seconds": meter.seconds,
                "peak_memory": meter.peak_memory,
                "device": self.device,
                "dtype": self.options.dtype,
            }
            rows, _, units = answer.shape
            self.store.write(
                Kind.RECORDING,
                recording_key(self.key, request),
                answer.to_dataset(),
                chunks={"recording": (rows, 1, units)},
            )

    @cached_property
    def _loaded(self) -> LanguageModel:
        if self.variant.compressor.method == "none":
            return self._compressed()
        # Processes that record different stimuli of a variant share its folder of finished blocks.
        with self.store.lock(Kind.COMPRESSION, self.key):
            return self._compressed()

    def _compressed(self) -> LanguageModel:
        from harness.runner.compression import compress

        saved = self.store.weights_path(self.key) if self._keeps_weights else None
        if saved and saved.is_file() and self.store.has(Kind.COMPRESSION, self.key):
            with suppress(CorruptError):
                return self._reloaded(saved)
        model = self._base()
        if self.variant.compressor.method != "none":
            self.progress.stage(self.variant, "compressing")
        compressor = self.variant.compressor
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
        return load(self.files, self.variant.model, device=self.device, dtype=self.options.dtype)

    def _reloaded(self, saved: Path) -> LanguageModel:
        from harness.runner.compression import reload

        model = self._base()
        compressor = load_target(self.variant.compressor)
        reload(model, compressor, saved, stimuli=self.stimuli, offline=self.place.offline)
        return model

    @property
    def _keeps_weights(self) -> bool:
        """What takes seconds to compress takes longer to read."""
        return self.options.keep_weights and self.variant.compressor.calibrated

    def _base_perplexity(self) -> tuple[float, float] | None:
        base = variant_key(self.files.fingerprint, NONE, self.options.dtype)
        if not self.store.has(Kind.COMPRESSION, base):
            return None
        said = self.store.read(Kind.COMPRESSION, base).attrs
        return float(said["perplexity"]), float(said["bits_per_byte"])


@contextmanager
def session(
    variant: Variant,
    place: Place,
    options: RunOptions,
    progress: Progress,
    stimuli: Mapping[str, str],
) -> Iterator[Session]:
    """Open a variant, and let its model go afterwards."""
    opened = Session(variant, Store(place.store), place, options, progress, stimuli)
    try:
        yield opened
    finally:
        opened.close()
