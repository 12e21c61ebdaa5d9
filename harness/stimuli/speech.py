"""Running text from time-aligned words, as forced aligners write them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.errors import StimulusError
from harness.stimuli.passages import Passage
from harness.stimuli.textgrid import TextGridInterval

MARKS = frozenset(
    (
        "",
        "sp",
        "sil",
        "sl",
        "br",
        "lg",
        "ls",
        "ns",
        "ns_ap",
        "cg",
        "ig",
        "sentence_start",
        "sentence_end",
        "<s>",
        "</s>",
        "<unk>",
        "#",
    )
)
"""Labels of silence, breath, laughter, lip smack, noise, cough: not words."""


def spoken(name: str, intervals: Sequence[TextGridInterval]) -> Passage:
    """Make a passage of the words among intervals, in lower case.

    Transcripts of aligners are in capitals or have none, and no punctuation: a model reads
    ``i get a phone call`` with less surprise than ``I GET A PHONE CALL``.

    Raises
    ------
    StimulusError
        No interval is a word.
    """
    words = [i for i in intervals if i.label.lower().strip().strip("{}").strip() not in MARKS]
    if not words:
        raise StimulusError(f"{name} holds no words")
    return Passage.from_words(
        name,
        [i.label.strip().strip("{}").lower() for i in words],
        [i.onset for i in words],
        [i.offset for i in words],
    )


def word_tier(
    tiers: dict[str, tuple[TextGridInterval, ...]], name: str, tier: str = ""
) -> tuple[TextGridInterval, ...]:
    """Return the tier of words: the one that is asked for, or the one whose name says so.

    Raises
    ------
    StimulusError
        There is none, or more than one (two speakers).
    """
    if tier:
        if tier not in tiers:
            raise StimulusError(f"{name} has no tier {tier!r} among {list(tiers)}")
        return tiers[tier]
    found = [t for t in tiers if re.fullmatch(r"words?( \(\d+\))?", t.strip().lower())]
    if not found:
        raise StimulusError(f"{name} has no tier of words among {list(tiers)}")
    if len(found) > 1:
        raise StimulusError(
            f"{name} has {len(found)} tiers of words: {', '.join(found)}",
            "say which one is meant, or merge them",
        )
    return tiers[found[0]]
