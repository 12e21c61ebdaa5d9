"""What an examination means for recording: which start, which batches, which refusals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.errors import RecordingError, Unsupported
from harness.lm.anatomy import anatomy
from harness.lm.examination import Examination
from harness.lm.starts import tokenizer_start
from harness.numeric.arrays import Ints
from harness.record.context import Context, Start
from harness.record.packs import Shown


def told(model: Any, context: Context) -> dict[str, str]:
    """Return what a recording says of how its model was read: its start, and what was found."""
    found = getattr(model, "examination", None)
    if found is None:
        return {}
    lead = start_tokens(context, model.tokenizer, model.start).tolist()
    told = {"start": "".join(model.tokenizer.convert_ids_to_tokens(lead)) or "nothing"}
    return told | {"examination": "; ".join(found.lines())}


def reads_alone(model: Any) -> bool:
    """Whether a model's texts have to be read one at a time, without padding."""
    found = getattr(model, "examination", None)
    return found is not None and found.alone


def check_rows(shown: Sequence[Shown], model: Any) -> None:
    """Refuse tokens that the embedding has no row for.

    Raises
    ------
    RecordingError
        A text holds one.
    """
    rows = getattr(anatomy(model.model).embedding, "num_embeddings", None)
    if rows is None:
        return
    for item in shown:
        if (most := int(item.ids.max(initial=0))) >= rows:
            token = model.tokenizer.convert_ids_to_tokens(most)
            raise RecordingError(
                f"{model.spec.name}: its tokenizer reads {token!r} as number {most}, and its"
                f" embedding has {rows:,} rows",
                "the token has no vector: take it out of the text, or another tokenizer",
            )


def refused(model: Any, what: str) -> Unsupported:
    """Return the error that a model has no answer of a kind, with the reason where it is known."""
    found: Examination | None = getattr(model, "examination", None)
    reason, hint = (found.reason, found.way_out) if found is not None else ("", "")
    return Unsupported(f"{model.spec.name} has no {what}{reason and f': {reason}'}", hint)


def start_tokens(context: Context, tokenizer: Any, start: tuple[int, ...] | None = None) -> Ints:
    """Return the token numbers that stand before a window, (0 or more,).

    Parameters
    ----------
    start : tuple of int, optional
        The start of a model that was examined, or whose spec names one.

    Raises
    ------
    RecordingError
        The policy wants a BOS, and the tokenizer has neither BOS nor EOS.
    """
    if context.start is Start.NOTHING:
        return np.empty(0, np.int64)
    if context.start is Start.DECLARED:
        start = tokenizer_start(tokenizer)
    if start:
        return np.asarray(start, np.int64)
    if context.start is Start.TOKENIZER:
        own = tokenizer_start(tokenizer) if start is None else ()
        return np.asarray(own, np.int64)
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return np.array([token], np.int64)
    raise RecordingError(
        f"{type(tokenizer).__name__} has neither a BOS nor an EOS token to start a window with",
        "use a context policy with start='nothing'; the first token then has no probability",
    )
