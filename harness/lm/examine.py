"""The examination of a model when it is first loaded: a few short texts, in seconds.

It asks what every number rests on: that no state depends on what follows, nor on what else is in
the batch; that hidden states are transformers' own; that text survives its tokens; that English
costs as many bits as it does for language models; and which token a text had best start with.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from harness.errors import ModelError
from harness.lm.anatomy import anatomy
from harness.lm.examination import BITS_PER_BYTE, BYTES_PER_TOKEN, NOTHING, Examination
from harness.lm.page import PAGE, PROSE
from harness.lm.starts import candidates, tokenizer_start
from harness.lm.states import hidden_states

ROUNDING: Mapping[torch.dtype, float] = {
    torch.float32: 1e-5,
    torch.bfloat16: 5e-2,
    torch.float16: 1e-2,
}
"""Largest difference, relative to the largest value, that is rounding."""
_SEEING = 10
"""A later token that is seen moves logits by far more than rounding does."""
_CHANGED, _SHORT, _LONG = 5, 9, 24
WORTH = 0.01
"""Another start is taken where it saves this share of the bits."""


def examine(model: nn.Module, tokenizer: Any, context: int | None, name: str) -> Examination:
    """Examine a language model.

    Parameters
    ----------
    model : nn.Module
        A model of transformers with logits, in evaluation mode.
    tokenizer : PreTrainedTokenizerFast
    context : int, optional
        Longest input, in tokens.
    name : str
        Of the model, for errors.

    Raises
    ------
    ModelError
        The model cannot be run at all.
    """
    rows = _rows(model)
    ids = _probe(tokenizer, rows, context)
    dtype = next(model.parameters()).dtype
    limit = ROUNDING[dtype]
    with torch.inference_mode():
        try:
            seen = _causal_error(model, ids, rows)
            drift = _drift(model, [i for i in _ids(tokenizer, PROSE[0]) if i < rows][:context])
        except Exception as error:  # whatever an architecture raises when called with tokens alone
            first = (str(error).strip().splitlines() or [""])[0]
            raise ModelError(
                f"{name} cannot be run as a language model: {type(model).__name__} raises "
                f"{type(error).__name__}: {first}",
                "its architecture wants more than a text (pictures, sound, a second text)"
                if dtype == torch.float32
                else "some architectures run in float32 alone: --dtype float32",
            ) from error
        if drift > limit:
            raise ModelError(
                f"{name} draws random numbers as it reads: two readings of one text differ by "
                f"{drift:.1g}",
                "a number of such a model is of one reading, and not of the model",
            )
        beside = _batch_error(model, ids)
        hidden = _hidden(model, ids, limit)
        causal = seen <= _SEEING * limit
        bits = _bits(model, tokenizer, rows, context) if causal else {}
    round_trip = _round_trip(tokenizer)
    width = _bytes_per_token(tokenizer)
    chosen = _chosen(bits, tokenizer) if causal else tokenizer_start(tokenizer)
    tokens = tuple(tokenizer.convert_ids_to_tokens(list(chosen)))
    told = {_spelled(tokenizer, start): value for start, value in bits.items()}
    return Examination(
        causal=causal,
        causal_error=seen,
        batch_error=beside,
        alone=not causal or beside > limit,
        hidden=hidden,
        round_trip=round_trip,
        bytes_per_token=width,
        bits_per_byte=told,
        start=tokens,
        attention=str(getattr(model.config, "_attn_implementation", "") or ""),
        notes=tuple(_notes(model, tokenizer, rows, round_trip, width, bits, chosen, causal)),
    )


def _rows(model: Any) -> int:
    rows = getattr(anatomy(model).embedding, "num_embeddings", None)
    return int(rows if rows is not None else model.config.get_text_config().vocab_size)


def _probe(tokenizer: Any, rows: int, context: int | None) -> list[int]:
    """Return the tokens of some English; numbers in order where a tokenizer makes none of it."""
    ids = [i for i in _ids(tokenizer, PROSE[0]) if i < rows]
    if len(set(ids)) < _SHORT:
        ids = [i % rows for i in range(3, 3 + _LONG)]
    return ids[: min(_LONG, context or _LONG)]


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])


def _logits(model: Any, ids: Sequence[Sequence[int]]) -> torch.Tensor:
    device = next(model.parameters()).device
    logits: torch.Tensor = model(input_ids=torch.tensor(ids, device=device), use_cache=False).logits
    return logits.float()


def _error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-30))


def _causal_error(model: nn.Module, ids: list[int], rows: int) -> float:
    """Change token 5, and return by how much the logits of tokens 0 to 4 move."""
    other = [*ids]
    other[_CHANGED] = next(i for i in (*reversed(ids), 1, 2) if i % rows != ids[_CHANGED]) % rows
    before = slice(0, _CHANGED)
    return _error(_logits(model, [other])[:, before], _logits(model, [ids])[:, before])


def _drift(model: nn.Module, ids: list[int]) -> float:
    """Read a paragraph twice, and return by how much its logits move."""
    return _error(_logits(model, [ids]), _logits(model, [ids])) if ids else 0.0


def _batch_error(model: nn.Module, ids: list[int]) -> float:
    """Read a text beside a longer one, padded, and return by how much its logits move."""
    short = ids[:_SHORT]
    together = _logits(model, [short + [0] * (len(ids) - len(short)), ids])[:1, : len(short)]
    return _error(together, _logits(model, [short]))


def _hidden(model: Any, ids: list[int], limit: float) -> str:
    """Compare the states that are read with those that transformers returns."""
    read: dict[int, torch.Tensor] = {}
    again: set[int] = set()

    def keep(layer: int, states: torch.Tensor) -> None:
        if layer in read:
            again.add(layer)
        read[layer] = states.float()

    body = getattr(model, "base_model", model)
    device = next(model.parameters()).device
    try:
        with hidden_states(model, keep, final_norm=True):
            own = body(
                input_ids=torch.tensor([ids], device=device),
                use_cache=False,
                output_hidden_states=True,
            ).hidden_states
    except Exception as error:  # hooks and outputs are as many as architectures
        return f"they cannot be read ({type(error).__name__}: {str(error).splitlines()[:1]})"
    if any(states.ndim != 3 for states in read.values()):
        return "its blocks pass on several streams of states, of which none is the hidden state"
    if any(states.shape[1] != len(ids) for states in read.values()):
        places = {states.shape[1] for states in read.values()}
        return f"its blocks pass on {max(places)} places where the text has {len(ids)} tokens"
    if again:
        return f"block {min(again)} is run more than once for a text"
    if own is None:
        return ""
    own = [states.float() for states in own]
    told = _unlike(read, own, limit)
    # State-space models return what leaves each block, and then that after the norm: no embedding.
    shifted = [read[0], *own[:-2], own[-1]] if len(own) == len(read) > 1 else own
    return "" if told and not _unlike(read, shifted, limit) else told


def _unlike(read: Mapping[int, torch.Tensor], own: Sequence[torch.Tensor], limit: float) -> str:
    """Say which layer is not the one that transformers returns; nothing where all are."""
    if len(own) != len(read):
        return f"transformers returns {len(own)} layers of them where {len(read)} are read"
    for layer, states in enumerate(own):
        last = layer == len(own) - 1
        if last and layer in read and read[layer].shape[-1] != states.shape[-1]:
            continue  # projected to another width behind the blocks (OPT-350M)
        if layer not in read or read[layer].shape != states.shape:
            return f"layer {layer} is not the one that transformers returns"
        if (error := _error(read[layer], states)) > limit:
            return f"layer {layer} differs by {error:.1g} from the one that transformers returns"
    return ""


def _bits(
    model: nn.Module, tokenizer: Any, rows: int, context: int | None
) -> dict[tuple[int, ...], float]:
    """Bits per byte of English after each start; the first token of a paragraph is not counted."""
    texts = [(text, [i for i in _ids(tokenizer, text) if i < rows]) for text in PROSE]
    texts = [(text, ids) for text, ids in texts if len(ids) >= _SHORT]
    found: dict[tuple[int, ...], float] = {}
    if not texts:
        return found
    for start in [(), *candidates(tokenizer, rows)]:
        nats = size = 0.0
        for text, ids in texts:
            shown = ids[: (context or len(ids) + len(start)) - len(start)]
            logits = _logits(model, [[*start, *shown]])[0, len(start) : -1]
            targets = torch.tensor(shown[1:], device=logits.device)
            nats += float(nn.functional.cross_entropy(logits, targets, reduction="sum"))
            size += len(text.encode()) * (len(shown) - 1) / len(ids)
        found[start] = nats / math.log(2) / size
    return found


def _chosen(bits: Mapping[tuple[int, ...], float], tokenizer: Any) -> tuple[int, ...]:
    """Of the starts that are tokens, take that of fewest bits; the first, where little is won."""
    tried = {start: value for start, value in bits.items() if start}
    if not tried:
        return tokenizer_start(tokenizer)
    first = next(iter(tried))
    best = min(tried, key=lambda start: tried[start])
    return best if tried[best] < (1 - WORTH) * tried[first] else first


def _spelled(tokenizer: Any, start: tuple[int, ...]) -> str:
    return "".join(tokenizer.convert_ids_to_tokens(list(start))) or NOTHING


def _round_trip(tokenizer: Any) -> str:
    back = tokenizer.decode(
        _ids(tokenizer, PAGE), skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    if back == PAGE:
        return "exact"
    if back == unicodedata.normalize("NFC", PAGE):
        return "exact, composed (NFC)"
    if back == unicodedata.normalize("NFKC", PAGE):
        return "compatible characters replaced (NFKC)"
    same = [a == b for a, b in zip(PAGE, back, strict=False)]
    at = same.index(False) if False in same else min(len(PAGE), len(back))
    return f"not exact: {PAGE[at : at + 12]!r} comes back as {back[at : at + 12]!r}"


def _bytes_per_token(tokenizer: Any) -> float:
    tokens = sum(len(_ids(tokenizer, text)) for text in PROSE)
    return sum(len(text.encode()) for text in PROSE) / max(1, tokens)


def _notes(
    model: Any,
    tokenizer: Any,
    rows: int,
    round_trip: str,
    width: float,
    bits: Mapping[tuple[int, ...], float],
    chosen: tuple[int, ...],
    causal: bool,
) -> list[str]:
    """Say what is out of the ordinary."""
    notes = []
    value = bits.get(chosen) if causal else None
    low, high = BYTES_PER_TOKEN
    strange = not low <= width <= high
    strange |= value is not None and not BITS_PER_BYTE[0] <= value <= BITS_PER_BYTE[1]
    if strange and causal:
        notes.append(
            f"WARNING: on plain English {width:.2f} bytes a token and "
            + ("no" if value is None else f"{value:.2f}")
            + " bits per byte; language models have "
            f"{low} to {high} and {BITS_PER_BYTE[0]} to {BITS_PER_BYTE[1]}: the tokenizer may be "
            "another model's, or read wrongly"
        )
    if round_trip.startswith("not"):
        notes.append(f"a text does not come back from its tokens: {round_trip}")
    for role in ("bos", "eos", "pad"):
        number = getattr(tokenizer, f"{role}_token_id", None)
        if number is not None and number >= rows:
            token = getattr(tokenizer, f"{role}_token")
            notes.append(f"{role} {token!r} ({number}) is past the {rows:,} rows of the embedding")
    declared = getattr(model.config.get_text_config(), "eos_token_id", None)
    declared = [declared] if isinstance(declared, int) else list(declared or [])
    if tokenizer.eos_token_id is not None and declared and tokenizer.eos_token_id not in declared:
        notes.append(
            f"its config ends a text with {declared}, its tokenizer with {tokenizer.eos_token_id}"
        )
    return notes
