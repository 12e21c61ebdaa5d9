"""Directions by products of matrices against the two loops over remembered steps."""

import numpy as np
import pytest

from harness.probe.past import Past


def two_loops(scale, steps, gradient):
    """Nocedal & Wright 2006, algorithm 7.4, of one problem."""
    q, shares = gradient.copy(), []
    for move, change in reversed(steps):
        shares.append(move @ q / (move @ change))
        q -= shares[-1] * change
    size = 1.0
    if steps:
        move, change = steps[-1]
        size = move @ change / (change @ (scale * change))
    q *= size * scale
    for (move, change), share in zip(steps, reversed(shares), strict=True):
        q += (share - change @ q / (move @ change)) * move
    return -q


def walk(n_steps, m=3, d=12, seed=0):
    """Steps on quadratics, whose changes of gradient go with them."""
    rng = np.random.default_rng(seed)
    roots = rng.standard_normal((m, d, d))
    hessians = roots @ np.swapaxes(roots, 1, 2) + np.eye(d)
    moves = rng.standard_normal((n_steps, m, d))
    return moves, np.einsum("mij,tmj->tmi", hessians, moves), rng


@pytest.mark.parametrize("n_steps", [0, 1, 3, 4, 5, 11])
def test_directions_are_those_of_the_two_loops(n_steps):
    moves, changes, rng = walk(n_steps)
    first, later = rng.uniform(0.1, 2, (2, 3, 12))
    past = Past.of(first, 4)
    for t in range(n_steps):
        if t == n_steps // 2:
            past.scale = later
        past.add(moves[t], changes[t])
    scale = later if n_steps else first
    gradients = rng.standard_normal((3, 12))
    found = past.direction(gradients)
    for i in range(3):
        steps = [(moves[t, i], changes[t, i]) for t in range(max(n_steps - 4, 0), n_steps)]
        np.testing.assert_allclose(
            found[i], two_loops(scale[i], steps, gradients[i]), rtol=1e-8, atol=1e-10
        )


def test_a_step_that_bends_downwards_teaches_nothing():
    moves, changes, rng = walk(4)
    changes[1, 2] *= -1
    moves[2, 0] = changes[2, 0] = 0
    scale, gradients = rng.uniform(0.1, 2, (3, 12)), rng.standard_normal((3, 12))
    past = Past.of(scale, 4)
    for move, change in zip(moves, changes, strict=True):
        past.add(move, change)
    found = past.direction(gradients)
    for i, skipped in ((0, 2), (1, None), (2, 1)):
        steps = [(moves[t, i], changes[t, i]) for t in range(4) if t != skipped]
        np.testing.assert_allclose(found[i], two_loops(scale[i], steps, gradients[i]), rtol=1e-8)


def test_problems_that_are_left_keep_their_past():
    moves, changes, rng = walk(6)
    past = Past.of(rng.uniform(0.1, 2, (3, 12)), 4)
    for move, change in zip(moves, changes, strict=True):
        past.add(move, change)
    keep, gradients = np.array([True, False, True]), rng.standard_normal((3, 12))
    expected = past.direction(gradients)[keep]
    np.testing.assert_allclose(past.only(keep).direction(gradients[keep]), expected, rtol=1e-12)
