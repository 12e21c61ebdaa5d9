"""A tiny model that records."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest


@pytest.fixture
def speaker(tiny_model, subword_tokenizer):
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
