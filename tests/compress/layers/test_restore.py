"""Structure that weights alone do not tell."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from harness.compress.layers.restore import drop_blocks
from harness.lm.anatomy import anatomy

TinyModel = Callable[..., nn.Module]


@pytest.mark.parametrize("dropped", [[0], [1], [2], [0, 2]])
def test_blocks_are_taken_out_and_numbered_anew(
    architecture: str, tiny_model: TinyModel, dropped: list[int]
) -> None:
    model = tiny_model(architecture)
    blocks = anatomy(model).blocks
    drop_blocks(model, dropped)
    kept = [block for place, block in enumerate(blocks) if place not in dropped]
    assert list(anatomy(model).blocks) == kept
    numbers = [
        module.layer_idx
        for block in kept
        for module in block.modules()
        if isinstance(getattr(module, "layer_idx", None), int)
    ]
    assert sorted(set(numbers)) in ([], list(range(len(kept))))
    logits = model(input_ids=torch.arange(12)[None]).logits  # type: ignore[operator]
    assert bool(torch.isfinite(logits).all())


def test_what_the_config_says_block_by_block_goes_along(tiny_model: TinyModel) -> None:
    model = tiny_model("gemma3_text", num_hidden_layers=7)
    before = list(model.config.layer_types)  # type: ignore[union-attr, arg-type]
    drop_blocks(model, [5, 0])
    assert model.config.layer_types == [before[place] for place in (1, 2, 3, 4, 6)]  # type: ignore[union-attr]
    assert model.config.num_hidden_layers == 5  # type: ignore[union-attr]
    assert "full_attention" not in model.config.layer_types  # type: ignore[union-attr, operator]
    model(input_ids=torch.arange(30)[None])  # type: ignore[operator]
