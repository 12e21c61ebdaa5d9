"""Lags chosen by inner scores."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.neural.word_locked import at_chosen_lag


def test_a_lag_is_chosen_without_a_look_at_the_test_words():
    """Two folds, one electrode, three lags: the inner score decides, not the held-out one."""
    inner = np.array([[0.1, 0.3, 0.2], [0.5, 0.1, 0.2]])
    held_out = np.array([[0.9, 0.2, 0.1], [0.3, 0.8, 0.1]])
    by_fold = ("fold", "voxel")
    scores = xr.Dataset(
        {
            "inner_best": (by_fold, inner),
            "fold_r_best": (by_fold, held_out),
            "layer_best": (by_fold, np.array([[4, 5, 6], [7, 8, 9]])),
            "r_best": ("voxel", held_out.mean(0)),
            "r": (("layer", "voxel"), held_out),
        }
    )
    found = at_chosen_lag(scores, (1, 3))
    assert found.r.tolist() == [pytest.approx((0.2 + 0.3) / 2)]
    assert found.layer.tolist() == [6.0]  # of 5 and 7
    scores["inner_best"][:] = np.nan
    assert np.isnan(at_chosen_lag(scores, (1, 3)).r).all()
