"""Encoders of other people, for the vocabularies of releases: what ours must equal."""

from __future__ import annotations

import base64
import random
import struct
import unicodedata
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.lm.gguf_header import Header
from harness.lm.page import PAGE, PROSE
from harness.place.locate import find

Encode = Callable[[str], list[int]]
RANKS = "models/qwen.tiktoken"
"""Where the ranks that Qwen publishes may be in a data folder; dashscope brings them, too."""
_QWEN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Qwen splits a text (tokenization_qwen.py of its releases)."""


def published_ranks() -> Path | None:
    """Return the file of byte sequences and ranks that Qwen publishes, if it is here."""
    if (path := find(RANKS)) is not None:
        return path
    package = find_spec("dashscope")
    if package is None or not package.submodule_search_locations:
        return None
    path = Path(package.submodule_search_locations[0]) / "resources" / "qwen.tiktoken"
    return path if path.is_file() else None


def qwen_encoder(ranks: Path) -> Encode:
    """Return tiktoken's encoder with Qwen's published ranks; a text is composed first (NFC)."""
    import tiktoken

    rows = (line.split() for line in ranks.read_bytes().splitlines() if line)
    table = {base64.b64decode(token): int(rank) for token, rank in rows}
    encoding = tiktoken.Encoding(
        "qwen", pat_str=_QWEN, mergeable_ranks=table, special_tokens={"<|endoftext|>": len(table)}
    )
    return lambda text: encoding.encode(unicodedata.normalize("NFC", text), disallowed_special=())


def sentencepiece_encoder(header: Header) -> Encode:
    """Return SentencePiece's own encoder, its model file written anew from a GGUF vocabulary."""
    import sentencepiece

    fields = {key.rpartition("ggml.")[2]: value for key, value in header.fields.items()}
    rows = zip(fields["tokens"], fields["scores"], fields["token_type"], strict=True)
    # llama.cpp's converter writes the spaces of pieces that are taken whole as spaces.
    pieces = [(t.replace(" ", "▁") if kind == 4 else t, score, kind) for t, score, kind in rows]
    model = b"".join(_message(1, _piece(*row)) for row in pieces)
    special = ("unknown_token_id", "bos_token_id", "eos_token_id", "padding_token_id")
    ids = b"".join(_number(40 + i, int(fields.get(key, -1))) for i, key in enumerate(special))
    model += _message(2, _number(3, 2) + _number(35, 1) + ids)  # merges, bytes for what is unknown
    prefix = int(bool(fields.get("add_space_prefix", True)))
    model += _message(3, _message(1, b"identity") + _number(3, prefix) + _number(4, 0))
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return lambda text: list(processor.encode(text))


def texts(n: int = 3000, seed: int = 0) -> list[str]:
    """Return the fixed page, its lines, English, and random strings of their characters."""
    draw = random.Random(seed)
    letters = sorted({*PAGE, *"".join(PROSE)})
    fixed = [PAGE, *PAGE.split("\n"), *PROSE]
    cuts = [PAGE[at : at + draw.randrange(1, 60)] for at in _places(draw, len(PAGE), n // 2)]
    mixed = ["".join(draw.choices(letters, k=draw.randrange(1, 30))) for _ in range(n - n // 2)]
    return [text for text in (*fixed, *cuts, *mixed) if text]


def differing(tokenizer: Any, encode: Encode, strings: Iterable[str]) -> list[str]:
    """Return the texts that a tokenizer reads otherwise than an encoder."""
    return [
        text
        for text in strings
        if list(tokenizer(text, add_special_tokens=False)["input_ids"]) != encode(text)
    ]


def _places(draw: random.Random, size: int, n: int) -> list[int]:
    return [draw.randrange(size - 1) for _ in range(n)]


# SentencePiece's file is a protocol buffer: fields by number, each with a wire type.


def _piece(token: str, score: float, kind: int) -> bytes:
    return _message(1, token.encode()) + b"\x15" + struct.pack("<f", score) + _number(3, kind)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    value %= 1 << 64  # negative numbers are written in two's complement
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
