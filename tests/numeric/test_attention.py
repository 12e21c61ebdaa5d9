"""Causal attention by another library than torch would take, against float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from harness.numeric import attention as module
from harness.numeric.attention import attention, causal_attention
from harness.numeric.fast_products import FastProducts


def factors(heads: int, shared: int, tokens: int, width: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(tokens)

    def factor(heads: int, width: int) -> Tensor:
        # As models have them: (batch, token, head, unit), transposed.
        return torch.randn(2, tokens, heads, width, generator=generator).transpose(1, 2)

    return factor(heads, width), factor(heads // shared, width), factor(heads // shared, width + 2)


def definition(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Attend token by token, in float64."""
    out = torch.zeros(*query.shape[:3], value.shape[-1], dtype=torch.float64)
    shared = query.shape[1] // key.shape[1]
    for text in range(query.shape[0]):
        for head in range(query.shape[1]):
            for token in range(query.shape[2]):
                keys = key[text, head // shared, : token + 1].double()
                weights = torch.softmax(scale * keys @ query[text, head, token].double(), 0)
                out[text, head, token] = weights @ value[text, head // shared, : token + 1].double()
    return out


@pytest.mark.parametrize("tokens", [1, 5, 64, 65, 150])
@pytest.mark.parametrize(("heads", "shared"), [(2, 1), (6, 3)])
@pytest.mark.parametrize("scale", [None, 0.5])
def test_attention_is_the_definition(
    tokens: int, heads: int, shared: int, scale: float | None
) -> None:
    query, key, value = factors(heads, shared, tokens)
    expected = definition(query, key, value, scale or 1 / math.sqrt(8))
    found = causal_attention(query, key, value, scale)
    torch.testing.assert_close(found.double(), expected, atol=2e-6, rtol=1e-5)
    with torch.no_grad():
        named = attention(query, key, value, is_causal=True, scale=scale, enable_gqa=True)
    torch.testing.assert_close(named.double(), expected, atol=2e-6, rtol=1e-5)


def test_what_is_not_causal_attention_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Tensor:
        raise AssertionError("this is not causal")

    monkeypatch.setattr(module, "causal_attention", refuse)
    query, key, value = factors(2, 1, 40)
    mask = torch.ones(40, 40, dtype=torch.bool).tril(3)
    theirs = functional.scaled_dot_product_attention
    with torch.no_grad():
        for options in ({}, {"attn_mask": mask}, {"scale": 0.5}):
            with FastProducts():
                found = functional.scaled_dot_product_attention(query, key, value, **options)
            assert torch.equal(found, theirs(query, key, value, **options))
        halves = [factor.bfloat16() for factor in (query, key, value)]
        assert torch.equal(attention(*halves, is_causal=True), theirs(*halves, is_causal=True))
        fewer = query[:, :, :7]
        assert torch.equal(
            attention(fewer, key, value, is_causal=True),
            theirs(fewer, key, value, is_causal=True),
        )
    # Gradients, too.
    assert torch.equal(
        attention(query, key, value, is_causal=True), theirs(query, key, value, is_causal=True)
    )


@pytest.mark.skipif(
    not torch.backends.cpu.get_cpu_capability().startswith("AVX512"), reason="needs AVX-512"
)
def test_models_attend_so_inside_only() -> None:
    query, key, value = factors(6, 3, 70)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            with FastProducts():
                found = functional.scaled_dot_product_attention(
                    query, key, value, is_causal=True, enable_gqa=True
                )
            expected = causal_attention(query, key, value, None)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found, expected)
