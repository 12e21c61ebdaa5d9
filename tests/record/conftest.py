"""A tiny model that records: words of a fixed vocabulary, each one to three tokens long."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest


def subword_tokenizer(bos: bool = False) -> Any:
    """Letters are tokens, and so are the pairs that merges make; spaces belong to what follows."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz.,'"
    vocabulary = {t: i for i, t in enumerate(["<pad>", "<s>", "</s>", "Ġ", *letters])}
    merges = [("Ġ", c) for c in "abcdefghijklmnopqrstuvwxyz"] + [("t", "h"), ("e", "r"), ("o", "n")]
    for a, b in merges:
        vocabulary.setdefault(a + b, len(vocabulary))
    tok = Tokenizer(models.BPE(vocabulary, merges))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    if bos:
        tok.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tok, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


@pytest.fixture
def speaker(tiny_model):
    """Make a language model that records: ``speaker("gpt2", bos=True)``."""

    def make(architecture: str = "llama", bos: bool = False, context: int | None = 64) -> Any:
        model = tiny_model(architecture)
        return SimpleNamespace(
            model=model,
            tokenizer=subword_tokenizer(bos),
            spec=SimpleNamespace(name=f"tiny-{architecture}"),
            context=context,
            capabilities=frozenset({"hidden", "logprob"}),
        )

    return make
