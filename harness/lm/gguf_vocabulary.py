"""A tokenizer from the vocabulary of a GGUF file.

Three kinds: ``llama`` (SentencePiece: pieces with scores, merged best score first), ``gpt2``
(byte-level merges) and ``t5`` (SentencePiece: the likeliest pieces of all, unigram). transformers
reads the first wrongly where the architecture is not Llama's, and splits the second as GPT-2 does
whatever the file says; so all three are made here, from the file alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any

from harness.errors import ModelError
from harness.lm.gguf_header import Header
from harness.lm.gguf_splitting import Splitting, pre_tokenizer, splitting_of

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""Types of tokens (``tokenizer.ggml.token_type``)."""
_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
_PREFIX = "tokenizer.ggml."
_SPECIAL = {
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "unk_token": "unknown_token_id",
    "pad_token": "padding_token_id",
}
_PLACEHOLDER = re.compile(r"<unused\d+>")
"""Control tokens that nothing was trained on; Gemma has 6,242, which transformers reads in 20 s."""
_ADDS_BOS = {"llama": True, "gpt2": False, "t5": False}
_ADDS_EOS = {"llama": False, "gpt2": False, "t5": True}
"""Whether a text starts and ends with a token of its own where a file does not say (ggml's own)."""


def tokenizer_from(header: Header) -> Any:
    """Return the tokenizer of a GGUF file, as transformers' fast tokenizers are.

    Raises
    ------
    ModelError
        The kind of vocabulary, or its way to split, is not known, or a part of it is missing.
    """
    from transformers import PreTrainedTokenizerFast

    kind = str(_field(header, "model", ""))
    if kind not in _MAKERS:
        raise ModelError(
            f"its vocabulary is of the kind {kind!r}, and {', '.join(_MAKERS)} are known",
            "take the release of the model as safetensors, with its tokenizer.json",
        )
    tokens = list(_field(header, "tokens"))
    types = list(_field(header, "token_type", [NORMAL] * len(tokens)))
    if len(types) != len(tokens):
        raise ModelError(f"its vocabulary has {len(tokens)} tokens and {len(types)} types of them")
    made = _MAKERS[kind](header, tokens, types)
    _add_tokens(made, tokens, types)
    special = {
        name: tokens[number]
        for name, key in _SPECIAL.items()
        if (number := _field(header, key, None)) is not None and 0 <= number < len(tokens)
    }
    _surround(made, header, kind, special)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, clean_up_tokenization_spaces=False, **special
    )


def _field(header: Header, key: str, *otherwise: Any) -> Any:
    value = header.fields.get(_PREFIX + key, *otherwise)
    if value is None and not otherwise:
        raise ModelError(f"its vocabulary has no {_PREFIX}{key}")
    return value


def _scored(header: Header, tokens: list[str], types: list[int]) -> Any:
    """SentencePiece's merging: of all neighbours, the two whose piece has the best score."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    scores = list(_field(header, "scores"))
    unknown = _field(header, "unknown_token_id", None)
    model = models.BPE(
        {token: number for number, token in enumerate(tokens)},
        merges_by_score(tokens, scores, types),
        unk_token=None if unknown is None else tokens[unknown],
        fuse_unk=True,
        byte_fallback=_has_bytes(tokens, types),
    )
    made = Tokenizer(model)
    replace = normalizers.Replace(" ", _SPACE)
    prefix = bool(_field(header, "add_space_prefix", True))
    made.normalizer = (
        normalizers.Sequence([normalizers.Prepend(_SPACE), replace]) if prefix else replace
    )
    steps = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    made.decoder = decoders.Sequence([*steps, *([decoders.Strip(" ", 1, 0)] if prefix else [])])
    return made


def merges_by_score(
    tokens: list[str], scores: Iterable[float], types: Iterable[int]
) -> list[tuple[str, str]]:
    """Return merges that do what SentencePiece does with scores.

    Any two pieces that make a third may merge; the better its score, the earlier. Pieces that are
    no text of their own (control, bytes) or that are taken whole (user-defined) take no part.
    """
    rows = zip(tokens, scores, types, strict=True)
    scored = [(-score, token) for token, score, kind in rows if kind == NORMAL]
    scored.sort(key=itemgetter(0))  # stable: of equal scores, the lower number first
    plain = {token for _, token in scored}
    numbers = {token: number for number, token in enumerate(tokens)}
    merges: list[tuple[str, str]] = []
    for _, token in scored:
        halves = [
            (token[:cut], token[cut:])
            for cut in range(1, len(token))
            if token[:cut] in plain and token[cut:] in plain
        ]
        if len(halves) > 1:
            halves.sort(key=lambda pair: (numbers[pair[0]], numbers[pair[1]]))
        merges += halves
    return merges


def _merged(header: Header, tokens: list[str], types: list[int]) -> Any:
    """Byte-level merges, in the order of the file."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    splitting: Splitting = splitting_of(str(_field(header, "pre", "default")))
    merges = [_halves(merge) for merge in _field(header, "merges")]
    model = models.BPE(
        {token: number for number, token in enumerate(tokens)},
        merges,
        ignore_merges=splitting.whole_words,
    )
    made = Tokenizer(model)
    if splitting.nfc:
        made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizer(splitting)
    made.decoder = decoders.ByteLevel()
    return made


def _halves(merge: str) -> tuple[str, str]:
    left, space, right = merge.partition(" ")
    if not space or not left or not right:
        raise ModelError(f"its vocabulary has the merge {merge!r}, which names no two tokens")
    return left, right


def _likeliest(header: Header, tokens: list[str], types: list[int]) -> Any:
    """Unigram: the pieces whose log-probabilities have the greatest sum."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers

    scores = list(_field(header, "scores"))
    unknown = _field(header, "unknown_token_id", None)
    # What is no text of its own is never likelier than what is.
    lowest = min(scores) - 100.0
    pieces = [
        (token, float(score) if kind == NORMAL else lowest)
        for token, score, kind in zip(tokens, scores, types, strict=True)
    ]
    made = Tokenizer(models.Unigram(pieces, unknown, _has_bytes(tokens, types)))
    steps: list[Any] = []
    if charsmap := _field(header, "precompiled_charsmap", None):
        steps.append(normalizers.Precompiled(bytes(byte % 256 for byte in charsmap)))
    if _field(header, "remove_extra_whitespaces", False):
        steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    prefix = bool(_field(header, "add_space_prefix", True))
    if prefix:
        steps.append(normalizers.Prepend(_SPACE))
    steps.append(normalizers.Replace(" ", _SPACE))
    made.normalizer = normalizers.Sequence(steps)
    undone = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    made.decoder = decoders.Sequence([*undone, *([decoders.Strip(" ", 1, 0)] if prefix else [])])
    return made


def _has_bytes(tokens: list[str], types: list[int]) -> bool:
    """Whether there is a token for every byte, so that no character is unknown."""
    there = {token for token, kind in zip(tokens, types, strict=True) if kind == BYTE}
    return len(there) == 256 and all(f"<0x{byte:02X}>" in there for byte in range(256))


def _add_tokens(made: Any, tokens: list[str], types: list[int]) -> None:
    """Take tokens whole where they stand in the text: control ones, and those of the release."""
    from tokenizers import AddedToken

    rows = [(token, kind) for token, kind in zip(tokens, types, strict=True) if token]
    made.add_special_tokens(
        [
            AddedToken(token, normalized=False, special=True)
            for token, kind in rows
            if kind in (CONTROL, UNKNOWN) and not _PLACEHOLDER.fullmatch(token)
        ]
    )
    # Some converters write a run of spaces as the vocabulary does, some as the text does.
    made.add_tokens(
        [
            AddedToken(token, normalized=_SPACE in token, special=False)
            for token, kind in rows
            if kind == USER
        ]
    )


def _surround(made: Any, header: Header, kind: str, special: Mapping[str, str]) -> None:
    """Put BOS before a text and EOS after it where the file says so."""
    from tokenizers import processors

    before = special.get("bos_token") if _adds(header, "bos", _ADDS_BOS[kind]) else None
    after = special.get("eos_token") if _adds(header, "eos", _ADDS_EOS[kind]) else None
    used = [token for token in (before, after) if token is not None]
    if used:
        made.post_processor = processors.TemplateProcessing(
            single=[*([before] if before else []), "$A", *([after] if after else [])],
            special_tokens=[(token, made.token_to_id(token)) for token in dict.fromkeys(used)],
        )


def _adds(header: Header, which: str, otherwise: bool) -> bool:
    if which == "bos" and splits_with_bos(header):
        otherwise = True
    return bool(_field(header, f"add_{which}_token", otherwise))


def splits_with_bos(header: Header) -> bool:
    """Whether ggml puts a BOS before texts of this byte-level kind where the file is silent."""
    return _field(header, "model", "") == "gpt2" and _field(header, "pre", "") in {
        "llama-bpe",
        "llama3",
        "llama-v3",
        "tekken",
    }


_Maker = Callable[[Header, list[str], list[int]], Any]
_MAKERS: Mapping[str, _Maker] = {"llama": _scored, "gpt2": _merged, "t5": _likeliest}
