"""Correlation, R2 and its split among bands, against scikit-learn, scipy and himalaya."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from harness.encode.design.scores import pearson, product_measure, r_squared

RNG = np.random.default_rng(3)
Y = RNG.normal(2.0, 3.0, size=(50, 4))
BANDS = RNG.normal(size=(2, 50, 4)) + 0.3 * (Y - Y.mean(axis=0))
OFFSET = Y.mean(axis=0) + 0.1


def test_correlation_and_r2() -> None:
    predictions = BANDS.sum(axis=0) + OFFSET
    expected = [scipy.stats.pearsonr(y, p)[0] for y, p in zip(Y.T, predictions.T, strict=True)]
    np.testing.assert_allclose(pearson(Y, predictions), expected)
    one_by_one = sklearn.metrics.r2_score(Y, predictions, multioutput="raw_values")
    np.testing.assert_allclose(r_squared(Y, predictions), one_by_one)


def test_bands_share_r2_as_himalaya_splits_it() -> None:
    scoring = pytest.importorskip("himalaya.scoring")
    found = product_measure(Y, BANDS, Y.mean(axis=0))
    centred = Y - Y.mean(axis=0)
    np.testing.assert_allclose(found, scoring.r2_score_split(centred, BANDS), atol=1e-9)
    whole = r_squared(Y, BANDS.sum(axis=0) + Y.mean(axis=0))
    np.testing.assert_allclose(found.sum(axis=0), whole, atol=1e-9)


def test_what_the_intercept_misses_is_charged_to_no_band() -> None:
    joint = BANDS.sum(axis=0) + OFFSET
    missed = OFFSET - Y.mean(axis=0)
    lost = -len(Y) * missed * (joint - Y.mean(axis=0)).mean(axis=0)
    total = np.square(Y - Y.mean(axis=0)).sum(axis=0)
    shares = product_measure(Y, BANDS, OFFSET).sum(axis=0)
    np.testing.assert_allclose(shares + lost / total, r_squared(Y, joint), atol=1e-9)
