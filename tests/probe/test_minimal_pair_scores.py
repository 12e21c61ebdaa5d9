"""From log-probabilities to accuracies, against a plain loop and by hand."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from wordfreq import zipf_frequency

from harness.errors import ScoreError
from harness.probe.minimal_pairs import Pair, pair_request, score_pairs
from harness.probe.proportion import wilson
from harness.record.context import Start
from harness.record.request import Measure


def made(counts=(4, 4, 6)):
    categories = ("syntax", "syntax", "reasoning")
    return [
        Pair(f"Good {t} {i}.", f"Bad {t} {i}.", f"task{t}", categories[t], f"task{t}/{i}", "term")
        for t, n in enumerate(counts)
        for i in range(n)
    ]


def recording(margins, rng=None):
    """Log-probabilities whose differences are the margins."""
    bad = np.zeros(len(margins)) if rng is None else rng.normal(-30, 5, len(margins))
    values = np.stack([bad + margins, bad], axis=1).reshape(-1, 1, 1)
    return xr.DataArray(values, dims=("sample", "layer", "unit"))


def test_by_hand():
    score = score_pairs(made(), recording([1, 2, -1, 3, 0, 0, -2, -2, 1, 1, 1, 1, 1, 0]))
    np.testing.assert_allclose(score["accuracy"], [3 / 4, 1 / 4, 5.5 / 6])
    assert float(score["value"]) == pytest.approx((3 / 4 + 1 / 4 + 5.5 / 6) / 3)
    assert list(score["task"].values) == ["task0", "task1", "task2"]
    assert list(score["task_category"].values) == ["syntax", "syntax", "reasoning"]
    assert list(score["phenomenon"].values) == ["term"] * 3
    assert list(score["pairs"].values) == [4, 4, 6]
    assert list(score["pair_task"].values) == [0] * 4 + [1] * 4 + [2] * 6
    assert float(score["low"]) < float(score["value"]) < float(score["high"])


def test_against_a_loop():
    rng = np.random.default_rng(0)
    pairs = made((11, 5, 23))
    order = rng.permutation(len(pairs))
    pairs = [pairs[i] for i in order]
    margins = rng.integers(-2, 3, len(pairs)).astype(float)
    score = score_pairs(pairs, recording(margins))
    for task in {pair.paradigm for pair in pairs}:
        wins = [
            1.0 if m > 0 else 0.5 if m == 0 else 0.0
            for m, pair in zip(margins, pairs, strict=True)
            if pair.paradigm == task
        ]
        assert float(score["accuracy"].sel(task=task)) == pytest.approx(np.mean(wins))
    np.testing.assert_allclose(score["margin"], margins)


def test_only_the_difference_within_a_pair_counts():
    rng = np.random.default_rng(0)
    margins = rng.normal(size=14)
    one = score_pairs(made(), recording(margins))
    two = score_pairs(made(), recording(margins * 7, rng))
    np.testing.assert_array_equal(one["accuracy"], two["accuracy"])


def test_swapping_good_and_bad_mirrors_the_score():
    margins = np.random.default_rng(0).normal(size=14)
    one = score_pairs(made(), recording(margins))
    two = score_pairs(made(), recording(-margins))
    np.testing.assert_allclose(one["accuracy"], 1 - two["accuracy"])
    assert float(one["low"]) == pytest.approx(1 - float(two["high"]))


def test_a_scorer_without_an_opinion_is_at_chance():
    score = score_pairs(made(), recording(np.zeros(14)))
    assert (score["accuracy"] == 0.5).all()
    assert float(score["value"]) == 0.5


def test_tasks_weigh_the_same_whatever_their_size():
    score = score_pairs(made((2, 2, 100)), recording([1, 1, 1, 1] + [-1] * 100))
    assert float(score["value"]) == pytest.approx(2 / 3)


def test_an_interval_has_width_when_all_is_right():
    score = score_pairs(made(), recording(np.ones(14)))
    assert float(score["high"]) == 1
    assert 0.7 < float(score["low"]) < 1


def test_categories():
    score = score_pairs(made(), recording([1, 1, 1, -1, 1, -1, -1, -1, 1, 1, 1, 1, 1, 1]))
    assert list(score["category"].values) == ["syntax", "reasoning"]
    np.testing.assert_allclose(score["category_accuracy"], [0.5, 1.0])
    assert list(score["category_tasks"].values) == [2, 1]
    assert list(score["category_pairs"].values) == [8, 6]
    low, high = wilson([0.5, 1.0], [8, 6])
    np.testing.assert_allclose(score["category_low"], low)
    np.testing.assert_allclose(score["category_high"], high)


def test_a_score_survives_netcdf(tmp_path):
    score = score_pairs(made(), recording(np.ones(14)))
    score.to_netcdf(tmp_path / "score.nc")
    with xr.open_dataset(tmp_path / "score.nc") as read:
        xr.testing.assert_equal(score, read.load())


def test_the_request_asks_for_both_sentences_in_turn():
    request = pair_request("made", made((1, 1, 0)))
    assert [p.text for p in request.stimuli.passages] == [
        "Good 0 0.",
        "Bad 0 0.",
        "Good 1 0.",
        "Bad 1 0.",
    ]
    assert [p.name for p in request.stimuli.passages][:2] == ["task0/0/good", "task0/0/bad"]
    assert request.measure is Measure.LOGPROB
    assert str(request.context) == "sentence"
    # Without a start token the first word of a sentence has no probability.
    assert request.context.start is Start.BOS
    assert request.readout.rows(request.stimuli) == (1, 1, 1, 1)


@pytest.mark.parametrize("shape", [(27, 1, 1), (28, 2, 1), (28, 1), (14, 1, 1)])
def test_another_recording_is_refused(shape):
    dims = ("sample", "layer", "unit")[: len(shape)]
    with pytest.raises(ScoreError, match="14 pairs need a recording of shape"):
        score_pairs(made(), xr.DataArray(np.zeros(shape), dims=dims))


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_probability_that_is_not_finite_is_refused_by_name(value):
    answer = recording(np.ones(14))
    answer[9] = value
    with pytest.raises(ScoreError, match="pair task1/0: a log-probability is not finite"):
        score_pairs(made(), answer)


def test_pairs_are_judged_in_other_ways_beside():
    """Against a loop over wordfreq, words and bytes."""
    pairs = [
        Pair("The dog sleeps.", "The dog quietly sleeps.", "a", "syntax", "a/0"),
        Pair("The aardvark ran to the shop.", "The dog ran.", "a", "syntax", "a/1"),
        Pair("He saw the dog.", "The dog saw he.", "b", "syntax", "b/0"),
    ]
    logprobs = np.array([[-20.0, -22.0], [-40.0, -19.0], [-15.0, -30.0]])
    values = logprobs.reshape(-1, 1, 1)
    answer = xr.DataArray(values, dims=("sample", "layer", "unit"))
    score = score_pairs(pairs, answer)
    unigram, slor, byte = [], [], []
    for pair, found in zip(pairs, logprobs, strict=True):
        words = [s.lower().rstrip(".").split() for s in (pair.good, pair.bad)]
        sums = [sum(np.log(10.0 ** (zipf_frequency(w, "en") - 9)) for w in ws) for ws in words]
        unigram.append(0.5 if np.isclose(*sums) else float(sums[0] > sums[1]))
        over = [(lp - u) / len(ws) for lp, u, ws in zip(found, sums, words, strict=True)]
        slor.append(float(over[0] > over[1]))
        sizes = [len(s.encode()) for s in (pair.good, pair.bad)]
        byte.append(float(found[0] / sizes[0] > found[1] / sizes[1]))
    assert unigram == [1, 0, 0.5]
    np.testing.assert_array_equal(score["unigram_right"], unigram)
    for name, expected in (("unigram", unigram), ("slor", slor), ("byte", byte)):
        by_task = [np.mean(expected[:2]), expected[2]]
        np.testing.assert_allclose(score[f"{name}_accuracy"], by_task)
    np.testing.assert_allclose(score["length_accuracy"], [0.5, 0.5])
    without = score_pairs([replace(pair, language="") for pair in pairs], answer)
    np.testing.assert_allclose(without["unigram_right"], [1, 0, 0.5])  # fewer words, alone


def test_the_shorter_sentence_is_the_better_one_by_length():
    pairs = [Pair("The dog ran.", "The dog ran away.", "a", "syntax", "a/0")]
    answer = xr.DataArray(np.zeros((2, 1, 1)), dims=("sample", "layer", "unit"))
    assert score_pairs(pairs, answer)["length_accuracy"].values.tolist() == [1.0]


def test_the_same_words_in_another_order_are_a_tie_of_frequencies():
    """Sums of eleven numbers depend on their order, by rounding."""
    rng = np.random.default_rng(0)
    text = "then the old dog slowly ran after three very small birds"
    words = sorted(set(text.split()))
    orders = [" ".join(rng.permutation(words)) for _ in range(100)]
    pairs = [
        Pair(good, bad, "a", "syntax", f"a/{i}")
        for i, (good, bad) in enumerate(zip(orders[::2], orders[1::2], strict=True))
    ]
    answer = xr.DataArray(np.zeros((100, 1, 1)), dims=("sample", "layer", "unit"))
    assert set(score_pairs(pairs, answer)["unigram_right"].values.tolist()) == {0.5}
