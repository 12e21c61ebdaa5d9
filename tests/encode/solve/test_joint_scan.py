"""Joint fits beside a scan: the same as the plan that predicts every pair of penalties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from encode_oracles.joint import plan_joint
from encode_oracles.ridge import plan_ridge
from sklearn.linear_model import Ridge

from harness.encode.design.kernel import Spectrum, feature_spectrum, penalty_grid
from harness.encode.design.options import Metric, Precision
from harness.encode.design.splits import contiguous_folds
from harness.encode.solve.inner import InnerSolver
from harness.encode.solve.joint_scan import JointScan, plan_joint_scan
from harness.encode.solve.scan import plan_scan

N, HELD, Q, VOXELS = 90, 20, 5, 300
NUISANCE = np.geomspace(0.3, 300, 4)


def problem(p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(12)
    n = N + HELD
    nuisance = rng.normal(2, 1, size=(n, Q))
    x = rng.normal(3, 1, size=(n, p)) + nuisance @ rng.normal(size=(Q, p)) / 2
    y = 4 + x @ rng.normal(size=(p, VOXELS)) / np.sqrt(p) * np.linspace(0, 2, VOXELS)
    y += nuisance @ rng.normal(size=(Q, VOXELS)) + rng.normal(size=(n, VOXELS))
    return x, nuisance, y


def planned(
    x: np.ndarray,
    nuisance: np.ndarray,
    gap: int,
    precision: Precision = Precision.DOUBLE,
    **options: Any,
) -> tuple[JointScan, Spectrum, tuple]:
    spectrum = feature_spectrum(x[:N], x[N:])
    folds = contiguous_folds(np.zeros(N), 3, gap)
    grid = penalty_grid(spectrum.values, N, 6)
    scan = plan_scan(spectrum, folds, grid, precision=precision, keep=True, **options)
    joint = plan_joint_scan(scan, spectrum, folds, nuisance[:N], nuisance[N:], NUISANCE)
    return joint, spectrum, folds


@pytest.mark.parametrize("metric", [m for m in Metric if not m.compares])
@pytest.mark.parametrize(
    ("n_voxels", "solver"),
    [(VOXELS, InnerSolver.REFIT), (VOXELS, InnerSolver.LEAVE_OUT), (0, InnerSolver.REFIT)],
)
@pytest.mark.parametrize("p", [8, 200])
@pytest.mark.parametrize("gap", [0, 5])
def test_the_same_as_the_joint_plan(
    p: int, gap: int, n_voxels: int, solver: InnerSolver, metric: Metric
) -> None:
    x, nuisance, y = problem(p)
    options = {"n_voxels": n_voxels, "solver": solver, "metric": metric}
    joint, spectrum, folds = planned(x, nuisance, gap, **options)
    slow = plan_joint(
        plan_ridge(spectrum, folds, joint.scan.penalties, metric=metric, solver=InnerSolver.REFIT),
        nuisance[:N],
        nuisance[N:],
        NUISANCE,
    ).fit(y[:N])
    score, chosen = joint.choose(y[:N], joint.scan.fit(y[:N]).inner)
    np.testing.assert_allclose(score, slow.inner_score, atol=1e-7)
    np.testing.assert_array_equal(chosen, slow.chosen)
    assert len({*chosen[0]}) > 2
    assert len({*chosen[1]}) > 2
    model, explained = joint.predict(y[:N], chosen)
    np.testing.assert_allclose(model, slow.model, atol=1e-7)
    np.testing.assert_allclose(explained, slow.nuisance, atol=1e-7)


def test_predictions_are_those_of_one_ridge_fit_on_scaled_columns() -> None:
    x, nuisance, y = problem(200)
    joint, _, _ = planned(x, nuisance, 0)
    score, chosen = joint.choose(y[:N], joint.scan.fit(y[:N]).inner)
    model, explained = joint.predict(y[:N], chosen)
    for v in range(0, VOXELS, 60):
        alpha, penalty = joint.scan.penalties[chosen[0, v]], NUISANCE[chosen[1, v]]
        z = np.hstack([x / np.sqrt(alpha), nuisance / np.sqrt(penalty)])
        ridge = Ridge(1.0, solver="svd").fit(z[:N], y[:N, v])
        offset = y[:N, v].mean()
        np.testing.assert_allclose(
            model[:, v] + explained[:, v] + offset, ridge.predict(z[N:]), atol=1e-5
        )
    assert np.isfinite(score).all()


def test_single_precision_agrees() -> None:
    x, nuisance, y = problem(200)
    double, single = (planned(x, nuisance, 3, precision)[0] for precision in Precision)
    wanted, _ = double.choose(y[:N], double.scan.fit(y[:N]).inner)
    found, _ = single.choose(y[:N].astype(np.float32), single.scan.fit(y[:N]).inner)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_one_voxel_and_a_constant_regressor() -> None:
    x, nuisance, y = problem(200)
    padded = np.hstack([nuisance, np.full((N + HELD, 1), 3.0)])
    joint, _, _ = planned(x, nuisance, 0)
    more, _, _ = planned(x, padded, 0)
    inner = joint.scan.fit(y[:N]).inner
    score, chosen = joint.choose(y[:N], inner)
    found, pair = more.choose(y[:N, 7:8], inner[:, 7:8])
    assert found[0] == pytest.approx(score[7], abs=1e-10)
    np.testing.assert_array_equal(pair[:, 0], chosen[:, 7])
