"""Calibration, contamination and compression together, on a real tokenizer and a real model."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from brainpress_plugins.compressors.gptq import GPTQ
from brainpress_plugins.compressors.rtn import RoundToNearest
from brainpress_plugins.compressors.smoothquant import SmoothQuant
from brainpress_plugins.compressors.sparsegpt import SparseGPT
from brainpress_plugins.compressors.wanda import Wanda

from harness.compress.apply import apply
from harness.compress.layers.room import walk_room
from harness.compress.text.calibration import CalibrationSpec
from harness.compress.text.perplexity import embedded_text, perplexity
from harness.errors import CompressionError
from harness.place import memory
from harness.place.locate import find
from harness.place.memory import NotEnoughMemory
from harness.record.request import Measure
from harness.record.size import pass_bytes

FOLDER = find("models/stories260K")
pytestmark = pytest.mark.needs_data
if FOLDER is None:
    pytest.skip("stories260K is not on BRAINPRESS_DATA", allow_module_level=True)

SPEC = CalibrationSpec(samples=48, length=256)


@pytest.fixture
def stories() -> Any:
    """A fresh copy of a small trained model."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(FOLDER).eval().requires_grad_(False)
    return SimpleNamespace(
        model=model,
        tokenizer=AutoTokenizer.from_pretrained(FOLDER),
        context=512,
        files=SimpleNamespace(fingerprint="stories"),
        spec=SimpleNamespace(name="stories260k"),
        capabilities=frozenset({"hidden", "logprob", "compress"}),
    )


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for the module: the text is sampled once."""
    return tmp_path_factory.mktemp("calibration")


def test_the_orderings_of_the_literature(stories: Any, cache: Path) -> None:
    text = embedded_text("ferry")
    weights = {name: value.clone() for name, value in stories.model.state_dict().items()}

    def after(compressor: Any) -> float:
        stories.model.load_state_dict(weights)
        apply(compressor, stories, cache=cache)
        return perplexity(stories, text).perplexity

    base = perplexity(stories, text).perplexity
    rounded, second_order = after(RoundToNearest(3)), after(GPTQ(3, calibration=SPEC))
    assert base < second_order < rounded
    assert after(SparseGPT(0.5, calibration=SPEC)) < after(Wanda(0.5, calibration=SPEC))
    assert after(SparseGPT(0.5, calibration=SPEC)) < after(SparseGPT("2:4", calibration=SPEC))
    # Last, because it adds buffers to the model.
    assert after(SmoothQuant(8, calibration=SPEC)) < 1.02 * base


def test_what_was_calibrated_on_is_told(stories: Any, cache: Path) -> None:
    applied = apply(GPTQ(4, calibration=SPEC), stories, cache=cache)
    assert applied.calibration is not None
    assert applied.calibration.tokens.shape == (48, 256)
    assert len(applied.calibration.sha256) == 64
    assert applied.report.output_error is not None
    assert apply(RoundToNearest(2), stories, cache=cache).calibration is None


def test_contaminated_text_is_refused_before_anything_is_changed(
    stories: Any, cache: Path, tmp_path: Path
) -> None:
    (tmp_path / "prose.txt").write_text(embedded_text("ferry"))
    before = {name: value.clone() for name, value in stories.model.state_dict().items()}
    compressor = GPTQ(4, calibration=CalibrationSpec(f"file:{tmp_path / 'prose.txt'}", 8, 256))
    with pytest.raises(CompressionError, match="shares a passage with the ferry story, from word"):
        apply(compressor, stories, cache=cache, stimuli={"the ferry story": embedded_text("ferry")})
    assert all(torch.equal(before[name], v) for name, v in stories.model.state_dict().items())
    apply(compressor, stories, cache=cache, stimuli={"soil": embedded_text("soil")})


def test_what_no_memory_holds_is_refused_before_it_is_begun(
    stories: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = sum(p.nbytes for p in stories.model.parameters())
    states = 1.3 * 48 * 256 * stories.model.config.hidden_size * 4
    reading = pass_bytes(512, stories.model.config, Measure.LOGPROB)
    room = walk_room(stories.model, 48 * 256, 256)
    needed = max(int(1.3 * (weights + states)), weights + room.states + room.work) + reading
    before = {name: value.clone() for name, value in stories.model.state_dict().items()}
    left = 0
    monkeypatch.setattr(memory, "available", lambda *_: memory.Room(left, left, "cgroup"))
    monkeypatch.setattr(memory, "mapped", lambda *_: 2**40)
    left = int(needed / memory.SHARE) - 8
    with pytest.raises(NotEnoughMemory, match="compressing stories260k in memory needs about"):
        apply(Wanda(0.5, calibration=SPEC), stories, cache=cache)
    for name, value in stories.model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    left = int(needed / memory.SHARE) + 2
    apply(Wanda(0.5, calibration=SPEC), stories, cache=cache)
    # Weights that are the process's own already take nothing more.
    monkeypatch.setattr(memory, "mapped", lambda *_: 0)
    left = int(reading / memory.SHARE) + 2
    apply(RoundToNearest(3), stories, cache=cache)
