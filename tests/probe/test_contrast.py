"""Contrasts of contexts: against a loop, and against a model read text by text."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import xarray as xr

from harness.errors import ScoreError, StimulusError
from harness.probe.contrast import Contrast, contrast_request, score_contrasts
from harness.record.context import Start
from harness.record.request import Measure
from harness.record.subject import LanguageSubject


def contrast(i=0, task="t", **changes):
    parts = {"text": f"can fly {i}.", "good": "A robin", "bad": "A penguin"}
    return Contrast(
        **{**parts, **changes}, paradigm=task, category="semantics", identifier=f"{task}/{i}"
    )


def recording(logprobs):
    """A context's row is nonsense on purpose: it must not count."""
    rows = np.array([[-1e3 - 7 * i, value] for i, value in enumerate(np.ravel(logprobs))])
    return xr.DataArray(rows.reshape(-1, 1, 1), dims=("sample", "layer", "unit"))


def test_against_a_loop():
    rng = np.random.default_rng(0)
    contrasts = [contrast(i, f"t{i % 3}") for i in range(40)]
    logprobs = rng.normal(-5, 3, (40, 2))
    logprobs[7, 1] = logprobs[7, 0]
    score = score_contrasts(contrasts, recording(logprobs))
    values = []
    for task in ("t0", "t1", "t2"):
        mine = [lp for c, lp in zip(contrasts, logprobs, strict=True) if c.paradigm == task]
        credit = [1 if good > bad else 0.5 if good == bad else 0 for good, bad in mine]
        values.append(sum(credit) / len(credit))
        assert float(score["accuracy"].sel(task=task)) == pytest.approx(values[-1])
    assert float(score["value"]) == pytest.approx(np.mean(values))
    np.testing.assert_allclose(score["margin"], logprobs[:, 0] - logprobs[:, 1], rtol=1e-6)
    assert score["pair_task"].values.tolist() == [i % 3 for i in range(40)]
    assert set(score["unigram_right"].values.tolist()) == {0.5}


def test_both_sides_end_in_the_same_text():
    request = contrast_request("made", [contrast()])
    good, bad = request.stimuli.passages
    assert good.text == "A robin can fly 0."
    assert bad.text == "A penguin can fly 0."
    assert [[p.text[a:b] for a, b in p.spans] for p in (good, bad)] == [
        ["A robin", "can fly 0."],
        ["A penguin", "can fly 0."],
    ]
    assert request.measure is Measure.LOGPROB
    assert request.context.start is Start.BOS


@pytest.mark.parametrize(
    "changes", [{"text": ""}, {"good": "A robin "}, {"bad": " A penguin"}, {"bad": "A robin"}]
)
def test_parts_that_are_no_contrast(changes):
    with pytest.raises(StimulusError, match="contrast 't/0'"):
        contrast(**changes)


def test_a_recording_of_another_request_is_refused():
    with pytest.raises(ScoreError, match=r"2 contrasts need .* \(8, 1, 1\), not \(4, 1, 1\)"):
        score_contrasts([contrast(0), contrast(1)], recording([-1.0, -2.0]))
    with pytest.raises(ScoreError, match=r"contrast t/1: .* not finite"):
        score_contrasts([contrast(0), contrast(1)], recording([-1.0, -2.0, np.nan, -1.0]))


def test_log_probabilities_are_those_of_a_model_read_text_by_text(tiny_model, subword_tokenizer):
    """One text a pass, without batches, padding or shared beginnings."""
    model, tokenizer = tiny_model("llama"), subword_tokenizer(True)
    speaker = SimpleNamespace(
        model=model,
        tokenizer=tokenizer,
        spec=SimpleNamespace(name="tiny"),
        context=64,
        capabilities=frozenset({"logprob"}),
    )
    contrasts = [
        contrast(0, text="her tone is odd", good="on a thorn", bad="then on a hero"),
        contrast(1, text="other", good="on", bad="on a thorn her tone is"),
    ]
    request = contrast_request("made", contrasts)
    answer = LanguageSubject(speaker).record(request)
    for row, passage in enumerate(request.stimuli.passages):
        encoded = tokenizer(passage.text, add_special_tokens=False, return_offsets_mapping=True)
        ids = [tokenizer.bos_token_id, *encoded["input_ids"]]
        with torch.no_grad():
            steps = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
        start = passage.spans[1][0]
        expected = sum(
            float(steps[at, ids[at + 1]])
            for at, (_, stop) in enumerate(encoded["offset_mapping"])
            if stop > start
        )
        assert float(answer[2 * row + 1].item()) == pytest.approx(expected, abs=1e-4)
    assert len(score_contrasts(contrasts, answer)["margin"]) == 2
