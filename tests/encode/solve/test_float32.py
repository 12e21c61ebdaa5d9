"""Float32 in memory: rounding that small penalties must not amplify."""

from __future__ import annotations

import numpy as np
import pytest

from harness.encode.design.kernel import kernel_spectrum
from harness.encode.design.options import Precision
from harness.encode.design.splits import contiguous_folds
from harness.encode.solve.inner import InnerSolver
from harness.encode.solve.scan import plan_scan

N, HELD, UNITS, TARGETS = 146, 40, 300, 40


@pytest.mark.parametrize("solver", list(InnerSolver))
def test_the_mean_of_responses_is_not_left_over(solver: InnerSolver) -> None:
    """Where features span not all rows, a rest goes by whatever the penalty.

    With the mean of float32 responses in it, which is a hair off 0, inner R2 was off by 2e-3.
    """
    rng = np.random.default_rng(6)
    x = rng.normal(size=(N + HELD, UNITS))
    missing = np.linalg.qr(np.stack([np.ones(N), rng.normal(size=N)], axis=1))[0][:, 1:]
    x[:N] -= missing @ (missing.T @ x[:N])
    y = 100 + rng.normal(size=(N, TARGETS))
    spectrum = kernel_spectrum(x[:N] @ x[:N].T, x[N:] @ x[:N].T)
    assert not spectrum.complete
    folds = contiguous_folds(np.zeros(N), 3, 2)
    grid = np.geomspace(3e-4, 1, 5) * spectrum.values.mean()
    double, single = (
        plan_scan(spectrum, folds, grid, precision=p, n_voxels=TARGETS, solver=solver).inner(y)
        for p in Precision
    )
    np.testing.assert_allclose(single, double, atol=1e-4)
