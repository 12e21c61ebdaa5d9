"""Wanda, against its definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from brainpress_plugins.compressors.wanda import Wanda
from torch import nn

from harness.compress.layers.linear import block_layers
from harness.errors import CompressionError

TinyModel = Callable[..., nn.Module]


def first_inputs(model: nn.Module, tokens: torch.Tensor) -> dict[str, np.ndarray]:
    """What each layer of the first block sees, (token, in), float64."""
    seen: dict[str, np.ndarray] = {}
    handles = []
    for layer in block_layers(model)[0]:

        def see(_: nn.Module, arguments: Any, name: str = layer.name) -> None:
            seen[name] = arguments[0].reshape(-1, arguments[0].shape[-1]).double().numpy()

        handles.append(layer.module.register_forward_pre_hook(see))
    model(input_ids=tokens, use_cache=False)
    for handle in handles:
        handle.remove()
    return seen


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_the_lowest_scores_of_every_row_go(
    architecture: str, tiny_model: TinyModel, random_calibration: Any, share: float
) -> None:
    model = tiny_model(architecture)
    inputs = first_inputs(model, random_calibration.tokens)
    before = {layer.name: layer.weight().numpy() for layer in block_layers(model)[0]}
    Wanda(share).compress(model, random_calibration)
    for layer in block_layers(model)[0]:
        old, new = before[layer.name], layer.weight().numpy()
        score = np.abs(old) * np.sqrt((inputs[layer.name] ** 2).sum(0))
        count = int(share * old.shape[1])
        for row in range(len(old)):
            expected = np.sort(np.argsort(score[row])[:count])
            np.testing.assert_array_equal(np.flatnonzero(new[row] == 0), expected)
        np.testing.assert_array_equal(new[new != 0], old[new != 0])


def test_two_of_four(architecture: str, tiny_model: TinyModel, random_calibration: Any) -> None:
    model = tiny_model(architecture)
    inputs = first_inputs(model, random_calibration.tokens)
    before = {layer.name: layer.weight().numpy() for layer in block_layers(model)[0]}
    report = Wanda("2:4").compress(model, random_calibration)
    for layer in block_layers(model)[0]:
        old, new = before[layer.name], layer.weight().numpy()
        score = (np.abs(old) * np.sqrt((inputs[layer.name] ** 2).sum(0))).reshape(len(old), -1, 4)
        kept = new.reshape(score.shape) != 0
        assert (kept.sum(-1) == 2).all()
        lowest_kept = np.where(kept, score, np.inf).min(-1)
        highest_pruned = np.where(kept, -np.inf, score).max(-1)
        assert (lowest_kept >= highest_pruned).all()
    assert report.bits_per_weight == (3 + 32) / 4


def test_even_inputs_make_it_magnitude_pruning_by_row() -> None:
    from brainpress_plugins.compressors.wanda import _prune

    from harness.compress.methods.sparsity import Unstructured

    weight = torch.randn(6, 40, generator=torch.Generator().manual_seed(0))
    found = _prune(weight, torch.full((40,), 3.0), Unstructured(0.5))
    for row, new in zip(weight, found.weight, strict=True):
        assert row[new == 0].abs().max() < row[new != 0].abs().min()
        assert int((new == 0).sum()) == 20
    assert found.packed_bits == 240 + 120 * 16


@pytest.mark.parametrize(
    ("sparsity", "message"), [(1.0, "sparsity of 1.0"), ("3:7", "3:7 does not fit rows of 32")]
)
def test_refusals(
    tiny_model: TinyModel, random_calibration: Any, sparsity: float | str, message: str
) -> None:
    with pytest.raises(CompressionError, match=message):
        Wanda(sparsity).compress(tiny_model("llama"), random_calibration)
