"""Crossed intervals: false positives at their nominal rate, and an oracle of their own."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from harness.errors import ScoreError
from harness.stats.crossed import crossed, detectable


def draws(n, participants, parts, sds, seed=0):
    """Scores (participant, part, draw) of true mean 0."""
    rng = np.random.default_rng(seed)
    people, pieces, rest = sds
    return (
        people * rng.normal(size=(participants, 1, n))
        + pieces * rng.normal(size=(1, parts, n))
        + rest * rng.normal(size=(participants, parts, n))
    )


@pytest.mark.parametrize("sds", [(1.0, 1.0, 1.0), (1.0, 0.5, 2.0), (0.3, 1.0, 1.0)])
def test_means_that_are_nothing_are_significant_at_the_nominal_rate(sds):
    found = crossed(draws(500, 24, 8, sds))
    assert 0.02 <= (found.p() < 0.05).mean() <= 0.075
    # An interval over participants alone takes the text for fixed: it is too short by far.
    alone = scipy.stats.ttest_1samp(draws(500, 24, 8, sds).mean(axis=1), 0).pvalue
    assert (alone < 0.05).mean() > (found.p() < 0.05).mean()


def test_what_does_not_vary_over_parts_is_the_t_interval_over_participants():
    people = np.random.default_rng(1).normal(0.3, 1, size=15)
    found = crossed(np.repeat(people[:, None], 6, axis=1))
    wanted = scipy.stats.ttest_1samp(people, 0)
    np.testing.assert_allclose(found.p(), wanted.pvalue)
    np.testing.assert_allclose(found.interval(), wanted.confidence_interval(0.95))


def test_crossing_never_narrows():
    values = draws(300, 10, 5, (1.0, 0.2, 1.0), seed=3)
    found = crossed(values)
    over_people = values.mean(axis=1).std(axis=0, ddof=1) / np.sqrt(10)
    assert (found.error >= over_people - 1e-12).all()


def test_equivalence_is_claimed_at_the_margin_at_no_more_than_its_rate():
    values = 0.5 + draws(500, 24, 8, (1.0, 0.5, 1.0), seed=4)
    assert (crossed(values).p_equivalent(0.5) < 0.05).mean() <= 0.075


def test_the_detectable_difference_is_found_four_times_in_five():
    values = draws(500, 24, 8, (1.0, 0.5, 1.0), seed=5)
    found = crossed(values)
    size = np.median(detectable(found.error, found.freedom))
    assert 0.72 <= (crossed(values + size).p() < 0.05).mean() <= 0.9


def test_one_participant_or_part_is_refused():
    with pytest.raises(ScoreError, match="cannot be crossed"):
        crossed(np.zeros((1, 8)))
    with pytest.raises(ScoreError, match="participant, part"):
        crossed(np.zeros(8))
