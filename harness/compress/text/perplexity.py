"""Perplexity of a language model on a text, with every token accounted for.

A text is read in windows shorter than the model's context. Each token is predicted exactly once, in
the window that gives it most left context, so the sum of log-probabilities is that of the text, not
of its windows. Bits per byte compare across tokenizers; perplexity does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from math import exp, log
from typing import TYPE_CHECKING

import torch
from torch import nn

from harness.errors import RecordingError

if TYPE_CHECKING:
    from harness.lm.load import LanguageModel

TEXTS = ("ferry", "soil")
"""The embedded texts: a story, and an expository text held out from every choice made here."""
WINDOW = 512
"""Tokens that are read at once."""


@dataclass(frozen=True)
class Perplexity:
    """How well a model predicts a text.

    Parameters
    ----------
    nats : float
        Minus the sum of the natural log-probabilities of the predicted tokens.
    tokens : int
        Tokens predicted.
    bytes : int
        Bytes of UTF-8 that these tokens stand for.
    window, stride : int
        Tokens a window, and tokens from one window to the next.
    """

    nats: float
    tokens: int
    bytes: int
    window: int
    stride: int

    @property
    def perplexity(self) -> float:
        """Exp of the mean negative log-probability a token; infinite when it overflows."""
        mean = self.nats / self.tokens
        return exp(mean) if mean < 700 else float("inf")

    @property
    def bits_per_byte(self) -> float:
        """Bits that the model needs for a byte of text."""
        return self.nats / log(2) / self.bytes


@dataclass(frozen=True)
class Stride:
    """Tokens start to stop are read; those from first on are predicted."""

    start: int
    stop: int
    first: int


def embedded_text(name: str) -> str:
    """Return one of the texts that ship with brainpress.

    Parameters
    ----------
    name : str
        One of :data:`TEXTS`.
    """
    if name not in TEXTS:
        raise RecordingError(f"no embedded text {name!r}", f"there are {' and '.join(TEXTS)}")
    return resources.files("harness.compress").joinpath(f"texts/{name}.txt").read_text("utf-8")


def windows(tokens: int, window: int, stride: int, first: int = 1) -> Iterator[Stride]:
    """Cut a text into windows in which each token from ``first`` on is predicted once.

    Parameters
    ----------
    tokens : int
        Length of the text.
    window : int
        Longest window, in tokens; at least 2.
    stride : int
        New tokens a window, from 1 to window - 1: the first predicted token needs one before it.
    first : int
        The first token that is predicted: 0 when something is put in front of each window.

    Yields
    ------
    Stride
        A predicted token has at least ``window - stride`` tokens before it, or all there are.
    """
    stop = min(window, tokens)
    while first < tokens:
        yield Stride(max(0, stop - window), stop, first)
        first, stop = stop, min(stop + stride, tokens)


def perplexity(
    model: LanguageModel, text: str, *, window: int = WINDOW, stride: int | None = None
) -> Perplexity:
    """Measure how well a language model predicts a text.

    What the tokenizer puts in front of a text (Llama's ``<s>``) is put in front of every window,
    and is not predicted. Where it puts nothing, the first token of the text is not predicted, and
    its bytes are not counted.

    Parameters
    ----------
    model : LanguageModel
        Model and tokenizer.
    text : str
        Running text.
    window : int
        Tokens a window at most; the model's context bounds it.
    stride : int, optional
        Tokens from one window to the next; half of the window by default.

    Returns
    -------
    Perplexity

    Raises
    ------
    RecordingError
        The text is shorter than two tokens, or the stride does not fit the window.
    """
    prefix, ids, starts = _tokenise(model, text)
    window = min(window, model.context or window) - len(prefix)
    stride = window // 2 if stride is None else stride
    if not 0 < stride < window:
        raise RecordingError(
            f"a stride of {stride} tokens does not fit windows of {window}",
            "give a stride from 1 to the window - 1",
        )
    if len(ids) < 2:
        raise RecordingError(f"a text of {len(ids)} tokens has nothing to predict")
    first = 0 if prefix else 1
    nats = sum(
        _window_nats(model.model, prefix, ids, part)
        for part in windows(len(ids), window, stride, first)
    )
    return Perplexity(
        nats=nats,
        tokens=len(ids) - first,
        bytes=len(text[starts[first] :].encode()) if first else len(text.encode()),
        window=window + len(prefix),
        stride=stride,
    )


@torch.no_grad()
def _window_nats(model: nn.Module, prefix: list[int], ids: list[int], part: Stride) -> float:
    """Sum the negative log-probabilities of the tokens that a window predicts."""
    device = next(model.parameters()).device
    read = torch.tensor([prefix + ids[part.start : part.stop]], device=device)
    targets = read[0, len(prefix) + part.first - part.start :]
    logits = model(input_ids=read, use_cache=False).logits[0, -len(targets) - 1 : -1].float()
    return float(nn.functional.cross_entropy(logits, targets, reduction="none").double().sum())


def _tokenise(model: LanguageModel, text: str) -> tuple[list[int], list[int], list[int]]:
    """Return what the tokenizer puts in front, the tokens of the text, and where each begins."""
    encoded = model.tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    ids = list(encoded["input_ids"])
    whole = list(model.tokenizer(text, verbose=False)["input_ids"])
    prefix = whole[: _find(whole, ids)]
    return prefix, ids, [start for start, _ in encoded["offset_mapping"]]


def _find(whole: Sequence[int], part: Sequence[int]) -> int:
    """Return where the text's own tokens begin in the tokenizer's full output."""
    for index in range(len(whole) - len(part) + 1):
        if whole[index : index + len(part)] == part:
            return index
    raise RecordingError(
        "the tokenizer gives other tokens with its special tokens than without",
        "perplexity needs a tokenizer that only puts tokens in front of a text or after it",
    )
