"""What is taken out: slow cosines of a run, piece by piece, and confounds of a participant."""

from __future__ import annotations

import numpy as np

from harness.encode.design.confounds import (
    Drift,
    MeanProjection,
    Projection,
    confound_basis,
    drift_basis,
)
from harness.encode.score.responses import prepare

TR, CUTOFF = 2.0, 50.0
RUNS = np.repeat([0, 1], [90, 60])
PIECES = np.repeat([0, 1, 2, 3], [45, 45, 20, 40])
RNG = np.random.default_rng(12)
Y = np.cumsum(RNG.normal(size=(150, 3)), axis=0)


def cosines(length: int) -> np.ndarray:
    """Periods of CUTOFF and longer: half a cosine of the run lasts 2 n TR seconds."""
    time = (np.arange(length) + 0.5) / length
    number = int(2 * length * TR / CUTOFF)
    return np.cos(np.pi * time[:, None] * np.arange(1, number + 1))


def residual(y: np.ndarray, design: np.ndarray) -> np.ndarray:
    design = np.column_stack([np.ones(len(y)), design])
    return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]


def test_a_run_loses_its_mean_and_its_slow_cosines() -> None:
    basis = drift_basis(RUNS, TR, CUTOFF)
    found = basis.rows(Y)
    for run, length in ((0, 90), (1, 60)):
        rows = run == RUNS
        np.testing.assert_allclose(found[rows], residual(Y[rows], cosines(length)), atol=1e-9)
    assert basis.basis.shape[1] == (1 + 7) + (1 + 4)


def test_a_piece_loses_its_own_mean_and_features_lose_that_of_the_run() -> None:
    cleaning = Drift(TR, CUTOFF).cleaning(RUNS, PIECES)
    by_piece, by_run = cleaning.pieces.rows(Y), cleaning.runs.rows(Y)
    for piece in range(4):
        np.testing.assert_allclose(by_piece[piece == PIECES].mean(axis=0), 0, atol=1e-9)
    assert np.abs(by_run[PIECES == 0].mean(axis=0)).max() > 1e-3
    np.testing.assert_allclose(by_run, drift_basis(RUNS, TR, CUTOFF).rows(Y), atol=1e-12)
    only_means = Drift(TR, None).cleaning(RUNS, PIECES).pieces.rows(Y)
    for piece in range(4):
        own = Y[piece == PIECES]
        np.testing.assert_allclose(only_means[piece == PIECES], own - own.mean(axis=0), atol=1e-9)


def test_confounds_leave_by_run_whatever_their_scale() -> None:
    motion = RNG.normal(5.0, 1.0, size=(150, 3)) * [1e-3, 1.0, 1e4]
    motion[:, 2] = 3.0  # a column that does not vary
    found = confound_basis(RUNS, motion).rows(Y)
    for run in (0, 1):
        rows = run == RUNS
        np.testing.assert_allclose(found[rows], residual(Y[rows], motion[rows]), atol=1e-8)


def test_a_group_mean_loses_the_mean_of_what_its_members_lose() -> None:
    each = [confound_basis(RUNS, RNG.normal(size=(150, 2))) for _ in range(3)]
    expected = np.mean([one.rows(Y) for one in each], axis=0)
    np.testing.assert_allclose(MeanProjection(each).rows(Y), expected, atol=1e-12)
    kernel = Y @ Y.T
    both = MeanProjection(each).kernel(kernel)
    np.testing.assert_allclose(both, expected @ expected.T, atol=1e-8)


def test_the_kernel_of_a_projection_is_that_of_projected_columns() -> None:
    one: Projection = confound_basis(RUNS, RNG.normal(size=(150, 2)))
    np.testing.assert_allclose(one.kernel(Y @ Y.T), one.rows(Y) @ one.rows(Y).T, atol=1e-8)


def test_responses_are_prepared_with_seconds() -> None:
    data = prepare({"p": Y}, ("a", "b", "c"), RUNS, tr=TR, cutoff=CUTOFF)
    assert data.drift == Drift(2.0, 50.0)
    clean = data.cleaned(RUNS)
    left = drift_basis(RUNS, TR, CUTOFF).rows(data.values[0])
    for run in (0, 1):
        own = left[run == RUNS]
        expected = (own - own.mean(axis=0)) / own.std(axis=0)
        np.testing.assert_allclose(clean.values[0][run == RUNS], expected, atol=1e-9)
