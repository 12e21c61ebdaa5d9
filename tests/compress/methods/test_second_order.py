"""The second-order kernel, against the papers' loops, column by column in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.compress.methods.grid import Grid, fit_scales, round_to_grid
from harness.compress.methods.moments import output_error
from harness.compress.methods.second_order import (
    FixedRounding,
    Pruning,
    Rounding,
    Rule,
    inverse_factor,
    sweep,
)
from harness.compress.methods.sparsity import NOfM, Unstructured
from harness.errors import CompressionError

WIDTHS = [(24, 64), (40, 96), (17, 172), (8, 320)]


def problem(rows: int, width: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight and the second moments of correlated inputs of uneven size, float64."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((width, width)) * np.logspace(-1, 1, width) / np.sqrt(width)
    inputs = rng.standard_normal((3 * width, width)) @ mixing
    weight = rng.standard_normal((rows, width)) * 0.05
    return torch.from_numpy(weight), torch.from_numpy(inputs.T @ inputs / len(inputs))


def reference_factor(moments: torch.Tensor, damping: float = 0.01) -> np.ndarray:
    """Damp, invert, factor: the three steps of GPTQ's own code."""
    matrix = moments.numpy() + damping * float(moments.diagonal().mean()) * np.eye(len(moments))
    return np.linalg.cholesky(np.linalg.inv(matrix)).T


def fit(columns: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point of each row of a group."""
    steps = 2**grid.bits - 1
    low, high = np.minimum(columns.min(1), 0), np.maximum(columns.max(1), 0)
    if grid.symmetric:
        scale = 2 * np.maximum(-low, high) / steps
        zero = np.zeros_like(scale)
    else:
        scale = (high - low) / steps
    # By way of float32, as torch does: rounding twice is not always rounding once.
    scale = np.clip(scale, 2.0**-24, 65504).astype(np.float32).astype(np.float16).astype(np.float64)
    if not grid.symmetric:
        zero = np.clip(np.round(-low / scale), 0, steps)
    return scale, zero


def to_grid(column: np.ndarray, scale: np.ndarray, zero: np.ndarray, grid: Grid) -> np.ndarray:
    codes = np.clip(np.round(column / scale) + zero, grid.lowest, grid.highest)
    return (codes - zero) * scale


def gptq_loop(weight: torch.Tensor, factor: np.ndarray, grid: Grid, group: int) -> np.ndarray:
    """GPTQ, one column at a time, every later column updated at once."""
    work = weight.numpy().copy()
    out = np.zeros_like(work)
    for column in range(work.shape[1]):
        if column % group == 0:
            scale, zero = fit(work[:, column : column + group], grid)
        out[:, column] = to_grid(work[:, column], scale, zero, grid)
        error = (work[:, column] - out[:, column]) / factor[column, column]
        work[:, column:] -= np.outer(error, factor[column, column:])
    return out


def sparsegpt_loop(
    weight: torch.Tensor,
    factor: np.ndarray,
    *,
    share: float = 0.0,
    n_of_m: tuple[int, int] | None = None,
    block: int = 128,
    grid: Grid | None = None,
    group: int = 0,
) -> np.ndarray:
    """SparseGPT, one column at a time; with a grid, jointly with GPTQ."""
    work = weight.numpy().copy()
    out = np.zeros_like(work)
    spread = np.diag(factor)
    rows = len(work)
    for column in range(work.shape[1]):
        if n_of_m is None and column % block == 0:
            loss = (work[:, column : column + block] / spread[column : column + block]) ** 2
            mask = np.zeros(loss.size, bool)
            mask[np.argsort(loss, axis=None)[: round(share * loss.size)]] = True
            mask, start = mask.reshape(loss.shape), column
        elif n_of_m is not None and column % n_of_m[1] == 0:
            n, m = n_of_m
            loss = (work[:, column : column + m] / spread[column : column + m]) ** 2
            mask, start = np.zeros(loss.shape, bool), column
            np.put_along_axis(mask, np.argsort(loss, axis=1)[:, : m - n], True, axis=1)
        if grid is not None and column % group == 0:
            scale, zero = fit(work[:, column : column + group], grid)
        value = np.where(mask[:, column - start], 0, work[:, column])
        if grid is not None:
            value = to_grid(value, scale, zero, grid)
        out[:, column] = value
        error = (work[:, column] - value) / factor[column, column]
        work[:, column:] -= np.outer(error, factor[column, column:])
    assert out.shape[0] == rows
    return out


@pytest.mark.parametrize(("rows", "width"), WIDTHS)
def test_the_factor_is_that_of_the_inverse(rows: int, width: int) -> None:
    del rows
    _, moments = problem(1, width)
    factor, damping = inverse_factor(moments)
    assert damping == 0.01
    np.testing.assert_allclose(factor, reference_factor(moments), rtol=1e-8, atol=1e-10)
    assert torch.equal(factor, factor.triu())


@pytest.mark.parametrize(("rows", "width"), WIDTHS)
@pytest.mark.parametrize("grid", [Grid(2), Grid(4), Grid(3, symmetric=True), Grid(8)], ids=str)
@pytest.mark.parametrize("group", [32, 64, 0])
def test_gptq_is_the_loop(rows: int, width: int, grid: Grid, group: int) -> None:
    weight, moments = problem(rows, width)
    group = group or width
    factor, _ = inverse_factor(moments)
    expected = gptq_loop(weight, reference_factor(moments), grid, group)
    np.testing.assert_allclose(sweep(weight, factor, [Rounding(grid, group)]), expected, atol=1e-12)


@pytest.mark.parametrize(("rows", "width"), WIDTHS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_sparsegpt_is_the_loop(rows: int, width: int, share: float) -> None:
    weight, moments = problem(rows, width)
    factor, _ = inverse_factor(moments)
    expected = sparsegpt_loop(weight, reference_factor(moments), share=share)
    found = sweep(weight, factor, [Pruning.of(Unstructured(share))])
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.parametrize(("rows", "width"), WIDTHS)
@pytest.mark.parametrize(("n", "m"), [(2, 4), (1, 4), (3, 4), (1, 2)])
def test_sparsegpt_n_of_m_is_the_loop(rows: int, width: int, n: int, m: int) -> None:
    weight, moments = problem(rows, width)
    factor, _ = inverse_factor(moments)
    expected = sparsegpt_loop(weight, reference_factor(moments), n_of_m=(n, m))
    found = sweep(weight, factor, [Pruning.of(NOfM(n, m))])
    np.testing.assert_allclose(found, expected, atol=1e-10)
    assert bool(((found.reshape(rows, -1, m) != 0).sum(-1) == n).all())


@pytest.mark.parametrize(("rows", "width"), WIDTHS)
@pytest.mark.parametrize("group", [32, 64, 0])
@pytest.mark.parametrize("n_of_m", [None, (2, 4)])
def test_both_at_once_are_the_loop(
    rows: int, width: int, group: int, n_of_m: tuple[int, int] | None
) -> None:
    weight, moments = problem(rows, width)
    group = group or width
    grid = Grid(4)
    factor, _ = inverse_factor(moments)
    pruning = Pruning.of(NOfM(*n_of_m) if n_of_m else Unstructured(0.5), group)
    expected = sparsegpt_loop(
        weight,
        reference_factor(moments),
        share=0.5,
        n_of_m=n_of_m,
        block=pruning.period,
        grid=grid,
        group=group,
    )
    found = sweep(weight, factor, [pruning, Rounding(grid, group)])
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert float((found == 0).double().mean()) >= 0.49


@pytest.mark.parametrize("group", [32, 96])
@pytest.mark.parametrize("grid", [Grid(3), Grid(4, symmetric=True), Grid(8)], ids=str)
def test_identity_moments_are_round_to_nearest(grid: Grid, group: int) -> None:
    weight = problem(40, 96)[0].float()
    factor, _ = inverse_factor(torch.eye(96))
    expected = round_to_grid(weight, Grid(grid.bits, group, grid.symmetric))
    assert torch.equal(sweep(weight, factor, [Rounding(grid, group)]), expected)


def test_identity_moments_prune_by_magnitude() -> None:
    weight = problem(40, 96)[0].float()
    factor, _ = inverse_factor(torch.eye(96))
    found = sweep(weight, factor, [Pruning.of(Unstructured(0.5))])
    expected = weight.masked_fill(weight.abs() <= weight.abs().flatten().kthvalue(1920)[0], 0)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_gptq_stays_on_the_grid_of_round_to_nearest(bits: int) -> None:
    # Without groups the scale is that of the original row, so both share one grid.
    weight, moments = problem(40, 96)
    grid = Grid(bits, "channel")
    scales = fit_scales(weight, grid)
    factor, _ = inverse_factor(moments)
    found = sweep(weight, factor, [Rounding(grid, 96)])
    np.testing.assert_allclose(scales.round(found), found, atol=1e-15)
    assert output_error(weight, found, moments) < output_error(
        weight, scales.round(weight), moments
    )


def test_fixed_scales_are_those_they_were_given() -> None:
    weight, moments = problem(40, 96)
    grid = Grid(4, 32)
    scales = fit_scales(weight, grid)
    order = torch.argsort(moments.diagonal(), descending=True, stable=True)
    factor, _ = inverse_factor(moments[order][:, order])
    groups = tuple(int(column) // 32 for column in order)
    found = torch.empty_like(weight)
    found[:, order] = sweep(weight[:, order], factor, [FixedRounding(scales, groups)])
    np.testing.assert_allclose(scales.round(found), found, atol=1e-15)
    in_order = tuple(column // 32 for column in range(96))
    plain = sweep(weight, inverse_factor(moments)[0], [FixedRounding(scales, in_order)])
    assert output_error(weight, found, moments) < output_error(weight, plain, moments)


@pytest.mark.parametrize(
    "rules",
    [
        [Rounding(Grid(4), 32)],
        [Pruning.of(Unstructured(0.5))],
        [Pruning.of(NOfM(2, 4)), Rounding(Grid(3), 64)],
    ],
)
def test_float32_is_as_good_as_float64(rules: list[Rule]) -> None:
    weight, moments = problem(64, 320)
    factor, _ = inverse_factor(moments)
    exact = sweep(weight, factor, rules)
    single = sweep(weight.float(), factor, rules).double()
    assert float(((single - exact).abs() < 1e-5).double().mean()) > 0.99
    assert output_error(weight, single, moments) == pytest.approx(
        output_error(weight, exact, moments), rel=2e-3
    )


def test_rows_are_independent_when_rounding() -> None:
    weight, moments = problem(24, 96)
    factor, _ = inverse_factor(moments)
    rules = [Rounding(Grid(4), 32)]
    whole = sweep(weight, factor, rules)
    np.testing.assert_allclose(sweep(weight[5:9], factor, rules), whole[5:9], atol=1e-12)


def test_scaling_the_moments_changes_nothing() -> None:
    weight, moments = problem(24, 96)
    rules = [Rounding(Grid(4), 32)]
    first = sweep(weight, inverse_factor(moments)[0], rules)
    second = sweep(weight, inverse_factor(moments * 4096)[0], rules)
    np.testing.assert_allclose(first, second, atol=1e-12)


def test_an_input_that_is_never_used_is_rounded_by_itself() -> None:
    weight, moments = problem(24, 64)
    moments[:, 10] = moments[10] = 0
    found = sweep(weight, inverse_factor(moments)[0], [Rounding(Grid(4), 64)])
    expected = round_to_grid(weight, Grid(4, "channel"))
    np.testing.assert_allclose(found[:, 10], expected[:, 10], atol=1e-12)


def test_a_matrix_that_is_not_positive_definite_is_damped_further() -> None:
    _, moments = problem(1, 64)
    moments -= 0.05 * moments.diagonal().mean() * torch.eye(64)
    assert float(torch.linalg.eigvalsh(moments)[0]) < 0
    factor, damping = inverse_factor(moments)
    assert damping == pytest.approx(0.1)
    np.testing.assert_allclose(factor, reference_factor(moments, 0.1), rtol=1e-8, atol=1e-10)


def test_damping_has_a_limit() -> None:
    matrix = torch.ones(8, 8) * 10 - 9 * torch.eye(8)
    matrix[0, 1] = matrix[1, 0] = -10
    with pytest.raises(CompressionError, match="cannot be factored, damped by 1"):
        inverse_factor(matrix)


def test_silent_inputs_are_refused() -> None:
    with pytest.raises(CompressionError, match="all zero"):
        inverse_factor(torch.zeros(8, 8))


@pytest.mark.parametrize("damping", [0.0, -0.1, float("nan")])
def test_damping_is_positive(damping: float) -> None:
    with pytest.raises(CompressionError, match="damping"):
        inverse_factor(torch.eye(8), damping)


def test_one_row_and_one_column() -> None:
    factor, _ = inverse_factor(torch.eye(1))
    found = sweep(torch.tensor([[0.3]]), factor, [Rounding(Grid(4), 1)])
    assert found.item() == pytest.approx(0.3, rel=1e-3)


def test_windows_that_do_not_nest_are_refused() -> None:
    weight, moments = problem(8, 96)
    rules = [Pruning(Unstructured(0.5), 48), Rounding(Grid(4), 32)]
    with pytest.raises(ValueError, match="do not nest"):
        sweep(weight, inverse_factor(moments)[0], rules)


@pytest.mark.parametrize("group", [24, 32, 43, 64, 96, 128, 172, 256, 576])
def test_windows_of_a_mask_nest_in_groups(group: int) -> None:
    period = Pruning.of(Unstructured(0.5), group).period
    assert period % group == 0 or group % period == 0
    assert 64 < period <= max(128, group)
