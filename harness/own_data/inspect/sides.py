"""Arrays that lie on their side: (columns, volumes) where (volumes, columns) is meant."""

from __future__ import annotations

from collections.abc import Mapping

from harness.own_data.description import Description

NEAR = 0.25
"""By how much a number of volumes may miss the length of the words and still belong to it."""


def lies_on_its_side(
    shapes: Mapping[tuple[str, str], tuple[int, ...]],
    spans: Mapping[str, float],
    said: Description,
) -> str:
    """Say why arrays seem to be (columns, volumes); nothing where they do not.

    Parameters
    ----------
    shapes : mapping
        Of the array of each participant and run.
    spans : mapping
        Seconds from the first to the last word of each run.
    said : Description

    Returns
    -------
    str
        The reason: the regions are as many as the rows, or the rows are as many in runs of other
        lengths, or the words fit the columns and not the rows.
    """
    square = {at: s for at, s in shapes.items() if len(s) == 2 and s[0] != s[1]}
    if not square:
        return ""
    (person, run), (rows, columns) = next(iter(square.items()))
    shown = f"participant {person}, run {run} is ({rows}, {columns})"
    if said.rois and all(s[0] == len(said.rois) != s[1] for s in square.values()):
        return f"{shown}, and there are {rows} rois"
    own = [s for (p, _), s in square.items() if p == person]
    if len({s[0] for s in own}) == 1 and len({s[1] for s in own}) > 1:
        return f"{shown}: all runs have {rows} rows, and differ in columns"
    fits = [
        (_near(s[0] * said.tr, spans[r]), _near(s[1] * said.tr, spans[r]))
        for (_, r), s in square.items()
        if spans.get(r)
    ]
    if fits and all(across and not along for along, across in fits):
        return f"{shown}, and the words last {spans[run]:,.0f} s, {columns} volumes of {said.tr} s"
    return ""


def _near(seconds: float, span: float) -> bool:
    return abs(seconds - span) <= NEAR * span
