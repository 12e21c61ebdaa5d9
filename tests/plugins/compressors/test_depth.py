"""Dropping blocks, against the hidden states and a model built without them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from brainpress_plugins.compressors.depth import DropBlocks, look_at_blocks
from torch import nn

from harness.errors import CompressionError
from harness.lm.anatomy import anatomy

TinyModel = Callable[..., nn.Module]


def hidden_states(model: nn.Module, tokens: torch.Tensor) -> list[torch.Tensor]:
    """What goes into each block, and what comes out of the last."""
    states: list[torch.Tensor] = []
    handles = []
    for block in anatomy(model).blocks:

        def see(_: nn.Module, arguments: Any, keywords: Any, out: torch.Tensor) -> None:
            states.append(arguments[0])
            states.append(out)

        handles.append(block.register_forward_hook(see, with_kwargs=True))
    model(input_ids=tokens, use_cache=False)
    for handle in handles:
        handle.remove()
    return [*states[::2], states[-1]]


def test_influence_is_one_minus_the_mean_cosine(
    architecture: str, tiny_model: TinyModel, random_calibration: Any
) -> None:
    from harness.compress.layers.workspace import Workspace

    model = tiny_model(architecture)
    states = hidden_states(model, random_calibration.tokens)
    expected = [
        1 - float(nn.functional.cosine_similarity(a.double(), b.double(), dim=-1).mean())
        for a, b in pairwise(states)
    ]
    found = [look.influence for look in look_at_blocks(model, random_calibration, Workspace())]
    assert found == pytest.approx(expected, abs=1e-5)


def test_the_block_of_least_influence_goes(
    architecture: str, tiny_model: TinyModel, random_calibration: Any
) -> None:
    model = tiny_model(architecture)
    bypassed = copy.deepcopy(model)
    report = DropBlocks(0.3).compress(model, random_calibration)
    (dropped,) = report.restore["dropped_blocks"]
    influence = [
        {row.detail["influence"] for row in report.layers if f".{place}." in row.name}
        for place in range(3)
    ]
    assert all(len(values) == 1 for values in influence)
    assert min(range(3), key=lambda place: min(influence[place])) == dropped
    block = anatomy(bypassed).blocks[dropped]
    block.forward = lambda hidden, *_, **__: hidden
    tokens = random_calibration.tokens[:3]
    expected = bypassed(input_ids=tokens, use_cache=False).logits
    torch.testing.assert_close(model(input_ids=tokens, use_cache=False).logits, expected)
    # With a cache, whose entries are counted by block.
    torch.testing.assert_close(model(input_ids=tokens, use_cache=True).logits, expected)
    assert model.config.num_hidden_layers == 2


def test_generation_with_a_cache_goes_on(
    architecture: str, tiny_model: TinyModel, random_calibration: Any
) -> None:
    model = tiny_model(architecture)
    DropBlocks(0.5).compress(model, random_calibration)
    prompt = random_calibration.tokens[:1, :10]
    out = model.generate(prompt, max_new_tokens=4, do_sample=False, use_cache=True)  # type: ignore[operator]
    plain = model.generate(prompt, max_new_tokens=4, do_sample=False, use_cache=False)  # type: ignore[operator]
    assert torch.equal(out, plain)


def test_bytes_by_hand(tiny_model: TinyModel, random_calibration: Any) -> None:
    report = DropBlocks(0.3).compress(tiny_model("llama"), random_calibration)
    block = 32 * 32 * 2 + 16 * 32 * 2 + 3 * 32 * 64
    rest = 2 * 96 * 32 + 32
    assert report.parameters == 3 * (block + 64) + rest
    assert report.bytes_packed == 2 * (2 * (block + 64) + rest)
    assert report.sparsity == pytest.approx(1 / 3)
    assert report.bits_per_weight == pytest.approx(16 * 2 / 3)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9, 1.0])
def test_shares_that_drop_no_block_or_all(
    tiny_model: TinyModel, random_calibration: Any, share: float
) -> None:
    with pytest.raises(CompressionError, match=r"drops [03] of 3 blocks"):
        DropBlocks(share).compress(tiny_model("llama"), random_calibration)


def test_calibration_text_is_wanted(tiny_model: TinyModel) -> None:
    with pytest.raises(CompressionError, match="needs calibration text"):
        DropBlocks(0.3).compress(tiny_model("llama"))
