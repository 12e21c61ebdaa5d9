import os
from pathlib import Path

import numpy as np
import pytest
from brainpress_plugins.benchmarks.neural import brennan2016_alice as alice
from places import offline

from harness.errors import ChecksumError, DataError, OfflineError

FOLDER = next(
    (
        Path(f)
        for f in os.environ.get("BRAINPRESS_DATA", "").split(os.pathsep)
        if (Path(f) / "brennan2016_alice").is_dir()
    ),
    None,
)
needs_data = [
    pytest.mark.needs_data,
    pytest.mark.skipif(FOLDER is None, reason="needs brennan2016_alice on BRAINPRESS_DATA"),
]


@pytest.fixture
def data(monkeypatch):
    """The data folder, as the first test found it."""
    monkeypatch.setenv("BRAINPRESS_DATA", str(FOLDER))
    return FOLDER


class TestOnRealData:
    pytestmark = needs_data

    def test_words_and_volumes_share_a_clock(self, data):
        benchmark = alice.Alice()
        (request,) = benchmark.requests()
        (passage,) = request.stimuli.passages
        assert len(passage.items) == 2127
        assert passage.text.startswith("Alice was beginning to get very tired of sitting")
        assert request.readout.rows(request.stimuli) == (362,)
        assert passage.onsets[0] == pytest.approx(20.059, abs=1e-3)
        last = request.readout.times[0][-1]
        assert last - 2 < passage.offsets[-1] < last + 2

    def test_the_participant_of_zeros_is_left_out_and_named(self, data):
        responses = alice.Alice().responses
        assert responses.values.shape == (27, 362, 6)
        assert list(responses.left_out) == ["s33"]
        assert "constant" in responses.left_out["s33"]
        np.testing.assert_allclose(responses.values.mean(axis=1), 0, atol=1e-12)
        np.testing.assert_allclose(responses.values.std(axis=1), 1, rtol=1e-12)

    def test_motion_is_taken_out_on_demand(self, data):
        assert alice.Alice(motion=True).responses.confounds.shape == (27, 362, 6)
        assert alice.Alice(motion=False).responses.confounds is None

    def test_word_rate_predicts_the_group_mean_and_noise_does_not(self, data):
        from harness.encode.design.features import zscore_by_run
        from harness.encode.solve.layers import encode_layers

        responses = alice.Alice().responses
        group = zscore_by_run(responses.values.mean(axis=0), responses.runs)
        rate = responses.nuisance["word rate"][:, None, None]
        assert 0.3 < encode_layers(rate, group, responses.runs).r_best.mean() < 0.45
        # 30 draws of noise as smooth as the responses
        rng = np.random.default_rng(0)
        noise = rng.normal(size=(362 + 8, 30))
        smooth = np.stack([np.convolve(n, np.ones(9) / 9, "valid") for n in noise.T], axis=1)
        scores = [
            encode_layers(draw[:, None, None], group, responses.runs).r_best.mean()
            for draw in smooth.T
        ]
        assert abs(np.mean(scores)) < 0.06

    def test_radius(self, data):
        small, large = (alice.Alice(radius=r).responses.values for r in (6, 10))
        assert not np.allclose(small, large)
        r = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(small[0].T, large[0].T, strict=True)])
        assert r > 0.5
        with pytest.raises(DataError, match="8 mm"):
            alice.Alice(radius=8)

    def test_a_textgrid_cut_in_half_is_the_wrong_file(self, data, tmp_path, monkeypatch):
        target = tmp_path / "brennan2016_alice" / alice.TEXTGRID
        target.parent.mkdir(parents=True)
        whole = (data / "brennan2016_alice" / alice.TEXTGRID).read_bytes()
        target.write_bytes(whole[: len(whole) // 2])
        monkeypatch.setenv("BRAINPRESS_DATA", f"{tmp_path}{os.pathsep}{data}")
        with pytest.raises(ChecksumError, match="DownTheRabbitHole"):
            alice.Alice()

    def test_a_recording_is_scored_by_participant_region_and_layer(self, data):
        import xarray as xr

        from harness.encode.design.options import EncodingOptions

        benchmark = alice.Alice(encoding=EncodingOptions(n_outer=4))
        (request,) = benchmark.requests()
        rng = np.random.default_rng(0)
        rate = benchmark.responses.nuisance["word rate"]
        noise = rng.normal(size=(362, 2, 8)).astype(np.float32)
        noise[:, 1, 0] += 3 * rate / rate.std()
        recording = xr.DataArray(noise, dims=("sample", "layer", "unit"), coords={"layer": [0, 1]})
        score = benchmark.score({request: recording})
        assert score["r"].dims == ("participant", "roi", "layer")
        assert score["r"].shape == (27, 6, 2)
        assert (score["group_layer_best"] == 1).all()
        assert score["low"] < score["value"] < score["high"]
        # what word rate explains is not the model's own
        assert score["group_r_best"].mean() > 0.25
        assert score["group_unique_r2"].mean() < 0.02
        assert 0.2 < score["ceiling"] < 0.35
        assert ((score["group_ceiling"] > 0.7) & (score["group_ceiling"] < 1)).all()
        # By participant, of regions whose ceiling is above its null.
        share = float(score["value"] / score["ceiling"])
        assert float(score["normalised"]) == pytest.approx(share, abs=0.1)
        assert float(abs(score["normalised_participant"]).max()) < 3


def test_without_data_and_offline_the_file_and_the_way_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    with offline(), pytest.raises(OfflineError, match="TextGrid"):
        alice.Alice()
