"""Natural Stories: the real reading times, their alignment, and what a score says."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.behavioural import naturalstories
from brainpress_plugins.benchmarks.behavioural.naturalstories_times import (
    ReadingTimes,
    TokensOfWords,
    check_alignment,
    read_times,
    realigned,
    score_times,
    sign_test,
)
from places import offline

from harness.errors import ChecksumError, DataError, OfflineError, ScoreError

ONE = TokensOfWords(np.ones(2400), np.ones(2400))
FIRST = (340.566, 339.746, 310.338)
"""``gmeanItemRT`` of the rows ``If``, ``you`` and ``were`` of story 1, which belong one word on."""
HEADER = "word\tzone\titem\tnItem\tmeanItemRT\tsdItemRT\tgmeanItemRT\tgsdItemRT\n"


def made_up(seed=0, n_words=400, effect=0.05, noise=0.05, shift=0):
    """Stories whose words slow readers down by a known amount a nat, one word later.

    And by .4 of it two words later: a fixture that reads the same backwards finds no wrong lag.
    """
    rng = np.random.default_rng(seed)
    bank = ["a", "of", "house", "mountain", "extraordinarily", "cat", "river", "quixotic"]
    stories, times, errors, surprisals = {}, {}, {}, []
    for story in range(1, 7):
        words = tuple(rng.choice(bank, n_words))
        surprisal = rng.gamma(2.0, 2.0, n_words)
        letters = np.array([len(w) for w in words], float)
        log_time = 5.8 + 0.01 * letters + noise * rng.normal(size=n_words)
        log_time[1:] += effect * surprisal[:-1]
        log_time[2:] += 0.4 * effect * surprisal[:-2]
        stories[story] = words
        times[story] = np.roll(log_time, shift)
        errors[story] = np.full(n_words, noise**2)
        surprisals.append(surprisal)
    return ReadingTimes(stories, times, errors), np.concatenate(surprisals)


def as_recording(surprisal, passage=None):
    values = -surprisal.astype(np.float32)[:, None, None]
    coords = {"layer": [0]} | ({} if passage is None else {"passage": ("sample", passage)})
    return xr.DataArray(values, dims=("sample", "layer", "unit"), coords=coords)


class TestScore:
    def test_a_known_effect_comes_back_at_its_lag(self):
        times, surprisal = made_up()
        score = score_times(as_recording(surprisal), times, ONE, surprisal=True)
        slopes = score["slope"].sel(lag=[0, 1, 2]).values
        np.testing.assert_allclose(slopes, [0, 0.05, 0.02], atol=0.002)
        variance = (
            0.05**2 * 1.16 * 8,
            0.05**2,
        )  # of a gamma variable with shape 2 and scale 2; of noise
        expected = 0.5 * np.log(sum(variance) / variance[1])
        assert float(score["value"]) == pytest.approx(expected, rel=0.1)
        assert float(score["low"]) < float(score["value"]) < float(score["high"])
        # the model leaves nothing but noise: it is at the ceiling
        assert float(score["normalised"]) == pytest.approx(1, abs=0.05)
        assert float(score["p"]) < 0.01

    def test_noise_adds_nothing(self):
        times, _ = made_up(effect=0.0)
        other = np.random.default_rng(9).gamma(2.0, 2.0, 6 * 400)
        score = score_times(as_recording(other), times, ONE, surprisal=True)
        assert abs(float(score["value"])) < 0.01
        assert float(score["p"]) > 0.02

    def test_states_choose_the_layer_that_knows(self):
        times, surprisal = made_up()
        rng = np.random.default_rng(1)
        states = rng.normal(size=(len(surprisal), 2, 5)).astype(np.float32)
        states[:, 1, 0] = surprisal
        recording = xr.DataArray(states, dims=("sample", "layer", "unit"), coords={"layer": [0, 1]})
        score = score_times(recording, times, ONE, surprisal=False)
        assert float(score["layer_best"]) == 1
        assert float(score["value"]) > 0.5
        assert score["gain_by_layer"].sizes == {"layer": 2}
        assert "slope" not in score

    def test_a_recording_of_another_text(self):
        times, surprisal = made_up()
        with pytest.raises(ScoreError, match=r"\(2399, 2400, 2400\) rows for 2400 words"):
            score_times(as_recording(surprisal[:-1]), times, ONE, surprisal=True)
        short = TokensOfWords(np.ones(2400), np.ones(2399))
        with pytest.raises(ScoreError, match=r"\(2400, 2400, 2399\) rows for 2400 words"):
            score_times(as_recording(surprisal), times, short, surprisal=True)

    def test_what_the_tokenizer_counts_is_not_what_the_model_knows(self):
        """Readers slow down with the number of tokens: a sum over tokens gains nothing by it."""
        times, _ = made_up(effect=0.0)
        counts = np.random.default_rng(3).integers(1, 5, 2400).astype(float)
        slowed = {
            story: log_time + 0.05 * counts[400 * i : 400 * (i + 1)]
            for i, (story, log_time) in enumerate(times.log_time.items())
        }
        times = replace(times, log_time=slowed)
        summed = as_recording(2.5 * counts + np.random.default_rng(4).normal(size=2400))
        same = np.ones(2400)
        for known in (TokensOfWords(counts, same), TokensOfWords(same, counts)):
            value = float(score_times(summed, times, known, surprisal=True)["value"])
            assert abs(value) < 0.005
        assert float(score_times(summed, times, ONE, surprisal=True)["value"]) > 0.1


def test_a_word_is_slowed_by_its_surprisal_and_not_by_its_probability():
    """Whole words: the boundary behind a word counts with it, and the sign is that of surprisal."""
    times, surprisal = made_up()
    benchmark = object.__new__(naturalstories.NaturalStories)
    known = {"linking": "whole-words", "context": "strided(256,128)", "times": times}
    benchmark.__dict__.update(known)
    names = np.repeat(list(times.stories), 400)
    ends = -np.random.default_rng(6).gamma(1.0, 1.0, 2400)
    before = np.where(np.arange(2400) % 400 == 0, 0.0, np.roll(ends, 1))
    logprob = -(surprisal + ends - before)
    one = as_recording(-np.ones(2400))
    answers = (as_recording(-logprob, names), one, one, as_recording(-ends))
    asked = benchmark.requests()
    score = benchmark.score(dict(zip(asked, answers, strict=True)))
    np.testing.assert_allclose(score["slope"], [0, 0.05, 0.02], atol=0.002)
    assert score.attrs["linking"] == "whole-words"


class TestAlignment:
    def test_times_one_word_early_or_late(self):
        """A regressor of the word itself, at lag 0, so that the truth is known."""
        for shift, aligned in ((0, True), (-1, False)):
            times, _ = made_up(effect=0.0, shift=shift)
            assert sign_test(times).passed is aligned
        with pytest.raises(DataError, match="shifted against their words"):
            check_alignment(times)

    def test_moved_to_the_next_word(self):
        times, _ = made_up(n_words=50)
        moved = realigned(times)
        assert np.isnan(moved.log_time[1][0])
        np.testing.assert_array_equal(moved.log_time[1][1:], times.log_time[1][:-1])
        np.testing.assert_array_equal(moved.error[2][1:], times.error[2][:-1])


class TestFaultsOfTheFile:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "lacks the columns"),
            ("word\tzone\n a\t1\n", "lacks the columns"),
            (HEADER + "a\t1\t1\tmany\t1\t1\t300\t1.4\n", "not a number"),
            (HEADER + "a\t1\t1\t80\t1\t1\t300\n", "not a number"),
            (HEADER + "a\t2\t1\t80\t1\t1\t300\t1.4\n", "not numbered"),
        ],
    )
    def test_named(self, tmp_path, text, message):
        path = tmp_path / "processed_wordinfo.tsv"
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read_times(path)

    def test_quotation_marks_are_of_the_words(self, tmp_path):
        path = tmp_path / "t.tsv"
        rows = "\"No\t2\t1\t80\t1\t1\t300\t1.4\n'Ah\t1\t1\t80\t1\t1\t200\t1.2\n"
        path.write_text(HEADER + rows)
        times = read_times(path)
        assert times.stories == {1: ("'Ah", '"No')}
        np.testing.assert_allclose(times.log_time[1], np.log([200, 300]))
        np.testing.assert_allclose(times.error[1], np.log([1.2, 1.4]) ** 2 / 80)


@pytest.fixture(scope="module")
def benchmark():
    return naturalstories.NaturalStories()


@pytest.mark.needs_data("natural_stories")
class TestRealTimes:
    def test_ten_stories(self, benchmark):
        request, *_ = benchmark.requests()
        passages = request.stimuli.passages
        assert len(passages) == 10
        assert sum(len(p.items) for p in passages) == 10256
        assert passages[0].text.startswith("If you were to journey to the North of England,")

    def test_sign_test(self, benchmark):
        """As published, the next word explains reading times; moved by one, only read words do."""
        moved = check_alignment(benchmark.times)
        assert moved.current > 20 * moved.following
        published = sign_test(read_times(benchmark._file()))
        assert not published.passed
        # The plain comparison of the word with the next one would not have seen it: spill-over.
        assert published.current > published.following > 0.02

    def test_a_score_of_word_frequency_is_none(self, benchmark):
        """What the baseline holds already adds nothing."""
        import wordfreq

        words = [w for story in benchmark.times.stories.values() for w in story]
        bare = [w.strip(".,;:!?'\"()-") for w in words]
        known = np.array([wordfreq.zipf_frequency(w, "en") for w in bare])
        asked = benchmark.requests()
        stories = benchmark.times.stories
        names = np.repeat(list(stories), [len(story) for story in stories.values()])
        nothing = as_recording(np.zeros(len(words)))
        answers = (as_recording(10 - known, names), nothing, nothing, nothing)
        score = benchmark.score(dict(zip(asked, answers, strict=True)))
        assert abs(float(score["value"])) < 1e-3
        assert 0.4 < float(score["baseline_r2"]) < 0.6
        assert 0.3 < float(score["ceiling"]) < 0.6
        assert score.sizes["story"] == 10

    def test_two_names_of_one_benchmark(self):
        specs = {s.name: s for s in naturalstories.brainpress_benchmarks()}
        first, second = specs["naturalstories"], specs["futrell2018"]
        assert (first.target, first.options) == (second.target, second.options)

    def test_states_are_asked_for_every_layer(self):
        asked = naturalstories.NaturalStories("states").requests()
        assert [str(r.measure) for r in asked] == ["hidden", "tokens", "unigram"]

    def test_whole_words_are_the_default(self, benchmark):
        plain = [str(r.measure) for r in naturalstories.NaturalStories("surprisal").requests()]
        assert plain == ["logprob", "tokens", "unigram"]
        assert [str(r.measure) for r in benchmark.requests()] == [*plain, "boundary"]

    def test_the_first_times_are_those_of_the_first_words(self, benchmark):
        """Mean log times of ``If you were to``, as the file has them one word early."""
        times = benchmark.times
        assert times.stories[1][:4] == ("If", "you", "were", "to")
        assert np.isnan(times.log_time[1][0])
        np.testing.assert_allclose(np.exp(times.log_time[1][1:4]), FIRST, atol=0.01)

    def test_another_version_of_the_file(self, tmp_path, monkeypatch, benchmark):
        folder = tmp_path / "natural_stories"
        folder.mkdir()
        text = benchmark._file().read_text()
        (folder / "processed_wordinfo.tsv").write_text(text[:-100])
        monkeypatch.setenv("BRAINPRESS_DATA", f"{tmp_path}{os.pathsep}{tmp_path / 'none'}")
        with pytest.raises(ChecksumError, match="processed_wordinfo"):
            naturalstories.NaturalStories()


def test_without_data_and_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    with offline(), pytest.raises(OfflineError, match="processed_wordinfo"):
        naturalstories.NaturalStories()
    with pytest.raises(DataError, match="no linking 'eyes'"):
        naturalstories.NaturalStories(linking="eyes")
