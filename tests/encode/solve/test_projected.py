"""A participant's own design from the plan that all share: as if it were planned by itself."""

from __future__ import annotations

import numpy as np
import pytest

from harness.encode.design.band import ColumnBand, KernelBand
from harness.encode.design.options import EncodingOptions, Metric, Solver
from harness.encode.design.targets import make_splits
from harness.encode.solve.inner import InnerSolver
from harness.encode.solve.plan import Plan, make_plan
from harness.errors import ScoreError

N, TARGETS, CONFOUNDS = 130, 7, 4


def problem() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features, confounds (orthonormal), nuisance and responses; the last two without confounds."""
    rng = np.random.default_rng(31)
    x = rng.normal(size=(N, 60)) + np.cumsum(rng.normal(size=(N, 1)), axis=0) * 0.3
    q = np.linalg.qr(rng.normal(size=(N, CONFOUNDS)) + x[:, :CONFOUNDS])[0]
    nuisance = rng.normal(size=(N, 3))
    y = x @ rng.normal(size=(60, TARGETS)) / 6 + rng.normal(size=(N, TARGETS))
    y += nuisance @ rng.normal(size=(3, TARGETS))
    return x, q, nuisance - q @ (q.T @ nuisance), y - q @ (q.T @ y)


def planned(metric: Metric, **options: object) -> tuple[Plan, Plan]:
    """The same design from the shared plan, and planned by itself."""
    x, q, _, _ = problem()
    chosen = EncodingOptions(n_outer=2, n_inner=3, gap=3, penalties=6, metric=metric)
    split = make_splits(np.zeros(N), chosen)[0]
    kernel, left = x @ x.T, x - q @ (q.T @ x)
    own = make_plan(KernelBand("own", left @ left.T), split, chosen, TARGETS, keep=True)
    across = kernel @ q
    scale = np.linalg.norm(across) / np.linalg.norm(q)
    eye, zero = np.eye(CONFOUNDS), np.zeros((CONFOUNDS, CONFOUNDS))
    inverse = np.block([[zero, -eye / scale], [-eye / scale, -q.T @ across / scale**2]])

    def same_grid(*_: object) -> np.ndarray:
        return own.ridge.penalties

    shared = make_plan(
        KernelBand("shared", kernel), split, chosen, TARGETS, grid=same_grid, keep=True
    )
    return shared.projected(np.hstack([q, across / scale]), inverse), own


@pytest.fixture(params=list(InnerSolver))
def solver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> InnerSolver:
    monkeypatch.setattr("harness.encode.solve.scan.cheaper_solver", lambda *_: request.param)
    return request.param


@pytest.mark.parametrize("metric", list(Metric))
def test_the_design_without_confounds(solver: InnerSolver, metric: Metric) -> None:
    changed, own = planned(metric)
    _, _, _, y = problem()
    train = y[own.split.outer.train]
    found, wanted = changed.ridge.fit(train), own.ridge.fit(train)
    np.testing.assert_allclose(found.inner, wanted.inner, atol=1e-8)
    np.testing.assert_array_equal(found.chosen, wanted.chosen)
    assert len({*found.chosen}) > 1
    np.testing.assert_allclose(found.predictions, wanted.predictions, atol=1e-8)


@pytest.mark.parametrize("metric", list(Metric))
def test_jointly_with_nuisance(solver: InnerSolver, metric: Metric) -> None:
    changed, own = planned(metric)
    _, _, nuisance, y = problem()
    band, train = ColumnBand("nuisance", nuisance), y[own.split.outer.train]
    alone = np.full(TARGETS, -9.0)
    found, wanted = (p.joint(band).fit(train, p.inner(y), alone) for p in (changed, own))
    assert found.better.all()
    np.testing.assert_allclose(found.model, wanted.model, atol=1e-7)
    np.testing.assert_allclose(found.nuisance, wanted.nuisance, atol=1e-7)
    score = changed.joint(band).choose(train, changed.inner(y))[0]
    np.testing.assert_allclose(score, own.joint(band).choose(train, own.inner(y))[0], atol=1e-8)


def test_himalaya_takes_the_changed_band_itself() -> None:
    x, q, _, _ = problem()
    options = EncodingOptions(n_outer=2, n_inner=3, gap=3, penalties=6, solver=Solver.HIMALAYA)
    split = make_splits(np.zeros(N), options)[0]
    plan = make_plan(KernelBand("shared", x @ x.T), split, options, TARGETS)
    with pytest.raises(ScoreError, match="only our own plans"):
        plan.projected(q, np.eye(CONFOUNDS))
