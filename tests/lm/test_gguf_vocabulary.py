"""Tokenizers rebuilt from GGUF files, each kind against an encoder of a few plain lines."""

from __future__ import annotations

import json
import math
import random
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import regex
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from harness.errors import ModelError
from harness.lm.gguf_header import Header
from harness.lm.gguf_splitting import SPLITTINGS
from harness.lm.gguf_vocabulary import tokenizer_from
from harness.lm.page import PAGE, PROSE

TEXT = [*PROSE, *PAGE.split("\n")]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
SPACE = "▁"


def pieces_of(text: str, n: int = 60) -> list[str]:
    """Pieces of a page: random cuts, so that each kind of border is met."""
    draw = random.Random(0)
    starts = [draw.randrange(len(text) - 1) for _ in range(n)]
    return [text, *(text[at : at + draw.randrange(1, 60)] for at in starts)]


def header_of(model: str, tokens: list[str], **fields: Any) -> Header:
    values = {"model": model, "tokens": tokens, **fields}
    return Header({f"tokenizer.ggml.{key}": value for key, value in values.items()}, ())


# SentencePiece with scores ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scored() -> tuple[list[str], list[float], list[int]]:
    """A vocabulary as SentencePiece writes it: special, bytes, characters and merged pieces."""
    maker = Tokenizer(models.BPE())
    lines = [line.replace(" ", SPACE) for line in TEXT]
    maker.pre_tokenizer = pre_tokenizers.Split(SPACE, "merged_with_next")
    maker.train_from_iterator(
        lines, trainers.BpeTrainer(vocab_size=500, show_progress=False, max_token_length=8)
    )
    by_rank = sorted(maker.get_vocab().items(), key=lambda pair: pair[1])
    learnt = [token for token, _ in by_rank if token != "の"]  # a character is left to bytes
    merged = [token for token in learnt if len(token) > 1]
    single = [token for token in learnt if len(token) == 1]
    special = ["<unk>", "<s>", "</s>"]
    user = ["  ", "   ", "<b>"]
    tokens = [*special, *user, *BYTES, *merged, *single]
    types = [2, 3, 3, 4, 4, 4] + [6] * 256 + [1] * (len(merged) + len(single))
    # Ties: SentencePiece breaks them by place in the text.
    scores = [0.0] * (6 + 256) + [-float(i // 2) for i in range(len(merged))]
    scores += [-1000.0 - i for i in range(len(single))]
    return tokens, scores, types


def best_neighbours(text: str, tokens: list[str], scores: list[float], types: list[int]) -> Any:
    """Merge, again and again, the first two neighbours whose piece has the best score."""
    number = {token: i for i, token in enumerate(tokens)}
    plain = {t: s for t, s, kind in zip(tokens, scores, types, strict=True) if kind == 1}
    user = sorted((t for t, k in zip(tokens, types, strict=True) if k == 4), key=len, reverse=True)
    parts: list[tuple[str, bool]] = []
    at = 0
    while at < len(text):
        whole = next((t for t in user if text.startswith(t, at)), None)
        parts.append((whole, True) if whole else (text[at].replace(" ", SPACE), False))
        at += len(whole or "x")
    while True:
        best = None
        for i in range(len(parts) - 1):
            (left, fixed), (right, also) = parts[i], parts[i + 1]
            score = plain.get(left + right)
            free = not fixed and not also and left in plain and right in plain
            if free and score is not None and (best is None or score > best[0]):
                best = (score, i)
        if best is None:
            break
        i = best[1]
        parts[i : i + 2] = [(parts[i][0] + parts[i + 1][0], False)]
    ids: list[int] = []
    for part, fixed in parts:
        if fixed or part in plain:
            ids.append(number[part])
        else:
            ids += [number[f"<0x{byte:02X}>"] for byte in part.encode()]
    return ids


@pytest.mark.parametrize("prefix", [False, True])
def test_pieces_merge_by_their_scores(scored: Any, prefix: bool) -> None:
    tokens, scores, types = scored
    header = header_of(
        "llama", tokens, scores=scores, token_type=types, bos_token_id=1, eos_token_id=2,
        unknown_token_id=0, add_space_prefix=prefix,
    )  # fmt: skip
    tokenizer = tokenizer_from(header)
    if not prefix:  # a text is decoded to itself
        ids = tokenizer(PAGE, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == PAGE
        bare = tokenizer("a", add_special_tokens=False)["input_ids"]
        assert tokenizer("a")["input_ids"] == [1, *bare]
    for text in pieces_of(PAGE):
        if prefix and any(whole in f" {text}" for whole in ("  ", "<b>")):
            continue  # where a text starts again after a piece taken whole, releases differ
        expected = best_neighbours(" " + text if prefix else text, tokens, scores, types)
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == expected, text


def test_placeholders_are_not_looked_for_in_a_text(scored: Any) -> None:
    tokens, scores, types = scored
    header = header_of(
        "llama", [*tokens, "<unused7>"], scores=[*scores, 0.0], token_type=[*types, 3],
        add_space_prefix=False,
    )  # fmt: skip
    tokenizer = tokenizer_from(header)
    assert len(tokenizer("<unused7>", add_special_tokens=False)["input_ids"]) > 1
    assert tokenizer("<s>", add_special_tokens=False)["input_ids"] == [1]


# Bytes and merges ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def merged() -> tuple[list[str], list[str]]:
    maker = Tokenizer(models.BPE())
    maker.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    maker.decoder = decoders.ByteLevel()
    words = [word for line in TEXT for word in regex.findall(r"\s*\S{1,6}|\s+", line)]
    maker.train_from_iterator(
        words,
        trainers.BpeTrainer(
            vocab_size=700,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        ),
    )
    tokens = [token for token, _ in sorted(maker.get_vocab().items(), key=lambda p: p[1])]
    merges = json.loads(maker.to_str())["model"]["merges"]
    return tokens, [" ".join(merge) for merge in merges]


PUBLISHED = {
    "gpt-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama-bpe": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "qwen2": r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    "tekken": r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}|"
    r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
}


def split_digits(text: str) -> list[str]:
    gpt2 = PUBLISHED["gpt-2"]
    return [
        piece
        for part in regex.split(r"(\p{N})", text)
        for piece in ([part] if regex.fullmatch(r"\p{N}", part) else regex.findall(gpt2, part))
    ]


SPLITTERS: dict[str, Callable[[str], list[str]]] = {
    **{kind: (lambda t, p=p: regex.findall(p, t)) for kind, p in PUBLISHED.items()},
    "smollm": split_digits,
}


def byte_letters() -> dict[int, str]:
    """GPT-2's way to write a byte as a letter (its ``bytes_to_unicode``)."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in keep]
    return {**{b: chr(b) for b in keep}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


def by_rank(piece: str, tokens: list[str], merges: list[str], whole: bool) -> list[int]:
    letters = byte_letters()
    rank = {tuple(merge.split(" ")): i for i, merge in enumerate(merges)}
    number = {token: i for i, token in enumerate(tokens)}
    parts = [letters[byte] for byte in piece.encode()]
    if whole and "".join(parts) in number:
        return [number["".join(parts)]]
    while len(parts) > 1:
        best, i = min((rank.get(pair, math.inf), i) for i, pair in enumerate(pairwise(parts)))
        if best == math.inf:
            break
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return [number[part] for part in parts]


@pytest.mark.parametrize("kind", SPLITTERS)
def test_bytes_merge_within_the_pieces_of_their_kind(merged: Any, kind: str) -> None:
    tokens, merges = merged
    tokenizer = tokenizer_from(header_of("gpt2", tokens, merges=merges, pre=kind))
    for text in pieces_of(PAGE):
        composed = unicodedata.normalize("NFC", text) if SPLITTINGS[kind].nfc else text
        pieces = SPLITTERS[kind](composed)
        assert "".join(pieces) == composed
        whole = SPLITTINGS[kind].whole_words
        expected = [i for piece in pieces for i in by_rank(piece, tokens, merges, whole)]
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert ids == expected, text
        if "\ufffd" not in tokenizer.decode(ids):
            assert tokenizer.decode(ids) == composed


@pytest.mark.parametrize("kind", SPLITTINGS)
def test_every_kind_reads_the_whole_page(merged: Any, kind: str) -> None:
    tokens, merges = merged
    tokenizer = tokenizer_from(header_of("gpt2", tokens, merges=merges, pre=kind))
    ids = tokenizer(PAGE, add_special_tokens=False)["input_ids"]
    composed = unicodedata.normalize("NFC", PAGE) if SPLITTINGS[kind].nfc else PAGE
    assert tokenizer.decode(ids) == composed


def test_an_unknown_kind_is_an_error(merged: Any) -> None:
    tokens, merges = merged
    with pytest.raises(ModelError, match="splits text as 'qwen99'"):
        tokenizer_from(header_of("gpt2", tokens, merges=merges, pre="qwen99"))
    with pytest.raises(ModelError, match="of the kind 'rwkv'"):
        tokenizer_from(header_of("rwkv", tokens))
    with pytest.raises(ModelError, match=r"no tokenizer\.ggml\.merges"):
        tokenizer_from(header_of("gpt2", tokens, pre="gpt-2"))


# Unigram ------------------------------------------------------------------------------------------


def likeliest(text: str, tokens: list[str], scores: list[float], types: list[int]) -> list[int]:
    """Viterbi: the pieces whose scores have the greatest sum; a lone character costs more."""
    plain = {
        t: (s, i)
        for i, (t, s, kind) in enumerate(zip(tokens, scores, types, strict=True))
        if kind == 1
    }
    best: list[tuple[float, list[int]]] = [(0.0, [])]
    for end in range(1, len(text) + 1):
        ways = [
            (best[start][0] + score, [*best[start][1], number])
            for start in range(max(0, end - 16), end)
            if text[start:end] in plain
            for score, number in [plain[text[start:end]]]
        ]
        if text[end - 1] not in plain:
            ways.append((best[end - 1][0] - 1000.0, [*best[end - 1][1], -ord(text[end - 1])]))
        best.append(max(ways, key=lambda way: way[0]))
    ids: list[int] = []
    for token in best[-1][1]:
        unknown = [] if token >= 0 else chr(-token).encode()
        ids += [token] if token >= 0 else [tokens.index(f"<0x{b:02X}>") for b in unknown]
    return ids


def test_the_likeliest_pieces_of_all() -> None:
    maker = Tokenizer(models.Unigram())
    maker.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    maker.train_from_iterator(
        TEXT, trainers.UnigramTrainer(vocab_size=400, show_progress=False, unk_token="<unk>")
    )
    learnt = [(t, s) for t, s in json.loads(maker.to_str())["model"]["vocab"] if t not in "<unk>の"]
    tokens = ["<pad>", "</s>", "<unk>", *BYTES, *(t for t, _ in learnt)]
    types = [3, 3, 2] + [6] * 256 + [1] * len(learnt)
    scores = [0.0] * 259 + [s for _, s in learnt]
    header = header_of(
        "t5", tokens, scores=scores, token_type=types, unknown_token_id=2, eos_token_id=1,
        add_space_prefix=False,
    )  # fmt: skip
    tokenizer = tokenizer_from(header)
    number = {token: i for i, token in enumerate(tokens)}
    assert tokenizer("a")["input_ids"][-1] == number["</s>"]
    value = dict(enumerate(scores))
    for text in pieces_of(" ".join(PROSE), 40):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        expected = likeliest(text.replace(" ", SPACE), tokens, scores, types)
        assert sum(value[i] for i in ids) == pytest.approx(sum(value[i] for i in expected))
        assert tokenizer.decode(ids) == text
    ids = tokenizer("のa", add_special_tokens=False)["input_ids"]
    assert ids == likeliest("のa", tokens, scores, types)
