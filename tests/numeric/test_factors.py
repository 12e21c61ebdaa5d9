"""The inverse Cholesky factor, by both ways there are, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.numeric.factors import _inverse_lower, inverse_cholesky


def positive(width: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(width)
    rows = torch.randn(2 * width, width, dtype=torch.float64, generator=generator)
    return rows.T @ rows / len(rows)


@pytest.mark.parametrize("width", [1, 5, 64, 129, 300])
def test_the_factor_is_numpy_s(width: int) -> None:
    matrix = positive(width)
    before = matrix.clone()
    expected = np.linalg.inv(np.linalg.cholesky(matrix))
    found = inverse_cholesky(matrix)
    assert found is not None
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert torch.equal(found, found.tril())
    assert torch.equal(matrix, before)
    # What other devices do.
    halved = _inverse_lower(torch.linalg.cholesky(matrix))
    np.testing.assert_allclose(halved, expected, rtol=1e-9, atol=1e-12)


def test_a_matrix_without_a_factor() -> None:
    matrix = positive(5)
    matrix[3, 3] = -1
    assert inverse_cholesky(matrix) is None
