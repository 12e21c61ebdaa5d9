"""Half a product against a whole one."""

import numpy as np
import pytest

from harness.probe.gram import lower_gram


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lies", ["rows", "columns", "strided"])
def test_the_lower_half_is_that_of_the_product(lies, dtype):
    x = np.random.default_rng(0).standard_normal((7, 12)).astype(dtype)
    given = {"rows": x, "columns": np.asfortranarray(x), "strided": np.repeat(x, 2, axis=1)[:, ::2]}
    found = lower_gram(given[lies])
    assert found.dtype == dtype
    np.testing.assert_allclose(found, np.tril(x @ x.T), atol=1e-5 if dtype == np.float32 else 1e-13)
