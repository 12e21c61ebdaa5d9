"""Memory of a compression: what is estimated from shapes, and what it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import torch
from transformers import Qwen2Config

from harness.compress.layers.room import empty_model, walk_room

GIB = 2**30
QWEN: dict[str, dict[str, Any]] = {
    "0.5B": {"hidden": 896, "inner": 4864, "heads": 14, "shared": 2, "blocks": 24, "tied": True},
    "1.5B": {"hidden": 1536, "inner": 8960, "heads": 12, "shared": 2, "blocks": 28, "tied": True},
    "7B": {"hidden": 3584, "inner": 18944, "heads": 28, "shared": 4, "blocks": 28, "tied": False},
    "14B": {"hidden": 5120, "inner": 13824, "heads": 40, "shared": 8, "blocks": 48, "tied": False},
}


def config(name: str, **changed: Any) -> Qwen2Config:
    """The shape of a Qwen2.5."""
    shape = QWEN[name]
    settings = {
        "hidden_size": shape["hidden"],
        "intermediate_size": shape["inner"],
        "num_attention_heads": shape["heads"],
        "num_key_value_heads": shape["shared"],
        "num_hidden_layers": shape["blocks"],
        "tie_word_embeddings": shape["tied"],
        "vocab_size": 152064,
    }
    return Qwen2Config(**{**settings, **changed})


@pytest.mark.parametrize("name", ["7B", "14B"])
@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_large_shapes_fit_on_24_gib(name: str, streams: int, dtype: torch.dtype) -> None:
    model = empty_model(config(name), dtype)
    room = walk_room(model, 128 * 512, 512, streams=streams, on_disk=True)
    weights = sum(parameter.nbytes for parameter in model.parameters())
    assert room.host < 24 * GIB
    assert room.device < 24e9
    assert room.device_least < room.device
    assert room.host_beside < 24 * GIB
    in_memory = walk_room(model, 128 * 512, 512, streams=streams)
    assert in_memory.host - room.host == pytest.approx(weights - room.outside - room.block)


def test_what_is_counted_by_hand() -> None:
    model = empty_model(config("7B"), torch.bfloat16)
    room = walk_room(model, 65536, 512, on_disk=True)
    assert room.outside == (2 * 152064 * 3584 + 3584) * 2
    assert room.states == 65536 * 3584 * 2
    assert room.factors == 24 * 18944**2
    projections = 3584 * (3584 + 2 * 512) + 3584 + 2 * 512 + 3584**2
    assert room.block == 2 * (projections + 3 * 3584 * 18944 + 2 * 3584)
    assert walk_room(model, 65536, 512, on_disk=True, streams=2).states == 2 * room.states


PEAK = """
import json, sys, torch
from transformers import AutoModelForCausalLM, Qwen2Config
from brainpress_plugins.compressors.gptq import GPTQ
from harness.compress.layers.room import walk_room
from harness.compress.report.meter import Meter
from harness.compress.text.calibration import Calibration, CalibrationSpec
from harness.place.memory import used
torch.set_num_threads(1)
settings, share = json.loads(sys.argv[1]), float(sys.argv[2])
model = AutoModelForCausalLM.from_config(Qwen2Config(**settings)).eval().requires_grad_(False)
tokens = torch.randint(0, 900, (4, 512), generator=torch.Generator().manual_seed(0))
compressor = GPTQ(4, asymmetry=share)
room = walk_room(model, tokens.numel(), 512, streams=compressor.streams)
warm = Qwen2Config(**{**settings, "hidden_size": 64, "intermediate_size": 128,
                      "num_attention_heads": 2, "num_key_value_heads": 2})
small = AutoModelForCausalLM.from_config(warm).eval().requires_grad_(False)
text = Calibration(CalibrationSpec(samples=4, length=512), tokens, ())
compressor.compress(small, text)  # what libraries take when they first work
before = used()
with Meter() as meter:
    compressor.compress(model, text)
print(json.dumps([meter.peak_memory - before, room.states + room.work]))
"""


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_the_peak_is_within_a_fifth_of_the_estimate(share: float) -> None:
    settings = config("0.5B", num_hidden_layers=1, vocab_size=1000).to_dict()
    kept = (
        *("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"),
        *("num_hidden_layers", "vocab_size", "tie_word_embeddings"),
    )
    given = json.dumps({name: settings[name] for name in kept})
    done = subprocess.run(
        [sys.executable, "-c", PEAK, given, str(share)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    measured, estimated = json.loads(done.stdout.splitlines()[-1])
    assert estimated == pytest.approx(measured, rel=0.2)
