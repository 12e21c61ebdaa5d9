import dataclasses

import numpy as np
import pytest
import xarray as xr
from scipy.stats import binom
from simulated_boards import Truth, simulate

import harness
from harness.stats.equivalence import tost

SIZES = {"a-1": 1e8, "a-2": 3e8, "a-3": 1e9, "a-4": 3e9, "a-5": 1e10, "a-6": 3e10}
TRUE = {"a-1": 0.2, "a-2": 0.25, "a-3": 0.3, "a-4": 0.3, "a-5": 0.3, "a-6": 0.3}
PLATEAU = Truth({n: ("a", SIZES[n], TRUE[n]) for n in SIZES}, noise=0.01)


def asked(truth=PLATEAU, seed=0, **options):
    return harness.answer(simulate(truth, seed), "saturation", draws=200, **options)


def test_the_point_is_where_the_truth_has_it():
    said = asked().sel(family="a", roi="mean").isel(benchmark=0)
    assert float(said["point"]) == 1e9
    assert str(said["point_model"].item()) == "a-3"
    assert str(said["below"].item()) == "a-2"
    assert float(said["point_low"]) <= 1e9 <= float(said["point_high"])
    assert "a-3 (1 B) and a-6 are equivalent within .02 r: yes" in str(said["sentence"].values[0])
    assert "next smaller, a-2 (300 M), is not" in str(said["sentence"].values[0])


def test_differences_and_p_are_those_of_tost():
    board = simulate(PLATEAU)
    values = board["neural/brain-00"]["r_best"].mean("roi")
    expected = tost(
        values.sel(variant="a-2+none").values, values.sel(variant="a-6+none").values, 0.02
    )
    said = harness.answer(board, "saturation").sel(family="a", roi="mean", model="a-2")
    assert float(said["difference"].isel(benchmark=0)) == pytest.approx(float(expected.difference))
    assert float(said["p"].isel(benchmark=0)) == pytest.approx(float(expected.p))
    assert float(said["low"].isel(benchmark=0)) == pytest.approx(float(expected.low))


def test_regions_saturate_on_their_own():
    board = simulate(PLATEAU)
    node = board["neural/brain-00"].to_dataset()
    late = node["r_best"].copy()
    late.loc[{"roi": "roi2", "variant": ["a-3+none", "a-4+none"]}] -= 0.1
    board["neural/brain-00"] = xr.DataTree(node.assign(r_best=late))
    said = harness.answer(board, "saturation").sel(family="a").isel(benchmark=0)
    assert float(said["point"].sel(roi="roi0")) == 1e9
    assert float(said["point"].sel(roi="roi2")) == 1e10


def test_voxels_have_a_value_of_their_own_beside_regions():
    """A mean over voxels is no mean over regions: large regions count for more."""
    board = simulate(PLATEAU)
    node = board["neural/brain-00"].to_dataset()
    by_region = node["r_best"]
    own = by_region.weighted(xr.DataArray([9.0, 3.0, 1.0], dims="roi")).mean("roi")
    voxels = node.drop_vars(["r_best", "ceiling_loo"]).assign(
        participant_value=own, r_roi=by_region
    )
    board["neural/brain-00"] = xr.DataTree(voxels)
    said = harness.answer(board, "saturation").sel(family="a", model="a-2").isel(benchmark=0)
    assert list(said["roi"].values) == ["mean", "roi0", "roi1", "roi2"]
    loss = (own - own.sel(variant="a-6+none")).sel(variant="a-2+none").mean()
    assert float(said["difference"].sel(roi="mean")) == pytest.approx(float(loss))
    apart = harness.answer(simulate(PLATEAU), "saturation").sel(family="a", model="a-2")
    regions = ["roi0", "roi1", "roi2"]
    np.testing.assert_allclose(
        said["difference"].sel(roi=regions), apart["difference"].isel(benchmark=0).sel(roi=regions)
    )


def test_experiments_of_one_participant_count_together():
    """Sentence assemblies: who did one experiment of two has the score of that one."""
    board = simulate(PLATEAU)
    node = board["neural/brain-00"].to_dataset().drop_dims("roi").drop_dims("layer")
    whole = board["neural/brain-00"]["r_best"].mean("roi")
    both = xr.concat([whole + 0.03, whole - 0.03], "part")
    both.loc[{"part": 1, "participant": "s04"}] = np.nan
    board["neural/brain-00"] = xr.DataTree(node.assign(r_best=both))
    said = harness.answer(board, "saturation").sel(family="a").isel(benchmark=0)
    expected = tost(
        whole.sel(variant="a-2+none").values, whole.sel(variant="a-6+none").values, 0.02
    )
    assert float(said["p"].sel(roi="mean", model="a-2")) == pytest.approx(float(expected.p))
    controls = harness.answer(board, "controls")
    assert set(controls["n"].values[np.isfinite(controls["n"].values)]) == {20}


def test_one_bad_size_in_between_ends_the_sequence():
    models = dict(PLATEAU.models) | {"a-4": ("a", 3e9, 0.2)}
    said = asked(dataclasses.replace(PLATEAU, models=models))
    assert float(said["point"].sel(family="a", roi="mean").isel(benchmark=0)) == 1e10


def test_too_small_a_model_is_claimed_at_most_at_the_level():
    """The next smaller model is exactly as far off as the margin: the worst case."""
    models = {n: ("a", SIZES[n], 0.28 if n in ("a-1", "a-2", "a-3") else 0.3) for n in SIZES}
    truth = dataclasses.replace(PLATEAU, models=models, rois=1)
    points = [
        float(asked(truth, seed)["point"].sel(family="a", roi="mean").isel(benchmark=0))
        for seed in range(60)
    ]
    assert np.sum(np.array(points) < 3e9) <= binom.ppf(0.999, 60, 0.05)


@pytest.mark.parametrize(
    ("changes", "gap"),
    [
        ({"participants": 1}, "one participant"),
        ({"controls": False}, "no control"),
        ({"models": {"a-1": ("a", 1e8, 0.2)}}, "one size"),
        ({"margin": float("nan")}, "no margin"),
    ],
)
def test_what_is_missing_is_said(changes, gap):
    said = asked(dataclasses.replace(PLATEAU, **changes))
    assert any(gap in str(text) for text in said["missing"].values)


def test_families_and_all_models(tmp_path):
    models = dict(PLATEAU.models) | {"b-1": ("b", 2e8, 0.3), "b-2": ("b", 2e9, 0.3)}
    said = asked(dataclasses.replace(PLATEAU, models=models))
    assert list(said["family"].values) == ["a", "b", "all models"]
    assert float(said["point"].sel(family="b", roi="mean").isel(benchmark=0)) == 2e8
    said.to_netcdf(tmp_path / "said.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "said.nc", engine="netcdf4") as back:
        np.testing.assert_array_equal(back["point"].values, said["point"].values)
