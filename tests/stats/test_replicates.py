"""Stories as the unit of a test: what is found over them is found at the rate that is promised."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from harness.encode.score.gain import likelihood_gain
from harness.stats.contrast_table import contrast_table
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
    """One contrast each of ``n`` studies, by story; and the p of a test over words."""
    rows, words = [], []
    for _ in range(n):
        first, second = reading(rng, *errors)
        scores = xr.DataArray(
            [first.groups, second.groups],
            dims=("variant", "story"),
            coords={"variant": ["a", "b"]},
        )
        rows.append(contrast_table(scores, [("a", "b")], margin).iloc[0])
        words.append(scipy.stats.ttest_1samp(first.rows - second.rows, 0).pvalue)
    return rows, np.array(words)


def test_equal_variants_differ_at_the_nominal_rate_over_stories_but_not_over_words():
    rows, words = contrasts(np.random.default_rng(0), (1.0, 1.0), 400, 0.03)
    limit = scipy.stats.binom.ppf(0.999, 400, 0.05)
    assert sum(row.t_p < 0.05 for row in rows) <= limit
    assert sum(row.wilcoxon_p < 0.05 for row in rows) <= limit
    assert sum(row.low <= 0 <= row.high for row in rows) >= 400 - limit
    # Why not words: 8.5 % of 2,000 such studies are "significant" at .05 over them.
    assert sum(words < 0.05) > sum(row.t_p < 0.05 for row in rows)
    # and with so wide a margin equality is mostly shown
    assert sum(row.equivalent for row in rows) > 320


def test_a_difference_of_the_margin_is_called_equivalent_at_the_nominal_rate():
    true = 0.01757  # nats a word between these two errors, mean of 2,000 other studies
    rows, _ = contrasts(np.random.default_rng(1), (0.5, 1.0), 400, true)
    assert sum(row.equivalent for row in rows) <= scipy.stats.binom.ppf(0.999, 400, 0.05)
    assert np.mean([row.difference for row in rows]) == pytest.approx(true, rel=0.1)


def test_participants_come_before_stories():
    both = xr.Dataset(
        {"r_best": ("participant", [0.1]), "gain": ("story", [0.1])},
        coords={"participant": ["a"], "story": [1]},
    )
    assert replicate_of(both).dim == "participant"
    assert replicate_of(both[["gain"]]).dim == "story"
    assert replicate_of(xr.Dataset({"r_best": 0.1})) is None
    assert replicate_of(None) is None
