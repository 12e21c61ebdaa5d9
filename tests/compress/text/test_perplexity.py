"""Perplexity, against one forward pass per token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log
from typing import Any

import pytest
import torch
from torch import nn

from harness.compress.text.perplexity import TEXTS, embedded_text, perplexity, windows
from harness.errors import RecordingError

TinyModel = Callable[..., nn.Module]


@dataclass(frozen=True)
class Characters:
    """A tokenizer of one token a character, with or without something in front."""

    prefix: tuple[int, ...] = ()

    def __call__(self, text: str, add_special_tokens: bool = True, **_: Any) -> dict[str, Any]:
        ids = [3 + ord(character) % 90 for character in text]
        return {
            "input_ids": [*(self.prefix if add_special_tokens else ()), *ids],
            "offset_mapping": [(index, index + 1) for index in range(len(ids))],
        }


@dataclass(frozen=True)
class Subject:
    """What perplexity asks of a language model."""

    model: nn.Module
    tokenizer: Characters
    context: int | None = 64


def nats_one_by_one(subject: Subject, text: str, window: int, stride: int) -> list[float]:
    """Predict each token by a forward pass of its own, over the context its window gives it."""
    prefix = list(subject.tokenizer.prefix)
    ids = subject.tokenizer(text, add_special_tokens=False)["input_ids"]
    out = []
    for token in range(0 if prefix else 1, len(ids)):
        steps = max(0, -(-(token + 1 - window) // stride))  # windows before the one it is new in
        stop = min(window + steps * stride, len(ids))
        read = torch.tensor([prefix + ids[max(0, stop - window) : token]])
        logits = subject.model(input_ids=read).logits[0, -1].double()
        out.append(-float(logits.log_softmax(-1)[ids[token]]))
    return out


@pytest.mark.parametrize("prefix", [(), (1,), (1, 2)])
@pytest.mark.parametrize(("window", "stride"), [(16, 8), (16, 1), (10, 7), (64, 5)])
def test_agrees_with_one_forward_per_token(
    tiny_model: TinyModel, prefix: tuple[int, ...], window: int, stride: int
) -> None:
    subject = Subject(tiny_model("llama"), Characters(prefix))
    text = "A boat, a lake, and fog: nobody could see."
    found = perplexity(subject, text, window=window + len(prefix), stride=stride)  # type: ignore[arg-type]
    expected = nats_one_by_one(subject, text, min(window, 64 - len(prefix)), stride)
    assert found.tokens == len(expected) == len(text) - (not prefix)
    assert found.nats == pytest.approx(sum(expected), rel=1e-5)
    assert found.perplexity == pytest.approx(exp(sum(expected) / len(expected)), rel=1e-5)


def test_bits_per_byte_count_the_bytes_that_were_predicted(tiny_model: TinyModel) -> None:
    text = "é\u2019tude: naïve"
    with_first = perplexity(Subject(tiny_model("gpt2"), Characters((1,))), text)  # type: ignore[arg-type]
    without = perplexity(Subject(tiny_model("gpt2"), Characters()), text)  # type: ignore[arg-type]
    assert with_first.bytes == len(text.encode())
    assert without.bytes == len(text.encode()) - 2  # é, not predicted, has two
    assert without.bits_per_byte == pytest.approx(without.nats / log(2) / without.bytes)


def test_a_model_that_knows_nothing_has_the_perplexity_of_its_vocabulary(
    tiny_model: TinyModel,
) -> None:
    model = tiny_model("llama")
    model.lm_head.weight.zero_()  # type: ignore[union-attr, operator]
    found = perplexity(Subject(model, Characters()), embedded_text("soil")[:500])  # type: ignore[arg-type]
    assert found.perplexity == pytest.approx(96, rel=1e-5)


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("tokens", [2, 7, 16, 17, 100])
@pytest.mark.parametrize(("window", "stride"), [(16, 8), (16, 15), (5, 1), (200, 100)])
def test_every_token_is_predicted_once(tokens: int, window: int, stride: int, first: int) -> None:
    counts: Counter[int] = Counter()
    for part in windows(tokens, window, stride, first):
        assert part.stop - part.start <= window
        assert part.start <= part.first < part.stop
        counts.update(range(part.first, part.stop))
        if part.start:
            assert part.first - part.start >= window - stride
    assert counts == Counter(range(first, tokens))


@pytest.mark.parametrize("stride", [0, 16, 17])
def test_strides_that_do_not_fit(tiny_model: TinyModel, stride: int) -> None:
    with pytest.raises(RecordingError, match="does not fit windows of 16"):
        perplexity(Subject(tiny_model("llama"), Characters()), "abc" * 9, window=16, stride=stride)  # type: ignore[arg-type]


def test_a_text_too_short(tiny_model: TinyModel) -> None:
    with pytest.raises(RecordingError, match="nothing to predict"):
        perplexity(Subject(tiny_model("llama"), Characters()), "a")  # type: ignore[arg-type]


def test_the_model_s_context_bounds_the_window(tiny_model: TinyModel) -> None:
    found = perplexity(Subject(tiny_model("gpt2"), Characters()), "word " * 60, window=512)  # type: ignore[arg-type]
    assert found.window == 64


@pytest.mark.parametrize("name", TEXTS)
def test_embedded_texts_are_plain_prose_of_about_a_thousand_words(name: str) -> None:
    text = embedded_text(name)
    assert 1000 <= len(text.split()) <= 1200
    assert text.isascii()


def test_an_unknown_text() -> None:
    with pytest.raises(RecordingError, match="no embedded text"):
        embedded_text("moby-dick")
