"""The short form of ``benchmarks/kills.py``: two kills where that makes sixty."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from benchmarks import kills


@pytest.fixture
def matrix(tiny_model: Callable[..., Any], tmp_path: Path) -> kills.Matrix:
    """Two variants of a tiny model that reads any text, byte by byte."""
    folder = tmp_path / "model"
    tiny_model("llama", vocab_size=300, max_position_embeddings=1024).save_pretrained(folder)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {t: i for i, t in enumerate(["<pad>", "<s>", "</s>", *alphabet])}
    letters = Tokenizer(models.BPE(vocabulary, []))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    PreTrainedTokenizerFast(tokenizer_object=letters, **special).save_pretrained(folder)
    return kills.Matrix(f"file:{folder}", ("none", "rtn-int4"), "minimal-pairs")


def test_a_killed_client_and_a_killed_worker_cost_no_score(
    matrix: kills.Matrix, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kills.undisturbed(matrix, tmp_path / "reference", tmp_path / "log")
    assert not kills.left_over(tmp_path / "reference")
    for kind in ("client", "worker"):
        faults = kills.series(kind, 1, matrix, tmp_path, 4.0, random.Random(1))
        assert not faults, capsys.readouterr().out


def test_what_is_left_over_and_what_differs_is_found(tmp_path: Path) -> None:
    (tmp_path / "started" / "ke").mkdir(parents=True)
    (tmp_path / "started" / "ke" / "key.json").touch()
    (tmp_path / "scores" / "ab").mkdir(parents=True)
    (tmp_path / "scores" / "ab" / "abc.nc").touch()
    (tmp_path / "scores" / "ab" / ".abc.nc.~12345678-1").touch()
    assert len(kills.left_over(tmp_path)) == 2
    assert kills.differences(tmp_path, tmp_path / "none") == ["abc.nc is in one store alone"]
