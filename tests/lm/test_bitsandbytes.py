"""Checkpoints that bitsandbytes wrote: their bits against their files, what is read of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.lm.bitsandbytes_weights import dense_weight
from tests.support.oracle import differences, opened
from tests.support.oracle import write as write_model
from tests.support.tiny_configs import BASE, GROUPED, LAYERS

Written = Callable[[str], Path]


@pytest.fixture
def written(tmp_path: Path, subword_tokenizer: Any) -> Written:
    """Write a tiny Llama as the library does: ``written("nf4")``."""
    pytest.importorskip("bitsandbytes")
    from transformers import AutoConfig, AutoModelForCausalLM, BitsAndBytesConfig

    # A row is a block or more: the library's own kernel for the CPU is wrong where it is less.
    wide = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16}
    config = AutoConfig.for_model("llama", **{**BASE, **GROUPED, **wide})
    dense = write_model(tmp_path / "dense", config, subword_tokenizer())

    def write(kind: str) -> Path:
        how = BitsAndBytesConfig(
            load_in_8bit=kind == "int8",
            load_in_4bit=kind != "int8",
            bnb_4bit_quant_type="fp4" if kind == "fp4" else "nf4",
            bnb_4bit_use_double_quant=kind.endswith("nested"),
            bnb_4bit_compute_dtype=torch.float32,
        )
        model = AutoModelForCausalLM.from_pretrained(
            dense, quantization_config=how, device_map="cpu", dtype=torch.float32
        )
        folder = tmp_path / kind
        model.save_pretrained(folder)
        subword_tokenizer().save_pretrained(folder)
        return folder

    return write


def packed_layers_of(tensors: dict[str, torch.Tensor]) -> set[str]:
    names = {key.removesuffix(".weight") for key, t in tensors.items() if t.element_size() == 1}
    return {name for name in names if f"{name}.weight" in tensors}


def bits_of_file(folder: Path) -> float:
    """Bits a weight of the packed layers, by the tensors of the file alone."""
    from safetensors.torch import load_file

    tensors = load_file(folder / "model.safetensors")
    layers = packed_layers_of(tensors)
    stored = sum(
        8 * tensor.nbytes
        for key, tensor in tensors.items()
        if any(key.startswith(f"{layer}.") for layer in layers)
    )
    shapes = {"q": 64 * 64, "k": 32 * 64, "v": 32 * 64, "o": 64 * 64}
    weights = LAYERS * (sum(shapes.values()) + 3 * 64 * 128)
    assert len(layers) == 7 * LAYERS
    return stored / weights


@pytest.mark.parametrize("kind", ["nf4", "nf4-nested", "fp4", "int8"])
def test_the_librarys_own_weights_are_read(kind: str, written: Written) -> None:
    import bitsandbytes.functional as library
    from safetensors.torch import load_file

    folder = written(kind)
    model = opened(folder)
    assert model.capabilities == {"hidden", "logprob"}  # not to be compressed again
    assert model.stored_bits == pytest.approx(bits_of_file(folder), rel=1e-12)
    assert model.stored_bits is not None
    assert model.stored_bits > (8 if kind == "int8" else 4)
    tensors = load_file(folder / "model.safetensors")
    for layer in packed_layers_of(tensors):
        weight = tensors[f"{layer}.weight"]
        if kind == "int8":
            dense = library.int8_vectorwise_dequant(weight, tensors[f"{layer}.SCB"])
        else:
            kept = {
                key.removeprefix(f"{layer}.weight."): tensor
                for key, tensor in tensors.items()
                if key.startswith(f"{layer}.weight.")
            }
            state = library.QuantState.from_dict(kept, torch.device("cpu"))
            dense = library.dequantize_4bit(weight, state)
        ours: Any = model.model.get_submodule(layer)
        torch.testing.assert_close(ours.weight, dense.float(), rtol=1e-6, atol=1e-7)
    found = differences(model, no_embedding=False)
    assert found.hidden < 1e-5
    assert found.logprob < 1e-4


def test_rows_in_the_order_of_a_gpu_are_refused() -> None:
    parts = {"weight": torch.zeros(2, 2), "SCB": torch.ones(2), "weight_format": torch.tensor(2)}
    with pytest.raises(ValueError, match="one kind of GPU"):
        dense_weight(parts)


def test_numbers_of_int8_are_shares_of_the_largest_of_a_row() -> None:
    codes = torch.tensor([[127, -127, 0], [64, 1, -1]], dtype=torch.int8)
    weight = dense_weight({"weight": codes, "SCB": torch.tensor([2.0, 1.27])})
    torch.testing.assert_close(weight, torch.tensor([[2.0, -2.0, 0.0], [0.64, 0.01, -0.01]]))
