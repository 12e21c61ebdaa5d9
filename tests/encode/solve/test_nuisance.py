"""Unique variance: what is the model's, what is the nuisance's, what is neither's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from harness.encode.design.features import delayed, zscore_by_run
from harness.encode.design.kernel import feature_spectrum, penalty_grid
from harness.encode.design.options import EncodingOptions
from harness.encode.design.result import NuisanceResult
from harness.encode.design.splits import contiguous_folds
from harness.encode.solve.layers import encode_layers
from harness.errors import DataError

N, Q, UNITS = 240, 2, 40
OPTIONS = EncodingOptions(
    delays=(0, 1), n_outer=3, n_inner=3, gap=3, penalties=6, nuisance_penalties=4
)
KINDS = ("model", "nuisance", "both", "neither")


def recording() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two layers that also hold the nuisance, and a target of each kind."""
    rng = np.random.default_rng(33)
    nuisance = rng.normal(size=(N, Q))
    own = rng.normal(size=(N, 3))
    mixed = np.hstack([nuisance, own]) @ rng.normal(size=(Q + 3, UNITS))
    layers = np.stack([rng.normal(size=(N, UNITS)), mixed + 0.1 * rng.normal(size=(N, UNITS))], 1)
    noise = rng.normal(size=(N, 4))
    model, other = own.sum(axis=1), nuisance.sum(axis=1)
    y = np.stack([model, other, model + other, 0 * model], axis=1) + noise
    return layers, 7 + y, nuisance, np.zeros(N)


@pytest.fixture(scope="module")
def found() -> NuisanceResult:
    layers, y, nuisance, runs = recording()
    result = encode_layers(layers, y, runs, options=OPTIONS, nuisance=nuisance)
    assert result.nuisance is not None
    return result.nuisance


def test_unique_variance_is_the_models_own(found: NuisanceResult) -> None:
    unique = dict(zip(KINDS, found.unique_r2, strict=True))
    assert unique["model"] > 0.5
    assert unique["both"] > 0.3
    assert abs(unique["nuisance"]) < 0.03
    assert abs(unique["neither"]) < 0.03
    np.testing.assert_allclose(found.unique_r2, found.joint_r2 - found.r2)


def test_the_split_gives_each_its_share(found: NuisanceResult) -> None:
    model, nuisance = found.split_r2
    assert model[0] > 0.5 > 0.1 > nuisance[0]
    assert nuisance[1] > 0.5
    # Held-out means are missed a little, and that is charged to neither.
    np.testing.assert_allclose(found.split_r2.sum(axis=0), found.joint_r2, atol=0.05)


def test_a_model_that_adds_nothing_is_left_out(found: NuisanceResult) -> None:
    layers, y, nuisance, runs = recording()
    noise = np.random.default_rng(1).normal(size=layers.shape)
    result = encode_layers(noise, y[:, 1:2], runs, options=OPTIONS, nuisance=nuisance).nuisance
    assert result is not None
    left_out = result.with_model == 0
    assert left_out.all() or abs(result.unique_r2[0]) < 0.02
    np.testing.assert_allclose(result.unique_r2[left_out], 0, atol=1e-12)
    assert (found.with_model[[0, 2]] == 1).all()


def test_it_is_the_best_of_explicit_fits() -> None:
    layers, y, nuisance, runs = recording()
    result = encode_layers(layers, y, runs, options=OPTIONS, nuisance=nuisance)
    extra = result.nuisance
    assert extra is not None
    n = delayed(zscore_by_run(nuisance, runs), runs, OPTIONS.delays)
    for f, fold in enumerate(contiguous_folds(runs, OPTIONS.n_outer, OPTIONS.gap)):
        inner = contiguous_folds(runs, OPTIONS.n_inner, OPTIONS.gap, rows=fold.train)
        grid_n = penalty_grid(
            feature_spectrum(n[fold.train], n[fold.test]).values, len(fold.train), 4
        )
        for v in (0, 3):
            layer = layers[:, result.chosen[f, v]]
            x = delayed(zscore_by_run(layer, runs), runs, OPTIONS.delays)
            grid = penalty_grid(
                feature_spectrum(x[fold.train], x[fold.test]).values, len(fold.train), 6
            )
            candidates = [n / np.sqrt(b) for b in grid_n]
            candidates += [
                np.hstack([x / np.sqrt(a), n / np.sqrt(b)]) for a in grid for b in grid_n
            ]
            scores = [
                np.mean(
                    [
                        r2_score(
                            y[part.test, v],
                            Ridge(1.0, solver="svd")
                            .fit(z[part.train], y[part.train, v])
                            .predict(z[part.test]),
                        )
                        for part in inner
                    ]
                )
                for z in candidates
            ]
            for best, got in ((0, extra.fold_r2), (None, extra.fold_joint_r2)):
                last = 4 if best == 0 else len(scores)
                z = candidates[int(np.argmax(scores[:last]))]
                ridge = Ridge(1.0, solver="svd").fit(z[fold.train], y[fold.train, v])
                expected = r2_score(y[fold.test, v], ridge.predict(z[fold.test]))
                assert got[f, v] == pytest.approx(expected, abs=1e-7)


def test_the_model_alone_scores_the_same_with_and_without_nuisance() -> None:
    layers, y, nuisance, runs = recording()
    without = encode_layers(layers, y, runs, options=OPTIONS)
    with_it = encode_layers(layers, y, runs, options=OPTIONS, nuisance=nuisance)
    assert without.nuisance is None
    np.testing.assert_array_equal(without.fold_r, with_it.fold_r)


def test_bad_targets_are_nan_here_too() -> None:
    layers, y, nuisance, runs = recording()
    clean = encode_layers(layers, y, runs, options=OPTIONS, nuisance=nuisance).nuisance
    y[:, 1] = 0.0
    got = encode_layers(layers, y, runs, options=OPTIONS, nuisance=nuisance).nuisance
    assert clean is not None
    assert got is not None
    for field in dataclasses.fields(NuisanceResult):
        values = getattr(got, field.name)
        assert np.isnan(values[..., 1]).all(), field.name
        np.testing.assert_allclose(
            values[..., [0, 2, 3]], getattr(clean, field.name)[..., [0, 2, 3]]
        )


def test_bad_regressors_are_refused_by_name() -> None:
    layers, y, nuisance, runs = recording()
    nuisance[5, 1] = np.nan
    with pytest.raises(DataError, match=r"nuisance: run 0\.0: column 1"):
        encode_layers(layers, y, runs, options=OPTIONS, nuisance=nuisance)
    with pytest.raises(DataError, match="nuisance: expected an array"):
        encode_layers(layers, y, runs, options=OPTIONS, nuisance=nuisance[:, 0])
    with pytest.raises(DataError, match="nuisance: 240 run labels for 200 rows"):
        encode_layers(layers, y, runs, options=OPTIONS, nuisance=nuisance[:200])
    with pytest.raises(DataError, match="nuisance: no feature varies"):
        encode_layers(layers, y, runs, options=OPTIONS, nuisance=np.ones((N, 1)))
