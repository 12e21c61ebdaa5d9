"""Statistics of inputs, against numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.compress.methods.moments import InputAccumulator, output_error
from harness.errors import CompressionError

CPU = torch.device("cpu")


def batches(width: int, count: int = 5) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3 + index, width, generator=generator) for index in range(count)]


@pytest.mark.parametrize("width", [1, 7, 128, 129, 600])
def test_statistics(width: int) -> None:
    accumulator = InputAccumulator(width, CPU)
    for batch in batches(width):
        accumulator.add(batch)
    found = accumulator.statistics("layer")
    rows = torch.cat([batch.reshape(-1, width) for batch in batches(width)]).double().numpy()
    np.testing.assert_allclose(found.moments, rows.T @ rows / len(rows), atol=1e-5)
    np.testing.assert_allclose(found.norms, np.sqrt((rows**2).mean(0)), rtol=1e-5)
    np.testing.assert_allclose(found.maxima, np.abs(rows).max(0), rtol=1e-6)
    np.testing.assert_allclose(found.magnitude, np.abs(rows).mean(0), rtol=1e-5)
    assert found.tokens == len(rows)
    assert torch.equal(found.moments, found.moments.T)


def test_batches_of_any_size_add_up_to_the_same() -> None:
    rows = torch.cat([batch.reshape(-1, 16) for batch in batches(16)])
    one, many = InputAccumulator(16, CPU), InputAccumulator(16, CPU)
    one.add(rows)
    for row in rows:
        many.add(row)
    torch.testing.assert_close(one.statistics("a").moments, many.statistics("a").moments)


def test_half_precision_inputs_are_summed_in_float32() -> None:
    accumulator = InputAccumulator(4, CPU)
    accumulator.add(torch.full((5000, 4), 3.0, dtype=torch.bfloat16))
    assert accumulator.statistics("layer").moments[0, 1].item() == pytest.approx(9.0)


def test_no_token() -> None:
    with pytest.raises(CompressionError, match="up_proj: no calibration token"):
        InputAccumulator(4, CPU).statistics("up_proj")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_inputs_that_are_not_finite(value: float) -> None:
    accumulator = InputAccumulator(4, CPU)
    accumulator.add(torch.tensor([[1.0, value, 2.0, 3.0]]))
    with pytest.raises(CompressionError, match="down_proj: the inputs"):
        accumulator.statistics("down_proj")


def test_output_error_is_that_of_the_outputs() -> None:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(200, 12, generator=generator)
    before, after = torch.randn(2, 5, 12, generator=generator)
    outputs = inputs @ before.T
    expected = (inputs @ after.T - outputs).norm() / outputs.norm()
    found = output_error(before, after, inputs.T @ inputs / 200)
    assert found == pytest.approx(float(expected), rel=1e-5)
    assert output_error(before, before, torch.eye(12)) == 0
    assert output_error(torch.zeros(2, 12), torch.ones(2, 12), torch.eye(12)) == 0
