"""Other people's implementations beside ours, where they are installed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from brainpress_plugins.compressors.awq import AWQ
from brainpress_plugins.compressors.bitsandbytes_library import BitsAndBytes
from brainpress_plugins.compressors.gptq import GPTQ
from brainpress_plugins.compressors.gptqmodel_library import GPTQModel
from brainpress_plugins.compressors.llmcompressor_library import LLMCompressor
from brainpress_plugins.compressors.nf4 import NormalFloat
from brainpress_plugins.compressors.smoothquant import SmoothQuant
from brainpress_plugins.compressors.sparsegpt import SparseGPT
from brainpress_plugins.compressors.wanda import Wanda
from torch import nn

from harness.compress import library
from harness.compress.layers.linear import block_layers
from harness.compress.report.summary import CompressionReport
from harness.errors import CompressionError, ExtraMissing

TinyModel = Callable[..., nn.Module]


def needs(*modules: str) -> Any:
    missing = [name for name in modules if find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed")


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {layer.name: layer.weight() for block in block_layers(model) for layer in block}


def error(model: nn.Module, exact: nn.Module, tokens: torch.Tensor) -> float:
    logits = exact(input_ids=tokens).logits
    return float((model(input_ids=tokens).logits - logits).norm() / logits.norm())


def clean(model: nn.Module) -> bool:
    """Whether nothing of a library is left in a model."""
    plain = {"weight", "bias", "input_scale"}
    return all(
        {name for name, _ in layer.module.named_parameters()} <= plain
        and "forward" not in vars(layer.module)
        and isinstance(layer.module, nn.Linear)
        for block in block_layers(model)
        for layer in block
    ) and not hasattr(model.config, "quantization_config")


@pytest.mark.parametrize(
    ("compressor", "installed"),
    [
        (LLMCompressor("gptq"), ["llmcompressor"]),
        (GPTQModel(), ["optimum", "gptqmodel"]),
        (BitsAndBytes("nf4"), ["bitsandbytes"]),
    ],
)
def test_a_missing_extra_says_which_to_install(
    tiny_model: TinyModel,
    random_calibration: Any,
    monkeypatch: pytest.MonkeyPatch,
    compressor: Any,
    installed: list[str],
) -> None:
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    command = " ".join(rf"'{name}>=[0-9.]+'" for name in installed)
    with pytest.raises(ExtraMissing, match=f"pip install {command}$"):
        compressor.compress(tiny_model("llama"), random_calibration)


def test_a_library_that_did_nothing_is_an_error(tiny_model: TinyModel) -> None:
    with pytest.raises(CompressionError, match="nothing was changed: 12 linear layers"):
        library.compress_with(tiny_model("gpt2"), lambda layers: {}, lambda layer, weight: 1)


def test_a_library_that_overflowed_is_an_error(tiny_model: TinyModel) -> None:
    def overflow(layers: list[Any]) -> dict[str, Any]:
        layers[2].assign(layers[2].weight() / 0)
        return {}

    with pytest.raises(CompressionError, match=r"h\.0\.mlp\.c_fc: .*NaN or inf"):
        library.compress_with(tiny_model("gpt2"), overflow, lambda layer, weight: 1)


@needs("llmcompressor")
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (LLMCompressor("gptq", 4, 32), GPTQ(4, 32)),
        (LLMCompressor("awq", 4, 32), AWQ(4, 32)),
        (LLMCompressor("wanda", sparsity=0.5), Wanda(0.5)),
        (LLMCompressor("sparsegpt", sparsity=0.5), SparseGPT(0.5)),
        (LLMCompressor("wanda", sparsity="2:4"), Wanda("2:4")),
        (LLMCompressor("sparsegpt", sparsity="2:4"), SparseGPT("2:4")),
        (LLMCompressor("smoothquant", 8, "channel", True), SmoothQuant(8)),
    ],
    ids=lambda value: getattr(value, "method", ""),
)
def test_llmcompressor_beside_ours(
    tiny_model: TinyModel, random_calibration: Any, theirs: Any, ours: Any
) -> None:
    exact, first, second = (tiny_model("llama", tie_word_embeddings=True) for _ in range(3))
    report = theirs.compress(first, random_calibration)
    expected: CompressionReport = ours.compress(second, random_calibration)
    tokens = random_calibration.tokens[:8]
    assert error(second, exact, tokens) < 1.15 * error(first, exact, tokens)
    assert error(first, exact, tokens) < 1.3 * error(second, exact, tokens) + 0.01
    assert report.sparsity == pytest.approx(expected.sparsity, abs=0.02)
    assert report.bits_per_weight == pytest.approx(expected.bits_per_weight, abs=0.4)
    assert report.parameters == expected.parameters
    assert clean(first)
    assert first.lm_head.weight is first.model.embed_tokens.weight  # type: ignore[union-attr]


@needs("llmcompressor")
def test_wanda_prunes_the_same_weights_as_the_library(
    tiny_model: TinyModel, random_calibration: Any
) -> None:
    first, second = tiny_model("llama"), tiny_model("llama")
    LLMCompressor("wanda", sparsity=0.5).compress(first, random_calibration)
    Wanda(0.5).compress(second, random_calibration)
    agree = [
        float(((a == 0) == (b == 0)).float().mean())
        for a, b in zip(weights(first).values(), weights(second).values(), strict=True)
    ]
    assert min(agree) > 0.98


@needs("llmcompressor")
def test_llmcompressor_knows_no_conv1d(tiny_model: TinyModel, random_calibration: Any) -> None:
    with pytest.raises(CompressionError, match=r"knows nn\.Linear, and these blocks are made of"):
        LLMCompressor("gptq").compress(tiny_model("gpt2"), random_calibration)


@needs("optimum", "gptqmodel")
@pytest.mark.parametrize("architecture_", ["llama", "gpt2"])
def test_gptqmodel_beside_ours(
    tiny_model: TinyModel, random_calibration: Any, architecture_: str
) -> None:
    exact, first, second = (tiny_model(architecture_) for _ in range(3))
    report = GPTQModel(4, 32).compress(first, random_calibration)
    GPTQ(4, 32, activation_order=False).compress(second, random_calibration)
    tokens = random_calibration.tokens[:8]
    assert error(second, exact, tokens) < 1.15 * error(first, exact, tokens)
    assert error(first, exact, tokens) < 1.3 * error(second, exact, tokens)
    assert report.bits_per_weight == 5
    assert all(len(torch.unique(group)) <= 16 for group in weights(first)[report.layers[0].name])
    assert not hasattr(first.config, "quantization_config")


@needs("bitsandbytes")
def test_nf4_is_that_of_bitsandbytes(tiny_model: TinyModel) -> None:
    first, second = tiny_model("llama"), tiny_model("llama")
    report = BitsAndBytes("nf4").compress(first)
    expected = NormalFloat().compress(second)
    for name, weight in weights(first).items():
        torch.testing.assert_close(weight, weights(second)[name], atol=1e-5, rtol=1e-4)
    assert report.bits_per_weight == expected.bits_per_weight == 4.5


@needs("bitsandbytes")
def test_int8_rounds_by_row(tiny_model: TinyModel) -> None:
    model = tiny_model("gpt2")
    before = copy.deepcopy(weights(model))
    report = BitsAndBytes("int8").compress(model)
    for name, weight in weights(model).items():
        step = before[name].abs().amax(1, keepdim=True) / 127
        assert float(((weight - before[name]) / step).abs().max()) < 0.6
    assert report.layers[0].packed_bits == 96 * 32 * 8 + 96 * 32


ELSEWHERE = ("qwen3", "mistral", "phi3")
"""Architectures besides Llama's: norms of heads, windows, fused layers."""


@needs("llmcompressor")
@pytest.mark.parametrize("architecture_", ELSEWHERE)
@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (LLMCompressor("gptq", 4, 32), GPTQ(4, 32)),
        (LLMCompressor("wanda", sparsity=0.5), Wanda(0.5)),
        (LLMCompressor("sparsegpt", sparsity=0.5), SparseGPT(0.5)),
    ],
    ids=lambda value: getattr(value, "method", ""),
)
def test_llmcompressor_beside_ours_elsewhere(
    tiny_model: TinyModel, random_calibration: Any, architecture_: str, theirs: Any, ours: Any
) -> None:
    beside(tiny_model, random_calibration, architecture_, theirs, ours)


@needs("optimum", "gptqmodel")
@pytest.mark.parametrize("architecture_", ELSEWHERE)
def test_gptqmodel_beside_ours_elsewhere(
    tiny_model: TinyModel, random_calibration: Any, architecture_: str
) -> None:
    ours = GPTQ(4, 32, activation_order=False)
    beside(tiny_model, random_calibration, architecture_, GPTQModel(4, 32), ours)


@needs("bitsandbytes")
@pytest.mark.parametrize("architecture_", ELSEWHERE)
def test_nf4_is_that_of_bitsandbytes_elsewhere(tiny_model: TinyModel, architecture_: str) -> None:
    first, second = tiny_model(architecture_), tiny_model(architecture_)
    report = BitsAndBytes("nf4").compress(first)
    expected = NormalFloat().compress(second)
    for name, weight in weights(first).items():
        torch.testing.assert_close(weight, weights(second)[name], atol=1e-5, rtol=1e-4)
    assert report.bits_per_weight == expected.bits_per_weight == 4.5


def beside(tiny_model: TinyModel, calibration: Any, name: str, theirs: Any, ours: Any) -> None:
    """Hold a library's model and ours against the exact one: neither is much worse."""
    exact, first, second = (tiny_model(name) for _ in range(3))
    report = theirs.compress(first, calibration)
    expected: CompressionReport = ours.compress(second, calibration)
    tokens = calibration.tokens[:8]
    assert error(second, exact, tokens) < 1.15 * error(first, exact, tokens)
    assert error(first, exact, tokens) < 1.3 * error(second, exact, tokens) + 0.01
    assert report.sparsity == pytest.approx(expected.sparsity, abs=0.02)
    assert report.parameters == expected.parameters
    assert report.coverage == expected.coverage == 1
    assert clean(first)
