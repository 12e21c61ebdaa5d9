"""Stories as the unit of a test: what is found over them is found at the rate that is promised."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from harness.encode.score.gain import likelihood_gain
from harness.stats.contrasts import paired_contrast
from harness.stats.equivalence import tost
from harness.stats.replicates import replicate_of

STORIES, WORDS = 10, 120


def reading(rng, *errors):
    """Gains of predictors that know what slows readers down, each with an error of its own.

    Words follow each other as in a text: their effect spills over, their noise lasts.
    """
    n = STORIES * WORDS
    cause, noise = rng.normal(size=(2, n))
    y = 0.35 * cause + 0.18 * np.r_[0, cause[:-1]] + noise + 0.5 * np.r_[0, noise[:-1]]
    baseline, labels = rng.normal(size=(n, 3)), np.repeat(np.arange(STORIES), WORDS)
    gains = []
    for error in errors:
        seen = cause + error * rng.normal(size=n)
        lagged = np.column_stack([seen, np.r_[0, seen[:-1]], np.r_[0, 0, seen[:-2]]])
        gains.append(likelihood_gain(lagged[:, None], baseline, y, labels))
    return gains


def contrasts(rng, errors, n, margin):
    """Contrasts and tests of equivalence of ``n`` studies, by story; the p of a test over words."""
    groups, words = [], []
    for _ in range(n):
        first, second = reading(rng, *errors)
        groups.append((first.groups, second.groups))
        words.append(scipy.stats.ttest_1samp(first.rows - second.rows, 0).pvalue)
    a, b = np.moveaxis(groups, (1, 2), (0, 1))  # (story, study) of either
    return paired_contrast(a, b), tost(a, b, margin), np.array(words)


def test_equal_variants_differ_at_the_nominal_rate_over_stories_but_not_over_words():
    found, same, words = contrasts(np.random.default_rng(0), (1.0, 1.0), 400, 0.03)
    limit = scipy.stats.binom.ppf(0.999, 400, 0.05)
    assert sum(found.t_p < 0.05) <= limit
    assert sum(found.wilcoxon_p < 0.05) <= limit
    assert sum((found.low <= 0) & (found.high >= 0)) >= 400 - limit
    # Why not words: 8.5 % of 2,000 such studies are "significant" at .05 over them.
    assert sum(words < 0.05) > sum(found.t_p < 0.05)
    # and with so wide a margin equality is mostly shown
    assert sum(same.equivalent) > 320


def test_a_difference_of_the_margin_is_called_equivalent_at_the_nominal_rate():
    true = 0.01757  # nats a word between these two errors, mean of 2,000 other studies
    found, same, _ = contrasts(np.random.default_rng(1), (0.5, 1.0), 400, true)
    assert sum(same.equivalent) <= scipy.stats.binom.ppf(0.999, 400, 0.05)
    assert np.mean(found.difference) == pytest.approx(true, rel=0.1)


def test_participants_come_before_stories():
    both = xr.Dataset(
        {"r_best": ("participant", [0.1]), "gain": ("story", [0.1])},
        coords={"participant": ["a"], "story": [1]},
    )
    assert replicate_of(both).dim == "participant"
    assert replicate_of(both[["gain"]]).dim == "story"
    assert replicate_of(xr.Dataset({"r_best": 0.1})) is None
    assert replicate_of(None) is None
