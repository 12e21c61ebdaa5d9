"""Tiny models on disk, as releases are: a config, a tokenizer, safetensors, or one GGUF file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TinyModel = Callable[..., Any]
VOCABULARY = ["<unk>", "<s>", "</s>", *(f"w{i}" for i in range(93))]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one test's own, and no data folders."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BRAINPRESS_CACHE", str(folder))
    monkeypatch.delenv("BRAINPRESS_DATA", raising=False)
    return folder


def tokenizer() -> Any:
    """Words of a fixed vocabulary of 96, split at white space."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(VOCABULARY)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


@pytest.fixture
def release(tmp_path: Path, tiny_model: TinyModel) -> Callable[..., Path]:
    """Write a tiny model's folder: ``release("gpt2", shard="20KB")``."""

    def write(architecture: str = "llama", shard: str = "1GB", **options: Any) -> Path:
        folder = tmp_path / f"tiny-{architecture}"
        tiny_model(architecture, **options).save_pretrained(folder, max_shard_size=shard)
        tokenizer().save_pretrained(folder)
        return folder

    return write


@pytest.fixture
def gguf_file(tmp_path: Path, tiny_model: TinyModel) -> Callable[..., tuple[Path, Any]]:
    """Write a tiny Llama as GGUF, the way llama.cpp's converter does; return it and the model."""

    def write(kind: str = "F32", name: str = "tiny.gguf", pre: str = "default") -> tuple[Path, Any]:
        import gguf

        model = tiny_model("llama", tie_word_embeddings=False)
        path = tmp_path / name
        writer = gguf.GGUFWriter(path, "llama")
        _write_header(writer, model.config)
        _write_vocabulary(writer, pre)
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, model.config.num_hidden_layers)
        heads = {
            "q_proj": model.config.num_attention_heads,
            "k_proj": model.config.num_key_value_heads,
        }
        for key, tensor in model.state_dict().items():
            values = tensor.numpy()
            for part, count in heads.items():
                if f".{part}." in key:
                    values = _permuted(values, count)
            stored = gguf.GGMLQuantizationType[kind if values.ndim == 2 else "F32"]
            packed = gguf.quantize(np.ascontiguousarray(values), stored)
            target = names.get_name(key, try_suffixes=(".weight",))
            assert target is not None, key
            writer.add_tensor(target, packed, raw_dtype=stored)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path, model

    return write


def _permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Interleave the halves of each head, as llama.cpp wants rotary embeddings."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def _write_header(writer: Any, config: Any) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(float(config.rope_parameters["rope_theta"]))
    writer.add_vocab_size(config.vocab_size)


def _write_vocabulary(writer: Any, pre: str) -> None:
    """96 byte-level tokens: special ones, single characters, and two that merges make."""
    tokens = ["<unk>", "<s>", "</s>", *(chr(33 + i) for i in range(90)), "Ġ", "ĠĠ", "ab"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3, 3] + [1] * 93)
    writer.add_token_merges(["a b", "Ġ Ġ"])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
