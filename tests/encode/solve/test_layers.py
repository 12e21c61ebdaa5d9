"""The whole analysis: layers, folds, targets that cannot be scored."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from harness.encode.design.features import delayed, zscore_by_run
from harness.encode.design.kernel import feature_spectrum, penalty_grid
from harness.encode.design.options import EncodingOptions, Precision
from harness.encode.design.scores import pearson, r_squared
from harness.encode.design.splits import Fold, contiguous_folds
from harness.encode.design.targets import Split
from harness.encode.solve.layers import encode_layers
from harness.encode.solve.plan import plan_bytes
from harness.encode.solve.tally import Tally
from harness.errors import DataError
from harness.place import memory

N, LAYERS, UNITS, TARGETS = 150, 3, 60, 7
OPTIONS = EncodingOptions(delays=(1, 2), n_outer=4, n_inner=3, gap=4, penalties=10)


def recording(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three layers; responses follow the second at a lag of one."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(N, LAYERS, UNITS)).astype(np.float32)
    features[:, 2] += 0.5 * features[:, 1]
    signal = np.roll(features[:, 1, :4], 1, axis=0) @ rng.normal(size=(4, TARGETS))
    responses = 5 + 2 * signal + rng.normal(size=(N, TARGETS))
    return features, responses, np.repeat([0, 1], [70, 80])


def by_hand(
    features: np.ndarray, y: np.ndarray, runs: np.ndarray, options: EncodingOptions
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One scikit-learn fit for each fold, layer, inner fold, penalty and target."""
    folds = contiguous_folds(runs, options.n_outer, options.gap)
    shape = (len(folds), features.shape[1], y.shape[1])
    r, r2, inner_score = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for f, fold in enumerate(folds):
        for layer in range(features.shape[1]):
            x = delayed(zscore_by_run(features[:, layer].astype(float), runs), runs, options.delays)
            spectrum = feature_spectrum(x[fold.train], x[fold.test])
            grid = penalty_grid(spectrum.values, len(fold.train), options.penalties)
            inner = contiguous_folds(runs, options.n_inner, options.gap, rows=fold.train)
            scores = np.zeros((len(grid), y.shape[1]))
            for part in inner:
                for a, penalty in enumerate(grid):
                    model = Ridge(penalty, solver="svd").fit(x[part.train], y[part.train])
                    scores[a] += r_squared(y[part.test], model.predict(x[part.test])) / len(inner)
            inner_score[f, layer] = scores.max(axis=0)
            for v, best in enumerate(scores.argmax(axis=0)):
                model = Ridge(grid[best], solver="svd").fit(x[fold.train], y[fold.train, v])
                predicted = model.predict(x[fold.test])[:, None]
                r[f, layer, v] = pearson(y[fold.test, v : v + 1], predicted)[0]
                r2[f, layer, v] = r_squared(y[fold.test, v : v + 1], predicted)[0]
    return r, r2, inner_score


@pytest.mark.parametrize("units", [UNITS, 5])
def test_scores_are_those_of_one_fit_each(units: int) -> None:
    features, y, runs = recording()
    features = features[:, :, :units]
    result = encode_layers(features, y, runs, options=OPTIONS)
    r, r2, inner = by_hand(features, y, runs, OPTIONS)
    np.testing.assert_allclose(result.fold_r, r, atol=1e-6)
    np.testing.assert_allclose(result.fold_r2, r2, atol=1e-6)
    np.testing.assert_allclose(result.inner_score, inner, atol=1e-6)
    np.testing.assert_allclose(result.r, r.mean(axis=0), atol=1e-6)
    chosen = inner.argmax(axis=1)
    np.testing.assert_array_equal(result.chosen, chosen)
    best = np.take_along_axis(r, chosen[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(result.r_best, best.mean(axis=0), atol=1e-6)


def test_single_precision_agrees() -> None:
    features, y, runs = recording()
    double = encode_layers(features, y, runs, options=OPTIONS)
    single = encode_layers(
        features, y, runs, options=dataclasses.replace(OPTIONS, precision=Precision.SINGLE)
    )
    np.testing.assert_allclose(single.fold_r, double.fold_r, atol=1e-4)
    np.testing.assert_array_equal(single.chosen, double.chosen)


def test_the_layer_that_drives_responses_is_chosen() -> None:
    features, y, runs = recording()
    result = encode_layers(features, y, runs, options=OPTIONS)
    assert (result.chosen == 1).mean() > 0.9
    assert result.r_best.mean() > 0.6


def test_layers_are_chosen_without_a_look_at_held_out_rows() -> None:
    features, y, runs = recording()
    plain = encode_layers(features, y, runs, options=OPTIONS)
    for number, fold in enumerate(plain.folds):
        spoiled = y.copy()
        # Held-out rows now follow another layer, perfectly.
        spoiled[fold.test] = features[fold.test][:, 0, :TARGETS]
        other = encode_layers(features, spoiled, runs, options=OPTIONS)
        np.testing.assert_allclose(other.inner_score[number], plain.inner_score[number], atol=1e-9)
        np.testing.assert_array_equal(other.chosen[number], plain.chosen[number])
        np.testing.assert_allclose(other.penalty[number], plain.penalty[number])


def test_a_group_of_targets_chooses_one_layer_by_its_mean() -> None:
    features, y, runs = recording()
    groups = ["left", "right", "left", "left", "right", "right", "right"]
    result = encode_layers(features, y, runs, options=OPTIONS, target_groups=groups)
    for name in ("left", "right"):
        members = np.array(groups) == name
        expected = result.inner_score[:, :, members].mean(axis=2).argmax(axis=1)
        assert (result.chosen[:, members] == expected[:, None]).all()


def test_a_group_outvotes_its_weakest_member() -> None:
    inner = np.array([[0.5, 0.1], [0.1, 0.2], [0.5, 0.2]])
    for groups, expected in ([0, 1], [0, 1]), ([3, 3], [2, 2]):
        split = Split(Fold(np.arange(1, 9), np.arange(1)), ())
        tally = Tally.empty([split], len(inner), 2, groups=np.array(groups))
        for layer, scores in enumerate(inner):
            tally.add(
                0,
                layer,
                np.arange(2),
                inner=scores,
                penalty=np.zeros(2, int),
                r=scores,
                r2=scores,
                predictions=np.full((1, 2), float(layer)),
            )
        np.testing.assert_array_equal(tally.layer_best, [expected])
        np.testing.assert_array_equal(tally.predicted(np.arange(2)), [expected])


def test_bad_targets_are_named_and_harm_no_other() -> None:
    features, y, runs = recording()
    clean = encode_layers(features, y, runs, options=OPTIONS)
    y = y.copy()
    y[3, 0] = np.nan
    y[:, 2] = 7.0
    y[clean.folds[1].test, 5] = 0.0
    result = encode_layers(features, y, runs, options=OPTIONS)
    assert {item.target: item.reason for item in result.unusable} == {
        0: "1 values are not finite (first at row 3)",
        2: "constant in all rows",
        5: "constant in the held-out rows of fold 1",
    }
    bad, good = [0, 2, 5], [1, 3, 4, 6]
    for name in ("r", "r2", "fold_r", "inner_score", "r_best", "r2_best", "fold_r_best", "penalty"):
        assert np.isnan(getattr(result, name)[..., bad]).all(), name
        np.testing.assert_allclose(
            getattr(result, name)[..., good], getattr(clean, name)[..., good], atol=1e-12
        )
    assert (result.chosen[:, bad] == -1).all()
    assert result.warnings[0] == "3 of 7 targets cannot be scored"


def test_nothing_but_bad_targets_is_still_a_result() -> None:
    features, y, runs = recording()
    result = encode_layers(features, np.full_like(y, np.nan), runs, options=OPTIONS)
    assert np.isnan(result.r_best).all()
    assert len(result.unusable) == TARGETS


def test_plans_that_do_not_fit_in_memory_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    features, y, runs = recording()
    nuisance = np.random.default_rng(3).normal(size=(N, 2))
    kept = encode_layers(features, y, runs, options=OPTIONS, nuisance=nuisance).nuisance
    monkeypatch.setattr("harness.encode.solve.layers.KEPT", 0)
    again = encode_layers(features, y, runs, options=OPTIONS, nuisance=nuisance).nuisance
    assert kept is not None
    assert again is not None
    np.testing.assert_array_equal(kept.unique_r2, again.unique_r2)


def test_one_target_of_one_layer_of_one_unit() -> None:
    features, y, runs = recording()
    result = encode_layers(features[:, 1:2, :1], y[:, :1], runs, options=OPTIONS)
    assert result.r.shape == (1, 1)
    assert np.isfinite(result.r_best).all()


def test_bad_features_are_named_by_layer_run_and_column() -> None:
    features, y, runs = recording()
    features[100, 2, 17] = np.nan
    with pytest.raises(DataError, match="layer 2: run 1: column 17"):
        encode_layers(features, y, runs, options=OPTIONS)


def test_a_layer_that_never_varies_is_refused_by_name() -> None:
    features, y, runs = recording()
    features[:, 1] = 0.25
    with pytest.raises(DataError, match="layer 1: no feature varies"):
        encode_layers(features, y, runs, options=OPTIONS)


def test_a_prescribed_fold_is_used() -> None:
    features, y, runs = recording()
    fold = Fold(np.arange(70), np.arange(70, 150))
    result = encode_layers(features, y, runs, options=OPTIONS, folds=[fold])
    assert result.fold_r.shape == (1, LAYERS, TARGETS)
    assert result.r_best.mean() > 0.5


def test_a_crowded_grid_is_reported() -> None:
    rng = np.random.default_rng(2)
    features, _, runs = recording()
    noise = rng.normal(size=(N, 50))
    result = encode_layers(features, noise, runs, options=OPTIONS)
    # Nothing to predict: the largest penalty, which predicts the mean, wins often.
    assert result.grid_ends[1].mean() > 0.3
    assert any("high end" in warning for warning in result.warnings)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [(((N, 2, 3), (N - 1, 2)), "do not fit"), (((N, 3), (N, 2)), "do not fit")],
)
def test_shapes_must_fit(shapes: tuple[tuple[int, ...], tuple[int, ...]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode_layers(np.ones(shapes[0]), np.ones(shapes[1]), np.zeros(N), options=OPTIONS)


def test_groups_must_fit() -> None:
    features, y, runs = recording()
    with pytest.raises(DataError, match="2 target groups for 7 targets"):
        encode_layers(features, y, runs, options=OPTIONS, target_groups=["a", "b"])


def test_options_are_json() -> None:
    assert json.loads(json.dumps(dataclasses.asdict(OPTIONS)))["metric"] == "r2"


def test_predictions_are_those_of_the_chosen_layers() -> None:
    """What the scores at the chosen layers are computed from, in every fold."""
    rng = np.random.default_rng(8)
    runs = np.repeat(np.arange(4), 40)
    features = rng.normal(size=(160, 3, 5))
    y = features[:, [0, 2], 0] + rng.normal(size=(160, 2))
    options = EncodingOptions(delays=(0, 1), n_outer=4, n_inner=3, penalties=5)
    found = encode_layers(features, y, runs, options=options)
    start = 0
    for number, fold in enumerate(found.folds):
        predicted = found.predictions[start : start + len(fold.test)]
        start += len(fold.test)
        for target in range(2):
            r = np.corrcoef(predicted[:, target], y[fold.test, target])[0, 1]
            assert r == pytest.approx(found.fold_r_best[number, target], abs=1e-5)
    assert start == 160


def test_what_no_memory_holds_is_refused_before_anything_is_decomposed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, responses, runs = recording()
    needed = plan_bytes(len(runs), features.shape[2], OPTIONS)
    left = int(needed / memory.SHARE) + 1
    monkeypatch.setattr(memory, "available", lambda *_: memory.Room(left, left, "cgroup"))
    encode_layers(features, responses, runs, options=OPTIONS)
    left = int(needed / memory.SHARE) - 8
    with pytest.raises(memory.NotEnoughMemory, match="rows from layers of"):
        encode_layers(features, responses, runs, options=OPTIONS)
