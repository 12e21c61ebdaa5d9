"""Segments of eigenvalues: every filter to the tolerance, at less cost."""

from __future__ import annotations

import numpy as np
import pytest

from harness.encode.design.kernel import Spectrum, kernel_spectrum, penalty_grid
from harness.encode.design.splits import contiguous_folds
from harness.encode.solve.scan import plan_scan
from harness.encode.solve.segments import SPREAD, cheapest_segments

RNG = np.random.default_rng(0)


def spectrum(n_train: int, n_test: int, n_columns: int, decay: float) -> Spectrum:
    x = RNG.normal(size=(n_train + n_test, n_columns)) * np.arange(1.0, n_columns + 1) ** -decay
    return kernel_spectrum(x[:n_train] @ x[:n_train].T, x[n_train:] @ x[:n_train].T)


@pytest.mark.parametrize("tolerance", [1e-9, 1e-4])
@pytest.mark.parametrize("decay", [0.0, 0.5, 2.0])
@pytest.mark.parametrize(("n_test", "n_columns"), [(40, 600), (300, 600), (40, 30), (1, 250)])
def test_no_response_is_predicted_worse_than_the_tolerance(
    n_test: int, n_columns: int, decay: float, tolerance: float
) -> None:
    own = spectrum(250, n_test, n_columns, decay)
    penalties = penalty_grid(own.values, own.n_train, 20)
    segments = cheapest_segments(own, penalties, tolerance)
    assert [s.columns.start for s in segments[1:]] == [s.columns.stop for s in segments[:-1]]
    assert segments[0].columns.start == 0
    assert segments[-1].columns.stop == len(own.values)
    got = np.hstack([s.coefficients @ s.functions for s in segments])
    # Responses of spread 1 that lie on one eigenvector, the worst there are.
    error = np.abs(got - 1 / (own.values + penalties[:, None])) * np.sqrt(own.n_train)
    error *= np.sqrt(np.square(own.heldout).mean(axis=0))
    leading = own.values >= own.values.sum() / own.n_train
    assert (error[:, leading] <= tolerance * 1.01).all()
    assert (error <= SPREAD * tolerance * 1.01).all()


def test_short_held_out_rows_are_reached_directly_and_cost_less() -> None:
    own = spectrum(800, 60, 4000, 0.2)
    penalties = penalty_grid(own.values, own.n_train, 20)
    segments = cheapest_segments(own, penalties, 1e-4)
    assert segments[-1].direct
    functions = sum(s.functions.shape[0] * (800 if s.direct else 0) for s in segments)
    projected = sum(800 + 60 * len(s.functions) for s in segments if not s.direct)
    assert functions * 60 + projected < 800 * 800


def test_as_many_held_out_as_training_rows_go_by_eigenvectors() -> None:
    own = spectrum(200, 200, 30, 0.2)
    segments = cheapest_segments(own, penalty_grid(own.values, 200, 20), 1e-9)
    assert not any(segment.direct for segment in segments)


def test_features_that_never_vary_have_no_segments() -> None:
    nothing = Spectrum(np.zeros((9, 0)), np.zeros(0), np.zeros((4, 0)))
    assert cheapest_segments(nothing, np.array([1.0, 2.0]), 1e-4) == ()


def test_an_eigenvector_that_no_held_out_row_reaches() -> None:
    own = Spectrum(np.eye(9)[:, :3], np.array([3.0, 2.0, 1.0]), np.zeros((4, 3)))
    (segment, *_) = cheapest_segments(own, np.array([1.0, 2.0]), 1e-4)
    assert np.isfinite(segment.functions).all()
    assert np.isfinite(segment.coefficients).all()


def test_hat_matrices_change_predictions_by_rounding_only() -> None:
    own = spectrum(300, 20, 500, 0.5)
    folds = contiguous_folds(np.zeros(300), 4, 0)
    penalties = penalty_grid(own.values, 300, 20)
    y = RNG.normal(size=(300, 70)).astype(np.float32)
    few, many = (plan_scan(own, folds, penalties, n_voxels=n) for n in (0, 100_000))
    assert many.nbytes > few.nbytes
    a, b = few.fit(y), many.fit(y)
    np.testing.assert_array_equal(a.chosen, b.chosen)
    np.testing.assert_array_equal(a.inner, b.inner)
    np.testing.assert_allclose(a.predictions, b.predictions, atol=2e-6)
