"""Where the parts of each architecture are, checked by what goes through them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from harness.errors import ModelError
from harness.lm.anatomy import StaticEmbedding, anatomy, linear_layers, stores_transpose

TinyModel = Callable[..., Any]
IDS = torch.tensor([[3, 14, 15, 92, 6]])

LINEAR = {
    "llama": {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
    "phi3": {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"},
    "gpt2": {"c_attn", "attn.c_proj", "c_fc", "mlp.c_proj"},
    "gpt_neox": {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"},
    "opt": {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"},
}


def test_blocks_are_what_the_residual_stream_goes_through(
    architecture: str, tiny_model: TinyModel
) -> None:
    model = tiny_model(architecture)
    parts = anatomy(model)
    outputs: list[torch.Tensor] = []

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        outputs.append(output[0] if isinstance(output, tuple) else output)

    for block in parts.blocks:
        block.register_forward_hook(keep)
    if parts.final_norm is not None:
        parts.final_norm.register_forward_hook(keep)
    expected = model(input_ids=IDS, output_hidden_states=True)
    assert len(parts.blocks) == model.config.num_hidden_layers == 3
    # transformers' own hidden states: embedding, each block, the last one after the norm.
    for found, states in zip(outputs[:2], expected.hidden_states[1:3], strict=True):
        assert torch.equal(found, states)
    assert torch.equal(outputs[-1], expected.hidden_states[3])
    assert parts.head is not None
    logits = parts.head(outputs[-1])
    if not architecture.startswith("gemma"):  # Gemma 2 caps its logits
        torch.testing.assert_close(logits, expected.logits)


def test_names_lead_to_the_blocks(architecture: str, tiny_model: TinyModel) -> None:
    model = tiny_model(architecture)
    parts = anatomy(model)
    assert [model.get_submodule(name) for name in parts.block_names] == list(parts.blocks)


def test_the_embedding_gives_a_vector_a_token(architecture: str, tiny_model: TinyModel) -> None:
    model = tiny_model(architecture)
    parts = anatomy(model)
    assert parts.embedding is model.get_input_embeddings()
    assert parts.embedding(IDS).shape == (1, 5, 32)


def test_every_matrix_of_a_block_is_a_linear_layer(
    architecture: str, tiny_model: TinyModel
) -> None:
    for block in anatomy(tiny_model(architecture)).blocks:
        layers = linear_layers(block)
        matrices = {name for name, p in block.named_parameters() if p.ndim == 2}
        assert {f"{name}.weight" for name in layers} == matrices
        expected = LINEAR.get(architecture)
        if expected is not None:
            assert len(layers) == len(expected)
            assert all(any(name.endswith(end) for end in expected) for name in layers)


def test_orientation_is_that_of_the_product(architecture: str, tiny_model: TinyModel) -> None:
    torch.manual_seed(0)
    for layer in linear_layers(anatomy(tiny_model(architecture)).blocks[0]).values():
        weight = layer.weight.T if stores_transpose(layer) else layer.weight
        rows = torch.randn(2, weight.shape[1])
        bias = 0 if layer.bias is None else layer.bias
        torch.testing.assert_close(layer(rows), rows @ weight.T + bias)
    transposed = any(
        stores_transpose(m)
        for m in linear_layers(anatomy(tiny_model(architecture)).blocks[0]).values()
    )
    assert transposed is (architecture == "gpt2")


def test_opt_without_a_final_norm(tiny_model: TinyModel) -> None:
    model = tiny_model("opt", do_layer_norm_before=False)
    assert anatomy(model).final_norm is None


def test_a_static_model_is_its_embedding(tiny_model: TinyModel) -> None:
    model = tiny_model("llama")
    static = StaticEmbedding(model.get_input_embeddings(), model.config)
    parts = anatomy(static)
    assert parts.blocks == ()
    assert parts.block_names == ()
    assert parts.head is None
    assert parts.final_norm is None
    expected = model(input_ids=IDS, output_hidden_states=True).hidden_states[0]
    assert torch.equal(static(input_ids=IDS, use_cache=False), expected)


class Config:
    def __init__(self, layers: int | None) -> None:
        self.num_hidden_layers = layers


class Unknown(nn.Module):
    """A decoder that nobody has heard of."""

    def __init__(self, stacks: dict[str, int], layers: int | None) -> None:
        super().__init__()
        self.config = Config(layers)
        self.words = nn.Embedding(7, 4)
        self.body = nn.Module()
        for name, count in stacks.items():
            setattr(self.body, name, nn.ModuleList(nn.Linear(4, 4) for _ in range(count)))
        self.body.final_norm = nn.LayerNorm(4)

    def get_input_embeddings(self) -> nn.Module:
        return self.words


def test_an_unknown_architecture_is_searched() -> None:
    model = Unknown({"experts": 2, "steps": 5}, 5)
    parts = anatomy(model)
    assert parts.block_names == tuple(f"body.steps.{i}" for i in range(5))
    assert parts.final_norm is model.body.final_norm
    assert parts.embedding is model.words
    assert parts.head is None


def test_lists_inside_blocks_are_not_blocks() -> None:
    model = Unknown({"steps": 3}, 3)
    for step in model.body.steps:
        step.experts = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
    assert anatomy(model).block_names == tuple(f"body.steps.{i}" for i in range(3))


@pytest.mark.parametrize(
    ("stacks", "layers"), [({"steps": 5}, 4), ({"a": 4, "b": 4}, 4), ({}, 4), ({"a": 4}, None)]
)
def test_what_cannot_be_found_says_what_was_looked_for(
    stacks: dict[str, int], layers: int | None
) -> None:
    with pytest.raises(ModelError, match="cannot find the blocks of Unknown") as caught:
        anatomy(Unknown(stacks, layers))
    message = str(caught.value)
    assert "model.layers" in message
    assert f"num_hidden_layers = {layers}" in message
    assert all(f"body.{name} ({count})" in message for name, count in stacks.items())


def test_no_embedding() -> None:
    model = Unknown({"steps": 5}, 5)
    model.get_input_embeddings = lambda: None  # type: ignore[method-assign,assignment,return-value]
    with pytest.raises(ModelError, match="no input embedding"):
        anatomy(model)
