"""fMRIPrep derivatives of simulated listeners: known r and unique R2 come back, of every kind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import simulated_bids as sim
import xarray as xr

from harness.errors import DataError
from harness.own_data.benchmark import OwnData
from harness.own_data.description import read_description, spec_from_data
from harness.own_data.inspect.inspection import inspect_data

pytest.importorskip("nilearn")

KINDS = ("volume", "surface", "dense", "parcels")
TABLES = {
    "volume": f'space = "{sim.SPACE}"\natlas = "atlas/six.nii.gz"\nlabels = "atlas/six.tsv"',
    "surface": 'space = "fsaverage5"\natlas = "atlas/six.{hemi}.label.gii"',
    "dense": 'space = "fsLR"\nextension = "dtseries.nii"\natlas = "atlas/six.dlabel.nii"',
    "parcels": 'space = "fsLR"\nextension = "ptseries.nii"',
}
CONFOUNDS = ["motion-6", "a_comp_cor_0[0-4]", "cosines"]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> sim.Simulated:
    return sim.simulate(tmp_path_factory.mktemp("bids") / "lab", kinds=KINDS)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))


def describe(
    folder: Path,
    kind: str = "volume",
    *,
    confounds: Any = CONFOUNDS,
    more: str = "",
    table: str = "",
    run: str = "",
) -> Path:
    runs = "".join(
        f'[[runs]]\nname = "run{r}"\nevents = "events/run-{r}.tsv"\nstart = 1.0\n'
        f'bids = "run-{r}"\n{run}\n'
        for r in sim.RUNS
    )
    text = (
        f'name = "lab"\nparticipants = {json.dumps(sim.PEOPLE)}\ntr = {sim.TR}\n'
        f'responses = "bids:derivatives/fmriprep"\nfolds = 2\n'
        f"delays = [1, 2, 3, 4, 5, 6, 7, 8]\n{more}\n"
        f'[bids]\ntask = "story"\n{table or TABLES[kind]}\nconfounds = {json.dumps(confounds)}\n'
        f"{runs}"
    )
    path = folder / f"{kind}.toml"
    path.write_text(text)
    return path


def score(path: Path, simulated: sim.Simulated) -> xr.Dataset:
    benchmark = OwnData(str(path))
    (request,) = benchmark.requests()
    values = simulated.features[:, None, :].astype(np.float32)
    values = values[: sum(request.readout.rows(request.stimuli))]
    recording = xr.DataArray(values, dims=("sample", "layer", "unit"), coords={"layer": [0]})
    return benchmark.score({request: recording})


@pytest.mark.parametrize("kind", KINDS)
def test_known_r_and_unique_r2_come_back(simulated: sim.Simulated, kind: str) -> None:
    found = score(describe(simulated.folder, kind), simulated)
    assert list(found["roi"].values) == list(sim.REGIONS)
    assert found.attrs["participants"] == 4
    r = found["r_best"].mean("participant").values.ravel()
    unique = found["unique_r2"].mean("participant").values.ravel()
    share = true_shares(simulated)
    # Eight delays of two units are fitted to 600 volumes, which costs (1 - R2) 16 / 600 of R2.
    np.testing.assert_allclose(r, np.sqrt(np.maximum(share - (1 - share) * 16 / 600, 0)), atol=0.05)
    np.testing.assert_allclose(unique, share, atol=0.05)


def test_without_confounds_it_does_not_come_back(simulated: sim.Simulated) -> None:
    found = score(describe(simulated.folder, confounds=[]), simulated)
    assert float(found["r_best"].sel(roi="STG").mean()) < 0.35


def true_shares(simulated: sim.Simulated) -> np.ndarray:
    """Share of each region's variance that the model has, once confounds are out of both."""
    shares = []
    for person in sim.PEOPLE:
        left = []
        for number, table in enumerate(simulated.confounds[person]):
            names = [c for c in table if c.startswith(("cosine", "a_comp_cor"))]
            names += ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
            c = np.column_stack([np.ones(sim.VOLUMES), table[names].to_numpy()])
            rows = slice(number * sim.VOLUMES, (number + 1) * sim.VOLUMES)
            both = np.concatenate([simulated.signals[person], simulated.pure[person]], axis=1)[rows]
            left.append(both - c @ np.linalg.lstsq(c, both, rcond=None)[0])
        variance = np.concatenate(left).var(axis=0)
        shares.append(variance[: len(sim.REGIONS)] / variance[len(sim.REGIONS) :])
    return np.mean(shares, axis=0)


def means_of_the_image(root: Path, person: str, run: str) -> np.ndarray:
    (path,) = root.rglob(f"sub-{person}_*run-{run}_*desc-preproc_bold.nii.gz")
    values, labels = nibabel.load(path).get_fdata(), sim.volume_labels()
    return np.stack([values[labels == n + 1].mean(axis=0) for n in range(len(sim.REGIONS))], axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_from_arrays(simulated: sim.Simulated, kind: str, tmp_path: Path) -> None:
    """Regions and confounds as arrays, written by this test, score the same."""
    folder = tmp_path / "arrays"
    (folder / "a").mkdir(parents=True)
    shutil.copytree(simulated.folder / "events", folder / "events")
    names = ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
    for person in sim.PEOPLE:
        parts = np.split(simulated.regions[person], len(sim.RUNS))
        for run, part, table in zip(sim.RUNS, parts, simulated.confounds[person], strict=True):
            if kind == "volume":  # as the image has them, in single precision around 1000
                part = means_of_the_image(simulated.root, person, run)
            np.save(folder / "a" / f"{person}_run{run}.npy", part)
            own = [*names, *(c for c in table if c.startswith(("a_comp_cor", "cosine")))]
            own = [c for c in own if c != "a_comp_cor_05"]
            columns = np.zeros((sim.VOLUMES, 30))
            columns[:, : len(own)] = table[own].to_numpy()
            np.save(folder / "a" / f"{person}_run{run}_c.npy", columns)
    text = describe(simulated.folder, kind).read_text()
    head, _, rest = text.partition("[bids]")
    runs = rest[rest.index("[[runs]]") :]
    head = head.replace("bids:derivatives/fmriprep", "a/{participant}_{run}.npy")
    head += f'rois = {json.dumps(sim.REGIONS)}\nconfounds = "a/{{participant}}_{{run}}_c.npy"\n'
    (folder / "benchmark.toml").write_text(head + runs)
    one = score(describe(simulated.folder, kind), simulated)
    two = score(folder / "benchmark.toml", simulated)
    for name in ("value", "r_best", "unique_r2", "nuisance_r", "ceiling"):
        np.testing.assert_allclose(one[name].values, two[name].values, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("kind", ["volume", "surface", "dense"])
def test_by_voxel_with_regions(simulated: sim.Simulated, kind: str) -> None:
    path = describe(simulated.folder, kind, more='resolution = "voxel"')
    found = score(path, simulated)
    width = {"volume": 6 * 24, "surface": 120, "dense": 104}[kind]
    assert found.sizes["voxel"] == 4 * width
    assert list(found["roi"].values) == list(sim.REGIONS)
    by = found["r_roi"].mean("participant")
    # A voxel has scatter of its own, of variance .96: the share of the model is halved.
    np.testing.assert_allclose(
        by.sel(roi=["STG", "V1"]).values, [np.sqrt(0.4 / 1.96), 0.0], atol=0.07
    )


def test_voxels_of_the_brain_mask(simulated: sim.Simulated) -> None:
    table = f'space = "{sim.SPACE}"'
    benchmark = OwnData(str(describe(simulated.folder, table=table, confounds=[])))
    assert benchmark.resolution == "voxel"
    assert benchmark.source.n_voxels("01") == 144
    values = benchmark.source.block("02", 0, 24)
    np.testing.assert_allclose(values.mean(axis=1) - 1000, simulated.regions["02"][:, 0], atol=1e-3)


def test_vertices_of_fsaverage_are_their_own_surface(simulated: sim.Simulated) -> None:
    path = describe(simulated.folder, "surface", more='resolution = "voxel"')
    whole = OwnData.surface("01", str(path))
    assert whole.shape == (120, 120)
    with pytest.raises(DataError, match="names no mappers"):
        OwnData.surface("01", str(describe(simulated.folder, "volume")))


def test_some_regions_by_glob(simulated: sim.Simulated) -> None:
    for kind in KINDS:
        path = describe(simulated.folder, kind, more='rois = ["?TG", "IFG"]')
        assert OwnData(str(path)).data.rois == ("STG", "IFG")
    with pytest.raises(DataError, match="has no region 'Broca'"):
        OwnData(str(describe(simulated.folder, more='rois = ["Broca"]')))


def test_trimmed_volumes_leave_clock_and_confounds_with_them(simulated: sim.Simulated) -> None:
    path = describe(simulated.folder, run="skip = 4\nvolumes = 200")
    benchmark = OwnData(str(path))
    assert [len(c) for c in benchmark.clocks] == [200, 200]
    assert benchmark.clocks[0][0] == 1.0 + 4 * sim.TR
    whole = OwnData(str(describe(simulated.folder)))
    np.testing.assert_array_equal(
        benchmark.source.block("01", 0, 6)[:200], whole.source.block("01", 0, 6)[4:204]
    )
    np.testing.assert_array_equal(benchmark.confounds["01"][200], whole.confounds["01"][604])
    with pytest.raises(DataError, match="has 600 volumes: 596 after 4 are skipped, not 597"):
        OwnData(str(describe(simulated.folder, run="skip = 4\nvolumes = 597")))


def test_sets_of_confounds(simulated: sim.Simulated) -> None:
    widths = {}
    for name in ("motion-6", "motion-12", "motion-24", "acompcor", "acompcor-3", "wm-csf", "csf"):
        benchmark = OwnData(str(describe(simulated.folder, confounds=[name])))
        assert np.isfinite(benchmark.confounds["01"]).all()
        widths[name] = benchmark.confounds["01"].shape[1]
    cosines = sum(c.startswith("cosine") for c in simulated.confounds["01"][0])
    assert widths == {
        "motion-6": 6,
        "motion-12": 12,
        "motion-24": 24,
        "acompcor": cosines + 5,  # four in the first run, five in the second
        "acompcor-3": cosines + 3,
        "wm-csf": 2,
        "csf": 1,
    }
    with pytest.raises(DataError, match="no confound 'brightness'") as error:
        OwnData(str(describe(simulated.folder, confounds=["brightness"])))
    assert "motion-24" in error.value.hint


def test_what_else_can_be_wrong(simulated: sim.Simulated, tmp_path: Path) -> None:
    def fails(match: str, **how: Any) -> None:
        with pytest.raises(DataError, match=match):
            OwnData(str(describe(simulated.folder, **how)))

    fails("no responses of sub-01", table='space = "T1w"')
    fails(r"files are responses of sub-01", table='task = "story"\n'.replace("task", "# task"))
    fails("cannot be read", table=f'space = "{sim.SPACE}"\natlas = "atlas/gone.nii.gz"')
    path = describe(simulated.folder)
    path.write_text(path.read_text().replace("tr = 2.0", "tr = 1.9"))
    with pytest.raises(DataError, match=r"tr is 1.9 s; .* says 2 s"):
        OwnData(str(path))
    for old, new, message in (
        ('bids = "run-2"', "", "2 files|two runs|responses of"),
        ('bids = "run-2"', 'bids = "run-1"', "two runs have the same entities"),
        ('bids = "run-2"', 'bids = "second"', "holds no entities"),
        ('"04"]', '"05"]', "no folder .*sub-05"),
        ("[bids]", 'confounds = "x"\n[bids]', "addresses of arrays"),
        ('task = "story"', 'task = "story"\ncolour = "red"', "says colour"),
    ):
        text = describe(simulated.folder).read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        with pytest.raises(DataError, match=message):
            spec_from_data(f"data:{path}")


def test_content_is_the_key_and_not_the_place(simulated: sim.Simulated, tmp_path: Path) -> None:
    describe(simulated.folder).rename(simulated.folder / "benchmark.toml")
    before = spec_from_data(f"data:{simulated.folder}").options["path"].content
    moved = tmp_path / "moved"
    shutil.copytree(simulated.folder, moved)
    assert spec_from_data(f"data:{moved}").options["path"].content == before
    table = next(moved.rglob("sub-03*confounds_timeseries.tsv"))
    table.write_text(table.read_text().replace("n/a", "0.0"))
    assert spec_from_data(f"data:{moved}").options["path"].content != before


def test_volumes_before_the_steady_state_are_told(simulated: sim.Simulated, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(simulated.folder, moved)
    path = describe(moved)
    table = next(moved.rglob("sub-02*run-1_desc-confounds_timeseries.tsv"))
    lines = table.read_text().splitlines()
    flags = ["1\t0", "0\t1", *["0\t0"] * (sim.VOLUMES - 2)]
    head = "non_steady_state_outlier00\tnon_steady_state_outlier01"
    rows = [f"{a}\t{b}" for a, b in zip(lines, [head, *flags], strict=True)]
    table.write_text("\n".join(rows) + "\n")
    with pytest.warns(UserWarning, match=r"steady state are not skipped: 02 run1 \(2\)"):
        OwnData(str(path))


def test_an_inspection(simulated: sim.Simulated) -> None:
    found = inspect_data(str(describe(simulated.folder)))
    assert found.sound
    assert list(found.arrays["columns"]) == [6] * 8
    assert read_description(describe(simulated.folder)).by == "roi"


def test_a_header_in_milliseconds_and_no_sidecar(tmp_path: Path) -> None:
    from harness.own_data.bids.images import load_image, repetition_time

    image = nibabel.Nifti1Image(np.zeros((2, 2, 2, 5), np.float32), np.eye(4))
    image.header.set_zooms((3, 3, 3, 1500))
    image.header.set_xyzt_units("mm", "msec")
    path = tmp_path / "sub-1_bold.nii.gz"
    nibabel.save(image, path)
    assert repetition_time(path, load_image(path)) == pytest.approx(1.5)
