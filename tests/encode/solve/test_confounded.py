"""Confounds of one participant, against a decomposition of the projected design itself."""

from __future__ import annotations

import numpy as np
import pytest

from harness.encode.design.band import make_band, make_columns
from harness.encode.design.confounds import Cleaning, confound_basis, drift_basis
from harness.encode.design.kernel import penalty_grid
from harness.encode.design.result import EncodingOptions
from harness.encode.design.targets import make_splits
from harness.encode.solve.confounded import low_rank, project_joint, project_plan
from harness.encode.solve.inner import InnerSolver
from harness.encode.solve.joint import plan_joint
from harness.encode.solve.ridge import plan_ridge

OPTIONS = EncodingOptions(n_outer=4, n_inner=3, gap=3, penalties=6, delays=(1, 2))


@pytest.mark.parametrize("solver", list(InnerSolver))
@pytest.mark.parametrize("n_units", [10, 150])
@pytest.mark.parametrize("lengths", [(160,), (90, 80)])
def test_the_shared_plan_serves_a_design_without_a_participants_confounds(lengths, n_units, solver):
    rng = np.random.default_rng([n_units, len(lengths)])
    runs = np.repeat(np.arange(len(lengths)), lengths)
    n = len(runs)
    x = rng.normal(size=(n, n_units))
    motion = np.cumsum(rng.normal(size=(n, 4)), axis=0) + x[:, :4]
    drift = drift_basis(runs, 2.0, 60.0)
    clean = Cleaning(drift, drift)
    own = confound_basis(runs, motion).beyond(drift)
    shared = make_band(x, runs, OPTIONS.delays, name="shared", confounds=clean)
    explicit = shared.through(own)
    nuisance = make_columns(rng.normal(size=(n, 3)), runs, (1, 2), name="n", confounds=clean)
    nuisance = nuisance.through(own).columns
    y = own.rows(drift.rows(rng.normal(size=(n, 5)) + x[:, :5] + motion[:, :1]))
    change = low_rank(shared, own)
    for split in make_splits(runs, OPTIONS):
        train, test = split.outer.train, split.outer.test
        spectrum = shared.spectrum(split.outer)
        grid = penalty_grid(spectrum.values, spectrum.n_train, 6)
        wanted = plan_ridge(explicit.spectrum(split.outer), split.inner, grid, solver=solver)
        plan = plan_ridge(spectrum, split.inner, grid, solver=solver)
        found = project_plan(plan, change, split.outer)
        a, b = found.fit(y[train]), wanted.fit(y[train])
        np.testing.assert_allclose(a.inner_scores, b.inner_scores, atol=1e-7)
        np.testing.assert_array_equal(a.chosen, b.chosen)
        np.testing.assert_allclose(a.predictions, b.predictions, atol=1e-7)
        pair = nuisance[train], nuisance[test], np.geomspace(1, 300, 4)
        c, d = project_joint(found, *pair), plan_joint(wanted, *pair)
        np.testing.assert_allclose(c.score(y[train]), d.score(y[train]), atol=1e-7)
        e, f = c.fit(y[train]), d.fit(y[train])
        np.testing.assert_array_equal(e.chosen, f.chosen)
        np.testing.assert_allclose(e.model, f.model, atol=1e-7)
        np.testing.assert_allclose(e.nuisance, f.nuisance, atol=1e-7)
