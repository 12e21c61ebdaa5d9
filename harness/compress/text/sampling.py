"""Text sampled from a model, to calibrate the same model on."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from harness.lm.load import LanguageModel

PASSAGE = 128
"""Tokens a passage: short ones keep the cost of attention and of its cache small."""
TOP = 50
"""Tokens that are sampled from at each step: the tail of a small model's distribution is noise."""

_BATCH = 128


@torch.no_grad()
def sample_text(model: LanguageModel, samples: int, length: int, seed: int) -> Tensor:
    """Sample windows of text from a model at temperature 1.

    A window is made of passages of :data:`PASSAGE` tokens, each after an empty line and one of some
    fixed openings. (Liu et al. 2023, LLM-QAT, begin with a random token; openings keep a model that
    has seen much code, or chat, to prose.) Special tokens are never drawn, so that it is running
    text from end to end.

    Parameters
    ----------
    model : LanguageModel
        Model and tokenizer.
    samples, length : int
        Windows, and tokens a window.
    seed : int
        Every draw depends on the seed and its place only, not on how passages are batched.

    Returns
    -------
    Tensor
        (samples, length), int64.
    """
    passages = -(-length // PASSAGE)
    size = min(length, PASSAGE)
    draws = np.random.default_rng(seed).random((samples * passages, size))
    prompts = [
        model.tokenizer("\n\n" + line, add_special_tokens=False)["input_ids"][:size]
        for line in openings()
    ]
    chosen = [prompts[int(draw * len(prompts))] for draw in draws[:, 0]]
    # Passages that begin alike would differ by their draws only, so the first draw is used up.
    parts = [
        _sample(model, chosen[at : at + _BATCH], torch.from_numpy(draws[at : at + _BATCH]))
        for at in range(0, len(draws), _BATCH)
    ]
    return torch.cat(parts).reshape(samples, passages * size)[:, :length].contiguous()


def openings() -> list[str]:
    """Return the openings of passages, one a line."""
    text = resources.files("harness.compress").joinpath("texts/openings.txt").read_text("utf-8")
    return text.splitlines()


def _sample(model: LanguageModel, prompts: list[list[int]], draws: Tensor) -> Tensor:
    """Sample a batch of passages token by token, each after its own prompt."""
    device = next(model.model.parameters()).device
    special = torch.tensor(sorted(set(model.tokenizer.all_special_ids)), dtype=torch.int64)
    tokens = torch.empty(draws.shape, dtype=torch.int64)
    tokens[:, 0] = torch.tensor([prompt[0] for prompt in prompts])
    caches = _hands_over_a_cache(model, tokens[:1, :1].to(device))
    cache = None
    for place in range(1, draws.shape[1]):
        if caches:
            read = tokens[:, place - 1 : place].to(device)
            out = model.model(input_ids=read, past_key_values=cache, use_cache=True)
            cache = out.past_key_values
        else:  # the passage is read again from its beginning
            out = model.model(input_ids=tokens[:, :place].to(device), use_cache=False)
        logits = out.logits[:, -1].float().cpu()
        # Some releases have special tokens without a row in the head: no text gives them.
        logits.index_fill_(1, special[special < logits.shape[1]], -torch.inf)
        tokens[:, place] = _draw(logits, draws[:, place])
        for row, prompt in enumerate(prompts):
            if place < len(prompt):
                tokens[row, place] = prompt[place]
    return tokens


def _hands_over_a_cache(model: LanguageModel, token: Tensor) -> bool:
    """Whether a model returns what it keeps of a text; some keep it to themselves, or elsewhere."""
    return hasattr(model.model(input_ids=token, use_cache=False), "past_key_values")


def _draw(logits: Tensor, draws: Tensor) -> Tensor:
    """Invert the distribution function of the likeliest tokens at the given points."""
    top = logits.topk(min(TOP, logits.shape[1]), dim=1)
    cumulative = top.values.double().softmax(1).cumsum(1)
    place = torch.searchsorted(cumulative, draws[:, None].contiguous())
    return top.indices.gather(1, place.clamp_(max=cumulative.shape[1] - 1))[:, 0]
