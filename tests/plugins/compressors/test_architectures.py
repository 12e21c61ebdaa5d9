"""Every method on every architecture: it works and covers the blocks, or a sentence says why not.

That the walk is the model is checked in each calibrated cell before anything is measured; how that
is known is in ``tests/compress/layers/test_walk_is_the_model.py``.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import torch
from architectures import CONFIGS, tiny
from torch import nn

from harness.compress.layers.linear import all_layers, block_weights
from harness.compress.report.summary import COVERED, CompressionReport
from harness.compress.text.calibration import Calibration, CalibrationSpec
from harness.errors import CompressionError
from harness.spec.registry import registry
from harness.spec.specs import load_target

METHODS = (
    "rtn-int4",
    "nf4",
    "magnitude-50",
    "hqq-int4",
    "fp8-token",
    "nvfp4",
    "activations-int8",
    "gptq-int4",
    "quarot-gptq-int3",
    "gptaq-int3",
    "sparsegpt-50",
    "wanda-50",
    "awq-int4",
    "smoothquant-int8",
    "svd-80",
    "depth-25",
    "width-25",
    "kv-int8",
)
ELSEWHERE = ("bloom", "codegen", "falcon", "gpt_neo", "gptj", "mpt", "xglm")
"""Whose attention is their own."""
REFUSED = {
    ("bitnet", "width-25"): r"no head and no channel can go by itself: a norm over all of them",
    ("mamba2", "width-25"): r"no head and no channel can go by itself: a norm over all of them",
    ("zamba2", "width-25"): r"no head and no channel can go by itself: a norm over all of them",
    ("gemma3n_text", "width-25"): r"take keys and values of another",
    ("gemma4_text", "width-25"): r"take keys and values of another",
    ("gemma3n_text", "depth-25"): r"embeds each token anew for every block",
    ("gemma4_text", "depth-25"): r"embeds each token anew for every block",
    **{(name, "kv-int8"): r"of 4 layers that keep keys and values, 0 attend" for name in ELSEWHERE},
    **{(name, "kv-int8"): r"no attention that keeps" for name in ("mamba", "mamba2", "rwkv")},
}
"""What cannot be, and what is said of it."""


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    tokens = torch.randint(3, 96, (12, 64), generator=torch.Generator().manual_seed(1))
    return Calibration(CalibrationSpec(samples=12, length=64), tokens, ())


def compressed(model: nn.Module, method: str, calibration: Calibration) -> CompressionReport:
    report: CompressionReport = load_target(registry().compressors.specs[method]).compress(
        model, calibration
    )
    return report


@torch.no_grad()
def read(model: Any, calibration: Calibration) -> torch.Tensor:
    logits: torch.Tensor = model(input_ids=calibration.tokens[:1], use_cache=False).logits
    return logits


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_it_works_or_is_refused_by_a_sentence(name: str, calibration: Calibration) -> None:
    base = tiny(name)
    before = read(base, calibration)
    for method in METHODS:
        model = copy.deepcopy(base)
        if (name, method) in REFUSED:
            with pytest.raises(CompressionError, match=REFUSED[name, method]):
                compressed(model, method, calibration)
            continue
        report = compressed(model, method, calibration)
        if method != "kv-int8":  # which compresses no weight
            assert report.coverage is not None, method
            assert report.coverage >= COVERED, method
        logits = read(model, calibration)
        assert not torch.equal(logits, before), method
        assert bool(torch.isfinite(logits).all()), method


@pytest.mark.parametrize("name", ["qwen3_moe", "gpt_oss", "granitemoe", "jamba", "qwen3_next"])
def test_bits_over_the_model_are_those_counted_by_hand(name: str) -> None:
    model = tiny(name)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    layers = {layer.identity: layer for block in all_layers(model) for layer in block}
    weights = sum(layer.shape[0] * layer.shape[1] for layer in layers.values())
    # NF4: four bits a weight, and 32 for each 64 of a layer.
    packed = 0
    for layer in layers.values():
        count = layer.shape[0] * layer.shape[1]
        packed += 4 * count + 32 * -(-count // 64)
    expected = (packed + 16 * (parameters - weights)) / parameters
    report = load_target(registry().compressors.specs["nf4"]).compress(model)
    assert report.bits_per_weight_model == pytest.approx(expected, rel=1e-12)
    assert report.coverage == pytest.approx(weights / block_weights(model), rel=1e-12)
    experts = sum(row.weights for row in report.layers if row.name.endswith("]"))
    assert experts > 0.4 * report.weights


def test_weights_that_blocks_share_are_counted_and_compressed_once() -> None:
    model = tiny("zamba2")
    report = load_target(registry().compressors.specs["rtn-int4"]).compress(model)
    shared = [row.name for row in report.layers if re.search(r"shared_transformer\.self", row.name)]
    assert len(shared) == 4
    assert report.bits_per_weight > 4
    assert report.weights < sum(parameter.numel() for parameter in model.parameters())
