"""Products by another library than torch would take, against float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from harness.numeric.fast_products import FastProducts
from harness.numeric.float_products import add_gram, add_product, faster, linear_map


def factors(rows: int, width: int, out: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(rows)
    return (
        torch.randn(rows, width, generator=generator),
        torch.randn(out, width, generator=generator),
        torch.randn(out, generator=generator),
    )


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (64, 32, 1), (300, 96, 33), (70, 1, 4)])
@pytest.mark.parametrize("strided", [False, True])
def test_products_are_those_of_float64(shape: tuple[int, int, int], *, strided: bool) -> None:
    left, right, bias = factors(*shape)
    if strided:
        left, right = left.T.contiguous().T, right.T.contiguous().T
    expected = left.double() @ right.double().T
    with torch.no_grad():
        torch.testing.assert_close(linear_map(left, right).double(), expected, atol=2e-5, rtol=1e-5)
        found = linear_map(left[None], right, bias)[0].double()
        torch.testing.assert_close(found, expected + bias.double(), atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 5, 7), (64, 32, 1), (300, 96, 33)])
@pytest.mark.parametrize("strided", [False, True])
def test_sums_of_products_are_made_in_place(
    shape: tuple[int, int, int], dtype: torch.dtype, *, strided: bool
) -> None:
    left, right, _ = (factor.to(dtype) for factor in factors(*shape))
    left, right = left.T.contiguous(), right.T.contiguous()
    if strided:
        left, right = left.T.contiguous().T, right.T.contiguous().T
    # Rows of a larger matrix, as the sweep has them.
    whole = torch.ones(shape[0] + 2, shape[2], dtype=dtype)
    add_product(whole[1:-1], left, right, -0.5)
    expected = 1 - left.double().T @ right.double() / 2
    torch.testing.assert_close(whole[1:-1].double(), expected, atol=2e-5, rtol=1e-5)
    assert torch.equal(whole[[0, -1]], torch.ones(2, shape[2], dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (300, 129), (7, 600)])
@pytest.mark.parametrize("strided", [False, True])
def test_gram_matrices_are_summed_above_the_diagonal(
    shape: tuple[int, int], dtype: torch.dtype, *, strided: bool
) -> None:
    rows, *_ = (factor.to(dtype) for factor in factors(*shape, 1))
    if strided:
        rows = rows.T.contiguous().T
    total = torch.ones(shape[1], shape[1], dtype=dtype)
    add_gram(total, rows)
    expected = (rows.double().T @ rows.double() + 1).triu()
    torch.testing.assert_close(total.triu().double(), expected, atol=1e-4, rtol=1e-5)


def test_linear_layers_multiply_so_inside_only() -> None:
    left, *_ = factors(300, 96, 33)
    layer = nn.Linear(96, 33)
    with torch.no_grad():
        plain = layer(left)
        with FastProducts():
            fast = layer(left)
        expected = left.double() @ layer.weight.double().T + layer.bias.double()
        assert torch.equal(layer(left), plain)
        assert torch.equal(fast, linear_map(left, layer.weight, layer.bias))
    torch.testing.assert_close(fast.double(), expected, atol=2e-5, rtol=1e-5)


def test_gradients_and_other_precisions_are_left_to_torch() -> None:
    left, right, _ = factors(300, 96, 33)
    assert not faster(left, right)
    with torch.no_grad():
        assert not faster(left.double(), right.double())
        assert not faster(left.bfloat16(), right.bfloat16())
        assert not faster(left.to("meta"), right.to("meta"))
        assert linear_map(left.double(), right.double()).dtype == torch.float64
