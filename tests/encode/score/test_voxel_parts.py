"""Parts of the stimulus by voxel: means of regions, and SciPy's test in every voxel."""

from __future__ import annotations

import numpy as np
import scipy.stats
import xarray as xr

from harness.encode.score.voxel_parts import by_part, unique_p

RNG = np.random.default_rng(0)


def scores(n_folds=6):
    made = {}
    for name, n in (("a", 7), ("b", 5)):
        shape = (n_folds, n)
        made[name] = xr.Dataset(
            {
                "fold_r_best": (("fold", "voxel"), RNG.normal(0.2, 0.1, shape)),
                "fold_unique_r2": (("fold", "voxel"), RNG.normal(0.02, 0.02, shape)),
            }
        )
    made["a"]["fold_r_best"][:, 2] = np.nan
    return made


MASKS = {
    "a": {"left": np.arange(7) < 4, "right": np.arange(7) >= 4},
    "b": {"left": np.arange(5) < 2},
}


def test_regions_are_means_of_their_usable_voxels():
    given = scores()
    found = by_part(given, MASKS, ("left", "right"))
    dims, folds = found["fold_r"]
    assert dims == ("fold", "participant", "roi")
    assert folds.shape == (6, 2, 2)
    own = given["a"]["fold_r_best"].values
    np.testing.assert_allclose(folds[:, 0, 0], own[:, [0, 1, 3]].mean(axis=1))
    np.testing.assert_allclose(folds[:, 0, 1], own[:, 4:].mean(axis=1))
    assert np.isnan(folds[:, 1, 1]).all()  # a region that b lacks
    whole = by_part(given, {}, ())["fold_unique_r2"]
    assert whole[0] == ("fold", "participant")
    np.testing.assert_allclose(whole[1][:, 1], given["b"]["fold_unique_r2"].mean("voxel"))


def test_voxels_are_tested_over_parts_and_adjusted_by_participant():
    given = scores()
    found = by_part(given, MASKS, ("left",))
    p, q = found["voxel_unique_p"][1], found["voxel_unique_q"][1]
    wanted = [scipy.stats.ttest_1samp(s["fold_unique_r2"].values, 0).pvalue for s in given.values()]
    np.testing.assert_allclose(p, np.concatenate(wanted))
    adjusted = [scipy.stats.false_discovery_control(own) for own in wanted]
    np.testing.assert_allclose(q, np.concatenate(adjusted))


def test_a_model_that_was_left_out_everywhere_has_nothing_of_its_own():
    folds = np.zeros((5, 3))
    folds[:, 1] = 0.1, 0.2, 0.1, 0.2, 0.1
    folds[2, 2] = np.nan
    p = unique_p(folds)
    assert p[0] == 1
    assert p[1] < 0.01
    assert np.isnan(p[2])


def test_one_test_story_has_no_test_over_parts():
    found = by_part(scores(1), MASKS, ("left",))
    assert "voxel_unique_p" not in found
    assert found["fold_r"][1].shape == (1, 2, 1)
    uneven = {**scores(6), "c": scores(4)["a"]}
    assert "fold_r" not in by_part(uneven, {}, ())
