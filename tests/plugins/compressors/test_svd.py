"""Low rank, against the whitened singular value decomposition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from brainpress_plugins.compressors.svd import LowRank, low_rank
from torch import nn

from harness.compress.layers.linear import block_layers
from harness.errors import CompressionError

TinyModel = Callable[..., nn.Module]


@pytest.mark.parametrize(("rows", "width"), [(20, 12), (12, 20)])
@pytest.mark.parametrize("rank", [1, 5, 12])
def test_agrees_with_the_whitened_decomposition(rows: int, width: int, rank: int) -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((rows, width))
    inputs = rng.standard_normal((100, width)) @ rng.standard_normal((width, width))
    moments = inputs.T @ inputs / 100
    root = np.linalg.cholesky(moments)
    left, values, right = np.linalg.svd(weight @ root, full_matrices=False)
    expected = (left[:, :rank] * values[:rank]) @ right[:rank] @ np.linalg.inv(root)
    found = low_rank(torch.from_numpy(weight).float(), torch.from_numpy(moments), rank)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.linalg.matrix_rank(found.numpy(), tol=1e-4) == rank
    change = inputs @ (found.numpy() - weight).T
    assert (change**2).sum() / 100 == pytest.approx((values[rank:] ** 2).sum(), abs=1e-6, rel=1e-3)


def test_moments_of_few_tokens_will_do() -> None:
    inputs = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(8, 16, generator=torch.Generator().manual_seed(1))
    found = low_rank(weight, inputs.T @ inputs, 3)
    torch.testing.assert_close(inputs @ found.T, inputs @ weight.T, atol=1e-4, rtol=1e-4)


def test_ranks_and_bits(architecture: str, tiny_model: TinyModel, random_calibration: Any) -> None:
    model = tiny_model(architecture)
    report = LowRank(0.6).compress(model, random_calibration)
    for row in report.layers:
        rank = int(0.6 * row.weights / sum(row.shape))
        assert row.detail["rank"] == rank
        assert row.packed_bits == rank * sum(row.shape) * 16
        weight = next(
            layer.weight()
            for block in block_layers(model)
            for layer in block
            if layer.name == row.name
        )
        assert np.linalg.matrix_rank(weight.numpy(), tol=1e-4) == rank
    assert report.bits_per_weight < 16 * 0.6


@pytest.mark.parametrize("keep", [0.0, 1.0, -1.0, float("nan")])
def test_shares_that_cannot_be(tiny_model: TinyModel, random_calibration: Any, keep: float) -> None:
    with pytest.raises(CompressionError, match="keeping a share"):
        LowRank(keep).compress(tiny_model("llama"), random_calibration)


def test_a_share_that_leaves_no_rank(tiny_model: TinyModel, random_calibration: Any) -> None:
    with pytest.raises(CompressionError, match=r"q_proj.*without rank"):
        LowRank(0.01).compress(tiny_model("llama"), random_calibration)


@pytest.mark.parametrize("shape", [(48, 12), (12, 48), (200, 31)])
@pytest.mark.parametrize("singular", [False, True])
def test_the_narrow_side_gives_what_the_metric_s_root_does(
    shape: tuple[int, int], *, singular: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(shape, generator=generator)
    rows = torch.randn(shape[1] // 2 if singular else 300, shape[1], generator=generator)
    moments = rows.T @ rows / len(rows)
    found = low_rank(weight, moments, 4).double()
    # W R = U S V' for any root R of M: the nearest output of rank 4 is U4 U4' W.
    values, vectors = torch.linalg.eigh(moments.double())
    root = vectors * values.clamp(min=0).sqrt()
    left = torch.linalg.svd(weight.double() @ root).U[:, :4]
    torch.testing.assert_close(found, left @ (left.T @ weight.double()), atol=1e-5, rtol=1e-5)
