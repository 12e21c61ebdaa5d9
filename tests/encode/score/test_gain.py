"""What predictors add to a baseline, against fits by scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.encode.design.splits import grouped_folds
from harness.encode.score.gain import likelihood_gain
from harness.errors import DataError

LABELS = np.repeat(np.arange(6), 80)
N = len(LABELS)


def centred(x):
    out = np.array(x, float)
    for label in np.unique(LABELS):
        out[label == LABELS] -= out[label == LABELS].mean(axis=0)
    return out


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    baseline = rng.normal(size=(N, 3))
    predictors = rng.normal(size=(N, 2, 4))
    y = baseline @ [1, 2, 3] + 0.5 * predictors[:, 1, 0] + LABELS + rng.normal(size=N)
    return predictors, baseline, y


@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_each_row_against_scikit_learn(data, penalty):
    from sklearn.linear_model import LinearRegression, Ridge

    predictors, baseline, y = data
    found = likelihood_gain(predictors[:, 1:], baseline, y, LABELS, penalties=(penalty,), n_folds=3)
    base, own, target = centred(baseline), centred(predictors[:, 1]), centred(y)
    own = own / own.std(axis=0)
    blocks = [fold.test for fold in grouped_folds(LABELS, 3)]

    def predict(train, test, with_model):
        fit = LinearRegression(fit_intercept=False)
        if not with_model:
            return fit.fit(base[train], target[train]).predict(base[test])
        if penalty == 0:
            both = np.c_[base, own]
            return fit.fit(both[train], target[train]).predict(both[test])
        # an unpenalised baseline is projected out of both sides (Frisch, Waugh & Lovell)
        inside = fit.fit(base[train], np.c_[own, target][train]).predict
        rest = np.c_[own, target][train] - inside(base[train])
        ridge = Ridge(alpha=penalty * len(train), fit_intercept=False)
        weights = ridge.fit(rest[:, :-1], rest[:, -1]).coef_
        expected = inside(base[test])
        return expected[:, -1] + (own[test] - expected[:, :-1]) @ weights

    def likelihood(number, with_model):
        test = blocks[number]
        others = [b for k, b in enumerate(blocks) if k != number]
        errors = []
        for held in range(len(others)):
            train = np.concatenate([b for k, b in enumerate(others) if k != held])
            errors.append(target[others[held]] - predict(train, others[held], with_model))
        spread = np.sqrt(np.mean(np.concatenate(errors) ** 2))
        error = target[test] - predict(np.concatenate(others), test, with_model)
        return stats.norm.logpdf(error, scale=spread)

    for number, block in enumerate(blocks):
        expected = likelihood(number, True) - likelihood(number, False)
        np.testing.assert_allclose(found.rows[block], expected, atol=1e-9)
    means = [found.rows[g == LABELS].mean() for g in range(6)]
    np.testing.assert_allclose(found.groups, means)
    assert found.layers[0] == pytest.approx(found.rows.mean())


def test_the_layer_that_matters_is_chosen_without_looking_ahead(data):
    found = likelihood_gain(*data, LABELS, penalties=(0.01, 1.0))
    assert (found.chosen == 1).all()
    # half a unit of variance-1 signal in variance-1 noise: log(1.25) / 2 nats
    assert found.rows.mean() == pytest.approx(0.5 * np.log(1.25), abs=0.04)
    assert found.layers[1] > found.layers[0]
    np.testing.assert_allclose(np.mean(found.residual**2), found.variance)


def test_noise_gains_nothing():
    gains = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(N, 1, 6))
        baseline, y = rng.normal(size=(N, 2)), rng.normal(size=N)
        gains.append(likelihood_gain(noise, baseline, y, LABELS).rows.mean())
    assert np.mean(gains) < 0  # useless predictors cost likelihood, they never bring any
    assert np.max(gains) < 0.02


def test_levels_of_groups_and_units_do_not_matter(data):
    predictors, baseline, y = data
    first = likelihood_gain(predictors, baseline, y, LABELS, penalties=(0.1, 1.0))
    moved = likelihood_gain(
        5 * predictors + LABELS[:, None, None],
        baseline - 3 * LABELS[:, None],
        100 * y + 7 * LABELS,
        LABELS,
        penalties=(0.1, 1.0),
    )
    np.testing.assert_allclose(moved.rows, first.rows, atol=1e-8)


def test_constant_and_dependent_columns(data):
    predictors, baseline, y = data
    first = likelihood_gain(predictors, baseline, y, LABELS, penalties=(0.1,))
    wider = np.c_[baseline, baseline[:, 0] + baseline[:, 1], np.ones(N)]
    again = likelihood_gain(predictors, wider, y, LABELS, penalties=(0.1,))
    np.testing.assert_allclose(again.rows, first.rows, atol=1e-6)


@pytest.mark.parametrize("fault", ["shape", "nan", "folds", "groups"])
def test_faults(data, fault):
    predictors, baseline, y = data
    labels, folds = LABELS, 3
    if fault == "shape":
        predictors = predictors[:-1]
    elif fault == "nan":
        baseline[3, 0] = np.nan
    elif fault == "folds":
        folds = 2
    else:
        labels = np.repeat([0, 1], N // 2)
    with pytest.raises(DataError):
        likelihood_gain(predictors, baseline, y, labels, n_folds=folds)
