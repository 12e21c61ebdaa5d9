"""Regions of a sentence, and what surprise each of them is to a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy import sparse

from harness.errors import StimulusError
from harness.numeric.arrays import Ints
from harness.stimuli.passages import Passage, Span, Stimuli
from harness.stimuli.readouts import Matrix


class Spacing(StrEnum):
    """What stands between a word and a punctuation mark of the next region."""

    PUBLISHED = "published"
    """A space, between any two regions: ``shot , the woman``. What syntaxgym-core shows models."""
    ATTACHED = "attached"
    """Nothing: ``shot, the woman``. What text looks like."""


_MARK = re.compile(r"[,.;:!?]|'s\b")
_BEFORE_MARK = re.compile(r"\s+(?=[,.;:!?]|'s\b)")


def region_passage(
    name: str, contents: Sequence[str], spacing: Spacing = Spacing.PUBLISHED
) -> tuple[Passage, tuple[int, ...]]:
    """Make a sentence from its regions.

    Parameters
    ----------
    name : str
    contents : sequence of str
        Text of each region; a region may be empty (a gap).
    spacing : Spacing

    Returns
    -------
    passage : Passage
        Its items are the regions that have text, in order; they cover the sentence but for the
        white space between them.
    items : tuple of int
        Item of each region; -1 for an empty one.
    """
    text, spans, items = "", list[Span](), list[int]()
    for content in contents:
        piece = content.strip()
        if not piece:
            items.append(-1)
            continue
        joined = not text
        if spacing is Spacing.ATTACHED:
            piece = _BEFORE_MARK.sub("", piece)
            joined = joined or _MARK.match(piece) is not None
        text += piece if joined else " " + piece
        items.append(len(spans))
        spans.append((len(text) - len(piece), len(text)))
    return Passage(name, text, tuple(spans)), tuple(items)


@dataclass(frozen=True)
class Regions:
    """One row a region: the sum over its tokens, each token of the text in exactly one region.

    A token of white space alone (SentencePiece writes a lone ``▁`` before a rare word) belongs to
    the region after it, as a leading space inside a token does. So the rows of a passage sum to the
    whole passage.
    """

    def rows(self, stimuli: Stimuli) -> tuple[int, ...]:
        """Return the number of regions of each passage."""
        return tuple(len(p.spans) for p in stimuli.passages)

    def matrix(self, stimuli: Stimuli, index: int, owners: Ints, n_tokens: int) -> Matrix:
        """Sum the tokens of each region.

        Raises
        ------
        StimulusError
            A token lies in two regions: its surprisal cannot be split.
        """
        passage = stimuli.passages[index]
        region, token = owners.T
        if len(np.unique(token)) < len(token):
            shared = int(np.flatnonzero(np.bincount(token) > 1)[0])
            between = [passage.item(int(r)) for r in region[token == shared]]
            raise StimulusError(
                f"passage {passage.name!r}: one token is part of regions {between}",
                "this tokenizer merges across regions; spacing='published' keeps them apart",
            )
        # Owned tokens are in order: the next owned one says where a token without owner goes.
        following = np.searchsorted(token, np.arange(n_tokens), side="left")
        of_token = region[np.minimum(following, len(token) - 1)]
        shape = (len(passage.spans), n_tokens)
        return sparse.csr_array((np.ones(n_tokens), (of_token, np.arange(n_tokens))), shape=shape)
