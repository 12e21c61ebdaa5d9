"""Scores of whole tasks on recordings with a known truth (guard 5 of the science)."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from harness.errors import ScoreError
from harness.probe.score import Probe, ProbeOptions, score_probes
from harness.probe.tasks import Inputs, Part, Place, ProbeItem, ProbeTask, Target, probe_request

OPTIONS = ProbeOptions(seeds=3, draws=200)
DOCUMENTS, WORDS, UNITS, TYPES = 60, 10, 12, 40


def texts():
    word = ["abcdefghij"[i] * 3 for i in range(WORDS)]
    return {f"d{d}": " ".join(word) for d in range(DOCUMENTS)}


def part(document):
    return Part.TRAIN if document < 36 else Part.DEV if document < 46 else Part.TEST


def made(name, labels, types=None, category="syntax", target=Target.CLASS):
    """A task on every word of every document."""
    items = []
    for i, label in enumerate(labels):
        document, word = divmod(i, WORDS)
        place = Place(f"d{document}", 4 * word, 4 * word + 3)
        kind = "" if types is None else f"type {types[i]}"
        items.append(ProbeItem((place,), label, part(document), type=kind))
    return ProbeTask(name, category, Inputs.SPAN, target, tuple(items))


@pytest.fixture(scope="module")
def world():
    """Three layers: the first knows word types, the second the classes, too, the third noise."""
    rng = np.random.default_rng(0)
    n = DOCUMENTS * WORDS
    types = rng.integers(0, TYPES, n)
    classes = rng.integers(0, 3, n)
    states = rng.standard_normal((n, 3, TYPES + UNITS)).astype(np.float32)
    states[:, 0, :TYPES] += 8 * np.eye(TYPES)[types]
    states[:, 1] = states[:, 0]
    states[:, 1, -3:] += 12 * np.eye(3)[classes]
    recording = xr.DataArray(states, dims=("sample", "layer", "unit"), coords={"layer": range(3)})
    lexicon = rng.integers(0, 3, TYPES)
    numbers = [float(k) for k in classes + 0.1 * rng.standard_normal(n)]
    tasks = (
        made("clear", [f"c{k}" for k in classes], types),
        made("by-type", [f"c{k}" for k in lexicon[types]], types, "morphology"),
        made("random", [f"c{k}" for k in rng.integers(0, 3, n)], types, "semantics"),
        made("number", numbers, types, target=Target.NUMBER),
    )
    return tasks, probe_request("world", texts(), tasks), recording


@pytest.fixture(scope="module")
def scored(world):
    return score_probes(*world, OPTIONS)


def test_separable_labels_are_found_in_the_layer_that_has_them(scored):
    clear = scored.sel(task="clear")
    assert clear["best_layer"] == 1
    assert clear["score"] > 0.99
    assert clear["lexical"] < 0.45
    assert clear["over_lexical_low"] > 0.4
    assert clear["majority"] < 0.25
    # The control task's labels are those of types, which the layer knows, too.
    assert 0 < clear["selectivity_low"] < clear["selectivity_high"] < 0.5
    assert clear["layer_selectivity"].sel(layer=0) < -0.1


def test_separable_labels_cost_few_bits(scored):
    clear = scored.sel(task="clear")
    n = int(clear["train_items"])
    assert n == 360
    assert clear["bits"] < 0.2 * n * np.log2(3)
    assert clear["compression"] > 5
    assert clear["layer_bits"].sel(layer=2) > 0.95 * n * np.log2(3)


def test_random_labels_have_no_selectivity_and_no_score(scored):
    random = scored.sel(task="random")
    assert random["selectivity_low"] < 0 < random["selectivity_high"]
    assert random["score_high"] < 0.4
    assert random["accuracy"] < 0.4
    assert random["compression"] < 1.05


def test_labels_of_types_are_no_better_than_control_labels(scored):
    by_type = scored.sel(task="by-type")
    assert by_type["score"] > 0.7
    assert by_type["selectivity_low"] < 0 < by_type["selectivity_high"]


def test_numbers_are_scored_by_correlation(scored):
    number = scored.sel(task="number")
    assert number["score"] > 0.97
    assert number["best_layer"] == 1
    assert np.isnan(number["bits"])
    assert np.isnan(number["accuracy"])
    assert number["selectivity_low"] > 0


def test_the_best_layer_is_chosen_without_the_test_part(world, scored):
    tasks, request, recording = world
    testing = [i.part is Part.TEST for i in tasks[0].items]
    ruined = recording.copy(deep=True)
    ruined[testing, 1] = 0
    spoilt = score_probes(tasks, request, ruined, OPTIONS).sel(task="clear")
    assert spoilt["best_layer"] == 1
    assert spoilt["score"] < 0.5
    np.testing.assert_allclose(
        spoilt["layer_dev"], scored.sel(task="clear")["layer_dev"], atol=1e-6
    )


def test_a_task_scores_as_it_does_alone(world, scored):
    tasks, request, recording = world
    alone = score_probes(tasks[:1], request, recording, OPTIONS)
    for name in ("score", "score_low", "selectivity", "bits", "layer_score"):
        np.testing.assert_allclose(alone[name][0], scored[name][0], atol=1e-6)


def test_values_are_means_over_tasks_and_intervals_hold_them(scored):
    gains = scored["score"] - scored["lexical"]
    assert float(scored["value"]) == pytest.approx(float(gains.mean()))
    np.testing.assert_allclose(scored["over_lexical"], gains)
    np.testing.assert_allclose(scored["category_gain"][1], gains.sel(task="by-type"))
    assert scored["low"] <= scored["value"] <= scored["high"]
    syntax = scored.sel(category="syntax")
    assert syntax["category_tasks"] == 2
    inside = scored["score"][scored["task_category"] == "syntax"]
    assert float(syntax["category_score"]) == pytest.approx(float(inside.mean()))
    assert (scored["layer_low"] <= scored["layer_score"] + 1e-9).sel(task="clear").all()
    assert scored["category_layer_score"].dims == ("category", "layer")
    assert list(scored["category"].values) == ["syntax", "morphology", "semantics"]


def test_resamples_are_kept_and_are_those_of_the_interval(world, scored):
    draws = scored["category_draws"]
    assert draws.dims == ("category", "draw")
    np.testing.assert_allclose(draws.quantile(0.025, "draw"), scored["category_low"], atol=1e-6)
    np.testing.assert_allclose(draws.quantile(0.975, "draw"), scored["category_high"], atol=1e-6)
    lexical = scored["category_lexical_draws"]
    middle = lexical.mean("draw")
    np.testing.assert_allclose(middle, scored["category_lexical"], atol=0.03)
    # Another recording of the same documents is judged on the same draws: errors go together.
    tasks, request, recording = world
    noise = np.random.default_rng(1).standard_normal(recording.shape)
    blurred = score_probes(tasks, request, recording + 0.3 * noise.astype(np.float32), OPTIONS)
    one, other = (found["category_draws"].sel(category="morphology") for found in (scored, blurred))
    assert np.corrcoef(one, other)[0, 1] > 0.3
    assert float((one - other).std()) < np.hypot(float(one.std()), float(other.std()))


def test_the_interval_covers_repeated_test_parts():
    """Random labels: the interval of the score holds a third in most of 20 worlds."""
    rng = np.random.default_rng(3)
    n, inside = DOCUMENTS * WORDS, 0
    for _ in range(20):
        types = rng.integers(0, TYPES, n)
        task = made("random", [f"c{k}" for k in rng.integers(0, 2, n)], types)
        states = rng.standard_normal((n, 1, 6)).astype(np.float32)
        recording = xr.DataArray(states, dims=("sample", "layer", "unit"), coords={"layer": [0]})
        request = probe_request("r", texts(), [task])
        score = score_probes([task], request, recording, ProbeOptions(seeds=2, draws=200))
        inside += bool(score["selectivity_low"][0] <= 0 <= score["selectivity_high"][0])
    assert inside >= 16


def test_a_task_that_stands_aside_is_listed_and_counts_nowhere(world, scored):
    tasks, request, recording = world
    aside = replace(tasks[0], aside="it has no gain")
    score = score_probes([aside, *tasks[1:]], request, recording, OPTIONS)
    assert list(score["aside"].values) == ["it has no gain", "", "", ""]
    np.testing.assert_allclose(score["score"], scored["score"], atol=1e-6)
    assert float(score["value"]) == pytest.approx(float(scored["over_lexical"][1:].mean()))
    assert np.isnan(score["counted_gain"][0])
    syntax = score.sel(category="syntax")
    assert syntax["category_tasks"] == 1
    assert float(syntax["category_score"]) == pytest.approx(float(scored["score"][3]), abs=1e-6)


def test_a_rare_class_is_said_although_it_is_rare():
    """Of 15 % rare items whose states overlap with the others', a good part is found."""
    rng = np.random.default_rng(2)
    n = DOCUMENTS * WORDS
    rare = rng.random(n) < 0.15
    states = rng.standard_normal((n, 1, 40)).astype(np.float32)
    states[:, 0, 0] += 1.2 * rare
    recording = xr.DataArray(states, dims=("sample", "layer", "unit"), coords={"layer": [1]})
    task = made("rare", ["rare" if r else "plain" for r in rare])
    score = score_probes([task], probe_request("r", texts(), [task]), recording, OPTIONS)
    assert float(score["score"][0]) > float(score["majority"][0]) + 0.1


def test_control_tasks_are_scored_where_they_can_be_known(world):
    """A type that training lacks has a label that no probe can know."""
    tasks, request, recording = world
    items = [
        replace(item, type=f"{item.type} {i}" if item.part is Part.TEST and i % 2 else item.type)
        for i, item in enumerate(tasks[0].items)
    ]
    score = score_probes([replace(tasks[0], items=tuple(items))], request, recording, OPTIONS)
    assert score["seen_items"][0] == 70
    # Types are told perfectly: where they were seen, the control task is done as well as may be.
    controlled = score["layer_selectivity"].sel(layer=0).item()
    assert controlled < -0.3
    unseen = [replace(i, type="") for i in tasks[0].items]
    score = score_probes([replace(tasks[0], items=tuple(unseen))], request, recording, OPTIONS)
    assert score["seen_items"][0] == 0
    assert np.isnan(score["selectivity"][0])


def test_selectivity_and_its_interval_are_of_the_same_items(world):
    """Labels of types are lost where a type is new; what is compared has no such items."""
    tasks, request, recording = world
    ruined = recording.copy(deep=True)
    new = np.array([i.part is Part.TEST and n % 2 == 1 for n, i in enumerate(tasks[1].items)])
    ruined[new] = 0
    items = [
        replace(item, type=f"{item.type} {i}" if new[i] else item.type)
        for i, item in enumerate(tasks[1].items)
    ]
    task = replace(tasks[1], items=tuple(items))
    score = score_probes([task], request, ruined, OPTIONS).isel(task=0)
    assert score["accuracy"] < 0.8
    assert abs(score["selectivity"]) < 0.1
    # Of all test items the middle would lie a third of what the new ones lose below.
    middle = float(score["selectivity_low"] + score["selectivity_high"]) / 2
    assert abs(middle - score["selectivity"]) < 0.04


def test_a_class_that_only_the_test_part_has_is_an_error_of_the_probe(world):
    tasks, request, recording = world
    items = list(tasks[0].items)
    items[-5:] = [ProbeItem(i.places, "never seen", i.part, type=i.type) for i in items[-5:]]
    late = ProbeTask("late", "syntax", Inputs.SPAN, Target.CLASS, tuple(items))
    score = score_probes([late], request, recording, OPTIONS)
    assert float(score["accuracy"][0]) == pytest.approx(135 / 140, abs=0.01)
    assert score["classes"][0] == 3
    assert 0.7 < float(score["score"][0]) < 0.77  # four classes, one of them never found


def test_hidden_probes_score_too(world):
    tasks, request, recording = world
    options = ProbeOptions(
        probe=Probe.HIDDEN, seeds=2, draws=50, n_hidden=8, penalties=(1e-2, 1e-1)
    )
    score = score_probes([tasks[0], tasks[3]], request, recording.isel(layer=[1]), options)
    assert (score["score"] > 0.9).all()


def test_recordings_of_something_else_are_refused(world):
    tasks, request, recording = world
    with pytest.raises(ScoreError, match="does not answer"):
        score_probes(tasks, request, recording.isel(sample=slice(1, None)), OPTIONS)
    with pytest.raises(ScoreError, match="no task"):
        score_probes([], request, recording, OPTIONS)
    broken = recording.copy(deep=True)
    broken[5, 2, 0] = np.inf
    with pytest.raises(ScoreError, match="layer 2 of the recording is not finite"):
        score_probes(tasks, request, broken, OPTIONS)


@pytest.mark.parametrize(
    "changes", [{"seeds": 0}, {"penalties": ()}, {"penalties": (0.0, 1.0)}, {"draws": 0}]
)
def test_options_that_make_no_sense_are_refused(changes):
    with pytest.raises(ScoreError):
        ProbeOptions(**changes)


def test_differences_within_resamples_err_as_often_as_they_say():
    """Two recordings that say the same, blurred apart: over 60 pairs of them, at .05."""
    from scipy.stats import binom

    wrong, n = 0, DOCUMENTS * WORDS
    narrower = []
    for world in range(60):
        rng = np.random.default_rng(world)
        classes = rng.integers(0, 2, n)
        task = made("two", [f"c{k}" for k in classes])
        request = probe_request("r", texts(), [task])
        shared = rng.standard_normal((n, 1, 8)) + 0.8 * np.eye(8)[classes][:, None]
        scores = []
        for _ in range(2):
            states = (shared + 0.5 * rng.standard_normal(shared.shape)).astype(np.float32)
            recording = xr.DataArray(
                states, dims=("sample", "layer", "unit"), coords={"layer": [0]}
            )
            scores.append(score_probes([task], request, recording, OPTIONS))
        one, other = (s["category_draws"].values[0] for s in scores)
        change = float(scores[0]["category_score"][0] - scores[1]["category_score"][0])
        error = (one - other).std()
        wrong += abs(change) > 1.96 * error
        narrower.append(error / np.hypot(one.std(), other.std()))
    assert wrong <= binom.ppf(0.999, 60, 0.05)
    assert np.mean(narrower) < 0.8
