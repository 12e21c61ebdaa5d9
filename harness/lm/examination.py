"""What was found when a model was first loaded, kept beside its files.

The examination itself is :mod:`harness.lm.examine`; this module is light, so that commands which
load no model can show what is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.errors import StoreError
from harness.place.locate import cache_folder
from harness.store.atomic import writing

VERSION = 2
"""Bumped when the same model comes to be examined otherwise; recordings then are, too (RECORD)."""
NOTHING = "nothing"
BITS_PER_BYTE = (0.4, 2.5)
BYTES_PER_TOKEN = (1.2, 8.0)
"""What language models have on plain English; outside, something is wrong or very small."""


@dataclass(frozen=True)
class Examination:
    """Findings about one model in one precision.

    Parameters
    ----------
    causal : bool
        Whether no state moves when a later token changes.
    causal_error : float
        How far logits of earlier tokens moved, relative to the largest logit.
    batch_error : float
        How far logits of a text moved when it stood, padded, in a batch with a longer one.
    alone : bool
        Whether texts have to be read one at a time, because of the above.
    hidden : str
        Why hidden states cannot be had; empty where they are transformers' own.
    round_trip : str
        ``exact``, or how the fixed page comes back from its tokens.
    bytes_per_token : float
        Of plain English.
    bits_per_byte : mapping
        By start token (``nothing``: none), over all tokens of a paragraph but its first.
    start : tuple of str
        The tokens to start a text with: of those tried, the one of fewest bits.
    attention : str
        The implementation that the architecture was loaded with.
    notes : tuple of str
        What a reader of the results must know.
    """

    causal: bool
    causal_error: float
    batch_error: float
    alone: bool
    hidden: str = ""
    round_trip: str = "exact"
    bytes_per_token: float = 0.0
    bits_per_byte: Mapping[str, float] = field(default_factory=dict)
    start: tuple[str, ...] = ()
    attention: str = ""
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> float | None:
        """Bits per byte with the chosen start."""
        return self.bits_per_byte.get("".join(self.start) or NOTHING)

    @property
    def reason(self) -> str:
        """Why a model lacks something that it is asked for; empty where it lacks nothing."""
        if not self.causal:
            return (
                "it attends to what follows (changing a token moves earlier states by "
                f"{self.causal_error:.2g})"
            )
        return self.hidden

    @property
    def way_out(self) -> str:
        """What to do where a model attends to what follows."""
        if self.causal:
            return ""
        return "its hidden states are recorded where a plugin's ModelSpec says bidirectional=True"

    def lines(self) -> list[str]:
        """Return the findings as sentences, for a reader."""
        see = "no state depends on what follows"
        if not self.causal:
            see = (
                f"BIDIRECTIONAL: earlier states move by {self.causal_error:.2g} when a later token "
                "changes, so it has no log-probabilities"
            )
        told = [see]
        told.append(
            f"states in a padded batch differ by {self.batch_error:.1g}"
            + (": texts are read one at a time" if self.alone else "")
        )
        if self.hidden:
            told.append(f"no hidden states: {self.hidden}")
        told.append(f"text -> tokens -> text: {self.round_trip}")
        if self.bits_per_byte:
            by_start = ", ".join(f"{k} {v:.3f}" for k, v in self.bits_per_byte.items())
            told.append(
                f"English: {self.bytes_per_token:.2f} bytes a token; bits per byte by start: "
                f"{by_start}"
            )
        told.append(f"a text starts with {''.join(self.start) or NOTHING}")
        return [*told, *self.notes]


def kept(fingerprint: str, dtype: str) -> Examination | None:
    """Return the examination of a model, if it was made and reads back."""
    try:
        return _read(json.loads(_path(fingerprint, dtype).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(fingerprint: str, dtype: str, examination: Examination, model: str) -> None:
    """Keep an examination; a cache that cannot be written costs time and nothing else."""
    path = _path(fingerprint, dtype)
    content = {"model": model, "dtype": dtype, **asdict(examination)}
    with suppress(StoreError), writing(path) as part:
        part.write_text(json.dumps(content, indent=1), encoding="utf-8")


def last_of(model: str) -> tuple[str, Examination] | None:
    """Return the newest examination of a model of this name, with its dtype."""
    found: list[tuple[float, str, Examination]] = []
    for path in (cache_folder() / "examinations").glob(f"*-v{VERSION}.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["model"] == model:
                found.append((path.stat().st_mtime, content["dtype"], _read(content)))
    return max(found, key=lambda entry: entry[0])[1:] if found else None


def _read(content: dict[str, Any]) -> Examination:
    names = {item.name for item in fields(Examination)}
    values = {name: value for name, value in content.items() if name in names}
    values["start"], values["notes"] = tuple(values["start"]), tuple(values["notes"])
    return Examination(**values)


def _path(fingerprint: str, dtype: str) -> Path:
    return cache_folder() / "examinations" / f"{fingerprint[:32]}-{dtype}-v{VERSION}.json"
