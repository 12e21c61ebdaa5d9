"""Toy compressors and benchmarks: a matrix small enough to run in a second."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from harness.compress.report.summary import CompressionReport, LayerReport
from harness.errors import DataError
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec, CompressorSpec
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Items, Pool, Whole

WORDS = [
    "on",
    "a",
    "thorn",
    "her",
    "tone",
    "is",
    "odd",
    "other",
    "then",
    "on",
    "the",
    "hero",
    "too",
]


class Hidden:
    """Mean of the last layer."""

    def __init__(self, words: int = 13) -> None:
        self.words = words

    def requests(self) -> tuple[Request, ...]:
        stimuli = Stimuli("toy", (Passage.from_words("run", WORDS[: self.words]),))
        return (Request(stimuli, Measure.HIDDEN, Context.parse("words(3)"), Items()),)

    def score(self, recordings: Any) -> xr.Dataset:
        (recording,) = recordings.values()
        mean = recording.isel(layer=-1).mean("unit")
        value = float(mean.mean())
        curve = recording.mean(["sample", "unit"])
        numbers = {"value": value, "low": value - 1, "high": value + 1, "ceiling": 1.0}
        return xr.Dataset({**numbers, "curve": ("layer", curve.values)}, {"layer": curve["layer"]})


class Whole2(Hidden):
    """Another benchmark that asks for the same pass with another readout."""

    def requests(self) -> tuple[Request, ...]:
        stimuli = Stimuli("toy", (Passage.from_words("run", WORDS),))
        policy = Context.parse("words(3)")
        return (Request(stimuli, Measure.HIDDEN, policy, Whole(Pool.MEAN)),)


class Logprob(Hidden):
    """Log-probability of a sentence."""

    def requests(self) -> tuple[Request, ...]:
        stimuli = Stimuli("toy sentence", (Passage.from_sentence("s", " ".join(WORDS)),))
        policy = Context("sentence", start=Start.BOS)
        return (Request(stimuli, Measure.LOGPROB, policy, Whole(Pool.SUM)),)


class Fails(Hidden):
    """A benchmark with a fault in its score."""

    def score(self, recordings: Any) -> xr.Dataset:
        _ = list(recordings.values())
        raise ZeroDivisionError("in the score")


class NoData(Hidden):
    """A benchmark whose data are not here."""

    def __init__(self) -> None:
        raise DataError("the toy data are not here", "fetch them")


class Odd(Hidden):
    """A benchmark with a fault in what it asks."""

    def requests(self) -> tuple[Request, ...]:
        raise KeyError("no such run")


class Round:
    """Round weights to a grid."""

    calibration = None

    def __init__(self, steps: int = 4) -> None:
        self.steps = steps

    def compress(self, model: Any, calibration: Any = None, workspace: Any = None) -> Any:
        import torch

        rows = []
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Linear) and name != "lm_head":
                before = module.weight.data.clone()
                step = before.abs().max() / self.steps
                module.weight.data = (before / step).round() * step
                change = float((before - module.weight).norm())
                shape = tuple(before.shape)
                rows.append(LayerReport(name, shape, 4 * before.numel(), 0, 1.0, change))
        total = sum(parameter.numel() for parameter in model.parameters())
        rest = total - sum(row.weights for row in rows)
        return CompressionReport(tuple(rows), {"lm_head": "head"}, parameters=total, remaining=rest)


def benchmark(name: str, **options: Any) -> BenchmarkSpec:
    """Spec of a toy benchmark."""
    return BenchmarkSpec(f"toy-{name.lower()}", target=f"toys:{name}", kind="neural", **options)


NONE = CompressorSpec("none", target="brainpress_plugins.compressors.none:Identity", method="none")
ROUND = CompressorSpec("round", target="toys:Round", method="round")


def values(board: xr.DataTree) -> np.ndarray:
    return board["cells"]["value"].values


class Calibrated(Round):
    """A compressor that wants a text, and does not read it."""

    def __init__(self, calibration: Any) -> None:
        super().__init__()
        self.calibration = calibration


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return two toys, for runs of the command line."""
    return [benchmark("Hidden"), benchmark("Logprob")]


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return one toy."""
    return [ROUND]
