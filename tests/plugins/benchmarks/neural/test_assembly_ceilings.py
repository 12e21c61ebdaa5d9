"""Ceilings of public assemblies: extrapolated, given, or none, and why."""

from __future__ import annotations

import numpy as np
import pytest
from assembly_files import placed, recording, sentences
from brainpress_plugins.benchmarks.neural.pereira2018 import Pereira2018
from brainpress_plugins.benchmarks.neural.tuckute2024 import Tuckute2024

from harness.errors import DataError


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where a benchmark's assembly goes; its checksum is that of what is there."""
    return placed(tmp_path, monkeypatch)


def shared(place, people=6, each=4, n=120, seed=0):
    """Passages that participants had together: a driver, and noise of known size."""
    rng = np.random.default_rng(seed)
    driver = rng.normal(size=(n, 2))
    signal = driver @ rng.normal(size=(2, people * each))
    noise = rng.uniform(0.4, 1.2, people * each)
    values = signal / signal.std(axis=0) + noise * rng.normal(size=signal.shape)
    place(
        Pereira2018,
        values,
        {
            "stimulus": sentences(n),
            "experiment": ["384sentences"] * n,
            "story": [f"topic {i // 8}" for i in range(n)],
            "passage_index": [i // 4 for i in range(n)],
            "stimulus_num": np.arange(n),
        },
        {"subject": np.repeat([f"{p:03d}" for p in range(people)], each)},
    )
    return driver, 1 / np.sqrt(1 + noise**2)


class TestCeilings:
    def test_a_known_ceiling_comes_back_and_is_computed_once(self, place):
        driver, truth = shared(place)
        benchmark = Pereira2018()
        score = benchmark.score(recording(benchmark, driver))
        found = benchmark.ceilings
        assert found.low.mean() < truth.mean() < found.high.mean()
        assert np.corrcoef(found.value[0], truth)[0, 1] > 0.8
        assert benchmark.ceilings is found
        assert score.attrs["ceiling_kind"] == "extrapolated"
        assert score.attrs["ceiling_reason"] == ""
        assert score.attrs["excluded_share"] == 0
        np.testing.assert_allclose(score["ceiling"], found.value.mean())
        # The driver is all there is to know: the model reaches the ceiling.
        assert 0.9 < float(score["normalised"]) < 1.15
        assert score["normalised_r"].dims == ("part", "participant")

    def test_three_participants_have_none_and_it_says_why(self, place):
        driver, _ = shared(place, people=3)
        benchmark = Pereira2018()
        score = benchmark.score(recording(benchmark, driver))
        assert np.isnan(float(score["ceiling"]))
        assert np.isnan(float(score["normalised"]))
        assert np.isfinite(float(score["value"]))
        assert score.attrs["ceiling_kind"] == "none"
        assert score.attrs["ceiling_reason"].startswith("3 participants have all items")

    def test_given_ones_are_used_and_fits_that_did_not_converge_are_masked(self, place, tmp_path):
        driver, truth = shared(place, people=3)
        given = np.where(np.arange(12) == 5, 6.0, truth)
        given[7] = 0.01  # below the threshold
        np.save(tmp_path / "own.npy", given)
        benchmark = Pereira2018(ceiling=str(tmp_path / "own.npy"))
        score = benchmark.score(recording(benchmark, driver))
        assert score.attrs["ceiling_kind"] == "given"
        assert score.attrs["excluded_share"] == pytest.approx(2 / 12)
        by_person = np.array([np.mean(truth[:4]), truth[4], np.mean(truth[8:])])
        by_person[1] = truth[[4, 6]].mean()
        np.testing.assert_allclose(score["ceiling_r"][0], by_person)
        plain = Pereira2018(ceiling=0.5).score(recording(benchmark, driver))
        np.testing.assert_allclose(plain["normalised_r"], 2 * plain["r_best"])

    @pytest.mark.parametrize(
        ("ceiling", "message"),
        [
            ("people", "no ceiling 'people'"),
            ("gone.npy", "no ceilings at gone.npy"),
            ("short.npy", r"ceilings of shape \(3,\) for 12 neuroids"),
            ("text.npy", "no array of numbers"),
            ("7", r"no value is in \(0, 1\]"),
        ],
    )
    def test_what_is_no_ceiling_is_named(self, place, tmp_path, monkeypatch, ceiling, message):
        shared(place, people=3)
        monkeypatch.chdir(tmp_path)
        np.save("short.npy", np.ones(3))
        (tmp_path / "text.npy").write_text("0.5")
        with pytest.raises(DataError, match=message):
            _ = Pereira2018(ceiling=ceiling).ceilings

    def test_a_benchmark_of_one_mean_has_none(self, place):
        rng = np.random.default_rng(0)
        place(
            Tuckute2024,
            rng.normal(size=(60, 1)),
            {"stimulus": sentences(60), "stimulus_id": np.arange(60)},
            {"subject_UID": ["848-853"]},
        )
        assert Tuckute2024().ceilings.reason == (
            "1 participant has all items; extrapolation needs at least 4"
        )
