"""Confounds on both sides, against a scikit-learn loop of its own: data with drift and motion."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler

from harness.encode.design.result import EncodingOptions
from harness.encode.design.sources import array_responses
from harness.encode.design.splits import contiguous_folds
from harness.encode.design.targets import make_splits
from harness.encode.score.naturalistic import Naturalistic, Resolution, score_stories
from harness.encode.score.protocol import prepare, score_responses

TR, CUTOFF = 2.0, 100.0
OPTIONS = EncodingOptions(delays=(1, 2), n_outer=4, n_inner=2, gap=3, penalties=5)
LENGTHS = (150, 130)
RUNS = np.repeat([0, 1], LENGTHS)
PEOPLE, ROIS = 3, ("a", "b")
PIECES = np.zeros(len(RUNS), int)
for number, held_out in enumerate(contiguous_folds(RUNS, OPTIONS.n_outer, OPTIONS.gap)):
    PIECES[held_out.test] = 2 * number + RUNS[held_out.test]


def data(seed: int = 0):
    """Slow features, and responses with drift and with motion that follows a feature."""
    rng = np.random.default_rng(seed)
    n = len(RUNS)
    x = np.stack([np.cumsum(rng.normal(size=(n, 4)), axis=0) * 0.3 for _ in range(2)], axis=1)
    x += rng.normal(size=x.shape)
    rate = x[:, 1, :1] + rng.normal(size=(n, 1))
    values, motion = {}, {}
    drift = np.linspace(-4, 4, n)[:, None] + 3 * np.sin(np.arange(n) / 40)[:, None]
    for person in range(PEOPLE):
        moved = np.cumsum(rng.normal(size=(n, 3)), axis=0) + 2 * x[:, 1, :1]
        driven = np.roll(x[:, 1], 1, axis=0) @ rng.normal(1, 0.2, size=(4, 2))
        values[f"p{person}"] = driven + drift + moved[:, :1] + 2 * rng.normal(size=(n, 2))
        motion[f"p{person}"] = moved
    return x, rate, values, motion


def cleaned(columns, motion, parts):
    """Residuals of a regression on the run's cosines and motion, in each part on its own."""
    out = np.empty(columns.shape)
    for part in np.unique(parts):
        rows = np.flatnonzero(parts == part)
        run = np.flatnonzero(RUNS[rows[0]] == RUNS)
        n = len(run)
        time = (np.searchsorted(run, rows) + 0.5) / n
        slow = np.cos(np.pi * time[:, None] * np.arange(1, int(2 * n * TR / CUTOFF) + 1))
        slow -= slow.mean(axis=0)

        def residual(y, slow=slow):
            """A few directions span a stretch of many slow cosines: a cut-off for the others."""
            y = y - y.mean(axis=0)
            return y - slow @ np.linalg.lstsq(slow, y, rcond=0.1)[0]

        left = residual(columns[rows])
        if motion is not None:
            own = residual(motion[rows])
            left -= LinearRegression(fit_intercept=False).fit(own, left).predict(own)
        out[rows] = left
    return out


def scaled(columns):
    return np.concatenate([StandardScaler().fit_transform(columns[r == RUNS]) for r in (0, 1)])


def delayed(columns):
    """Copies one and two rows later, nothing from one run in another."""
    out = []
    for delay in OPTIONS.delays:
        shifted = np.zeros(columns.shape)
        for run in (0, 1):
            part = columns[run == RUNS]
            shifted[run == RUNS] = np.concatenate([np.zeros((delay, part.shape[1])), part[:-delay]])
        out.append(shifted)
    return np.hstack(out)


def design(columns, motion):
    """FWL: what the responses lose, the delayed design loses."""
    return cleaned(delayed(scaled(cleaned(scaled(columns), None, RUNS))), motion, PIECES)


def grid(shared, train, count):
    values = np.linalg.svd(shared[train] - shared[train].mean(axis=0), compute_uv=False) ** 2
    ends = 1e-3 * values.sum() / len(train), 10 * values.max()
    return np.geomspace(*ends, count)


def choose(make, inner, y, penalties):
    return np.mean(
        [
            [
                r2_score(y[b], Ridge(p, solver="svd").fit(make[a], y[a]).predict(make[b]))
                for p in penalties
            ]
            for a, b in inner
        ],
        axis=0,
    )


def loop(x, rate, values, motion):
    """Held-out r of the model, of nuisance alone, and R2 of both, by (participant, roi)."""
    people = list(values)
    y = {p: scaled(cleaned(values[p], motion[p], PIECES)) for p in people}
    r, nuisance_r, unique = (np.zeros((PEOPLE, 2, OPTIONS.n_outer)) for _ in range(3))
    for f, split in enumerate(make_splits(RUNS, OPTIONS, cleaned=True)):
        train, test = split.outer.train, split.outer.test
        within = [(train[part.train], train[part.test]) for part in split.inner]
        inner = np.zeros((2, PEOPLE, 2, OPTIONS.penalties))
        grids = []
        for layer in range(2):
            grids.append(grid(design(x[:, layer], None), train, OPTIONS.penalties))
            for i, p in enumerate(people):
                z = design(x[:, layer], motion[p])
                for k in range(2):
                    inner[layer, i, k] = choose(z, within, y[p][:, k], grids[layer])
        layers = inner.max(axis=3).mean(axis=1).argmax(axis=0)
        for i, p in enumerate(people):
            for k, layer in enumerate(layers):
                z, own = design(x[:, layer], motion[p]), y[p][:, k]
                penalty = grids[layer][inner[layer, i, k].argmax()]
                fit = Ridge(penalty, solver="svd").fit(z[train], own[train])
                r[i, k, f] = np.corrcoef(fit.predict(z[test]), own[test])[0, 1]
                w = design(rate, motion[p])
                few = grid(w, train, OPTIONS.nuisance_penalties)
                alone = choose(w, within, own, few)
                fit = Ridge(few[alone.argmax()], solver="svd").fit(w[train], own[train])
                nuisance_r[i, k, f] = np.corrcoef(fit.predict(w[test]), own[test])[0, 1]
                r2 = r2_score(own[test], fit.predict(w[test]))
                best, both = alone.max(), r2
                for a in grids[layer]:
                    for b in few:
                        joint = np.hstack([z / np.sqrt(a), w / np.sqrt(b)])
                        (score,) = choose(joint, within, own, [1.0])
                        if score > best:
                            fit = Ridge(1.0, solver="svd").fit(joint[train], own[train])
                            best, both = score, r2_score(own[test], fit.predict(joint[test]))
                unique[i, k, f] = both - r2
    return r.mean(axis=2), nuisance_r.mean(axis=2), unique.mean(axis=2)


def recorded(x):
    return xr.DataArray(x, dims=("sample", "layer", "unit"), coords={"layer": [0, 1]})


def test_model_nuisance_and_unique_part_are_those_of_a_loop_of_its_own():
    x, rate, values, motion = data()
    responses = prepare(
        values,
        ROIS,
        RUNS,
        tr=TR,
        cutoff=CUTOFF,
        confounds=motion,
        nuisance={"rate": rate[:, 0]},
    )
    score = score_responses(recorded(x), responses, OPTIONS)
    r, nuisance_r, unique = loop(x, rate, values, motion)
    np.testing.assert_allclose(score["r_best"], r, atol=1e-6)
    np.testing.assert_allclose(score["nuisance_r"], nuisance_r, atol=1e-6)
    np.testing.assert_allclose(score["unique_r2"], unique, atol=1e-6)


@pytest.mark.parametrize("with_motion", [False, True])
def test_voxels_lose_what_regions_lose(with_motion):
    x, rate, values, motion = data()
    source = array_responses(values, RUNS)
    masks = {p: {"a": np.array([True, False]), "b": np.array([False, True])} for p in values}
    stories = Naturalistic(
        source,
        TR,
        {"rate": rate[:, 0]},
        masks,
        cutoff=CUTOFF,
        confounds=motion if with_motion else {},
    )
    # One layer: voxels choose for themselves, regions for all participants.
    one = recorded(x)[:, 1:]
    regions = score_stories(one, stories, OPTIONS)
    voxels = score_stories(one, stories, OPTIONS, resolution=Resolution.VOXEL)
    # Regions share the grid of the design without drift; a voxel's participant has a grid apart.
    tolerance = 0.01 if with_motion else 1e-4
    np.testing.assert_allclose(voxels["voxel_r"], regions["r_best"].values.ravel(), atol=tolerance)
    np.testing.assert_allclose(
        voxels["voxel_unique_r2"], regions["unique_r2"].values.ravel(), atol=tolerance
    )


def test_noise_in_many_units_predicts_nothing_from_what_cleaning_left():
    """Projected out of whole runs that folds cut, confounds let noise score: r = .26 on Alice."""
    scores = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(len(RUNS), 1, 300))
        values = {f"p{i}": np.cumsum(rng.normal(size=(len(RUNS), 2)), axis=0) for i in range(3)}
        motion = {p: np.cumsum(rng.normal(size=(len(RUNS), 6)), axis=0) for p in values}
        responses = prepare(values, ROIS, RUNS, tr=TR, cutoff=CUTOFF, confounds=motion)
        one = recorded(np.repeat(noise, 2, axis=1))
        score = score_responses(one, responses, OPTIONS)
        scores.append([float(score["value"]), float(score["group_r_best"].mean())])
    assert np.abs(np.mean(scores, axis=0)).max() < 0.04
