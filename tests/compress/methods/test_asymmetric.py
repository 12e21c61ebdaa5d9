"""GPTAQ's sweep, against the authors' loop, block by block and column by column in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.compress.methods.grid import Grid, fit_scales
from harness.compress.methods.moments import InputAccumulator
from harness.compress.methods.second_order import FixedRounding, inverse_factor, pull, sweep
from harness.numeric.arrays import Doubles


def problem(
    rows: int, width: int, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Doubles, Doubles]:
    """A weight, second moments and drift, and the inputs (token, in): now, and before."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((width, width)) * np.logspace(-1, 1, width) / np.sqrt(width)
    before = rng.standard_normal((3 * width, width)) @ mixing
    now = before @ (np.eye(width) + 0.1 * rng.standard_normal((width, width)) / np.sqrt(width))
    weight = torch.from_numpy(rng.standard_normal((rows, width)) * 0.05)
    moments = torch.from_numpy(now.T @ now / len(now))
    drift = torch.from_numpy((before - now).T @ now / len(now))
    return weight, moments, drift, now, before


def authors_loop(
    weight: Doubles,
    now: Doubles,
    before: Doubles,
    scales: list[tuple[Doubles, Doubles]],
    steps: int,
    share: float,
) -> Doubles:
    """Li et al. 2025, algorithm 1, as their code has it: blocks of 128 columns."""
    work, out = weight.copy(), np.zeros_like(weight)
    width = work.shape[1]
    hessian = 2 / len(now) * now.T @ now
    cross = 2 / len(now) * (before - now).T @ now
    hessian += 0.01 * np.diag(hessian).mean() * np.eye(width)
    upper = np.linalg.cholesky(np.linalg.inv(hessian)).T
    pulls = share * np.triu(cross @ upper.T, 1) @ upper
    for start in range(0, width, 128):
        stop = min(start + 128, width)
        block = work[:, start:stop].copy()
        errors = np.zeros_like(block)
        for i in range(stop - start):
            column = block[:, i].copy()
            scale, zero = scales[start + i]
            codes = np.clip(np.round(column / scale) + zero, 0, steps)
            out[:, start + i] = (codes - zero) * scale
            errors[:, i] = (column - out[:, start + i]) / upper[start + i, start + i]
            for k in range(i, stop - start):
                block[:, k] -= errors[:, i] * upper[start + i, start + k]
                block[:, k] += column * pulls[start + i, start + k]
        work[:, stop:] -= errors @ upper[start:stop, stop:] - block @ pulls[start:stop, stop:]
    return out


@pytest.mark.parametrize(("rows", "width"), [(24, 64), (16, 192), (5, 130), (8, 384)])
@pytest.mark.parametrize("bits", [2, 3, 4])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_it_is_the_authors_loop(rows: int, width: int, bits: int, share: float) -> None:
    weight, moments, drift, now, before = problem(rows, width)
    scales = fit_scales(weight, Grid(bits, "channel"))
    factor, _ = inverse_factor(moments)
    pulled = pull(drift, factor, share)
    assert torch.equal(pulled, pulled.triu(1))
    found = sweep(weight, factor, [FixedRounding(scales, (0,) * width)], pulled)
    columns = [(scales.scale[:, 0].numpy(), scales.zero[:, 0].numpy())] * width
    expected = authors_loop(weight.numpy(), now, before, columns, 2**bits - 1, share)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    plain = sweep(weight, factor, [FixedRounding(scales, (0,) * width)])
    assert not torch.equal(plain, found)


@pytest.mark.parametrize("bits", [2, 3])
def test_the_output_is_nearer_to_that_of_the_inputs_as_they_were(bits: int) -> None:
    errors = []
    for seed in range(20):
        weight, moments, drift, now, before = problem(40, 96, seed)
        rule = FixedRounding(fit_scales(weight, Grid(bits, "channel")), (0,) * 96)
        factor, _ = inverse_factor(moments)
        wanted = before @ weight.numpy().T
        errors.append(
            [
                np.linalg.norm(now @ sweep(weight, factor, [rule], pulled).numpy().T - wanted)
                for pulled in (None, pull(drift, factor, 0.25))
            ]
        )
    plain, asymmetric = np.transpose(errors)
    assert np.mean(asymmetric < plain) >= 0.75
    assert asymmetric.sum() < plain.sum()


def test_no_drift_is_gptq() -> None:
    weight, moments, drift, _, _ = problem(16, 192)
    rule = FixedRounding(fit_scales(weight, Grid(3, 64)), tuple(i // 64 for i in range(192)))
    factor, _ = inverse_factor(moments)
    plain = sweep(weight, factor, [rule])
    for nothing in (pull(torch.zeros_like(drift), factor, 0.25), pull(drift, factor, 0.0)):
        assert torch.equal(sweep(weight, factor, [rule], nothing), plain)


def test_the_size_of_the_inputs_does_not_matter() -> None:
    _, moments, drift, _, _ = problem(4, 64)
    first = pull(drift, inverse_factor(moments)[0], 0.25)
    second = pull(4096 * drift, inverse_factor(4096 * moments)[0], 0.25)
    np.testing.assert_allclose(first, second, rtol=1e-9, atol=1e-12)


def test_float32_is_as_good_as_float64() -> None:
    weight, moments, drift, _, _ = problem(64, 320)
    rule = FixedRounding(fit_scales(weight.float(), Grid(4, "channel")), (0,) * 320)
    factor, _ = inverse_factor(moments)
    pulled = pull(drift, factor, 0.25)
    exact = sweep(weight, factor, [rule], pulled)
    single = sweep(weight.float(), factor, [rule], pulled).double()
    assert float(((single - exact).abs() < 1e-5).double().mean()) > 0.99


def test_drift_is_added_up_batch_by_batch() -> None:
    _, moments, drift, now, before = problem(1, 64)
    seen = InputAccumulator(64, torch.device("cpu"))
    for start in range(0, len(now), 50):
        rows = slice(start, start + 50)
        seen.add(torch.from_numpy(now[rows]), torch.from_numpy(before[rows]))
    statistics = seen.statistics("it")
    assert statistics.drift is not None
    scale = float(moments.diagonal().mean())
    np.testing.assert_allclose(statistics.drift / scale, drift / scale, atol=1e-5)
    np.testing.assert_allclose(statistics.moments / scale, moments / scale, atol=1e-5)
