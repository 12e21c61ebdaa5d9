"""Shares of heights against plain formulas, and at their nominal rate where a height is noise."""

import numpy as np
import pytest
import scipy.stats

from harness.board.answers.shares import Side, compare_shares


def side(change, height, cov, freedom=1e6):
    """One side of one pair; cov is that of the means of change and height."""
    return Side(*(np.array(v, float) for v in (change, height, cov[0][0], cov[1][1], cov[0][1])),
                freedom)  # fmt: skip


def of_people(changes, heights):
    cov = np.cov(changes, heights) / len(changes)
    return side(changes.mean(), heights.mean(), cov, len(changes) - 1)


def test_one_side_that_is_known_makes_the_test_a_t_test():
    rng = np.random.default_rng(0)
    changes, heights = rng.normal(-0.02, 0.02, 12), rng.normal(0.1, 0.03, 12)
    found = compare_shares(side(-0.3, 1.0, [[0, 0], [0, 0]]), of_people(changes, heights))
    expected = scipy.stats.ttest_1samp(-0.3 * heights - changes, 0, alternative="less")
    assert float(found.p_smaller) == pytest.approx(expected.pvalue)
    assert float(found.p_smaller + found.p_larger) == pytest.approx(1)
    assert float(found.difference) == pytest.approx(-0.3 - changes.mean() / heights.mean())


def test_an_interval_of_a_difference_agrees_with_its_test():
    for shift in np.linspace(0, 0.4, 21):
        one = side(-0.1 - shift, 1.0, [[4e-3, 1e-3], [1e-3, 4e-3]], 30)
        found = compare_shares(one, side(-0.01, 0.1, [[1e-4, 0], [0, 1e-4]], 11))
        outside = found.high < 0 or found.low > 0
        assert outside == (2 * min(found.p_smaller, found.p_larger) < 0.05)


def test_a_share_has_the_spread_of_the_delta_method():
    rng = np.random.default_rng(1)
    cov = np.array([[4e-4, 1e-4], [1e-4, 9e-4]])
    share, low, high = side(-0.2, 0.5, cov).share()
    drawn = rng.multivariate_normal([-0.2, 0.5], cov, 200_000)
    assert float(share) == -0.4
    assert float(high - low) == pytest.approx(
        2 * 1.96 * (drawn[:, 0] / drawn[:, 1]).std(), rel=0.02
    )


@pytest.mark.filterwarnings("error")
def test_of_a_height_of_zero_there_is_no_share():
    nothing = side([-0.2, 0.0], [0.0, 0.0], [[[4e-4, 0], [1e-4, 0]], [[1e-4, 0], [9e-4, 0]]])
    assert all(np.isnan(part).all() for part in nothing.share())
    found = compare_shares(nothing, side(-0.1, 0.5, [[1e-4, 0], [0, 1e-4]]))
    assert np.isnan([found.difference, found.low, found.high]).all()


@pytest.mark.parametrize("floor", [0.0, 0.5, 0.8])
@pytest.mark.parametrize("noise", [0.005, 0.03])
def test_equal_shares_differ_at_the_nominal_rate(floor, noise):
    """400 studies of eight people, whose height above a floor is measured, and of 300 pairs."""
    rng, n, value, loss = np.random.default_rng(2), 8, 0.135, 0.3
    height = value * (1 - floor)
    wrong = seen = 0
    for _ in range(400):
        base, variant, low = rng.normal(0, noise, (3, n))
        people = of_people(variant - base - loss * height, height + base - low)
        right = rng.random((300, 2)) < [0.85, 0.85 - loss * 0.35]
        means, cov = right.mean(axis=0), np.cov(right.T) / 300
        move = cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]
        pairs = side(means[1] - means[0], means[0] - 0.5,
                     [[move, cov[0, 1] - cov[0, 0]], [0, cov[0, 0]]], 299)  # fmt: skip
        if np.isnan(people.above_floor(0.05)):
            continue
        found = compare_shares(pairs, people)
        seen += 1
        wrong += min(found.p_smaller, found.p_larger) < 0.025
    assert wrong <= scipy.stats.binom.ppf(0.999, seen, 0.05)


def test_a_height_is_above_its_floor_or_has_no_share():
    known = side([0, 0, 0], [0.1, 0.01, -0.1], [[0, 0], [0, 1e-4]])
    np.testing.assert_array_equal(known.above_floor(0.05), [1, np.nan, np.nan])
    exact = side([0, 0], [0.1, -0.1], [[0, 0], [0, 0]])
    np.testing.assert_array_equal(exact.above_floor(0.05), [1, np.nan])
