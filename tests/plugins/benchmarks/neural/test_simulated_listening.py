"""Simulated listeners: exact shares, known truths recovered by the analysis real data get."""

from functools import cache

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.neural.simulated_listening import (
    SPEC,
    SimulatedListening,
    brainpress_benchmarks,
)
from brainpress_plugins.benchmarks.neural.simulated_story.drivers import DRIVERS, NUISANCE, values
from brainpress_plugins.benchmarks.neural.simulated_story.hemodynamics import (
    LENGTH,
    STEP,
    Hemodynamics,
    neural,
    observed,
)
from brainpress_plugins.benchmarks.neural.simulated_story.listeners import (
    AUTOREGRESSION,
    REGIONS,
    TR,
    simulate,
    volume_times,
)
from brainpress_plugins.benchmarks.neural.simulated_story.story import passages, words
from scipy.signal import lfilter
from scipy.stats import gamma

from harness.encode.ceilings.estimates import leave_one_out, split_half
from harness.errors import DataError
from harness.place.locate import find
from harness.record.request import Measure, Recordings
from harness.spec.specs import load_target
from harness.stimuli.lanczos import lanczos_matrix

LANGUAGE = ["semantic", "syntactic", "discourse", "association"]


@cache
def data():
    return simulate(0)


class TestHemodynamics:
    @pytest.mark.parametrize("stretch", [0.8, 1.0, 1.25])
    def test_is_the_canonical_response(self, stretch):
        time = np.arange(0, LENGTH, STEP) / stretch
        expected = gamma.pdf(time, 6) - gamma.pdf(time, 16) / 6
        response = Hemodynamics(stretch).response()
        np.testing.assert_allclose(response, expected / expected.sum(), atol=1e-12)
        assert np.argmax(response) * STEP == pytest.approx(5 * stretch, abs=STEP)

    def test_neural_time_courses_keep_what_events_hold(self):
        rng = np.random.default_rng(0)
        onsets = np.sort(rng.uniform(0, 28, 20))
        offsets = onsets + rng.uniform(0.03, 1.5, 20)
        held = rng.normal(size=(20, 3))
        course = neural(onsets, offsets, held, 30.0)
        assert course.shape == (300, 3)
        np.testing.assert_allclose(course.sum(0) * STEP, (offsets - onsets) @ held)

    def test_an_event_fills_its_steps(self):
        course = neural(np.array([0.25]), np.array([0.5]), np.array([[2.0]]), 1.0)[:, 0]
        np.testing.assert_allclose(course, [0, 0, 1, 2, 2, 0, 0, 0, 0, 0], atol=1e-12)

    def test_observation_against_a_filter(self):
        course = np.random.default_rng(0).normal(size=(700, 2))
        times = np.arange(0, 70, TR)
        brain = Hemodynamics(1.1)
        expected = lfilter(brain.response(), 1.0, course, axis=0)[(times / STEP).astype(int)]
        np.testing.assert_allclose(observed(course, brain, times), expected, atol=1e-12)


def heard_by(participant, run):
    """Nuisance as one listener shows it, made anew from public parts."""
    spoken = tuple(w for w in words() if w.run == run)
    times = np.array(volume_times()[run - 1])
    course = neural(
        np.array([w.onset for w in spoken]),
        np.array([w.offset for w in spoken]),
        values(NUISANCE, spoken),
        times[-1] + TR,
    )
    brain = Hemodynamics(float(data().truth["stretch"][participant]))
    seen = observed(course, brain, times)
    return seen - seen.mean(0)


class TestListeners:
    def test_shapes(self):
        d = data()
        volumes = sum(map(len, volume_times()))
        assert d.responses.shape == d.signals.shape == (8, volumes, len(REGIONS))
        assert d.responses.dtype == np.float64
        assert d.runs.shape == (volumes,)
        assert set(d.nuisance) == set(NUISANCE)
        assert all(course.shape == (volumes,) for course in d.nuisance.values())

    def test_the_same_each_time(self):
        np.testing.assert_array_equal(data().responses, simulate(0).responses)
        assert not np.allclose(data().responses, simulate(1).responses)

    def test_more_listeners_leave_the_first_ones_be(self):
        np.testing.assert_array_equal(simulate(0, 3).responses, data().responses[:3])

    def test_shares_are_exact(self):
        d = data()
        for run in (1, 2):
            rows = d.runs == run
            signals = d.signals[:, rows]
            np.testing.assert_allclose(signals.mean(1), 0, atol=1e-10)
            expected = np.broadcast_to(1 - d.truth["noise"].values, (8, len(REGIONS)))
            np.testing.assert_allclose((signals**2).mean(1), expected, atol=1e-10)

    def test_the_nuisance_share_is_what_nuisance_explains(self):
        d = data()
        for participant in range(8):
            for run in (1, 2):
                heard = heard_by(participant, run)
                signal = d.signals[participant, d.runs == run]
                fitted = heard @ np.linalg.lstsq(heard, signal, rcond=None)[0]
                np.testing.assert_allclose(
                    (fitted**2).mean(0), d.truth["nuisance"].values, atol=1e-8
                )
                rest = ((signal - fitted) ** 2).mean(0)
                np.testing.assert_allclose(rest, d.truth["unique"].values, atol=1e-8)

    def test_noise_is_noise_of_the_stated_color(self):
        d = simulate(0, 24)
        scale = np.sqrt(d.truth["noise"].values)
        noise = (d.responses - d.signals) / scale
        np.testing.assert_allclose((noise**2).mean((0, 1)), 1, atol=1e-10)
        lagged = [
            np.mean(noise[:, d.runs == run][:, 1:] * noise[:, d.runs == run][:, :-1])
            for run in (1, 2)
        ]
        # A run of 140 volumes pulls the estimate of .45 down by about .02.
        assert np.mean(lagged) == pytest.approx(AUTOREGRESSION, abs=0.035)
        between = np.einsum("psr,qsr->pqr", noise, noise) / len(d.runs)
        off = ~np.eye(24, dtype=bool)
        assert abs(between[off].mean()) < 0.01

    def test_only_named_drivers_have_weight(self):
        weight = data().truth["weight"]
        for name, region in REGIONS.items():
            used = set(weight["driver"].values[weight.sel(roi=name).values != 0])
            assert used == set(region.drivers)
        assert set(weight["driver"].values) == set(DRIVERS)

    def test_ceilings_come_back(self):
        # What the ceilings used on real data estimate, against what is true: over eight sets of
        # listeners, because one set of noise shifts the estimate by about .02.
        sets = [simulate(seed) for seed in range(8)]
        for estimate, true in (
            (lambda d: leave_one_out(d.responses).value, "ceiling_loo"),
            (lambda d: split_half(d.responses, 50).reliability, "reliability"),
        ):
            found = np.mean([estimate(d) for d in sets], axis=0)
            known = np.mean([d.truth[true].values for d in sets], axis=0)
            np.testing.assert_allclose(found[:5], known[:5], atol=0.02)
        silent = np.mean([leave_one_out(d.responses).value[5] for d in sets])
        assert abs(silent) < 0.05

    def test_no_model_beats_the_ceiling(self):
        d = data()
        noisy, clean = (x - x.mean(1, keepdims=True) for x in (d.responses, d.signals))
        driven = slice(0, 5)
        r = (noisy * clean).mean(1)[:, driven] / (noisy.std(1) * clean.std(1))[:, driven]
        np.testing.assert_allclose(r.mean(0), d.truth["ceiling"].values[driven], atol=0.04)


def recording(layers):
    """Make word features (words, units), a layer each, into a recording."""
    parts, at = [], 0
    for passage, times in zip(passages(), volume_times(), strict=True):
        onto = lanczos_matrix(np.array(passage.midpoints), np.array(times))
        stop = at + len(passage.spans)
        parts.append(np.stack([onto @ layer[at:stop] for layer in layers], axis=1))
        at = stop
    values_ = np.concatenate(parts).astype(np.float32)
    return xr.DataArray(
        values_, dims=("sample", "layer", "unit"), coords={"layer": np.arange(len(layers))}
    )


def scored(*layers, **options):
    benchmark = SimulatedListening(**options)
    (request,) = benchmark.requests()
    return benchmark.score(Recordings((request,), lambda _: recording(layers)))


def noise_words(units=12, seed=0):
    """A layer that knows which word it sees, and nothing about it."""
    rng = np.random.default_rng(seed)
    _, number = np.unique([w.text for w in words()], return_inverse=True)
    return rng.normal(size=(number.max() + 1, units))[number]


def driver_words():
    """A layer that knows every driver, and has two units of noise."""
    table = values(DRIVERS, words())
    return np.column_stack([(table - table.mean(0)) / table.std(0), noise_words(2)])


@cache
def known_score():
    return scored(noise_words(), driver_words(), noise_words(seed=1))


class TestBenchmark:
    def test_is_registered_and_says_that_it_is_simulated(self):
        assert brainpress_benchmarks() == [SPEC]
        assert SPEC.simulated
        assert "SIMULATED" in SPEC.notes
        assert isinstance(load_target(SPEC), SimulatedListening)

    def test_asks_for_hidden_states_on_the_volumes(self):
        (request,) = SimulatedListening().requests()
        assert request.measure is Measure.HIDDEN
        assert request.readout.rows(request.stimuli) == tuple(map(len, volume_times()))
        assert request.key == SimulatedListening(seed=5).requests()[0].key
        assert request.key != SimulatedListening(context="words(20)").requests()[0].key

    def test_the_layer_that_knows_is_found(self):
        score = known_score()
        best = score["layer_best"].sel(roi=LANGUAGE)
        assert (best == 1).mean() > 0.95
        assert (score["group_layer_best"].sel(roi=LANGUAGE) == 1).all()

    def test_scores_lie_under_the_ceiling_and_not_far(self):
        score = known_score().sel(roi=LANGUAGE)
        r = score["r_best"].mean("participant")
        assert (r < score["true_ceiling"]).all()
        # A model without nuisance can reach the root of the unique share; what it misses is the
        # price of learning from some 250 volumes.
        assert (r > 0.6 * np.sqrt(score["true_unique"])).all()

    def test_a_region_of_noise_has_no_score(self):
        score = known_score().sel(roi="silent")
        assert abs(float(score["r_best"].mean())) < 0.1
        assert float(score["unique_r2"].mean()) < 0.02

    def test_unique_variance_is_where_it_is(self):
        score = known_score()
        unique = score["unique_r2"].mean("participant")
        assert (unique.sel(roi=LANGUAGE) > 0.1).all()
        assert float(unique.sel(roi="auditory")) < 0.03
        heard = score["nuisance_r"].mean("participant")
        assert str(heard["roi"].values[heard.values.argmax()]) == "auditory"

    def test_a_model_that_knows_nothing_scores_less(self):
        known = known_score()
        ignorant = scored(noise_words(), noise_words(seed=2), noise_words(seed=1))
        gap = (known["r_best"] - ignorant["r_best"]).mean("participant").sel(roi=LANGUAGE)
        assert (gap > 0.2).all()
        assert float(known["low"]) > float(ignorant["high"])

    def test_the_truth_is_beside_the_score(self):
        score = known_score()
        truth = SimulatedListening().data.truth
        for name in ("language", "unique", "ceiling", "ceiling_loo", "reliability"):
            np.testing.assert_array_equal(score[f"true_{name}"], truth[name])
        np.testing.assert_allclose(
            score["ceiling_loo"].mean("participant"), score["true_ceiling_loo"], atol=0.08
        )

    def test_survives_netcdf(self, tmp_path):
        known_score().to_netcdf(tmp_path / "score.nc")
        with xr.open_dataset(tmp_path / "score.nc") as read:
            xr.testing.assert_allclose(read.load(), known_score())

    def test_too_few_listeners_are_refused(self):
        with pytest.raises(DataError, match="2 simulated participants have no ceiling"):
            SimulatedListening(participants=2)


@pytest.mark.needs_data
@pytest.mark.skipif(find("models/stories260K") is None, reason="stories260K is not here")
def test_a_trained_model_beats_the_same_one_untrained_and_its_own_words():
    from harness.lm.controls import static, untrained
    from harness.lm.load import load
    from harness.lm.source import resolve
    from harness.record.subject import LanguageSubject
    from harness.spec.specs import ModelSpec

    benchmark = SimulatedListening()
    base = ModelSpec("stories260k", source=f"file:{find('models/stories260K')}")
    scores = {}
    for spec in (base, untrained(base), static(base)):
        subject = LanguageSubject(load(resolve(spec), spec))
        scores[spec.control] = benchmark.score(Recordings(benchmark.requests(), subject.record))
    value = {name: float(score["value"]) for name, score in scores.items()}
    assert value[""] > value["static"] > value["untrained"]
    assert float(scores[""]["low"]) > float(scores["untrained"]["high"])
