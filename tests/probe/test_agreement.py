"""Scores from counts, against scikit-learn and against items drawn again."""

import warnings

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from harness.probe.agreement import Counts, Moments


@pytest.fixture
def said():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    predictions = np.where(rng.random((3, 200)) < 0.6, labels, rng.integers(0, 6, (3, 200)))
    return labels, predictions, rng.integers(0, 9, 200)


def test_scores_are_those_of_scikit_learn(said):
    labels, predictions, groups = said
    counts = Counts.of(labels, predictions, groups, 9, 7)  # class 6 never occurs
    once = np.ones((1, 9))
    for fit, given in enumerate(predictions):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            macro = f1_score(labels, given, average="macro")
            weighted = f1_score(labels, given, average="weighted")
        assert counts.macro_f1(once)[0, fit] == pytest.approx(macro)
        assert counts.weighted_f1(once)[0, fit] == pytest.approx(weighted)
        assert counts.accuracy(once)[0, fit] == pytest.approx(accuracy_score(labels, given))


def test_a_group_that_weighs_two_counts_twice(said):
    labels, predictions, groups = said
    weights = np.array([[0.0, 2, 1, 1, 0, 3, 1, 1, 0]])
    drawn = np.repeat(np.arange(200), weights[0, groups].astype(int))
    counts = Counts.of(labels, predictions, groups, 9, 6)
    again = Counts.of(labels[drawn], predictions[:, drawn], np.zeros(len(drawn), int), 1, 6)
    one = np.ones((1, 1))
    np.testing.assert_allclose(counts.macro_f1(weights), again.macro_f1(one))
    np.testing.assert_allclose(counts.accuracy(weights), again.accuracy(one))
    numbers = predictions + 0.5 * labels
    moments = Moments.of(labels + 1e4, numbers, groups, 9).pearson(weights)
    expected = [np.corrcoef(labels[drawn], n[drawn])[0, 1] for n in numbers]
    np.testing.assert_allclose(moments[0], expected, atol=1e-10)


def test_predictions_that_do_not_vary_correlate_with_nothing(said):
    labels, _, groups = said
    still = np.full((1, 200), 3.3)
    assert Moments.of(labels.astype(float), still, groups, 9).pearson(np.ones((1, 9))) == 0
