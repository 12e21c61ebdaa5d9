"""Podcast ECoG: recordings and tables written here in the published layout, and their faults."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.neural import podcast_ecog as podcast
from brainpress_plugins.benchmarks.neural.electrode_ceilings import electrode_ceilings
from brainpress_plugins.benchmarks.neural.electrodes import open_electrodes, read_places
from podcast_ecog_files import (
    CHANNELS,
    LAG,
    PLACES,
    RATE,
    SECONDS,
    signals,
    transcript,
    write_signal,
    write_table,
)

from harness.check.runs import benchmark_findings
from harness.encode.design.splits import contiguous_folds
from harness.errors import ChecksumError, DataError, ExtraMissing, OfflineError

mne = pytest.importorskip("mne")
PEOPLE = ("01", "02", "03")


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    names = [podcast.TRANSCRIPT]
    for person in podcast.PARTICIPANTS:
        names.append(podcast._signal(person))
        names += [podcast._place(person, end) for end in ("electrodes.tsv", "coordsystem.json")]
    monkeypatch.setitem(vars(podcast.FILES), "entries", dict.fromkeys(names, (None, "")))
    root = tmp_path / "ds005574"
    rows, onsets = transcript()
    write_table(root / podcast.TRANSCRIPT, ["word", "start", "end"], rows)
    driver = np.random.default_rng(1).normal(size=len(onsets))
    for number, person in enumerate(PEOPLE):
        write_signal(root / podcast._signal(person), signals(onsets, driver, 10 + number))
        places = [[name, *PLACES.get(name, ("n/a",) * 3), "n/a"] for name in CHANNELS[:5]]
        table = root / podcast._place(person, "electrodes.tsv")
        write_table(table, ["name", "x", "y", "z", "size"], places, delimiter="\t")
        system = {"iEEGCoordinateSystem": "MNI152NLin2009aSym", "iEEGCoordinateUnits": "mm"}
        (root / podcast._place(person, "coordsystem.json")).write_text(json.dumps(system))
    return Lab(root, onsets, driver)


class Lab:
    def __init__(self, root, onsets, driver):
        self.root, self.onsets, self.driver = root, onsets, driver

    def signal(self, person):
        return self.root / podcast._signal(person)

    def recording(self):
        """Layer 1 holds the number of each word, layer 0 noise."""
        rng = np.random.default_rng(5)
        n = len(self.driver)
        layers = [rng.normal(size=(n, 4)), np.repeat(self.driver[:, None], 4, axis=1)]
        return xr.DataArray(
            np.stack(layers, axis=1).astype(np.float32),
            dims=("sample", "layer", "unit"),
            coords={"layer": [0, 1]},
        )


def build(**options):
    return podcast.PodcastECoG(**{"participants": "01+02+03", **options})


class TestStimuli:
    def test_every_timed_word_is_a_row_and_every_word_is_text(self, lab):
        (request,) = build().requests()
        (passage,) = request.stimuli.passages
        assert len(passage.text.split()) == 300
        assert request.readout.rows(request.stimuli) == (299,)
        assert passage.items[8:10] == (passage.text.split()[8], passage.text.split()[10])

    def test_lags(self, lab):
        lags = build().lags
        assert len(lags) == 21
        assert (lags[0], lags[-1]) == (-2.0, 2.0)
        np.testing.assert_allclose(np.diff(lags), 0.2)
        assert build(earliest=0, latest=0.45, step=0.1).lags == (0, 0.1, 0.2, 0.3, 0.4)
        assert build(earliest="-0.5", latest="0.5", step="0.5").lags == (-0.5, 0, 0.5)

    def test_no_window_of_a_training_word_overlaps_one_of_a_test_word(self, lab):
        benchmark = build()
        onsets = lab.onsets[benchmark.rows]
        reach = (2.0 + 2.0 + 0.2) - 1e-9
        for fold in contiguous_folds(
            np.zeros(len(onsets)), benchmark.options.n_outer, benchmark.options.gap
        ):
            apart = np.abs(onsets[fold.train][:, None] - onsets[fold.test]).min()
            assert apart > reach
        closest = contiguous_folds(np.zeros(len(onsets)), 5, benchmark.options.gap - 3)
        apart = [np.abs(onsets[f.train][:, None] - onsets[f.test]).min() for f in closest]
        assert min(apart) < reach  # the gap is no wider than it must be, by a few words


class TestActivity:
    def test_windows_are_means_of_samples(self, lab):
        benchmark = build(step=0.5, window=0.25)
        values = benchmark.activity["02"]
        raw = mne.io.read_raw_fif(lab.signal("02"), verbose="ERROR").get_data()
        onsets = benchmark.words.onsets[benchmark.rows]
        assert values.shape == (len(onsets), 4, 9)
        for word in (0, 99, 100, 101, len(onsets) - 1):
            for number, lag in enumerate(benchmark.lags):
                start = int(np.floor((onsets[word] + lag) * RATE - 8 + 0.5))
                expected = raw[:4, start : start + 16].mean(axis=1)
                np.testing.assert_allclose(values[word, :, number], expected, atol=1e-5)

    def test_bad_channels_and_others_are_left_out(self, lab):
        benchmark = build()
        assert benchmark.electrodes["01"].names == ("G1", "G2", "G3", "G4")
        np.testing.assert_array_equal(benchmark.electrodes["01"].places[0], PLACES["G1"])

    def test_a_recording_that_starts_later_on_its_own_clock(self, lab, tmp_path):
        raw = mne.io.read_raw_fif(lab.signal("01"), preload=True, verbose="ERROR")
        whole = build().activity["01"]
        raw.crop(tmin=1.0).save(lab.signal("01"), overwrite=True, verbose="ERROR")
        benchmark = build()
        electrodes = benchmark.electrodes["01"]
        assert electrodes.first == RATE
        onsets = benchmark.words.onsets[5:50]
        again = electrodes.around(onsets, benchmark.lags, 0.2)
        np.testing.assert_allclose(again, whole[5:50], atol=1e-6)

    def test_words_at_the_edges_have_no_row(self, lab):
        assert len(build().rows) == len(lab.onsets)
        assert build(earliest=-4.6).rows[0] == 1  # the first word starts at 4.5 s
        late = build(latest=15.0, earliest=14.0)
        inside = lab.onsets + 15.1 <= SECONDS
        np.testing.assert_array_equal(late.rows, np.flatnonzero(inside))
        score = late.score({late.requests()[0]: lab.recording()})
        assert score.attrs["words_left_out"] == (~inside).sum() > 0


class TestScores:
    @pytest.fixture
    def score(self, lab):
        benchmark = build(step=0.4)
        (request,) = benchmark.requests()
        return benchmark.score({request: lab.recording()})

    def test_electrodes_follow_words_at_their_lag(self, score):
        r = score["electrode_r"].values.reshape(3, 4)
        assert (r[:, :2] > 0.7).all()
        assert (np.abs(r[:, 2:]) < 0.3).all()
        lag = score["electrode_lag"].values.reshape(3, 4)
        np.testing.assert_allclose(lag[:, :2], LAG, atol=1e-6)
        assert (score["electrode_layer"].values.reshape(3, 4)[:, :2] == 1).all()
        peak = score["lag_r"].mean("participant")
        assert float(peak.idxmax("lag")) == pytest.approx(LAG)
        assert score["r"].dims == ("participant", "layer")
        assert float(score["r"].sel(layer=1).mean()) > float(score["r"].sel(layer=0).mean())

    def test_value_is_the_mean_over_electrodes_then_participants(self, score):
        r = score["electrode_r"].values.reshape(3, 4)
        assert float(score["value"]) == pytest.approx(r.mean(axis=1).mean())
        assert float(score["low"]) <= float(score["value"]) <= float(score["high"])

    def test_regions_are_electrodes_near_their_peaks(self, score):
        r = score["electrode_r"].values.reshape(3, 4)
        np.testing.assert_allclose(score["r_roi"].sel(roi="TP"), r[:, 0])
        np.testing.assert_allclose(score["r_roi"].sel(roi="pSTS"), r[:, 1])
        assert np.isnan(score["r_roi"].sel(roi="IFGorb")).all()
        ceiling = score["electrode_ceiling"].values.reshape(3, 4)
        np.testing.assert_allclose(score["ceiling_roi"].sel(roi="TP"), ceiling[:, 0])
        assert np.isfinite(score["electrode_place"].values).all()

    def test_the_baseline_knows_nothing_of_these_numbers(self, score):
        assert abs(float(score["baseline"])) < 0.25
        assert "log frequency" in score.attrs["baseline_of"]
        assert np.isfinite(score["electrode_baseline"].values).all()

    def test_a_baseline_that_explains_electrodes(self, lab):
        """Activity that grows with the length of words, which every model knows, too."""
        words = build().words
        length = np.array([sum(c.isalpha() for c in w) for w in words.passage.items], float)
        for number, person in enumerate(PEOPLE):
            values = signals(words.onsets, length - length.mean(), 10 + number)
            write_signal(lab.signal(person), values)
        benchmark = build(earliest=LAG, latest=LAG)
        (request,) = benchmark.requests()
        score = benchmark.score({request: lab.recording()})
        baseline = score["electrode_baseline"].values.reshape(3, 4)
        assert (baseline[:, :2] > 0.8).all()
        assert (np.abs(baseline[:, 2:]) < 0.3).all()
        expected = baseline.mean(axis=1)
        np.testing.assert_allclose(score["baseline_value"], expected)
        assert float(score["baseline"]) == pytest.approx(expected.mean())

    def test_ceilings_come_from_the_others(self, lab):
        """Others' electrodes have the same words in them; noise is everybody's own."""
        benchmark = build(earliest=LAG, latest=LAG)
        (request,) = benchmark.requests()
        score = benchmark.score({request: lab.recording()})
        ceiling = score["electrode_ceiling"].values.reshape(3, 4)
        assert (ceiling[:, :2] > 0.8).all()
        assert (np.abs(ceiling[:, 2:]) < 0.3).all()
        # what the others hold is a noisy copy of the model's number
        assert (score["electrode_r"].values.reshape(3, 4)[:, :2] > ceiling[:, :2] - 0.02).all()
        known = score["electrode_normalised"].values.reshape(3, 4)[:, :2]
        assert (known > 0.98).all()

    def test_ceilings_are_kept_for_other_models(self, lab, monkeypatch):
        benchmark = build(earliest=LAG, latest=LAG)
        arguments = (benchmark.activity, benchmark.lags, benchmark.options)
        first = electrode_ceilings(*arguments)
        monkeypatch.setattr(
            "brainpress_plugins.benchmarks.neural.electrode_ceilings.stream_layers",
            lambda *_, **__: pytest.fail("ceilings were computed again"),
        )
        for person, again in electrode_ceilings(*arguments).items():
            np.testing.assert_array_equal(again, first[person])
        changed = {**benchmark.activity, "03": benchmark.activity["03"] + 1}
        with pytest.raises(pytest.fail.Exception, match="computed again"):
            electrode_ceilings(changed, *arguments[1:])

    def test_one_participant_has_no_ceiling(self, lab):
        benchmark = build(participants="02", earliest=LAG, latest=LAG)
        (request,) = benchmark.requests()
        score = benchmark.score({request: lab.recording()})
        assert score.attrs["ceiling_kind"] == "none"
        assert np.isnan(score["electrode_ceiling"].values).all()
        assert np.isfinite(float(score["value"]))

    def test_noise_scores_nothing(self, lab):
        """The lag is chosen on training words: there is no gain in having many."""
        rng = np.random.default_rng(8)
        noise = lab.recording()
        noise.values[:] = rng.normal(size=noise.shape)
        benchmark = build()
        (request,) = benchmark.requests()
        score = benchmark.score({request: noise})
        assert abs(float(score["value"])) < 0.08
        best = score["lag_r"].max("lag").mean()
        assert float(best) > float(score["value"])

    def test_end_to_end_with_the_mock_model(self, lab):
        spec = replace(
            podcast.brainpress_benchmarks()[0],
            options={"participants": PEOPLE, "step": 1.0, "context": "words(3)"},
        )
        findings = benchmark_findings(spec)
        assert [f.outcome for f in findings] == ["passed"] * 5, findings


class TestFaults:
    def test_a_missing_participant(self, lab):
        with pytest.raises(OfflineError, match=r"sub-04_task-podcast_desc-highgamma") as caught:
            build(participants="01+04")
        assert "brainpress fetch podcast-ecog" in caught.value.hint
        with pytest.raises(DataError, match=r"no participants \['10'\]"):
            build(participants="01+10")

    def test_a_recording_that_is_too_short(self, lab):
        write_signal(lab.signal("03"), np.random.default_rng(0).normal(size=(6, int(90 * RATE))))
        with pytest.raises(DataError, match=r"participant 03: .* lasts 90 s; \d+ of 299 words"):
            build()

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.5])
    def test_a_recording_cut_short(self, lab, share):
        content = lab.signal("02").read_bytes()
        lab.signal("02").write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError, match=r"sub-02_.*(not a whole FIF file|lasts)"):
            _ = build().activity

    def test_mne_is_not_installed(self, lab, monkeypatch):
        monkeypatch.setitem(sys.modules, "mne", None)
        with pytest.raises(ExtraMissing) as caught:
            build()
        assert "mne>=" in caught.value.hint

    def test_no_good_electrode(self, lab):
        write_signal(lab.signal("01"), np.ones((6, 100)), bads=CHANNELS[:5])
        with pytest.raises(DataError, match=r"sub-01_.* has no good electrode among its 6"):
            build()

    def test_electrodes_with_nan_are_unusable_and_counted(self, lab):
        values = signals(lab.onsets, lab.driver, 10)
        values[1, 5000] = np.nan
        values[2] = 3.0
        write_signal(lab.signal("01"), values)
        benchmark = build(step=0.4)
        (request,) = benchmark.requests()
        score = benchmark.score({request: lab.recording()})
        r = score["electrode_r"].values.reshape(3, 4)
        assert np.isnan(r[0, 2])
        assert np.isfinite(r[1:]).all()
        assert r[0, 0] > 0.7
        assert json.loads(score.attrs["unusable"])["01"] > 0
        assert np.isfinite(float(score["value"]))

    def test_a_table_of_electrodes_without_places(self, lab):
        path = lab.root / podcast._place("02", "electrodes.tsv")
        write_table(path, ["name", "x", "y", "z"], [["G1", "1", "2", "left"]], delimiter="\t")
        with pytest.raises(DataError, match=r"electrodes\.tsv, line 2: G1 has no usable place"):
            build()
        write_table(path, ["name", "x", "y"], [["G1", "1", "2"]], delimiter="\t")
        with pytest.raises(DataError, match=r"electrodes\.tsv lacks the columns z"):
            build()

    def test_units(self, lab, tmp_path):
        table = lab.root / podcast._place("01", "electrodes.tsv")
        system = tmp_path / "coordsystem.json"
        system.write_text('{"iEEGCoordinateUnits": "m"}')
        assert read_places(table, system)["G1"] == (-48000.0, 15000.0, -27000.0)
        assert np.isnan(read_places(table, system)["G5"]).all()
        system.write_text('{"iEEGCoordinateUnits": "pixels"}')
        with pytest.raises(DataError, match=r"coordsystem\.json states no unit.*pixels"):
            open_electrodes(lab.signal("01"), table, system)

    @pytest.mark.parametrize(
        ("header", "row", "said"),
        [
            (["word", "start"], ["a", "1"], "lacks the columns end"),
            (["word", "start", "end"], ["a", "soon", "2"], "line 2: 'a' from 'soon'"),
            (["word", "start", "end"], ["a", "", ""], "0 of 1 words have a start"),
        ],
    )
    def test_transcripts(self, lab, header, row, said):
        write_table(lab.root / podcast.TRANSCRIPT, header, [row])
        with pytest.raises(DataError, match=rf"podcast_transcript\.csv.*{said}"):
            build()

    @pytest.mark.parametrize(
        "options",
        [{"step": 0}, {"window": -1}, {"earliest": 3.0}, {"step": "fine"}, {"latest": "inf"}],
    )
    def test_lags_that_make_no_sense(self, lab, options):
        with pytest.raises(DataError, match="earliest is no later"):
            build(**options)


def test_published_files(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    resources = podcast.PodcastECoG.resources()
    assert len(resources) == 1 + 9 * 3
    assert all(r.sha256 for r in resources if r.name.endswith((".fif", ".csv")))
    assert len(podcast.PodcastECoG.resources(participants=("01", "02"))) == 7
    path = tmp_path / resources[0].where
    path.parent.mkdir(parents=True)
    path.write_text("word,start,end\na,1,2\n")
    with pytest.raises(ChecksumError, match="sha256"):
        podcast.PodcastECoG()


def test_the_baseline_of_words_is_form_frequency_and_timing(lab):
    benchmark = build()
    words, found = benchmark.words, benchmark.baseline
    on, off = words.onsets, words.offsets
    np.testing.assert_allclose(found[:, 2], off - on)
    np.testing.assert_allclose(found[1:, 3], on[1:] - off[:-1])
    np.testing.assert_allclose(found[:-1, 4], on[1:] - on[:-1])
    assert (found[0, 3], found[-1, 4]) == (0, 0)
    assert found[:, 5].tolist() == list(range(len(on)))
    letters = [sum(c.isalpha() for c in item) for item in words.passage.items]
    assert found[:, 0].tolist() == letters
