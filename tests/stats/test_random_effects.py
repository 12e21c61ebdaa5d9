"""A mean over three random factors: an analysis of variance by loops, and nominal rates."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.stats

from harness.errors import ScoreError
from harness.stats.crossed import crossed
from harness.stats.random_effects import random_mean


def simulated(n, sizes, sds, seed=0):
    """Scores (participant, part, draw, simulation) of mean 0; sds of each factor, then rest."""
    rng = np.random.default_rng(seed)
    total = sds[-1] * rng.normal(size=(*sizes, n))
    for axis, sd in enumerate(sds[:-1]):
        shape = [1, 1, 1, n]
        shape[axis] = sizes[axis]
        total = total + sd * rng.normal(size=shape)
    return total


def variance_by_loops(x):
    """(MS_A + MS_B + MS_C - MS_AB - MS_AC - MS_BC + MS_ABC) / N, textbook sums of squares."""
    squares = {}
    names = range(x.ndim)
    for size in (1, 2, 3):
        for chosen in itertools.combinations(names, size):
            total = 0.0
            for index in np.ndindex(*x.shape):
                effect = 0.0
                for k in range(size + 1):
                    for part in itertools.combinations(chosen, k):
                        at = tuple(index[i] if i in part else slice(None) for i in names)
                        effect += (-1) ** (size - k) * np.mean(x[at])
                total += effect**2
            squares[chosen] = total / np.prod([x.shape[i] - 1 for i in chosen])
    return sum((-1) ** (len(s) + 1) * ms for s, ms in squares.items()) / x.size


def test_the_variance_is_that_of_a_textbook():
    x = simulated(1, (5, 4, 3), (1.0, 1.0, 1.0, 0.1), seed=1)[..., 0]
    found = random_mean(x, 3)
    assert found.error**2 == pytest.approx(variance_by_loops(x))
    assert found.estimate == pytest.approx(x.mean())


def test_two_factors_are_crossed_and_one_is_the_t_test():
    x = simulated(1, (8, 6, 2), (1.0, 0.5, 0.0, 0.5), seed=2)[..., 0]
    both, wanted = random_mean(x, 2), crossed(x)
    np.testing.assert_allclose(both.error, wanted.error)
    one = random_mean(x, 1)
    t = scipy.stats.ttest_1samp(x, 0, axis=0)
    np.testing.assert_allclose(one.estimate / one.error, t.statistic)
    np.testing.assert_allclose(one.freedom, 7)


def test_an_axis_with_one_level_is_fixed():
    x = simulated(20, (8, 6, 1), (1.0, 0.5, 0.0, 0.5), seed=3)
    np.testing.assert_allclose(random_mean(x, 3).error, random_mean(x[:, :, 0], 2).error)


@pytest.mark.parametrize("sds", [(1.0, 0.5, 1.0, 1.0), (0.3, 0.3, 1.0, 0.5), (1.0, 1.0, 0.0, 1.0)])
def test_scatter_over_draws_is_part_of_the_error(sds):
    values = simulated(500, (20, 8, 5), sds, seed=4)
    found = random_mean(values, 3)
    wrong = 2 * scipy.stats.t.sf(np.abs(found.estimate / found.error), found.freedom) < 0.05
    assert wrong.mean() <= 0.075
    if sds[2]:  # five draws taken for the only ones there are: far too sure
        alone = random_mean(values.mean(axis=2), 2)
        p = 2 * scipy.stats.t.sf(np.abs(alone.estimate / alone.error), alone.freedom)
        assert (p < 0.05).mean() > 0.15


def test_a_factor_more_never_narrows():
    values = simulated(300, (10, 5, 4), (1.0, 0.2, 0.1, 1.0), seed=5)
    assert (random_mean(values, 3).error >= random_mean(values.mean(axis=2), 2).error - 1e-12).all()


def test_one_level_of_everything_has_no_error():
    with pytest.raises(ScoreError, match="has no error"):
        random_mean(np.zeros((1, 1)), 2)
