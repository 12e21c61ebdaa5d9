"""What is true of simulated participants comes back; large: ``benchmarks/simulations.py``."""

from __future__ import annotations

import numpy as np
import pytest
from simulated_participants import OPTIONS, recover, simulate, spurious

from harness.encode.score.protocol import score_responses


@pytest.mark.parametrize("motion", [0.0, 1.0])
def test_r_unique_part_ceiling_and_layer_come_back(motion):
    """Through drift, motion that goes with the stimulus, slow features and a missing run."""
    found = [recover(seed, motion) for seed in range(3)]
    for one in found:
        assert one["layer"] == 1
        for name in ("r", "unique R2"):
            truth, _, _, _, low, high = one[name]
            assert low <= truth <= high, name
        truth, _, low, high, _, _ = one["ceiling"]
        assert low <= truth <= high
    for name, off in (("r", 0.05), ("unique R2", 0.04), ("ceiling", 0.03)):
        truth, value = np.mean([one[name][:2] for one in found], axis=0)
        assert value == pytest.approx(truth, abs=off)


def test_a_run_that_is_missing_costs_the_participant_and_nothing_else():
    known = simulate(3, motion=0.0)
    score = score_responses(known.recording, known.data, OPTIONS)
    assert "p7" in known.data.left_out
    assert score.sizes["participant"] == 7


def test_nothing_seldom_passes_for_something():
    found = np.array([spurious(seed) for seed in range(8)])
    # Of eight at a rate of .05, more than two happen in one of two hundred.
    assert (found.sum(axis=0)[:3] <= 2).all()
