"""Calibration text: named, seeded, cached, hashed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from harness.compress.text import corpora
from harness.compress.text.calibration import Calibration, CalibrationSpec, calibrate, draw_windows
from harness.compress.text.corpora import CORPORA, documents
from harness.compress.text.sampling import PASSAGE, openings, sample_text
from harness.errors import CompressionError, OfflineError

TinyModel = Callable[..., nn.Module]


@dataclass(frozen=True)
class Letters:
    """A tokenizer of one token a character, with three special ones in front."""

    all_special_ids: tuple[int, ...] = (0, 1, 2)

    def __call__(self, text: str, add_special_tokens: bool = True, **_: Any) -> dict[str, Any]:
        return {"input_ids": [3 + ord(character) % 93 for character in text]}

    def batch_decode(self, tokens: torch.Tensor, **_: Any) -> list[str]:
        return ["".join(chr(token - 3) for token in row) for row in tokens.tolist()]


@dataclass(frozen=True)
class Model:
    """What calibration asks of a language model."""

    model: nn.Module
    tokenizer: Letters = field(default_factory=Letters)
    context: int | None = 64
    files: Any = field(default_factory=lambda: SimpleNamespace(fingerprint="f" * 64))
    spec: Any = field(default_factory=lambda: SimpleNamespace(name="tiny"))


@pytest.fixture
def model(tiny_model: TinyModel) -> Any:
    return Model(tiny_model("llama"))


@pytest.fixture
def prose(tmp_path: Path) -> str:
    path = tmp_path / "prose.txt"
    path.write_text("The ferry crossed the lake four times a day. " * 40, "utf-8")
    return f"file:{path}"


SMALL = CalibrationSpec(samples=4, length=32)


def test_sampled_text_is_made_once(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = calibrate(model, SMALL, cache=tmp_path)
    assert first.tokens.shape == (4, 32)
    assert len(first.passages) == 4
    monkeypatch.setattr("harness.compress.text.sampling.sample_text", None)
    again = calibrate(model, SMALL, cache=tmp_path)
    assert torch.equal(first.tokens, again.tokens)
    assert first.sha256 == again.sha256


def test_a_cached_file_that_was_cut_short_is_made_again(model: Any, tmp_path: Path) -> None:
    first = calibrate(model, SMALL, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-8])
    assert calibrate(model, SMALL, cache=tmp_path).sha256 == first.sha256


def test_another_seed_model_or_precision_is_another_text(
    model: Any, tiny_model: TinyModel, tmp_path: Path
) -> None:
    found = {
        calibrate(model, SMALL, cache=tmp_path).sha256,
        calibrate(model, CalibrationSpec(samples=4, length=32, seed=1), cache=tmp_path).sha256,
        calibrate(
            Model(tiny_model("llama", seed=1), files=SimpleNamespace(fingerprint="e" * 64)),  # type: ignore[arg-type]
            SMALL,
            cache=tmp_path,
        ).sha256,
    }
    assert len(found) == 3
    calibrate(Model(tiny_model("llama").bfloat16()), SMALL, cache=tmp_path)  # type: ignore[arg-type]
    assert len(list(tmp_path.iterdir())) == 4


def test_sampling_does_not_depend_on_the_batch(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sample_text(model, 5, 40, seed=3)
    monkeypatch.setattr("harness.compress.text.sampling._BATCH", 2)
    assert torch.equal(sample_text(model, 5, 40, seed=3), whole)


def test_sampling_leaves_the_global_generator_alone(model: Any) -> None:
    state = torch.get_rng_state()
    sample_text(model, 2, 20, seed=3)
    assert torch.equal(torch.get_rng_state(), state)


def test_special_tokens_are_never_drawn(model: Any) -> None:
    # A model that would say nothing else.
    model.model.lm_head.weight.zero_()
    model.model.lm_head.weight[:3] = 50 * model.model.model.norm.weight
    tokens = sample_text(model, 4, 48, seed=0)
    assert int(tokens.min()) >= 3


def test_sampled_tokens_follow_the_model(model: Any) -> None:
    # With all weight on one token, nothing else follows the opening.
    model.model.lm_head.weight.zero_()
    opening = max(len(line) for line in openings()) + 2
    length = min(opening + 12, 60)
    head = model.model.lm_head.weight
    states = model.model.base_model(torch.tensor([[5, 6, 7]])).last_hidden_state[0]
    head[77] = states.mean(0) * 1e4
    tokens = sample_text(model, 3, length, seed=0)
    likely = (tokens[:, -4:] == 77).float().mean()
    assert float(likely) > 0.3


def test_windows_begin_with_an_opening(model: Any) -> None:
    tokens = sample_text(model, 6, 30, seed=2)
    starts = {tuple(model.tokenizer("\n\n" + line)["input_ids"])[:12] for line in openings()}
    assert {tuple(row[:12].tolist()) for row in tokens} <= starts


def test_long_windows_are_made_of_passages(tiny_model: TinyModel) -> None:
    model = Model(tiny_model("llama", max_position_embeddings=512), context=512)
    tokens = sample_text(model, 2, PASSAGE + 20, seed=0)  # type: ignore[arg-type]
    starts = {tuple(model.tokenizer("\n\n" + line)["input_ids"])[:12] for line in openings()}
    assert tokens.shape == (2, PASSAGE + 20)
    assert {tuple(row[PASSAGE : PASSAGE + 12].tolist()) for row in tokens} <= starts


def test_windows_of_a_file_do_not_overlap(model: Any, prose: str, tmp_path: Path) -> None:
    spec = CalibrationSpec(prose, samples=20, length=32)
    calibration = calibrate(model, spec, cache=tmp_path / "cache")
    text = Path(prose.removeprefix("file:")).read_text()
    ids = model.tokenizer(text + "\n\n")["input_ids"]
    every = [ids[at : at + 32] for at in range(0, len(ids) - 31, 32)]
    places = [every.index(row) for row in calibration.tokens.tolist()]
    assert len(places) == 20
    assert calibration.passages[0]


def test_windows_are_drawn_by_seed_in_the_order_of_the_text() -> None:
    ids = torch.arange(1000)
    spec = CalibrationSpec("wikitext2", samples=10, length=16)
    first = draw_windows(ids, spec)
    assert torch.equal(first, draw_windows(ids, spec))
    assert torch.equal(first[:, 0].sort().values, first[:, 0])
    assert len(first[:, 0].unique()) == 10
    assert bool((first[:, 0] % 16 == 0).all())
    assert not torch.equal(first, draw_windows(ids, CalibrationSpec("wikitext2", 10, 16, seed=1)))


def test_a_text_with_fewer_windows_gives_all_it_has() -> None:
    assert draw_windows(torch.arange(100), CalibrationSpec("c4", 10, 16)).shape == (6, 16)


def test_a_text_shorter_than_a_window(model: Any, tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("too short")
    spec = CalibrationSpec(f"file:{tmp_path / 'short.txt'}", samples=2, length=32)
    with pytest.raises(CompressionError, match="has 11 tokens, fewer than one window of 32"):
        calibrate(model, spec, cache=tmp_path)


def test_windows_longer_than_the_context(model: Any, tmp_path: Path) -> None:
    with pytest.raises(CompressionError, match="65 tokens exceed the context of tiny, 64"):
        calibrate(model, CalibrationSpec(samples=2, length=65), cache=tmp_path)


def test_a_changed_file_is_another_text(model: Any, prose: str, tmp_path: Path) -> None:
    spec = CalibrationSpec(prose, samples=4, length=32)
    first, key = calibrate(model, spec, cache=tmp_path / "cache"), spec.fingerprint()
    Path(prose.removeprefix("file:")).write_text("Soil is better thought of as a city. " * 60)
    assert spec.fingerprint() != key
    assert calibrate(model, spec, cache=tmp_path / "cache").sha256 != first.sha256


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wikipedia", "no calibration text 'wikipedia'"),
        ("file:/nowhere/prose.txt", "cannot be read: No such file"),
    ],
)
def test_texts_that_are_not_there(model: Any, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CompressionError, match=message):
        calibrate(model, CalibrationSpec(text, 2, 16), cache=tmp_path)


def test_a_file_that_is_not_text(model: Any, tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CompressionError, match="cannot be read"):
        calibrate(model, CalibrationSpec(f"file:{tmp_path / 'prose.txt'}", 2, 16), cache=tmp_path)


@pytest.mark.parametrize(("samples", "length"), [(0, 16), (4, 1), (-1, 16)])
def test_amounts_that_cannot_be(samples: int, length: int) -> None:
    with pytest.raises(CompressionError, match="cannot be"):
        CalibrationSpec(samples=samples, length=length)


def test_a_corpus_that_is_not_here_while_offline(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAINPRESS_DATA", "")
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "nothing"))
    with pytest.raises(OfflineError, match="wikitext"):
        calibrate(model, CalibrationSpec("wikitext2", 2, 16), cache=tmp_path, offline=True)


def test_corpora_are_read_in_their_own_formats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ["", " = Title = ", "A first paragraph.", "  ", "A second one: naïve."]
    pq.write_table(pa.table({"text": lines}), tmp_path / "wiki.parquet")
    with gzip.open(tmp_path / "c4.json.gz", "wt", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps({"text": line, "url": "http://example.org"}) + "\n")
    for name, path in {"wikitext2": "wiki.parquet", "c4": "c4.json.gz"}.items():
        monkeypatch.setattr(corpora, "fetch", lambda *_, path=path, **__: tmp_path / path)
        assert list(documents(name)) == [" = Title = ", "A first paragraph.", lines[4]]


def test_only_as_much_of_a_corpus_is_read_as_is_needed(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = 0

    def endless(text: str, *, offline: bool) -> Any:
        nonlocal read
        while True:
            read += 1
            yield "A document of some length, like any other."

    monkeypatch.setattr(corpora, "documents", endless)
    calibrate(model, CalibrationSpec("c4", 4, 32), cache=tmp_path)
    assert read == -(-8 * 4 * 32 // 44)


def test_corpora_are_pinned() -> None:
    for resource in CORPORA.values():
        assert len(resource.sha256) == 64
        assert "/resolve/main/" not in resource.address


def test_the_hash_is_of_the_tokens() -> None:
    tokens = torch.arange(6).reshape(2, 3)
    first = Calibration(SMALL, tokens, ())
    assert first.sha256 == Calibration(SMALL, tokens.clone(), ("text",)).sha256
    assert first.sha256 != Calibration(SMALL, tokens + 1, ()).sha256
