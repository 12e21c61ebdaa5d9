"""What a text can start with: the tokens that a tokenizer puts before it, or has for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.errors import ModelError

NOTHING = "nothing"
_KNOWN = ("<|endoftext|>", "<|begin_of_text|>", "<bos>", "<s>", "</s>")
_MOST = 6


def tokenizer_start(tokenizer: Any) -> tuple[int, ...]:
    """Return the tokens that a tokenizer itself puts before a text."""
    # Fast tokenizers put special tokens where their post-processor says: ask it.
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a", add_special_tokens=True)["input_ids"]
    for at in range(len(full) - len(bare) + 1):
        if full[at : at + len(bare)] == bare:
            return tuple(full[:at])
    return ()


def candidates(tokenizer: Any, rows: int) -> list[tuple[int, ...]]:
    """Return the starts worth trying, what the tokenizer does first: each inside the embedding."""
    found: dict[tuple[int, ...], None] = {}
    for start in _starts(tokenizer):
        if start and all(0 <= number < rows for number in start):
            found.setdefault(start)
    return list(found)[:_MOST]


def _starts(tokenizer: Any) -> Iterator[tuple[int, ...]]:
    yield tokenizer_start(tokenizer)
    for role in ("bos", "eos", "cls", "pad", "unk"):
        number = getattr(tokenizer, f"{role}_token_id", None)
        token = getattr(tokenizer, f"{role}_token", None)
        # Padding and unknown stand for no beginning, but where a release has nothing else for it.
        if number is not None and (role in ("bos", "eos", "cls") or token in _KNOWN):
            yield (number,)
    # By its role alone: where it is text like any other, <s> is a tag of HTML.
    for number, token in sorted(tokenizer.added_tokens_decoder.items()):
        if token.special and token.content in _KNOWN:
            yield (number,)


def named_start(name: str, tokenizer: Any, rows: int, model: str) -> tuple[int, ...]:
    """Return the start that a spec names: ``nothing``, or one token as the vocabulary spells it.

    Raises
    ------
    ModelError
        The vocabulary has no such token, or the embedding has no row for it.
    """
    if name == NOTHING:
        return ()
    number = tokenizer.get_vocab().get(name)
    if number is None:
        raise ModelError(
            f"{model}: its spec starts texts with {name!r}, which its vocabulary lacks",
            "write a token as the vocabulary spells it, or 'nothing'",
        )
    if number >= rows:
        raise ModelError(
            f"{model}: its start {name!r} has the number {number}, its embedding {rows:,} rows"
        )
    return (int(number),)
