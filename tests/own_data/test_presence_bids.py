"""BIDS derivatives of whom some lack runs, and of runs that were presented several times."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import simulated_bids as sim
import xarray as xr

from harness.errors import DataError
from harness.own_data.benchmark import OwnData
from harness.own_data.description import spec_from_data
from harness.own_data.inspect.inspection import inspect_data


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))


class TestBids:
    @pytest.fixture
    def simulated(self, tmp_path: Path) -> sim.Simulated:
        pytest.importorskip("nilearn")
        return sim.simulate(tmp_path / "lab", kinds=("volume", "surface"))

    def describe(self, simulated: sim.Simulated, runs: str, table: str = "") -> Path:
        path = simulated.folder / "benchmark.toml"
        volume = f'space = "{sim.SPACE}"\natlas = "atlas/six.nii.gz"\nlabels = "atlas/six.tsv"'
        path.write_text(
            f'name = "lab"\nparticipants = {json.dumps(sim.PEOPLE)}\ntr = {sim.TR}\nfolds = 4\n'
            'responses = "bids:derivatives/fmriprep"\ndelays = [1, 2, 3, 4, 5, 6, 7, 8]\n'
            f'[bids]\ntask = "story"\n{table or volume}\n'
            f'confounds = ["motion-6", "a_comp_cor_0[0-4]", "cosines"]\n{runs}'
        )
        return path

    def runs(self, absent: str = "") -> str:
        return "".join(
            f'[[runs]]\nname = "run{r}"\nevents = "events/run-{r}.tsv"\nstart = 1.0\n'
            f'bids = "run-{r}"\n{absent if r == "2" else ""}\n'
            for r in sim.RUNS
        )

    def test_a_run_that_somebody_lacks(self, simulated: sim.Simulated) -> None:
        for path in simulated.folder.rglob("sub-02_*run-2*"):
            path.unlink()
        with pytest.raises(DataError, match="no responses of sub-02"):
            spec_from_data(f"data:{self.describe(simulated, self.runs())}")
        path = self.describe(simulated, self.runs('absent = ["02"]'))
        assert spec_from_data(f"data:{path}").name == "lab"
        benchmark = OwnData(str(path))
        (request,) = benchmark.requests()
        values = simulated.features[:, None, :].astype(np.float32)
        dims = ("sample", "layer", "unit")
        heard = xr.DataArray(values, dims=dims, coords={"layer": [0]})
        score = benchmark.score({request: heard})
        driven = score["r_best"].sel(roi="STG")
        np.testing.assert_allclose(driven, np.sqrt(0.4), atol=0.1)
        np.testing.assert_allclose(score["unique_r2"].sel(roi="STG"), 0.4, atol=0.12)
        assert inspect_data(str(path)).sound
        shutil.rmtree(simulated.folder)

    def test_the_surface_of_somebody_without_the_first_run(self, simulated: sim.Simulated) -> None:
        for path in simulated.folder.rglob("sub-01_*run-1*"):
            path.unlink()
        table = 'space = "fsaverage5"\natlas = "atlas/six.{hemi}.label.gii"'
        runs = self.runs().replace('bids = "run-1"', 'bids = "run-1"\nabsent = ["01"]')
        path = self.describe(simulated, runs, table)
        path.write_text('resolution = "voxel"\n' + path.read_text())
        assert OwnData.surface("01", str(path)).shape == (120, 120)
        assert OwnData(str(path)).clocks[0][:2] == (1.0, 3.0)

    def test_repeats_by_their_entities(self, simulated: sim.Simulated) -> None:
        runs = (
            '[[runs]]\nname = "story"\nevents = "events/run-1.tsv"\nstart = 1.0\n'
            'repeats = ["run-1", "run-2"]\n'
        )
        path = self.describe(simulated, runs)
        spec_from_data(f"data:{path}")
        benchmark = OwnData(str(path))
        repeats = benchmark.source.repeats("03", 0, 6)
        assert repeats is not None
        assert repeats.shape == (2, sim.VOLUMES, 6)
        left = []
        for number in range(2):
            table = simulated.confounds["03"][number]
            names = [c for c in table if c.startswith(("cosine", "a_comp_cor"))]
            names += ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
            design = np.column_stack([np.ones(sim.VOLUMES), table[names].to_numpy()])
            rows = slice(number * sim.VOLUMES, (number + 1) * sim.VOLUMES)
            y = simulated.regions["03"][rows]
            left.append(y - design @ np.linalg.lstsq(design, y, rcond=None)[0])
        np.testing.assert_allclose(repeats, left, atol=2e-3)
        np.testing.assert_allclose(benchmark.source.block("03", 0, 6), np.mean(left, 0), atol=2e-3)
        with pytest.raises(DataError, match="says bids and repeats"):
            OwnData(str(self.describe(simulated, runs + 'bids = "run-1"\n')))
