"""GGUF files, converted once, against the model they were written from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch

from harness.errors import ModelError, StoreError
from harness.lm import gguf as conversion
from harness.lm.gguf import converted
from harness.lm.load import load
from harness.lm.source import resolve, spec_from_address

Write = Callable[..., tuple[Path, Any]]
IDS = torch.tensor([[5, 17, 40, 41, 2, 90, 33, 8]])


def logits(path: Path) -> torch.Tensor:
    spec = spec_from_address(f"file:{path}")
    result: torch.Tensor = load(resolve(spec), spec).model(input_ids=IDS).logits
    return result


def test_full_precision_gives_the_models_own_logits(gguf_file: Write) -> None:
    path, model = gguf_file("F32")
    torch.testing.assert_close(logits(path), model(input_ids=IDS).logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_1", "F16"])
def test_weights_are_those_that_were_stored(gguf_file: Write, kind: str) -> None:
    path, model = gguf_file(kind)
    before = model(input_ids=IDS).logits
    stored = gguf.GGMLQuantizationType[kind]
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:  # rows are quantised alone, so permuted rows change nothing
                rounded = gguf.dequantize(gguf.quantize(parameter.numpy(), stored), stored)
                parameter.copy_(torch.from_numpy(rounded.reshape(parameter.shape)))
    expected = model(input_ids=IDS).logits
    assert not torch.allclose(expected, before, atol=1e-5)
    torch.testing.assert_close(logits(path), expected, rtol=1e-5, atol=1e-5)
    (note,) = converted(path).notes
    assert kind in note
    assert ("de-quantised" in note) is kind.startswith("Q")


def test_reload_is_the_gguf_load_to_the_last_bit(gguf_file: Write) -> None:
    from transformers import AutoModelForCausalLM

    path, _ = gguf_file("Q4_1")
    direct = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    )
    assert torch.equal(logits(path), direct.eval()(input_ids=IDS).logits)


def test_converted_once(gguf_file: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = gguf_file("Q8_0")
    first = converted(path)
    monkeypatch.setattr(conversion, "_convert", lambda *_: pytest.fail("converted again"))
    assert converted(path) == first
    elsewhere = path.with_name("the same under another name.gguf")
    elsewhere.write_bytes(path.read_bytes())
    assert converted(elsewhere) == first


def test_the_folder_says_nothing_of_how_it_was_made(gguf_file: Write) -> None:
    folder = converted(gguf_file("Q8_0")[0]).folder
    config = json.loads((folder / "config.json").read_text())
    assert "quantization_config" not in config
    assert "transformers_version" not in config
    assert str(folder.parent) not in (folder / "tokenizer_config.json").read_text()
    assert [p.name for p in folder.parent.iterdir() if p.is_dir()] == [folder.name]


def test_special_tokens_are_the_files_own(gguf_file: Write) -> None:
    path, _ = gguf_file("F32")
    spec = spec_from_address(f"file:{path}")
    tokenizer = load(resolve(spec), spec).tokenizer
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (1, 2, 0)
    assert tokenizer.pad_token is None
    encoded = tokenizer("ab c", return_offsets_mapping=True)
    assert encoded["offset_mapping"] == [(0, 2), (2, 3), (3, 4)]


@pytest.mark.parametrize(
    ("pre", "expected"), [("default", ["Ġ", "Ġ", "1", "2"]), ("smollm", ["ĠĠ", "1", "2"])]
)
def test_text_is_split_as_the_file_says(gguf_file: Write, pre: str, expected: list[str]) -> None:
    path, _ = gguf_file("F32", pre=pre)
    spec = spec_from_address(f"file:{path}")
    tokenizer = load(resolve(spec), spec).tokenizer
    assert tokenizer.tokenize("  12") == expected
    assert tokenizer.tokenize("ab 12") == ["ab", "Ġ", "1", "2"]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["truncate", "remove", "change"])
def test_a_damaged_conversion_is_made_again(gguf_file: Write, name: str, damage: str) -> None:
    path, _ = gguf_file("F32")
    first = converted(path)
    victim = first.folder / name
    body = victim.read_bytes()
    if damage == "remove":
        victim.unlink()
    else:
        victim.write_bytes(body[:-7] if damage == "truncate" else body[:-7] + b"1234567")
    again = converted(path)
    assert again == first
    assert victim.read_bytes() == body


def test_what_is_no_gguf_file(tmp_path: Path) -> None:
    (tmp_path / "odd.gguf").write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(ModelError, match=r"odd\.gguf is not a GGUF file"):
        converted(tmp_path / "odd.gguf")


def test_a_truncated_gguf_file_leaves_nothing(gguf_file: Write, cache: Path) -> None:
    path, _ = gguf_file("F32")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ModelError, match=r"tiny\.gguf cannot be read as a language model"):
        converted(path)
    assert [p for p in (cache / "models").iterdir() if p.is_dir()] == []


def test_too_little_room_is_said_before_it_is_used(
    gguf_file: Write, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, model = gguf_file("Q8_0")
    needed = 4 * sum(p.numel() for p in model.parameters())
    usage = type(shutil.disk_usage("/"))(10**9, 10**9, needed - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StoreError, match=f"{needed - 1:,} bytes free where {needed:,} are needed"):
        converted(path)
    assert [p for p in (cache / "models").iterdir() if p.is_dir()] == []


def test_a_part_of_several_is_refused(gguf_file: Write) -> None:
    path, _ = gguf_file("F32", name="tiny-00001-of-00002.gguf")
    with pytest.raises(ModelError, match="one part of several"):
        converted(path)
