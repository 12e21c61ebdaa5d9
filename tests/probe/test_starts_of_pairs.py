"""Pairs after a model's own start and after the one that its tokenizer declares."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch

from harness.errors import DataError
from harness.probe.minimal_pairs import Pair
from harness.probe.pair_benchmark import PairBenchmark
from harness.record.context import Start
from harness.record.subject import LanguageSubject

PAIRS = (
    Pair("on a thorn", "on a hero", "one", "syntax", "one/0"),
    Pair("her tone is odd", "odd is her tone", "one", "syntax", "one/1"),
    Pair("then on", "on then", "two", "semantics", "two/0"),
)
MARKER = 9
"""A token of the vocabulary that stands for a document's end here; the tokenizer declares 1."""


@dataclass(frozen=True)
class Three(PairBenchmark):
    stimuli: ClassVar = "three"

    @property
    def pairs(self):
        return PAIRS


@pytest.fixture
def speaker(tiny_model, subword_tokenizer):
    return SimpleNamespace(
        model=tiny_model("llama"),
        tokenizer=subword_tokenizer(True),
        spec=SimpleNamespace(name="tiny"),
        context=64,
        start=(MARKER,),
        capabilities=frozenset({"logprob"}),
    )


def margins(model, start):
    """Of a loop: one sentence a pass, after one token."""
    found = []
    for pair in PAIRS:
        sums = []
        for text in (pair.good, pair.bad):
            ids = [start, *model.tokenizer(text, add_special_tokens=False)["input_ids"]]
            logits = model.model(input_ids=torch.tensor([ids])).logits[0].double()
            steps = logits.log_softmax(-1)
            sums.append(sum(float(steps[i, ids[i + 1]]) for i in range(len(ids) - 1)))
        found.append(sums[0] - sums[1])
    return np.array(found)


def scored(bench, model):
    subject = LanguageSubject(model)
    return bench.score({request: subject.record(request) for request in bench.requests()})


def test_both_starts_are_those_of_a_loop(speaker):
    declared = speaker.tokenizer.bos_token_id
    assert declared != MARKER
    with torch.no_grad():
        score = scored(Three(starts="both"), speaker)
        own, other = margins(speaker, MARKER), margins(speaker, declared)
    np.testing.assert_allclose(score["margin"], own, atol=1e-4)
    np.testing.assert_allclose(score["declared_margin"], other, atol=1e-4)
    assert np.abs(own - other).max() > 0.01
    for name, found in (("accuracy", own), ("declared_accuracy", other)):
        assert score[name].values.tolist() == [np.mean(found[:2] > 0), float(found[2] > 0)]
    assert float(score["declared_value"]) == pytest.approx(score["declared_accuracy"].values.mean())
    assert score["declared_category_accuracy"].dims == ("category",)


def test_one_start_asks_for_and_has_no_more_than_before(speaker):
    bench = Three()
    (request,) = bench.requests()
    assert request.context.start is Start.BOS
    with torch.no_grad():
        score = scored(bench, speaker)
    assert not [name for name in score.data_vars if "declared" in str(name)]
    first, second = Three(starts="both").requests()
    assert first.key == request.key != second.key


def test_a_tokenizer_that_puts_nothing_is_read_after_its_bos(speaker, subword_tokenizer):
    bare = subword_tokenizer(False)
    bare.bos_token = speaker.tokenizer.bos_token
    with torch.no_grad():
        score = scored(Three(starts="both"), SimpleNamespace(**vars(speaker) | {"tokenizer": bare}))
        other = margins(speaker, bare.bos_token_id)
    np.testing.assert_allclose(score["declared_margin"], other, atol=1e-4)


def test_other_starts_are_refused():
    with pytest.raises(DataError, match="no starts 'all'"):
        replace(Three(), starts="all").requests()
