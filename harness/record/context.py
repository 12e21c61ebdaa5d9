"""Context policies: how much of the text before it a model sees when a token is read.

Each policy is exact by its own definition and part of a recording's key: one is never a silent
speed-up of another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.errors import RecordingError


class Start(StrEnum):
    """Tokens before the first token of a window."""

    TOKENIZER = "tokenizer"
    """The model's own start: what its spec names or its examination chose."""
    BOS = "bos"
    """The same, and an error where a model has none: every token needs a probability."""
    DECLARED = "declared"
    """What the tokenizer itself puts before a text, which may be a marker of a chat format; its BOS
    or EOS where it puts nothing, and an error where it has neither."""
    NOTHING = "nothing"


_FORMS = {
    "words": (r"words\((\d+)\)", "words(n): the n words that end in the word that is read"),
    "tokens": (
        r"tokens\((\d+)\)",
        "tokens(W): the W tokens that end in the last token of the item",
    ),
    "strided": (r"strided\((\d+),\s*(\d+)\)", "strided(W,S): windows of W tokens, one every S"),
    "prefix": (r"prefix", "prefix: everything so far"),
    "sentence": (r"sentence", "sentence: the current sentence so far"),
}


@dataclass(frozen=True)
class Context:
    """A context policy.

    Parameters
    ----------
    kind : str
        ``words``, ``tokens``, ``strided``, ``prefix`` or ``sentence``.
    size : int
        The ``n`` or ``W`` of the policy; 0 where it has none.
    stride : int
        The ``S`` of ``strided``; 0 elsewhere.
    start : Start
        What stands before the first token of a window.
    final_norm : bool
        Whether the last layer is read after the model's final norm (as transformers gives it) or
        before it.

    Raises
    ------
    RecordingError
        The kind is unknown or its numbers make no sense.
    """

    kind: str
    size: int = 0
    stride: int = 0
    start: Start = Start.TOKENIZER
    final_norm: bool = True

    def __post_init__(self) -> None:
        if self.kind not in _FORMS:
            raise RecordingError(f"no context policy {self.kind!r}", _choices())
        if self.kind in ("words", "tokens", "strided") and self.size < 1:
            raise RecordingError(
                f"{self.kind} needs a size of at least 1, not {self.size}", _choices()
            )
        if self.kind == "strided" and not 1 <= self.stride <= self.size:
            raise RecordingError(
                f"strided({self.size},{self.stride}): the stride must lie between 1 and the window"
            )

    @classmethod
    def parse(cls, text: str, **options: Any) -> Context:
        """Read ``words(20)``, ``tokens(512)``, ``strided(512,256)``, ``prefix`` or ``sentence``."""
        for kind, (pattern, _) in _FORMS.items():
            if match := re.fullmatch(pattern, text.strip()):
                size, stride = (*map(int, match.groups()), 0, 0)[:2]
                return cls(kind, size, stride, **options)
        raise RecordingError(f"no context policy {text!r}", _choices())

    def __str__(self) -> str:
        numbers = ",".join(str(n) for n in (self.size, self.stride) if n)
        return f"{self.kind}({numbers})" if numbers else self.kind


def _choices() -> str:
    return "one of " + "; ".join(form for _, form in _FORMS.values())
