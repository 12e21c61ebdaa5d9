"""The header reader against the library's, and what is read out of a header."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from harness.errors import ModelError
from harness.lm.gguf import converted
from harness.lm.gguf_config import llama3_factors
from harness.lm.gguf_header import TensorEntry, read_header
from harness.lm.gguf_weights import dequantised

Write = Callable[..., tuple[Path, Any]]


def test_fields_and_tensors_are_those_the_library_reads(gguf_file: Write) -> None:
    path, _ = gguf_file("Q8_0")
    header, library = read_header(path), gguf.GGUFReader(path)
    fields = {k: f.contents() for k, f in library.fields.items() if not k.startswith("GGUF.")}
    assert header.fields == fields
    assert [
        (t.name, t.shape, t.kind, t.start) for t in header.tensors
    ] == [
        (t.name, tuple(t.shape.tolist())[::-1], int(t.tensor_type), t.data_offset)
        for t in library.tensors
    ]  # fmt: skip


def test_a_header_cut_anywhere_is_an_error(gguf_file: Write, tmp_path: Path) -> None:
    path, _ = gguf_file("F32")
    whole = path.read_bytes()
    for length in (5, 20, 300, 1500):
        cut = tmp_path / "cut.gguf"
        cut.write_bytes(whole[:length])
        with pytest.raises(ModelError, match="header is damaged"):
            read_header(cut)


@pytest.mark.parametrize("kind", ["Q4_0", "Q5_0", "Q8_0", "BF16", "F16", "F32"])
def test_tensors_are_de_quantised_as_the_library_does(kind: str) -> None:
    values = np.random.default_rng(0).normal(size=(33, 8192)).astype(np.float32)
    stored = gguf.GGMLQuantizationType[kind]
    packed = gguf.quantize(values, stored)
    data = np.concatenate([np.zeros(7, np.uint8), packed.view(np.uint8).ravel()])
    found = dequantised(data, TensorEntry("x", values.shape, int(stored), 7))
    expected = gguf.dequantize(packed, stored)
    assert np.array_equal(found, expected.reshape(values.shape))
    with pytest.raises(ModelError, match="truncated"):
        dequantised(data[:-1], TensorEntry("x", values.shape, int(stored), 7))


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_llama3_scaling_is_that_of_transformers(factor: float) -> None:
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    law = {
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    config = LlamaConfig(
        hidden_size=512,
        num_attention_heads=4,
        rope_parameters={"rope_type": "llama3", "rope_theta": 500000.0, **law},
    )
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    plain = 500000.0 ** (-torch.arange(0, 128, 2) / 128)
    expected = (plain / scaled).numpy()
    np.testing.assert_allclose(llama3_factors(500000.0, 128, law), expected, rtol=1e-4)


def _extended(path: Path, **changes: Any) -> Path:
    """Copy a GGUF file with other fields, or a tensor more."""
    header, library = read_header(path), gguf.GGUFReader(path)
    target = path.with_name("extended.gguf")
    writer = gguf.GGUFWriter(target, header.architecture)
    fields = {**header.fields, **changes.get("fields", {})}
    for key, value in fields.items():
        if key in ("general.architecture", "general.alignment"):
            continue
        kind = gguf.GGUFValueType.get_type(value)
        if kind is gguf.GGUFValueType.INT32 and not isinstance(value, bool):
            kind = gguf.GGUFValueType.UINT32
        sub = gguf.GGUFValueType.get_type(value[0]) if isinstance(value, list) else None
        writer.add_key_value(key, value, kind, sub_type=sub)
    for tensor in library.tensors:
        writer.add_tensor(tensor.name, tensor.data.copy(), raw_dtype=tensor.tensor_type)
    for name, values in changes.get("tensors", {}).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def test_what_changes_the_numbers_and_has_no_place_is_refused(gguf_file: Write) -> None:
    path, _ = gguf_file("F32")
    with pytest.raises(ModelError, match=r"rope\.scaling\.type = yarn"):
        converted(_extended(path, fields={"llama.rope.scaling.type": "yarn"}))
    with pytest.raises(ModelError, match=r"attends to what follows"):
        converted(_extended(path, fields={"llama.attention.causal": False}))
    extra = {"blk.0.attn_q_norm.weight": np.ones(16, np.float32)}
    with pytest.raises(ModelError, match=r"no place for: blk\.0\.attn_q_norm\.weight"):
        converted(_extended(path, tensors=extra))


def test_frequency_factors_are_in_the_config(gguf_file: Write) -> None:
    path, model = gguf_file("F32")
    config = SimpleNamespace(**model.config.to_dict())
    law = {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    theta = {"llama.rope.freq_base": 500000.0}
    factors = llama3_factors(500000.0, config.head_dim, law).astype(np.float32)
    assert factors.max() == 8
    files = converted(_extended(path, fields=theta, tensors={"rope_freqs.weight": factors}))
    rope = files.config["rope_parameters"]
    assert (rope["rope_type"], rope["factor"]) == ("llama3", 8.0)
    odd = np.linspace(1, 3, len(factors)).astype(np.float32)
    with pytest.raises(ModelError, match="follows no known law"):
        converted(_extended(path, tensors={"rope_freqs.weight": odd}))
