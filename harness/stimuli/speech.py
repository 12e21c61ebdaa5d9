"""Running text from time-aligned words, as forced aligners write them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import StimulusError
from harness.stimuli.passages import Passage
from harness.stimuli.textgrid import Interval

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


def spoken(name: str, intervals: Sequence[Interval]) -> Passage:
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


def word_tier(tiers: dict[str, tuple[Interval, ...]], name: str) -> tuple[Interval, ...]:
    """Return the tier of words: the one whose name says so.

    Raises
    ------
    StimulusError
        None does.
    """
    for title, intervals in tiers.items():
        if title.strip().lower() in ("word", "words"):
            return intervals
    raise StimulusError(f"{name} has no tier of words among {list(tiers)}")
