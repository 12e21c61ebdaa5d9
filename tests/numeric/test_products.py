"""Products of tensors against torch's own, wherever they are made."""

import numpy as np
import pytest
import torch

from harness.numeric.products import product


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_product_is_the_product(dtype):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((7, 12)), rng.standard_normal((12, 5))
    made = product(torch.from_numpy(a).to(dtype), torch.from_numpy(b).to(dtype))
    assert made.dtype is dtype
    exact = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 0.1}[dtype]
    np.testing.assert_allclose(made.double().numpy(), a @ b, atol=exact)


def test_transposed_and_sliced_tensors_are_taken_as_they_are():
    rng = np.random.default_rng(1)
    a, b = (
        torch.from_numpy(rng.standard_normal((6, 9))),
        torch.from_numpy(rng.standard_normal((6, 4))),
    )
    np.testing.assert_allclose(product(a.T[2:], b).numpy(), (a.T[2:] @ b).numpy(), atol=1e-12)


def test_nothing_in_common_is_a_product_of_zeros():
    assert product(torch.ones(3, 0), torch.ones(0, 2)).tolist() == [[0, 0]] * 3
