"""How a byte-level vocabulary splits text before it merges: the kinds of ``tokenizer.ggml.pre``.

Each is what the release's own ``tokenizer.json`` does, its normaliser included, which GGUF leaves
out. A kind that is not here is refused: split another way, the same vocabulary makes other tokens
of numbers, of other scripts and of white space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import ModelError

_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_TAIL = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + _TAIL
_QWEN2 = _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + _TAIL
_QWEN35 = (
    _CONTRACTIONS
    + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|"
    + _TAIL
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+END|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*END|"
)
_TEKKEN = _CASED.replace("END", "") + r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + _TAIL
_GPT4O = (
    _CASED.replace("END", f"{_CONTRACTIONS}?") + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + _TAIL
)
_DEEPSEEK3 = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|"
    r" ?[\p{P}\p{S}]+[\r\n]*|" + _TAIL
)
_BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"  # noqa: RUF001
DIGITS, PUNCTUATION = "digit by digit", "punctuation"


@dataclass(frozen=True)
class Splitting:
    """One way to split text.

    Parameters
    ----------
    steps : tuple of str
        Regular expressions, one after the other, whose matches become pieces; or
        :data:`DIGITS`, :data:`PUNCTUATION`.
    nfc : bool
        Whether the text is composed first (Unicode NFC).
    whole_words : bool
        Whether a piece that is a token is taken whole, whatever the merges make of it.
    """

    steps: tuple[str, ...]
    nfc: bool = False
    whole_words: bool = False


_KINDS: Mapping[Splitting, tuple[str, ...]] = {
    Splitting((_GPT2,)): ("gpt-2", "default", "phi-2", "jais", "exaone4", "roberta-bpe"),
    Splitting((_GPT2,), nfc=True): ("mpt", "olmo", "gpt-neox"),
    Splitting((DIGITS, _GPT2)): ("smollm", "starcoder", "refact", "codeshell"),
    Splitting((DIGITS, _GPT2), nfc=True): ("command-r",),
    Splitting((_LLAMA3,), whole_words=True): ("llama-bpe", "llama3", "llama-v3"),
    Splitting((_LLAMA3,)): ("dbrx", "smaug-bpe"),
    Splitting((_QWEN2,), nfc=True): ("qwen2", "deepseek-r1-qwen"),
    Splitting((_QWEN35,), nfc=True): ("qwen35",),
    Splitting((_TEKKEN,), whole_words=True): ("tekken",),
    Splitting((_GPT4O,)): ("gpt-4o", "llama4"),
    Splitting((r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+", _DEEPSEEK3)): ("deepseek-v3",),  # noqa: RUF001
    Splitting((r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"[一-龥ࠀ-一가-퟿]+", DIGITS)): (
        "deepseek-coder",
    ),
    Splitting((PUNCTUATION, _GPT2, r"[0-9][0-9][0-9]")): ("falcon",),
    Splitting((_BLOOM,)): ("bloom", "gpt3-finnish"),
}
SPLITTINGS: Mapping[str, Splitting] = {
    name: splitting for splitting, names in _KINDS.items() for name in names
}
"""Ways to split by the name that ``tokenizer.ggml.pre`` gives them."""


def splitting_of(kind: str) -> Splitting:
    """Return the way to split that a file names.

    Raises
    ------
    ModelError
        The name is not known.
    """
    if kind not in SPLITTINGS:
        raise ModelError(
            f"its vocabulary splits text as {kind!r}, a kind that is not known here",
            "take the release of the model as safetensors, whose tokenizer.json says how; known "
            f"are {', '.join(sorted(SPLITTINGS))}",
        )
    return SPLITTINGS[kind]


def pre_tokenizer(splitting: Splitting) -> Any:
    """Return a way to split as ``tokenizers`` does it, bytes spelt as GPT-2 spells them."""
    from tokenizers import Regex, pre_tokenizers

    made: list[Any] = []
    for step in splitting.steps:
        if step == DIGITS:
            made.append(pre_tokenizers.Digits(individual_digits=True))
        elif step == PUNCTUATION:
            made.append(pre_tokenizers.Punctuation("contiguous"))
        else:
            made.append(pre_tokenizers.Split(Regex(step), "isolated"))
    made.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    return pre_tokenizers.Sequence(made)
