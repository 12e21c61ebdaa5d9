"""Text that is sampled is that of a model that reads each passage anew, cache or not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from architectures import VOCABULARY, tiny

from harness.compress.text.sampling import _draw, _sample


@pytest.mark.parametrize("name", ["llama", "recurrent_gemma", "jamba", "falcon", "mamba", "rwkv"])
def test_every_token_is_drawn_after_the_passage_so_far(name: str) -> None:
    network = tiny(name)
    # One special token has no row in the head, as in some releases.
    tokenizer = SimpleNamespace(all_special_ids=[0, 1, 2, VOCABULARY + 5])
    model: Any = SimpleNamespace(model=network, tokenizer=tokenizer)
    draws = torch.rand(3, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    prompts = [[5, 6], [7], [8, 9, 10]]
    with torch.no_grad():
        found = _sample(model, prompts, draws)
        assert not bool((found < 3).any())
        for row, prompt in enumerate(prompts):
            assert found[row, : len(prompt)].tolist() == prompt
            for place in range(len(prompt), 12):
                logits = network(input_ids=found[row : row + 1, :place], use_cache=False).logits
                logits = logits[:, -1].float()
                logits[:, :3] = -torch.inf
                expected = _draw(logits, draws[row : row + 1, place])
                assert int(expected) == int(found[row, place])
