"""Language models of real shapes with random weights, drawn where they are to be."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from harness.lm.load import LanguageModel
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.spec.specs import ModelSpec
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Items, Pool, Whole
from on_card.setting import Setting

SHAPES: dict[str, dict[str, Any]] = {
    # SmolLM2-135M, Qwen2.5-1.5B, Qwen2.5-7B
    "135M": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49152,
        "tie_word_embeddings": True,
    },
    "1.5B": {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
    "7B": {
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "tie_word_embeddings": False,
    },
}
TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 512,
    "tie_word_embeddings": True,
}


def config(setting: Setting, shape: str, **changes: Any) -> Any:
    """Return the configuration of a shape; in small, all are one tiny shape."""
    from transformers import Qwen2Config

    sizes = {**setting.pick(SHAPES[shape], TINY), **changes}
    return Qwen2Config(**sizes, max_position_embeddings=4096)


def draw(shape: Any, dtype: torch.dtype, device: torch.device, seed: int = 0) -> Any:
    """Draw a model's weights on a device, in the type that they are to have."""
    from transformers import AutoModelForCausalLM

    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), torch.device(device):
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(shape, dtype=dtype)
    return model.to(device).eval().requires_grad_(False)


def cast(model: Any, dtype: torch.dtype) -> None:
    """Give the weights another type; positions, which are buffers, stay in float32."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)


def nbytes(shape: Any, dtype: torch.dtype) -> int:
    """Size of a model's weights."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(shape, dtype=dtype)
    return sum(p.numel() * p.element_size() for p in model.parameters())


def block_weights(model: Any) -> int:
    """Weights of the matrices of all blocks: two operations each for every token."""
    return sum(p.numel() for p in model.base_model.layers.parameters() if p.ndim == 2)


def language_model(model: Any, name: str) -> LanguageModel:
    """Put a tokenizer beside a model: ``w17`` is token 17."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {f"w{i}": i for i in range(1, model.config.vocab_size)}
    tokenizer = Tokenizer(models.WordLevel({"<s>": 0, **words}, unk_token="<s>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    files: Any = SimpleNamespace(fingerprint="0" * 64, config=model.config.to_dict())
    return LanguageModel(
        model=model,
        tokenizer=PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>"),
        spec=ModelSpec(name, source="file:none", revision=""),
        files=files,
        context=None,
        capabilities=frozenset({"hidden", "logprob"}),
        start=(),
    )


def story(n_words: int, vocabulary: int, context: str = "strided(512,256)") -> Request:
    """Ask for hidden states at every word of a text of random words."""
    numbers = np.random.default_rng(0).integers(1, vocabulary, n_words)
    passage = Passage.from_words("story", [f"w{i}" for i in numbers])
    return Request(Stimuli("story", (passage,)), Measure.HIDDEN, Context.parse(context), Items())


def sentences(count: int, vocabulary: int) -> Request:
    """Ask for log-probabilities of sentences of which eight at a time begin alike."""
    rng = np.random.default_rng(1)
    passages = []
    for i in range(count):
        if i % 8 == 0:
            stem = rng.integers(1, vocabulary, 8).tolist()
        numbers = stem + rng.integers(1, vocabulary, 4).tolist()
        passages.append(Passage.from_sentence(f"s{i}", " ".join(f"w{n}" for n in numbers)))
    context = Context("sentence", start=Start.BOS)
    stimuli = Stimuli("sentences", tuple(passages))
    return Request(stimuli, Measure.LOGPROB, context, Whole(Pool.SUM))
