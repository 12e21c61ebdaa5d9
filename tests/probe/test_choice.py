"""Multiple choice: the most probable answer for its length, against a loop."""

import numpy as np
import pytest
import xarray as xr

from harness.errors import ScoreError, StimulusError
from harness.probe.choice import Choose, Question, choice_request, score_choices
from harness.record.context import Start
from harness.record.request import Measure
from harness.record.tokens import tokenise


def question(i=0, choices=("yes", "no"), answer=0, task="t", prompt="Q: is it\nA:"):
    return Question(prompt, tuple(choices), answer, task, "reasoning", f"{task}/{i}")


def recording(*logprobs):
    """A prompt's row is nonsense on purpose: it must not count."""
    rows = [value for lp in logprobs for value in (-1e3, lp)]
    return xr.DataArray(np.array(rows).reshape(-1, 1, 1), dims=("sample", "layer", "unit"))


def test_the_length_of_an_answer_does_not_count():
    questions = [question(choices=("a long answer", "no"), answer=0)]
    # -6.5 over 13 bytes is -0.5 a byte; -2 over 2 is -1
    score = score_choices(questions, recording(-6.5, -2.0), Choose.BYTE)
    assert float(score["value"]) == 1
    assert float(score["sum_accuracy"][0]) == 0


def test_length_is_in_bytes():
    questions = [question(choices=("ééé", "abcd"), answer=0)]
    # six bytes, not three letters: -1 a byte against -1.25
    assert float(score_choices(questions, recording(-6.0, -5.0), Choose.BYTE)["value"]) == 1


def test_a_tie_shares_the_credit():
    questions = [question(choices=("aa", "bb", "cc"), answer=1)]
    assert float(score_choices(questions, recording(-2, -2, -3))["value"]) == 0.5
    assert float(score_choices(questions, recording(-2, -3, -2))["value"]) == 0
    assert float(score_choices(questions, recording(-2, -2, -2))["value"]) == pytest.approx(1 / 3)


def test_against_a_loop():
    rng = np.random.default_rng(0)
    options = ("A", "of the", "nothing at all", "both", "e")
    questions = [question(i, options[: rng.integers(2, 6)], 0, task=f"t{i % 3}") for i in range(40)]
    questions = [
        question(i, q.choices, int(rng.integers(len(q.choices))), q.task)
        for i, q in enumerate(questions)
    ]
    logprobs = [rng.normal(-5, 3, len(q.choices)) for q in questions]
    score = score_choices(questions, recording(*np.concatenate(logprobs)), Choose.BYTE)
    for task in ("t0", "t1", "t2"):
        mine = [(q, lp) for q, lp in zip(questions, logprobs, strict=True) if q.task == task]
        wins = [
            max(range(len(lp)), key=lambda c, q=q, lp=lp: lp[c] / len(q.choices[c].encode()))
            == q.answer
            for q, lp in mine
        ]
        one = score.sel(task=task)
        assert float(one["accuracy"]) == pytest.approx(np.mean(wins))
        assert float(one["chance"]) == pytest.approx(np.mean([1 / len(lp) for _, lp in mine]))
    assert score.sizes["question"] == 40


def test_majority():
    questions = [question(i, answer=a) for i, a in enumerate([0, 0, 0, 1])]
    score = score_choices(questions, recording(*np.zeros(8)))
    assert float(score["majority"][0]) == 0.75
    assert float(score["value"]) == 0.5


def test_the_request_asks_for_each_answer_after_its_question(subword_tokenizer):
    questions = [question(choices=("the other", "no"), prompt="is it")]
    request = choice_request("made", questions)
    assert [p.text for p in request.stimuli.passages] == ["is it the other", "is it no"]
    assert request.stimuli.passages[0].items == ("is it", "the other")
    assert request.measure is Measure.LOGPROB
    assert request.context.start is Start.BOS
    passage = request.stimuli.passages[0]
    tokens = tokenise(passage, subword_tokenizer())
    rows = request.readout.matrix(request.stimuli, 0, tokens.owners, len(tokens)).toarray()
    np.testing.assert_array_equal(rows.sum(axis=0), 1)
    # the space before the answer is of the answer: its first token starts there
    first = int(np.flatnonzero(rows[1])[0])
    ids = subword_tokenizer()("is it", add_special_tokens=False)["input_ids"]
    assert first == len(ids)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"choices": ("yes",)}, "two or more"),
        ({"choices": ("yes", "yes ")}, "two or more"),
        ({"choices": ("yes", "")}, "two or more"),
        ({"answer": 2}, "no choice 2 of 2"),
        ({"answer": -1}, "no choice -1 of 2"),
        ({"prompt": "ends in a space "}, "white space"),
        ({"prompt": ""}, "not empty"),
    ],
)
def test_what_is_no_question(options, message):
    with pytest.raises(StimulusError, match=message):
        question(**options)


def test_another_recording_is_refused():
    with pytest.raises(ScoreError, match=r"shape \(4, 1, 1\)"):
        score_choices([question()], recording(-1.0))
    with pytest.raises(ScoreError, match="not finite"):
        score_choices([question()], recording(-1.0, np.nan))


def neutral(i, answer, choices=("Yes", "No"), task="t"):
    return Question(f"Q: {i}\nA:", choices, answer, task, "reasoning", f"{task}/{i}", "", "N/A")


def test_the_prior_of_an_answer_does_not_count():
    """A model that likes Yes anyway, and likes it less where the answer is No."""
    questions = [neutral(i, i % 2) for i in range(10)]
    asked = [(-1.0, -3.0) if q.answer == 0 else (-1.4, -2.8) for q in questions]
    before = (-1.2, -2.9)
    answer = recording(*np.ravel(asked), *before)
    corrected = score_choices(questions, answer, Choose.PRIOR)
    assert float(corrected["value"]) == 1
    assert float(corrected["commonest"][0]) == 0.5
    summed = score_choices(questions, answer, Choose.SUM)
    assert float(summed["value"]) == 0.5
    assert float(summed["commonest"][0]) == 1
    assert float(summed["balanced_accuracy"][0]) == 0.5
    assert float(summed["prior_accuracy"][0]) == 1


def test_neutral_prompts_are_asked_once_for_each_choice():
    questions = [neutral(i, 0) for i in range(5)] + [neutral(9, 0, ("Yes", "Maybe"))]
    request = choice_request("made", questions)
    texts = [p.text for p in request.stimuli.passages]
    assert texts[12:] == ["N/A Yes", "N/A No", "N/A Maybe"]


def test_without_a_neutral_prompt_there_is_no_prior():
    with pytest.raises(ScoreError, match="neutral"):
        score_choices([question()], recording(-1.0, -2.0), Choose.PRIOR)


def test_balanced_accuracy_weighs_answers_alike():
    """Three of four say the commoner answer, which is always found; the other never."""
    questions = [question(i, answer=a) for i, a in enumerate([0, 0, 0, 1])]
    score = score_choices(questions, recording(*[-1.0, -9.0] * 4))
    assert float(score["value"]) == 0.75
    assert float(score["balanced_accuracy"][0]) == 0.5
    own = [question(0, ("a", "b")), question(1, ("c", "d"))]
    assert np.isnan(score_choices(own, recording(*[-1.0, -9.0] * 2))["balanced_accuracy"][0])
