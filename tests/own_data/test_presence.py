"""Own data of whom some lack runs, and of runs that were presented several times."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import xarray as xr

from harness.cli.new_benchmark import scaffold_benchmark
from harness.errors import DataError
from harness.own_data.benchmark import OwnData
from harness.own_data.description import spec_from_data
from harness.own_data.inspect.inspection import inspect_data
from harness.own_data.tables import open_array

PEOPLE = ("p1", "p2", "p3", "p4")
N = 300
SIGNAL, RATE, TIMES = 0.4, 0.2, 4


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))


class Lab:
    """Three runs of four people: SIGNAL of what a model has, RATE of word rate, both late."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.folder = folder
        (folder / "events").mkdir(parents=True)
        (folder / "data").mkdir()
        self.features = rng.normal(size=(3, N))
        self.values: dict[tuple[str, int], np.ndarray] = {}
        self.repeats: dict[str, np.ndarray] = {}
        drivers = []
        for run in range(3):
            onsets = np.sort(rng.uniform(0, 2 * N - 1, 3 * N))
            rows = [f"{t:.3f}\t0.2\t{w}" for t, w in zip(onsets, self.words(rng), strict=True)]
            table = "\n".join(["onset\tduration\tword", *rows])
            (folder / "events" / f"r{run}.tsv").write_text(table)
            rate = np.histogram(onsets + 0.1, np.arange(N + 1) * 2.0)[0]
            both = [self.features[run], rate]
            late = [np.r_[0, 0, ((x - x.mean()) / x.std())[:-2]] for x in both]
            drivers.append(np.sqrt(SIGNAL) * late[0] + np.sqrt(RATE) * late[1])
        for number, person in enumerate(PEOPLE):
            for run in range(3):
                noise = rng.normal(size=(TIMES, N, 3 + number))
                each = drivers[run][:, None] + np.sqrt(1 - SIGNAL - RATE) * noise
                self.values[person, run] = each[0]
                if run == 2:
                    self.repeats[person] = each

    @staticmethod
    def words(rng: np.random.Generator) -> list[str]:
        known = ("the", "boat", "sea", "cook", "rain", "soup", "sailed", "hat")
        return [known[i] for i in rng.integers(len(known), size=3 * N)]

    def write(self) -> None:
        for (person, run), values in self.values.items():
            np.save(self.folder / "data" / f"{person}_r{run}.npy", values)

    def describe(
        self,
        *,
        responses: str = "data/{participant}_{run}.npy",
        absent: dict[int, list[str]] | None = None,
        runs: dict[int, str] | None = None,
        more: str = "",
    ) -> Path:
        tables = "".join(
            f'[[runs]]\nname = "r{run}"\nevents = "events/r{run}.tsv"\nstart = 1.0\n'
            + (f"absent = {json.dumps(absent[run])}\n" if absent and run in absent else "")
            + (runs or {}).get(run, "")
            + "\n"
            for run in range(3)
        )
        path = self.folder / "benchmark.toml"
        path.write_text(
            f'name = "lab"\nparticipants = {json.dumps(PEOPLE)}\nresponses = "{responses}"\n'
            f"tr = 2.0\nfolds = 3\ndelays = [1, 2, 3]\n{more}\n{tables}"
        )
        return path

    def score(self, path: Path) -> xr.Dataset:
        benchmark = OwnData(str(path))
        (request,) = benchmark.requests()
        values = self.features.reshape(-1, 1, 1).astype(np.float32)
        dims = ("sample", "layer", "unit")
        return benchmark.score({request: xr.DataArray(values, dims=dims, coords={"layer": [0]})})


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = Lab(tmp_path / "lab")
    made.write()
    return made


def by_person(score: xr.Dataset, name: str) -> np.ndarray:
    own = score["voxel_participant"].values
    return np.array([np.nanmean(score[f"voxel_{name}"].values[own == k]) for k in range(4)])


class TestAbsent:
    def test_the_truth_comes_back_of_participants_with_other_voxels(self, lab: Lab) -> None:
        whole = lab.score(lab.describe())
        (lab.folder / "data" / "p3_r1.npy").unlink()
        score = lab.score(lab.describe(absent={1: ["p3"]}))
        np.testing.assert_allclose(by_person(score, "r"), np.sqrt(SIGNAL), atol=0.04)
        np.testing.assert_allclose(by_person(score, "unique_r2"), SIGNAL, atol=0.06)
        for name in ("r", "unique_r2", "nuisance_r2"):
            kept = [0, 1, 3]
            np.testing.assert_array_equal(
                by_person(score, name)[kept], by_person(whole, name)[kept]
            )
        assert by_person(score, "r")[2] != by_person(whole, "r")[2]

    def test_by_region(self, lab: Lab) -> None:
        for (person, run), values in lab.values.items():
            np.save(lab.folder / "data" / f"{person}_r{run}.npy", values[:, :3])
        (lab.folder / "data" / "p1_r0.npy").unlink()
        score = lab.score(lab.describe(absent={0: ["p1"]}, more='rois = ["A", "B", "C"]'))
        np.testing.assert_allclose(score["r_best"].mean("roi"), np.sqrt(SIGNAL), atol=0.06)
        np.testing.assert_allclose(score["unique_r2"].mean("roi"), SIGNAL, atol=0.08)
        share = SIGNAL + RATE
        wanted = share / np.sqrt(share + (1 - share) / 3)
        np.testing.assert_allclose(score["ceiling_loo"].mean("roi"), wanted, atol=0.05)
        assert json.loads(score.attrs["absent_runs"]) == {"p1": ["0"]}

    def test_a_file_that_is_missing_is_no_absence(self, lab: Lab) -> None:
        (lab.folder / "data" / "p3_r1.npy").unlink()
        path = lab.describe()
        with pytest.raises(DataError, match=r"names data/p3_r1\.npy, which is not there") as error:
            spec_from_data(f"data:{path}")
        assert "absent" in error.value.hint
        with pytest.raises(DataError, match=r"p3_r1\.npy"):
            OwnData(str(path))

    def test_what_is_absent_is_in_the_key(self, lab: Lab) -> None:
        keys = {
            spec_from_data(f"data:{lab.describe(absent=absent)}").options["path"].content
            for absent in (None, {1: ["p3"]}, {2: ["p3"]})
        }
        assert len(keys) == 3

    @pytest.mark.parametrize(
        ("absent", "runs", "message"),
        [
            ({1: ["p9"]}, {}, "run r1: p9 are absent and no participants"),
            ({1: list(PEOPLE)}, {}, "everybody is absent from run r1"),
            ({0: ["p2"], 1: ["p2"], 2: ["p2"]}, {}, "p2 is absent from every run"),
            ({2: ["p2"]}, {2: "test = true\n"}, "p2 lacks every run to test on"),
            ({0: ["p2"], 1: ["p2"]}, {2: "test = true\n"}, "p2 lacks every run to fit to"),
            ({}, {1: 'repeats = ["r1"]\n'}, "name at least two"),
        ],
    )
    def test_what_cannot_be_meant(
        self, lab: Lab, absent: dict[int, list[str]], runs: dict[int, str], message: str
    ) -> None:
        with pytest.raises(DataError) as error:
            spec_from_data(f"data:{lab.describe(absent=absent, runs=runs)}")
        assert message in f"{error.value.message} {error.value.hint}"

    def test_one_run_alone_cannot_be_held_out(self, lab: Lab) -> None:
        path = lab.describe(absent={0: ["p2"], 1: ["p2"]})
        with pytest.raises(DataError, match="runs that p2 have, none is held out"):
            OwnData(str(path))

    def test_options_that_need_everybody(self, lab: Lab) -> None:
        from dataclasses import replace

        path = lab.describe(absent={1: ["p3"]})
        crossed = replace(OwnData(str(path)).encoding, cross=True)
        with pytest.raises(DataError, match="some participants lack runs"):
            OwnData(str(path), encoding=crossed)

    def test_own_confounds(self, lab: Lab) -> None:
        rng = np.random.default_rng(5)
        plain = lab.score(lab.describe(absent={1: ["p3"]}))
        for (person, run), values in lab.values.items():
            motion = rng.normal(size=(N, 2))
            np.save(lab.folder / "data" / f"{person}_r{run}_motion.npy", motion)
            np.save(lab.folder / "data" / f"{person}_r{run}.npy", values + 3 * motion[:, :1])
        (lab.folder / "data" / "p3_r1_motion.npy").unlink()
        path = lab.describe(
            absent={1: ["p3"]}, more='confounds = "data/{participant}_{run}_motion.npy"'
        )
        score = lab.score(path)
        for name in ("r", "unique_r2"):
            np.testing.assert_allclose(by_person(score, name), by_person(plain, name), atol=0.02)

    def test_an_inspection(self, lab: Lab) -> None:
        (lab.folder / "data" / "p1_r0.npy").unlink()
        found = inspect_data(str(lab.describe(absent={0: ["p1"]})))
        assert found.sound
        assert len(found.arrays) == 11
        assert set(found.spectrum["participant"]) == set(PEOPLE)
        assert found.participants == PEOPLE[1:]
        assert list(found.runs["volumes"]) == [N] * 3
        assert found.lags is not None
        assert found.lags.best == 2


class TestFormats:
    @pytest.mark.parametrize("kind", ["v5", "v7.3", "npz"])
    def test_the_same_from_matlab_and_npz(self, lab: Lab, kind: str) -> None:
        absent = {1: ["p3"]}
        expected = lab.score(lab.describe(absent=absent))
        for person in PEOPLE:
            own = {
                f"r{run}": values
                for (who, run), values in lab.values.items()
                if who == person and (who, run) != ("p3", 1)
            }
            path = lab.folder / f"{person}.{'npz' if kind == 'npz' else 'mat'}"
            if kind == "npz":
                np.savez(path, **own)
            elif kind == "v5":
                scipy.io.savemat(path, own)
            else:
                save_v73(path, own)
        ending = "npz" if kind == "npz" else "mat"
        score = lab.score(
            lab.describe(responses=f"{{participant}}.{ending}:{{run}}", absent=absent)
        )
        np.testing.assert_array_equal(score["voxel_r"], expected["voxel_r"])
        np.testing.assert_array_equal(score["voxel_unique_r2"], expected["voxel_unique_r2"])

    @pytest.mark.parametrize("kind", ["v5", "v7.3", "npz", "npy"])
    def test_three_axes(self, lab: Lab, kind: str) -> None:
        values = lab.repeats["p1"]
        path = lab.folder / f"x.{'mat' if kind.startswith('v') else kind}"
        if kind == "npz":
            np.savez(path, a=values)
        elif kind == "npy":
            np.save(path, values)
        elif kind == "v5":
            scipy.io.savemat(path, {"a": values})
        else:
            save_v73(path, {"a": values})
        address = path.name if kind == "npy" else f"{path.name}:a"
        np.testing.assert_array_equal(open_array(lab.folder, address)[:, 3:5], values[:, 3:5])


def save_v73(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write what MATLAB does with ``-v7.3``: HDF5 behind a block of 512 bytes, axes reversed."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in arrays.items():
            file[name] = values.T
            file[name].attrs["MATLAB_class"] = np.bytes_("double")
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM"
    with path.open("r+b") as file:
        file.write(head)


class TestRepeats:
    def in_one_array(self, lab: Lab, run: int = 2) -> None:
        for person, values in lab.repeats.items():
            np.save(lab.folder / "data" / f"{person}_r{run}.npy", values)

    def test_ceilings_by_voxel(self, lab: Lab) -> None:
        self.in_one_array(lab)
        score = lab.score(lab.describe(absent={1: ["p3"]}))
        share = SIGNAL + RATE
        wanted = np.sqrt(share / (share + (1 - share) / TIMES))
        np.testing.assert_allclose(by_person(score, "ceiling"), wanted, atol=0.03)
        truth = np.sqrt(SIGNAL / share)
        np.testing.assert_allclose(score["normalised_participant"], truth, atol=0.08)

    def test_ceilings_by_region_of_two_people(self, lab: Lab) -> None:
        for (person, run), values in lab.values.items():
            np.save(lab.folder / "data" / f"{person}_r{run}.npy", values[:, :3])
        for person, values in lab.repeats.items():
            np.save(lab.folder / "data" / f"{person}_r2.npy", values[:, :, :3])
        path = lab.describe(more='rois = ["A", "B", "C"]')
        path.write_text(path.read_text().replace(json.dumps(PEOPLE), '["p1", "p2"]'))
        score = lab.score(path)
        share = SIGNAL + RATE
        wanted = np.sqrt(share / (share + (1 - share) / TIMES))
        np.testing.assert_allclose(score["ceiling_repeats"], wanted, atol=0.05)
        assert float(score["ceiling"]) == pytest.approx(wanted, abs=0.03)
        assert float(score["normalised"]) == pytest.approx(np.sqrt(SIGNAL / share), abs=0.1)

    def test_one_file_a_presentation_says_the_same(self, lab: Lab) -> None:
        self.in_one_array(lab)
        together = lab.score(lab.describe())
        for person, values in lab.repeats.items():
            for number, each in enumerate(values):
                np.save(lab.folder / "data" / f"{person}_again{number}.npy", each)
        named = json.dumps([f"again{k}" for k in range(TIMES)])
        apart = lab.score(lab.describe(runs={2: f"repeats = {named}\n"}))
        for name in ("voxel_r", "voxel_ceiling", "voxel_unique_r2", "normalised"):
            np.testing.assert_array_equal(together[name], apart[name])

    def test_each_presentation_has_its_own_confounds(self, lab: Lab) -> None:
        rng = np.random.default_rng(7)
        for person, values in lab.repeats.items():
            for number, each in enumerate(values):
                motion = rng.normal(size=(N, 2))
                np.save(lab.folder / "data" / f"{person}_a{number}.npy", each + 3 * motion[:, :1])
                np.save(lab.folder / "data" / f"{person}_a{number}_motion.npy", motion)
        for person, run in lab.values:
            motion = rng.normal(size=(N, 2))
            np.save(lab.folder / "data" / f"{person}_r{run}_motion.npy", motion)
        named = json.dumps([f"a{k}" for k in range(TIMES)])
        path = lab.describe(
            runs={2: f"repeats = {named}\n"},
            more='confounds = "data/{participant}_{run}_motion.npy"',
        )
        score = lab.score(path)
        share = SIGNAL + RATE
        wanted = np.sqrt(share / (share + (1 - share) / TIMES))
        np.testing.assert_allclose(by_person(score, "ceiling"), wanted, atol=0.03)
        np.testing.assert_allclose(by_person(score, "r"), np.sqrt(SIGNAL), atol=0.05)
        benchmark = OwnData(str(path))
        source = benchmark.source.block("p1", 0, 3)[2 * N :]
        left = []
        for number in range(TIMES):
            y, c = (
                np.load(lab.folder / "data" / f"p1_a{number}{end}.npy") for end in ("", "_motion")
            )
            design = np.column_stack([np.ones(N), c])
            left.append(y - design @ np.linalg.lstsq(design, y, rcond=None)[0])
        np.testing.assert_allclose(source, np.mean(left, axis=0), atol=1e-12)

    def test_several_runs_with_repeats(self, lab: Lab) -> None:
        self.in_one_array(lab)
        self.in_one_array(lab, 1)
        with pytest.raises(DataError, match="runs r1, r2 have repeats") as error:
            OwnData(str(lab.describe()))
        assert "test = true" in error.value.hint
        source = OwnData(str(lab.describe(runs={2: "test = true\n"}))).source
        repeats = source.repeats("p1", 0, 2)
        assert repeats is not None
        np.testing.assert_array_equal(repeats, lab.repeats["p1"][:, :, :2])
        np.testing.assert_allclose(
            source.block("p1", 0, 2)[N : 2 * N], lab.repeats["p1"].mean(axis=0)[:, :2]
        )

    def test_faults(self, lab: Lab) -> None:
        np.save(lab.folder / "data" / "p1_r2.npy", lab.repeats["p1"])
        with pytest.raises(DataError, match="r2: participant p2 has one presentation, p1 several"):
            OwnData(str(lab.describe()))
        np.save(lab.folder / "data" / "p1_r2.npy", np.moveaxis(lab.repeats["p1"], 0, 2))
        with pytest.raises(DataError, match="has shape") as error:
            OwnData(str(lab.describe()))
        assert "(presentations, volumes, columns)" in error.value.hint
        self.in_one_array(lab)
        np.save(lab.folder / "data" / "p2_b.npy", lab.repeats["p2"][0, :-4])
        for person in PEOPLE:
            np.save(lab.folder / "data" / f"{person}_a.npy", lab.repeats[person][0])
            if person != "p2":
                np.save(lab.folder / "data" / f"{person}_b.npy", lab.repeats[person][1])
        with pytest.raises(DataError, match="participant p2, run r2: presentations have shapes"):
            OwnData(str(lab.describe(runs={2: 'repeats = ["a", "b"]\n'})))

    def test_an_inspection_sees_their_mean(self, lab: Lab) -> None:
        self.in_one_array(lab)
        found = inspect_data(str(lab.describe()))
        assert found.sound
        assert list(found.runs["volumes"]) == [N] * 3


def test_a_scaffolded_folder_has_none_of_this(tmp_path: Path) -> None:
    scaffold_benchmark("our-story", tmp_path / "lab")
    assert OwnData(str(tmp_path / "lab" / "benchmark.toml")).data.absent == {}
