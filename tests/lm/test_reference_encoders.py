"""Tokenizers of real GGUF files against the encoders that their makers use.

Each is skipped, by name, where the model's file, the encoder or its ranks are not here.
"""

from __future__ import annotations

import os

import pytest
from brainpress_plugins.models import gemma3, qwen2_5_coder

from harness.lm.gguf_header import Header, read_header
from harness.lm.gguf_vocabulary import tokenizer_from
from harness.lm.page import PAGE
from harness.place.locate import find
from harness.spec.specs import ModelSpec
from tests.support.reference_encoders import (
    RANKS,
    differing,
    published_ranks,
    qwen_encoder,
    sentencepiece_encoder,
    texts,
)

DATA = os.environ.get("BRAINPRESS_DATA", "")
STRINGS = 600


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, cache: object) -> None:
    """Look into the real data folders again, which tests of this folder are kept from."""
    monkeypatch.setenv("BRAINPRESS_DATA", DATA)


def header_of(spec: ModelSpec) -> Header:
    where = f"models/{spec.name}.gguf"
    if (path := find(where)) is None:
        pytest.skip(f"needs {where} in a folder of BRAINPRESS_DATA")
    return read_header(path)


def test_gemma_reads_as_sentencepiece_does() -> None:
    pytest.importorskip("sentencepiece")
    header = header_of(gemma3.brainpress_models()[0])
    encode, tokenizer = sentencepiece_encoder(header), tokenizer_from(header)
    assert tokenizer.convert_ids_to_tokens(encode("The dog wants the ball.")) == [
        "The", "▁dog", "▁wants", "▁the", "▁ball", ".",
    ]  # fmt: skip
    assert len(encode(PAGE)) > 200
    assert differing(tokenizer, encode, texts(STRINGS)) == []


@pytest.mark.parametrize("spec", qwen2_5_coder.brainpress_models(), ids=str)
def test_qwen_reads_as_its_published_ranks_do(spec: ModelSpec) -> None:
    pytest.importorskip("tiktoken")
    header = header_of(spec)
    if (ranks := published_ranks()) is None:
        pytest.skip(f"needs {RANKS} in a folder of BRAINPRESS_DATA, or the package dashscope")
    encode, tokenizer = qwen_encoder(ranks), tokenizer_from(header)
    assert len(encode(PAGE)) > 200
    assert differing(tokenizer, encode, texts(STRINGS)) == []
