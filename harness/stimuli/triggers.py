"""When volumes were taken: reports of scanner triggers, and clocks made from them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import StimulusError

DROPPED = 10
"""Volumes at either end of a run that are not used: 5 of silence, 5 of the story."""


@dataclass(frozen=True)
class TriggerReport:
    """What the stimulus computer wrote down during a run; times in s since its first trigger.

    Parameters
    ----------
    triggers : tuple of float
        One a volume; a missing one is filled in.
    start : float
        When the story began.
    words : tuple of (float, str)
        What was shown, and when; an empty text is a blank screen.
    end : float
        When the story ended; NaN where the report does not say.
    """

    triggers: tuple[float, ...]
    start: float
    words: tuple[tuple[float, str], ...]
    end: float

    @property
    def tr(self) -> float:
        """Mean time between volumes."""
        return float(np.diff(self.triggers).mean())


def read_report(path: Path) -> TriggerReport:
    """Read a ``.report`` of the Gallant and Huth laboratories.

    Raises
    ------
    StimulusError
        A line has no time, or there are no triggers or no start.
    """
    triggers: list[float] = []
    words: list[tuple[float, str]] = []
    start = end = float("nan")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        time, _, label = line.strip().partition(" ")
        if not label:
            continue  # a time on a line of its own is left over from the line before
        try:
            when = float(time)
        except ValueError:
            raise StimulusError(f"{path.name}, line {number} has no time: {line!r}") from None
        if label.endswith("trigger"):
            triggers.append(when)
            continue
        if label.startswith("END") or label == "sound-stop":
            end = when
        if label.startswith(("START", "sound-start")) and np.isnan(start):
            start = when
        if shown := re.fullmatch(r"(?:START: )?word\s+(.*?)\s*(?:-?\d+\.\d+(?:e-?\d+)?)?", label):
            words.append((when, shown[1]))
    if len(triggers) < 2 or np.isnan(start):
        begun = "no" if np.isnan(start) else "a"
        raise StimulusError(
            f"{path.name} has {len(triggers)} triggers and {begun} start",
            "the file was probably cut short: get it again",
        )
    return TriggerReport(tuple(_filled(triggers)), start, tuple(words), end)


def _filled(triggers: list[float]) -> list[float]:
    """Put back triggers that were missed: steps of about twice the usual and more."""
    steps = np.diff(triggers)
    usual = float(np.median(steps))
    filled = [triggers[0]]
    for step, after in zip(steps, triggers[1:], strict=True):
        missed = round(step / usual) - 1
        filled += [filled[-1] + usual * (i + 1) for i in range(missed)]
        filled.append(after)
    return filled


def story_clock(n_used: int, tr: float, start: float) -> tuple[float, ...]:
    """Return the times of the volumes that are used, on the clock of the story's words, s.

    Middles of volumes. The first ten volumes of a run go: five of silence, five trimmed.

    Parameters
    ----------
    n_used : int
        Volumes that are used.
    tr : float
        Seconds from one volume to the next.
    start : float
        When the story began, s from the first volume.
    """
    times = (DROPPED + 0.5 + np.arange(n_used)) * tr - start
    return tuple(times.tolist())


def used_volumes(n_rows: int, expected: Iterable[int], what: str) -> tuple[int, int]:
    """Return how many volumes of a run are used, and how many go before them.

    A run begins and ends with five volumes of silence, and five more are trimmed at either end:
    responses are used ``[10:-10]``. Some are published trimmed.

    Parameters
    ----------
    n_rows : int
        Volumes in the response file.
    expected : iterable of int
        Numbers of used volumes that make sense. One more does, too: published runs have it.
    what : str
        The run, for the message.

    Raises
    ------
    StimulusError
        The run has another length.
    """
    allowed = sorted(set(expected))
    for n_used, before in ((n_rows - 2 * DROPPED, DROPPED), (n_rows, 0)):
        if any(0 <= n_used - n <= 1 for n in allowed):
            return n_used, before
    said = " or ".join(str(n) for n in allowed)
    raw = " or ".join(str(n + 2 * DROPPED) for n in allowed)
    raise StimulusError(
        f"{what} has {n_rows} volumes; it should have {raw}, or {said} if it is trimmed",
        "the response file and the stimulus do not belong together, or one of them is damaged",
    )
