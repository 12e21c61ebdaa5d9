"""Models that read: rates of products, hidden states, log-probabilities."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import xarray as xr

from harness.record import subject
from harness.record.subject import LanguageSubject
from on_card import models
from on_card.setting import KINDS, Row, Setting, Stopwatch, product_rate, products_in


def gemm(setting: Setting) -> Iterator[Row]:
    """Rates of matrix products: what a share of the peak is a share of."""
    shapes = [(8192, 8192, 8192), (2048, 1536, 8960), (8192, 3584, 18944)]
    for shape in setting.pick(shapes, [(256, 256, 256), (64, 48, 96)]):
        values: dict[str, Any] = {"n x k x m": " x ".join(f"{side:,}" for side in shape)}
        for kind in KINDS:
            if kind == "tf32" and not setting.on_card:
                values["tf32 TFLOP/s"] = None
                continue
            square = len(set(shape)) == 1
            rate = setting.peak(kind) if square else product_rate(setting, kind, shape)
            values[f"{kind} TFLOP/s"] = rate
        yield Row("Matrix products", values)


def hidden(setting: Setting) -> Iterator[Row]:
    """Hidden states of every layer, by shape, arithmetic and tokens a batch.

    The readout is what the recorder adds to its sums, the body all else that the model's pass
    takes, the copy what scoring waits for when it asks for the layers.
    """
    for shape in models.SHAPES:
        # bfloat16 first: it is what runs use on cards, and fits where float32 does not.
        for kind in ("bfloat16", "float32"):
            dtype = torch.bfloat16 if kind == "bfloat16" else torch.float32
            config = models.config(setting, shape)
            need = models.nbytes(config, dtype)
            if not setting.fits(1.2 * need):
                said = f"{need / 2**30:.0f} GiB of weights do not fit"
                yield Row("Hidden states", {"shape": shape, "arithmetic": kind, "note": said})
                continue
            model = models.draw(config, dtype, setting.device)
            everything = setting.pick([2048, 8192, 32768], [64, 128, 256])
            for batch in everything if kind == "bfloat16" else everything[1:2]:
                yield Row("Hidden states", _hidden(setting, model, shape, kind, batch))
            del model
            setting.let_go()


def _hidden(setting: Setting, model: Any, shape: str, kind: str, batch: int) -> dict[str, Any]:
    values: dict[str, Any] = {"shape": shape, "arithmetic": kind, "tokens a batch": batch}
    owner = models.language_model(model, shape)
    reader = LanguageSubject(owner, batch_tokens=batch)
    vocabulary = model.config.vocab_size
    # Twice as many tokens as words, of windows that overlap by half: two batches of the largest.
    request = models.story(setting.pick(32768, 256), vocabulary, setting.pick(
        "strided(512,256)", "strided(32,16)"
    ))  # fmt: skip
    try:
        with products_in(kind):
            reader.record(models.story(min(batch, 2048), vocabulary))  # kernels are loaded
            if setting.on_card:
                torch.cuda.reset_peak_memory_stats(setting.device)
            watch = Stopwatch(setting)
            host = time.process_time()
            with _readout_timed(watch):
                recording = reader.record(request)
            host = time.process_time() - host
            copy, _ = setting.timed(lambda: _copied(recording))
    except torch.OutOfMemoryError:
        setting.let_go()
        return values | {"note": "out of memory"}
    tokens, seconds = recording.attrs["tokens"], recording.attrs["forward_seconds"]
    readout = watch.seconds
    rate = 2.0 * models.block_weights(model) * tokens / seconds / 1e12
    return values | {
        "tokens": tokens,
        "body s": seconds - readout,
        "readout s": readout,
        "copy s": copy,
        "tokens/s": tokens / seconds,
        "share of the peak": rate / setting.peak(kind),
        "host CPU s": host,
        "peak GiB": _peak(setting),
    }


def _copied(recording: xr.DataArray) -> None:
    """Read layer by layer, as scoring does: nothing is kept."""
    for layer in range(recording.sizes["layer"]):
        recording.isel(layer=layer).values  # noqa: B018


def _peak(setting: Setting) -> float | None:
    return torch.cuda.max_memory_allocated(setting.device) / 2**30 if setting.on_card else None


@contextmanager
def _readout_timed(watch: Stopwatch) -> Iterator[None]:
    """Time what the recorder adds to its sums while open."""
    original = subject._Sum.add

    def add(self: Any, layer: int, flat: torch.Tensor) -> None:
        with watch.running():
            original(self, layer, flat)

    with patch.object(subject._Sum, "add", add):
        yield


def logprob(setting: Setting) -> Iterator[Row]:
    """Log-probabilities with and without trees, at two sizes of logits."""
    for kind in ("bfloat16", "float32"):
        dtype = torch.bfloat16 if kind == "bfloat16" else torch.float32
        config = models.config(setting, "1.5B")
        if not setting.fits(1.2 * models.nbytes(config, dtype) + 2**34):
            yield Row("Log-probabilities", {"arithmetic": kind, "note": "does not fit"})
            continue
        model = models.draw(config, dtype, setting.device)
        owner = models.language_model(model, "1.5B")
        request = models.sentences(setting.pick(8000, 48), config.vocab_size)
        plain: np.ndarray | None = None
        LanguageSubject(owner).record(models.sentences(64, config.vocab_size))
        for nbytes in setting.pick([2**28, 2**31], [2**17, 2**20]):
            for trees in (False, True):
                reader = LanguageSubject(owner, batch_tokens=16384, trees=trees)
                with patch.object(subject, "LOGIT_BYTES", nbytes):
                    seconds, recording = setting.timed(lambda r=reader, q=request: r.record(q))
                found = recording.values
                plain = found if plain is None else plain
                off = float(np.abs(found - plain).max())
                yield Row(
                    "Log-probabilities",
                    {
                        "arithmetic": kind,
                        "logits MiB": nbytes / 2**20,
                        "trees": "yes" if trees else "no",
                        "tokens read": recording.attrs["tokens"],
                        "s": seconds,
                        "sentences/s": len(found) / seconds,
                        "largest difference, nats a sentence": off,
                    },
                )
        del model, owner
        setting.let_go()
