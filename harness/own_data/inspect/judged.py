"""What is odd about values and lags."""

from __future__ import annotations

from harness.own_data.inspect.findings import Finding, Level, told
from harness.own_data.inspect.lags import LATEST, SOONEST, LagCurve
from harness.own_data.inspect.values import ValueCounts

SURE = 0.01
"""p at which responses follow the words."""


def of_values(counts: ValueCounts, where: str, by_roi: bool) -> list[Finding]:
    """Judge the values of one array.

    Parameters
    ----------
    counts : ValueCounts
    where : str
        Participant and run.
    by_roi : bool
        Whether every column is a region: one that is missing drops the participant.
    """
    n = counts.shape[1]
    if counts.constant + counts.empty == n:
        what = "holds no finite value" if counts.empty == n else "is constant (zeros, a fill value)"
        hint = "a run that was not measured: leave the participant out, or give the run"
        return [Finding(Level.REFUSED, f"{where} {what}", hint)]
    found = []
    if counts.fill:
        said = ", ".join(f"{v:g} ({k} times)" for v, k in sorted(counts.fill.items())[:4])
        hint = "write NaN where nothing was measured"
        found.append(Finding(Level.REFUSED, f"{where} holds fill values: {said}", hint))
    if counts.alike:
        rows = ", ".join(str(i) for i in counts.alike[:6])
        more = f" and {len(counts.alike) - 6} more" if len(counts.alike) > 6 else ""
        found.append(
            Finding(
                Level.REFUSED,
                f"{where}: volumes {rows}{more} hold one value in every column",
                "volumes that were not measured are no responses: cut them off, or leave out the"
                " participant",
            )
        )
    for number, what in (
        (counts.constant, "constant"),
        (counts.stopped, "still for ten volumes or more"),
        (counts.empty, "empty"),
        (counts.partly, "not finite in part"),
    ):
        if number:
            left = "the participant is left out" if by_roi else "they are left out"
            found.append(told(f"{where}: {number} of {n} columns are {what}: {left}"))
    return found


def of_lags(curve: LagCurve, tr: float) -> list[Finding]:
    """Judge at which lag responses follow the words."""
    seconds = curve.best * tr
    if curve.p > SURE:
        said = f"responses follow the word rate at no lag from {curve.lags[0]} to {curve.lags[-1]}"
        return [told(f"{said} volumes (p = {curve.p:.2f})", "are these the words that were heard?")]
    if SOONEST <= seconds <= LATEST:
        return []
    return [
        told(
            f"responses follow the word rate best at {curve.best:+d} volumes ({seconds:+.1f} s,"
            f" p = {curve.p:.3f}), where blood comes {SOONEST:.0f} to {LATEST:.0f} s after words",
            "is start the time of the first volume on the clock of the words?",
        )
    ]
