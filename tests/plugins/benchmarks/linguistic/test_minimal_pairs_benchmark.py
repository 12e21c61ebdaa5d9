"""The embedded linguistic benchmark as a run sees it."""

import re
import subprocess
import sys

import numpy as np
import pytest
import wordfreq
import xarray as xr
from brainpress_plugins.benchmarks.linguistic.minimal_pairs import SPEC, brainpress_benchmarks
from brainpress_plugins.benchmarks.linguistic.minimal_pairs.benchmark import MinimalPairs
from brainpress_plugins.benchmarks.linguistic.minimal_pairs.generate import pairs

from harness.errors import DataError
from harness.place.locate import find
from harness.record.request import Recordings
from harness.spec.specs import load_target


def scored(logprob, benchmark=None):
    """Score a scorer of sentences."""
    benchmark = benchmark or load_target(SPEC)

    def answer(request):
        values = [logprob(passage.text) for passage in request.stimuli.passages]
        return xr.DataArray(
            np.reshape(values, (-1, 1, 1)).astype(np.float32), dims=("sample", "layer", "unit")
        )

    return benchmark.score(Recordings(benchmark.requests(), answer))


def test_is_offered():
    assert brainpress_benchmarks() == [SPEC]
    (request,) = load_target(SPEC).requests()
    assert len(request.stimuli.passages) == 2 * len(pairs())


def test_importing_the_plugin_imports_nothing_heavy():
    code = (
        "import sys, brainpress_plugins.benchmarks.linguistic.minimal_pairs, "
        "brainpress_plugins.benchmarks.linguistic.blimp, "
        "brainpress_plugins.benchmarks.neural.simulated_listening;"
        "print([m for m in ('torch', 'transformers', 'xarray', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_scorer_that_knows_scores_one():
    good = {pair.good for pair in pairs()} - {pair.bad for pair in pairs()}
    score = scored(lambda text: float(text in good))
    assert float(score["value"]) == 1


@pytest.mark.parametrize("each", range(4, 41, 4))
def test_fewer_pairs_are_the_first_of_all(each):
    by_task, fewer = {}, {}
    for pair in pairs():
        by_task.setdefault(pair.paradigm, []).append(pair)
    for pair in MinimalPairs(each=each).pairs:
        fewer.setdefault(pair.paradigm, []).append(pair)
    assert fewer == {task: own[:each] for task, own in by_task.items()}


@pytest.mark.parametrize("each", [0, -4, 3, 10, 44, 4.5])
def test_a_part_that_is_none_is_refused(each):
    with pytest.raises(DataError, match=f"no {each} pairs of each paradigm") as error:
        MinimalPairs(each=each).requests()
    assert error.value.hint == "each= takes 4, 8, 12, … 40"


@pytest.mark.parametrize("each", [4, 12, 40])
def test_a_unigram_model_scores_a_half_in_every_task(each):
    def unigram(text):
        # Rounded to what float32 adds up without error.
        words = re.findall(r"\w+|[^\w\s]", text)
        return sum(round(8 * wordfreq.zipf_frequency(word, "en")) / 8 for word in words)

    score = scored(unigram, MinimalPairs(each=each))
    assert score["accuracy"].size == 30
    assert (score["accuracy"] == 0.5).all()
    assert (score["category_accuracy"] == 0.5).all()


@pytest.mark.needs_data
@pytest.mark.skipif(find("models/stories260K") is None, reason="stories260K is not here")
def test_a_trained_model_knows_some_of_it_and_the_same_one_untrained_none():
    from harness.lm.controls import untrained
    from harness.lm.load import load
    from harness.lm.source import resolve
    from harness.record.subject import LanguageSubject
    from harness.spec.specs import ModelSpec

    base = ModelSpec("stories260k", source=f"file:{find('models/stories260K')}")
    benchmark = load_target(SPEC)
    scores = []
    for spec in (base, untrained(base)):
        subject = LanguageSubject(load(resolve(spec), spec))
        scores.append(benchmark.score(Recordings(benchmark.requests(), subject.record)))
    trained, drawn = scores
    assert float(trained["low"]) > 0.55
    assert float(drawn["low"]) < 0.5 < float(drawn["high"])
    assert float(trained["category_low"].sel(category="syntax")) > 0.6
