"""When volumes were taken: reports of scanner triggers, and clocks made from them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.errors import StimulusError

_BEFORE = 5
"""Volumes of silence before a story (10 s)."""
_TRIM = 5
"""Volumes dropped at either end of the story."""


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


def story_clock(triggers: Sequence[float], start: float) -> tuple[float, ...]:
    """Return the times of the volumes that are used, on the clock of the story's words, s.

    Middles of volumes. Of the triggers, the first ten (5 of silence, 5 trimmed) and the last five
    go: what is left of responses after ``[10:-10]``, which last five volumes longer.

    Raises
    ------
    StimulusError
        There are not enough triggers.
    """
    if len(triggers) < _BEFORE + 2 * _TRIM + 2:
        raise StimulusError(f"{len(triggers)} triggers leave no volume after trimming")
    step = float(np.diff(triggers).mean())
    times: npt.NDArray[np.float64] = np.asarray(triggers) - start + step / 2
    return tuple(times[_BEFORE + _TRIM : -_TRIM].tolist())


def used_rows(n_rows: int, n_used: int, what: str) -> slice:
    """Which rows of a run's responses belong to the volumes of :func:`story_clock`.

    Parameters
    ----------
    n_rows : int
        Rows in the file: raw (20 more than are used) or trimmed already. One row too many at the
        end, as some published runs have, is dropped.
    n_used : int
        Volumes of the clock.
    what : str
        The run, for the message.

    Raises
    ------
    StimulusError
        The run has another length.
    """
    if n_rows in (n_used, n_used + 1):
        return slice(0, n_used)
    trimmed = _BEFORE + _TRIM
    if n_rows in (n_used + 2 * trimmed, n_used + 2 * trimmed + 1):
        return slice(trimmed, trimmed + n_used)
    raise StimulusError(
        f"{what} has {n_rows} volumes; its triggers say {n_used} (trimmed) or"
        f" {n_used + 2 * trimmed} (raw)",
        "the response file and the stimulus do not belong together, or one of them is damaged",
    )
