"""Whether words and volumes of a run can be on one clock."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import DataError
from harness.stimuli.passages import Passage

TOLD, REFUSED = 0.5, 0.1
"""Words that cover a smaller share of the volumes, or volumes of the words, than this."""


def compare_clocks(passage: Passage, clock: Sequence[float], tr: float, where: str) -> str:
    """Compare when words were heard with when volumes were taken.

    Parameters
    ----------
    passage : Passage
        The words of a run.
    clock : sequence of float
        Middles of its volumes, s.
    tr : float
    where : str
        Of the description, for messages.

    Returns
    -------
    str
        What is odd: half of the volumes or of the words meet nothing. Empty where nothing is.

    Raises
    ------
    DataError
        They hardly meet: one of the clocks is wrong.
    """
    first, last = min(passage.onsets or (0.0,)), max(passage.offsets or (0.0,))
    begin, end = clock[0] - tr / 2, clock[-1] + tr / 2
    shared = max(0.0, min(last, end) - max(first, begin))
    of_words = shared / (last - first) if last > first else float(begin <= first <= end)
    of_volumes = shared / (end - begin)
    said = (
        f"{where}: the words of run {passage.name} last from {first:,.0f} to {last:,.0f} s,"
        f" its volumes from {clock[0]:,.0f} to {clock[-1]:,.0f} s"
    )
    if min(of_words, of_volumes) < REFUSED:
        raise DataError(said, _guess(of_words, end - begin, last - first))
    if min(of_words, of_volumes) < TOLD:
        return f"{said}: {of_volumes:.0%} of the volumes and {of_words:.0%} of the words meet"
    return ""


def _guess(of_words: float, volumes: float, words: float) -> str:
    if of_words > REFUSED:
        return "is tr in seconds? (and start, and the times of the words)"
    if volumes < TOLD * words:
        return "are the arrays (volumes, columns), not (columns, volumes)?"
    return "start is the time of the first volume on the clock of the events"
