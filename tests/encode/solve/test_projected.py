"""A participant's own design from the plan that all share: as if it were planned by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.encode.design.band import ColumnBand, KernelBand
from harness.encode.design.confounds import Confounds, Drift, confound_basis
from harness.encode.design.options import EncodingOptions, Metric, Solver
from harness.encode.design.targets import make_splits
from harness.encode.solve.inner import InnerSolver
from harness.encode.solve.layers import encode_layers
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


@pytest.mark.parametrize("metric", [m for m in Metric if not m.compares])
def test_the_design_without_confounds(solver: InnerSolver, metric: Metric) -> None:
    changed, own = planned(metric)
    _, _, _, y = problem()
    train = y[own.split.outer.train]
    found, wanted = changed.ridge.fit(train), own.ridge.fit(train)
    np.testing.assert_allclose(found.inner, wanted.inner, atol=1e-8)
    np.testing.assert_array_equal(found.chosen, wanted.chosen)
    assert len({*found.chosen}) > 1
    np.testing.assert_allclose(found.predictions, wanted.predictions, atol=1e-8)


@pytest.mark.parametrize("metric", [m for m in Metric if not m.compares])
def test_jointly_with_nuisance(solver: InnerSolver, metric: Metric) -> None:
    changed, own = planned(metric)
    _, _, nuisance, y = problem()
    band, train = ColumnBand("nuisance", nuisance), y[own.split.outer.train]
    alone = np.full(TARGETS, -9.0)
    found, wanted = (p.joint(band).fit(train, p.start(y), alone) for p in (changed, own))
    assert found.better.all()
    np.testing.assert_allclose(found.model, wanted.model, atol=1e-7)
    np.testing.assert_allclose(found.nuisance, wanted.nuisance, atol=1e-7)
    score = changed.joint(band).choose(train, changed.start(y))[0]
    np.testing.assert_allclose(score, own.joint(band).choose(train, own.start(y))[0], atol=1e-8)


def test_himalaya_takes_the_changed_band_itself() -> None:
    x, q, _, _ = problem()
    options = EncodingOptions(n_outer=2, n_inner=3, gap=3, penalties=6, solver=Solver.HIMALAYA)
    split = make_splits(np.zeros(N), options)[0]
    plan = make_plan(KernelBand("shared", x @ x.T), split, options, TARGETS)
    with pytest.raises(ScoreError, match="only our own plans"):
        plan.projected(q, np.eye(CONFOUNDS))


def test_participants_with_own_designs_are_fitted_together_as_himalaya_fits_each_alone() -> None:
    x, q, nuisance, _ = problem()
    rng = np.random.default_rng(4)
    runs = np.zeros(N)
    shared = Drift(1.0, None).cleaning(runs, runs)
    own = [confound_basis(runs, c).beyond(shared.pieces) for c in (q, rng.normal(size=(N, 3)))]
    confounds = Confounds(shared, tuple(own), np.arange(8) % 2)
    y = x @ rng.normal(size=(60, 8)) / 5 + nuisance @ rng.normal(size=(3, 8))
    y += rng.normal(size=y.shape)
    for k, projection in enumerate(own):
        y[:, k::2] = projection.rows(shared.pieces.rows(y[:, k::2]))
    y[0, 3] = np.nan
    features = np.stack([x, rng.normal(size=x.shape)], axis=1)
    options = EncodingOptions(
        delays=(0, 1), n_outer=2, n_inner=3, gap=3, penalties=5, nuisance_penalties=3
    )
    ours, theirs = (
        encode_layers(
            features,
            y,
            np.zeros(N),
            options=replace(options, solver=solver),
            nuisance=nuisance,
            target_groups=list("abcdefgh"),
            confounds=confounds,
        )
        for solver in Solver
    )
    for name in ("r", "r2", "r_best", "penalty", "chosen"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), atol=1e-8)
    assert ours.nuisance is not None
    assert theirs.nuisance is not None
    for name, values in vars(theirs.nuisance).items():
        np.testing.assert_allclose(getattr(ours.nuisance, name), values, atol=1e-8, err_msg=name)
