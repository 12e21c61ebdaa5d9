"""Compression of blocks of a 7B shape: seconds a block, peak memory of the device."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch

from harness.compress.layers.workspace import Workspace
from harness.compress.report.meter import Meter
from harness.compress.text.calibration import Calibration, CalibrationSpec
from harness.errors import HarnessError
from on_card import models
from on_card.setting import Row, Setting

BLOCKS = 2
TITLE = "Compression of 7B blocks"


def methods() -> dict[str, Any]:
    """Return the compressors that are timed; calibration text is given to them."""
    from brainpress_plugins.compressors.awq import AWQ
    from brainpress_plugins.compressors.gptq import GPTQ
    from brainpress_plugins.compressors.sparsegpt import SparseGPT
    from brainpress_plugins.compressors.wanda import Wanda

    return {
        "wanda, half": Wanda(0.5),
        "sparsegpt, half": SparseGPT(0.5),
        "gptq, 4 bits": GPTQ(4),
        "awq, 4 bits": AWQ(4),
    }


def text(samples: int, length: int, vocabulary: int) -> Calibration:
    """Draw calibration text of random tokens."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(1, vocabulary, (samples, length), generator=generator)
    return Calibration(CalibrationSpec("random", samples, length), tokens, ())


def compression(setting: Setting) -> Iterator[Row]:
    """Two blocks of a 7B shape in bfloat16, by each method from the same weights."""
    # The head is not compressed: a small one leaves the memory to the blocks.
    shape = models.config(setting, "7B", num_hidden_layers=BLOCKS, vocab_size=512)
    calibration = text(*setting.pick((128, 512), (4, 32)), shape.vocab_size)
    for name, method in methods().items():
        values: dict[str, Any] = {"method": name, "tokens": calibration.tokens.numel()}
        ends: list[float] = []
        workspace = Workspace(progress=lambda *_, e=ends: e.append(time.perf_counter()))
        try:
            model = models.draw(shape, torch.bfloat16, setting.device)
            host, start = time.process_time(), time.perf_counter()
            with Meter(setting.device) as meter:
                report = method.compress(model, calibration, workspace)
            host = time.process_time() - host
        except (torch.OutOfMemoryError, HarnessError) as error:
            yield Row(TITLE, values | {"note": f"{type(error).__name__}: {error}"[:200]})
            continue
        finally:
            model = None
            setting.let_go()
        totals = report.totals()
        marks = [start, *ends]
        # The first block pays for kernels that are loaded, and for the first batch.
        last = marks[-1] - marks[-2] if len(marks) > 1 else None
        yield Row(
            TITLE,
            values
            | {
                f"{BLOCKS} blocks s": meter.seconds,
                "the last block s": last,
                "host CPU s": host,
                "peak GiB": meter.peak_memory / 2**30,
                "output error": totals["output_error"],
            },
        )
