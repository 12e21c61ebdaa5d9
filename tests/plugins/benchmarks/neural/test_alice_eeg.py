"""*Alice* EEG: a miniature made as the set's own code makes its files, its faults, its scores."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from itertools import pairwise

import alice_eeg
import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.neural import alice_eeg_files as files
from brainpress_plugins.benchmarks.neural import brennan2019_alice_eeg as alice
from brainpress_plugins.benchmarks.neural.sound_levels import (
    levels_and_rises,
    read_power,
    sound_around_words,
)

from harness.check.runs import benchmark_findings
from harness.encode.design.splits import contiguous_folds
from harness.errors import DataError

mne = pytest.importorskip("mne")
RATE = alice_eeg.RATE
PEOPLE = {
    "S01": {"archive": 0},
    "S26": {"archive": 1, "lacks": True},
    "S38": {"archive": 1, "names": ("VEOG",), "bads": ("5", "29")},
    "S44": {"archive": 2, "bads": ("27",)},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return alice_eeg.make(tmp_path_factory.mktemp("data") / "alice-eeg", PEOPLE)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def lab(made, monkeypatch, cache):
    alice_eeg.offer(made, monkeypatch, cache)
    return made


@pytest.fixture
def other(tmp_path, monkeypatch):
    """A miniature of other people, or with faults."""

    def make(people, **options):
        found = alice_eeg.make(tmp_path / "alice-eeg", people, **options)
        alice_eeg.offer(found, monkeypatch, tmp_path / "cache")
        return found

    return make


def build(**options):
    return alice.AliceEEG(**{"participants": "+".join(PEOPLE), **options})


def recording(driver, seed=5):
    """Layer 1 holds the number of each word, layer 0 noise."""
    rng = np.random.default_rng(seed)
    layers = [rng.normal(size=(len(driver), 4)), np.repeat(driver[:, None], 4, axis=1)]
    return xr.DataArray(
        np.stack(layers, axis=1).astype(np.float32),
        dims=("sample", "layer", "unit"),
        coords={"layer": [0, 1]},
    )


class TestStimuli:
    def test_words_are_in_the_order_in_which_they_were_heard(self, lab):
        words = build().words
        assert words.texts == lab.texts
        np.testing.assert_array_equal(words.segments, lab.segments)
        np.testing.assert_allclose(words.onsets, lab.onsets)
        np.testing.assert_allclose(words.offsets, lab.offsets)
        (request,) = build().requests()
        assert request.readout.rows(request.stimuli) == (len(lab.texts),)
        assert request.stimuli.passages[0].text == " ".join(lab.texts)

    def test_windows_tile_the_published_span(self, lab):
        lags = build().lags
        edges = [lags.middles[0] - lags.window / 2, lags.middles[-1] + lags.window / 2]
        np.testing.assert_allclose(edges, [-0.1, 1.0])
        np.testing.assert_allclose(np.diff(lags.middles), lags.window)

    def test_words_whose_windows_leave_their_sound_have_no_row(self, lab):
        ends = np.array([lab.durations[n] for n in lab.segments])
        inside = (lab.onsets >= 0.1) & (lab.onsets + 1.0 <= ends)
        np.testing.assert_array_equal(build().rows, np.flatnonzero(inside))
        later = build(latest=2.0)
        inside = (lab.onsets >= 0.1) & (lab.onsets + 2.0 <= ends)
        # steps of .1 from -.05 end at 1.95, so that the last window ends at 2
        np.testing.assert_array_equal(later.rows, np.flatnonzero(inside))
        with pytest.raises(DataError, match="words have windows outside of their sound"):
            build(latest=30.0)

    def test_training_and_test_words_are_of_other_sounds(self, lab):
        benchmark = build()
        segments = benchmark.words.segments[benchmark.rows]
        folds = contiguous_folds(segments, benchmark.options.n_outer, benchmark.options.gap)
        assert len(folds) == 5
        for fold in folds:
            assert not set(segments[fold.train]) & set(segments[fold.test])

    def test_where_a_sound_must_be_cut_the_gap_spans_windows_and_filter(self, lab):
        benchmark = build()
        onsets = benchmark.words.onsets[benchmark.rows]
        segments = benchmark.words.segments[benchmark.rows]
        reach = 1.1 + 2 * 3.3
        own = onsets[segments == 3]
        most = max(np.sum((own >= a) & (own <= a + reach)) for a in own)
        assert benchmark.options.gap >= most

    def test_the_baseline(self, lab):
        benchmark = build()
        found = benchmark.baseline
        starts = np.r_[True, np.diff(lab.segments) > 0]
        assert found[:, 0].tolist() == [len(word) for word in lab.texts]
        np.testing.assert_allclose(found[:, 1], [8 + len(word) % 3 for word in lab.texts])
        np.testing.assert_allclose(found[:, 2], 1 + np.arange(len(lab.texts)) % 9)
        np.testing.assert_allclose(found[:, 3], lab.offsets - lab.onsets)
        pause = np.r_[0, lab.onsets[1:] - lab.offsets[:-1]]
        np.testing.assert_allclose(found[:, 4], np.where(starts, 0, pause))
        last = np.r_[starts[1:], True]
        following = np.r_[np.diff(lab.onsets), 0]
        np.testing.assert_allclose(found[:, 5], np.where(last, 0, following))
        assert found[:, 6].tolist() == list(range(len(lab.texts)))
        assert found.shape[1] == 7 + 2 * 15
        assert np.isfinite(found).all()

    def test_sound_in_windows_is_the_mean_of_its_frames(self, lab):
        """A loop in seconds, beside running sums over frames."""
        benchmark = build()
        power = {n: own for n, (own, _) in benchmark.sounds.items()}
        found = sound_around_words(power, lab.segments, lab.onsets, benchmark.lags)
        found = found.reshape(len(lab.onsets), 2, 15)
        loudest = max(own.max() for own in power.values())
        for word in (0, 25, 26, 150, len(lab.onsets) - 1):
            level = 10 * np.log10(np.maximum(power[lab.segments[word]] / loudest, 1e-6))
            rises = np.maximum(np.diff(np.r_[-60, level]), 0)
            for number in range(15):
                start = lab.onsets[word] - 0.5 + 0.1 * number
                frames = np.arange(10) + int(np.floor(round(start * 100, 6) + 0.5))
                there = (frames >= 0) & (frames < len(level))
                own = np.where(there, level[np.clip(frames, 0, len(level) - 1)], -60)
                up = np.where(there, rises[np.clip(frames, 0, len(level) - 1)], 0)
                np.testing.assert_allclose(
                    found[word, :, number], [own.mean(), up.mean()], rtol=1e-4, atol=1e-4
                )

    def test_power_of_a_sound(self, lab):
        with zipfile.ZipFile(lab.folder / "stimuli.zip") as zipped:
            content = zipped.read("stimuli/3.wav")
        power, seconds = read_power(content, "3.wav")
        assert seconds == pytest.approx(lab.durations[3], abs=1e-4)
        samples = np.frombuffer(content[44:], "<i2").astype(float)
        np.testing.assert_allclose(power[7], np.mean(samples[560:640] ** 2))
        with pytest.raises(DataError, match=r"3\.wav is not a whole WAV file"):
            read_power(content[:20], "3.wav")
        with pytest.raises(DataError, match="the sounds are silent"):
            levels_and_rises({1: np.zeros(5)})


class TestActivity:
    @pytest.mark.parametrize("person", ["S01", "S26"])
    def test_windows_are_means_of_filtered_samples(self, lab, tmp_path, person):
        """Cut, filter and average in plain loops, from the labels of the file itself."""
        benchmark = build()
        raw = alice_eeg.raw_of(lab, person, tmp_path)
        names = [c for c in files.CHANNELS if c in raw.ch_names]
        where = [files.CHANNELS.index(name) for name in names]
        starts = {
            int(text): round(onset * RATE)
            for onset, text in zip(raw.annotations.onset, raw.annotations.description, strict=True)
        }
        assert sorted(starts) == list(range(2 if person == "S26" else 1, 13))
        order = sorted(starts)
        middles = [
            (starts[a] + round(lab.durations[a] * RATE) + starts[b]) // 2
            for a, b in pairwise(order)
        ]
        assert np.diff(middles).min() > 10 * RATE
        signal = raw.get_data(names)
        for segment in (order[0], 2, 7, 12):
            place = order.index(segment)
            left = max(([0, *middles])[place], starts[segment] - 5 * RATE)
            end = starts[segment] + round(lab.durations[segment] * RATE)
            right = min(([*middles, raw.n_times])[place], end + 5 * RATE)
            filtered = 1e6 * mne.filter.filter_data(
                signal[:, left:right], RATE, 0.5, 20, verbose="ERROR"
            )
            for row in np.flatnonzero(lab.segments[benchmark.rows] == segment)[[0, 5, -1]]:
                onset = lab.onsets[benchmark.rows[row]]
                for number, lag in enumerate(benchmark.lags.middles):
                    begin = int(np.floor(round((onset + lag - 0.05) * RATE, 6) + 0.5))
                    begin += starts[segment] - left
                    expected = filtered[:, begin : begin + RATE // 10].mean(axis=1)
                    found = benchmark.activity[person][row, where, number]
                    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

    def test_a_sound_shares_no_sample_with_another(self, lab, other, tmp_path, monkeypatch):
        """Whatever is in one recording of a sound, words of the others are the same, bit by bit."""
        before = build(participants="S01").activity["S01"]
        changed = other({"S01": {"archive": 0}})
        raw = alice_eeg.raw_of(changed, "S01", tmp_path)
        onset = float(raw.annotations.onset[4])
        start, stop = (round((onset + s) * RATE) for s in (-0.9, changed.durations[5] + 0.9))
        raw._data[:, start:stop] += 1e-5 * np.sin(0.04 * np.arange(stop - start))
        path = tmp_path / "again-raw.fif"
        raw.save(path, verbose="ERROR")
        name = "eeg/S01/S01_alice-raw.fif"
        alice_eeg.pack(changed.folder / "eeg.0.zip", {name: path.read_bytes()})
        found = alice_eeg.md5_of(changed.folder / "eeg.0.zip")
        monkeypatch.setitem(files.ARCHIVES, "eeg.0.zip", ("x", found))
        benchmark = build(participants="S01")
        after = benchmark.activity["S01"]
        elsewhere = lab.segments[benchmark.rows] != 5
        np.testing.assert_array_equal(after[elsewhere], before[elsewhere])
        assert np.nanmax(np.abs(after[~elsewhere] - before[~elsewhere])) > 1

    def test_channels_that_are_bad_or_absent_have_no_activity(self, lab):
        activity = build().activity
        for person, bad in (("S01", ()), ("S38", ("5",)), ("S44", ("27",))):
            known = np.isfinite(activity[person]).all(axis=(0, 2))
            expected = {c for c in alice_eeg.NAMES if c not in ("25", *bad)}
            assert {c for c, own in zip(files.CHANNELS, known, strict=True) if own} == expected

    def test_one_who_lacks_the_first_event_has_its_words_not_heard(self, lab):
        benchmark = build()
        first = benchmark.words.segments[benchmark.rows] == 1
        assert first.any()
        np.testing.assert_array_equal(benchmark.heard["S26"], ~first)
        assert benchmark.heard["S01"].all()

    def test_activity_is_kept_for_other_models(self, lab, monkeypatch):
        first = build().activity
        monkeypatch.setattr(
            "harness.fetch.archive.read_member", lambda *_: pytest.fail("read again")
        )
        for person, again in build().activity.items():
            np.testing.assert_array_equal(again, first[person])
        with pytest.raises(pytest.fail.Exception, match="read again"):
            _ = build(window=0.05).activity


@pytest.fixture(scope="module")
def score(made, cache):
    with pytest.MonkeyPatch.context() as patch:
        alice_eeg.offer(made, patch, cache)
        benchmark = build()
        (request,) = benchmark.requests()
        return benchmark.score({request: recording(made.driver)})


class TestScores:
    @staticmethod
    def by_channel(score, name, channels):
        values = score[name].values.reshape(4, len(files.CHANNELS))
        return values[:, [files.CHANNELS.index(c) for c in channels]]

    def test_channels_follow_words_at_their_lag(self, score):
        """Also those of S26, whose segments are found by label, and not by their number."""
        assert (self.by_channel(score, "electrode_r", alice_eeg.FOLLOWING) > 0.6).all()
        lag = self.by_channel(score, "electrode_lag", alice_eeg.FOLLOWING)
        np.testing.assert_allclose(lag, alice_eeg.LAG, atol=1e-6)
        assert (self.by_channel(score, "electrode_layer", alice_eeg.FOLLOWING) == 1).all()
        others = [c for c in alice_eeg.NAMES if c not in (*alice_eeg.FOLLOWING, "25", "5", "27")]
        assert np.abs(self.by_channel(score, "electrode_r", others)).max() < 0.35
        assert float(score["lag_r"].mean("participant").idxmax("lag")) == alice_eeg.LAG

    def test_what_is_unique_is_what_the_baseline_does_not_know(self, score):
        unique = self.by_channel(score, "electrode_unique_r2", alice_eeg.FOLLOWING)
        r = self.by_channel(score, "electrode_r", alice_eeg.FOLLOWING)
        np.testing.assert_allclose(unique, r**2, atol=0.15)
        assert abs(float(score["baseline"])) < 0.2
        assert score["unique_by_roi"].sel(roi="centro-parietal").min() > 0.15
        assert score["unique_by_roi"].sel(roi="left temporal").max() < 0.1

    def test_value_is_the_mean_over_channels_then_participants(self, score):
        r = score["electrode_r"].values.reshape(4, -1)
        assert np.isfinite(r).sum(axis=1).tolist() == [10, 10, 9, 9]
        assert float(score["value"]) == pytest.approx(np.nanmean(r, axis=1).mean())

    def test_regions_are_groups_of_channels(self, score):
        r = score["electrode_r"].values.reshape(4, -1)
        for name, own in files.REGIONS.items():
            chosen = [files.CHANNELS.index(c) for c in own if c in alice_eeg.NAMES]
            if not chosen:
                assert np.isnan(score["r_roi"].sel(roi=name)).all()
                continue
            expected = np.array([np.nanmean(row[chosen]) for row in r])
            np.testing.assert_allclose(score["r_roi"].sel(roi=name), expected)

    def test_ceilings_come_from_the_others_at_words_that_all_heard(self, score):
        ceiling = self.by_channel(score, "electrode_ceiling", ("1", "19", "54"))
        assert np.abs(ceiling).max() < 0.35
        assert np.isfinite(self.by_channel(score, "electrode_ceiling", alice_eeg.FOLLOWING)).all()

    def test_a_ceiling_is_what_others_share_also_with_one_who_lacks_words(self, lab):
        benchmark = build(earliest=alice_eeg.LAG, latest=alice_eeg.LAG)
        (request,) = benchmark.requests()
        score = benchmark.score({request: recording(lab.driver)})
        ceiling = self.by_channel(score, "electrode_ceiling", alice_eeg.FOLLOWING)
        assert (ceiling > 0.5).all()
        assert np.isfinite(score["normalised_participant"]).all()

    def test_who_lacked_a_segment_is_said(self, score):
        assert json.loads(score.attrs["segments_not_heard"]) == {"S26": [1]}
        assert score.attrs["baseline_of"].startswith("letters, log frequency")

    def test_participants_can_be_left_out(self, lab):
        benchmark = build(participants="S01+S44")
        (request,) = benchmark.requests()
        score = benchmark.score({request: recording(lab.driver)})
        assert score["participant"].values.tolist() == ["S01", "S44"]
        assert json.loads(score.attrs["segments_not_heard"]) == {}

    def test_who_heard_all_scores_the_same_beside_one_who_did_not(self, lab, score):
        """Own words, own folds: what another lacks changes nobody's score."""
        benchmark = build(participants="S01")
        (request,) = benchmark.requests()
        alone = benchmark.score({request: recording(lab.driver)})
        np.testing.assert_allclose(
            alone["electrode_r"].values, score["electrode_r"].values[: len(files.CHANNELS)]
        )

    def test_folds_of_a_score_are_whole_sounds(self, lab, monkeypatch):
        seen = []

        def spy(recording, measured, *_, runs, **__):
            seen.append((recording.sizes["sample"], runs))
            raise DataError("seen")

        monkeypatch.setattr("brainpress_plugins.benchmarks.neural.word_locked.score_lags", spy)
        benchmark = build()
        (request,) = benchmark.requests()
        with pytest.raises(DataError, match="seen"):
            benchmark.score({request: recording(lab.driver)})
        np.testing.assert_array_equal(seen[0][1], lab.segments[benchmark.rows])

    def test_what_the_baseline_explains_is_not_unique(self, other):
        """Channels that follow the letters of words, which the model knows, too."""
        made = other({"S01": {}}, letters=True)
        benchmark = build(participants="S01")
        (request,) = benchmark.requests()
        score = benchmark.score({request: recording(made.driver)})
        where = [files.CHANNELS.index(c) for c in alice_eeg.FOLLOWING]
        assert (score["electrode_r"].values[where] > 0.6).all()
        assert (score["electrode_baseline"].values[where] > 0.6).all()
        assert (score["electrode_unique_r2"].values[where] < 0.05).all()

    def test_noise_scores_nothing(self, lab):
        """Lags and layers are chosen on training words: there is no gain in having many."""
        benchmark = build(participants="S01+S44")
        (request,) = benchmark.requests()
        noise = recording(np.random.default_rng(3).normal(size=len(lab.driver)))
        score = benchmark.score({request: noise})
        assert abs(float(score["value"])) < 0.08
        assert -0.05 < float(score["unique"]) < 0.005  # noise costs a joint fit a little
        assert float(score["lag_r"].max("lag").mean()) > float(score["value"])

    def test_end_to_end_with_the_mock_model(self, lab):
        spec = replace(
            alice.brainpress_benchmarks()[0],
            options={"participants": ("S01", "S26"), "context": "words(3)"},
        )
        findings = benchmark_findings(spec)
        assert [f.outcome for f in findings] == ["passed"] * 5, findings
