"""What an answer says in words: claims, and what the board lacks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import xarray as xr

from harness.board.answers.units import quantity


class Verdict(StrEnum):
    """Whether a claim holds."""

    YES = "yes"
    NO = "no"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Claim:
    """One plain sentence, and whether what it asks is so.

    Parameters
    ----------
    subject : str
        What it is about.
    sentence : str
        The claim with its verdict and the numbers that decide it, all of one unit. Behind the
        first semicolon stands what else is known: ten lines in the terminal leave it out.
    verdict : Verdict
    """

    subject: str
    sentence: str
    verdict: Verdict


def with_claims(answer: xr.Dataset, claims: Sequence[Claim], gaps: Sequence[str]) -> xr.Dataset:
    """Add claims (dim ``claim``) and what the board lacks (dim ``gap``) to an answer."""
    columns = {
        "subject": [c.subject for c in claims],
        "sentence": [c.sentence for c in claims],
        "verdict": [str(c.verdict) for c in claims],
    }
    return answer.assign(
        {name: ("claim", np.array(values, object)) for name, values in columns.items()}
    ).assign(missing=("gap", np.array(list(dict.fromkeys(gaps)), object)))


def short(value: float, digits: int = 3) -> str:
    """Write a number as journals do, without the zero before the point: ``.02``, ``-.011``."""
    if not math.isfinite(value):
        return "?"
    text = f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def interval(low: float, high: float, digits: int = 3) -> str:
    """Write an interval: ``[-.011, .008]``."""
    return f"[{short(low, digits)}, {short(high, digits)}]"


def probability(p: float) -> str:
    """Write a p-value: ``p = .012``, ``p < .001``."""
    if not math.isfinite(p):
        return "p = ?"
    return "p < .001" if p < 0.001 else f"p = {short(p)}"


def margin_text(margin: float) -> str:
    """Write a margin without trailing zeros: ``.02``."""
    return short(margin, 4).rstrip("0").rstrip(".")


def equivalence(
    margin: float,
    verdict: Verdict,
    ends: tuple[float, float],
    n: str,
    detectable: float,
    digits: int = 3,
    unit: str = "",
) -> str:
    """Write the outcome of an equivalence test as a sentence.

    Parameters
    ----------
    margin : float
    verdict : Verdict
    ends : tuple of float
        Of the 90 % interval.
    n : str
        Of what.
    detectable : float
        The smallest difference that the data could have shown: beside everything but a difference.
    digits : int
    unit : str
        Of the scores.
    """
    said = (
        f"equivalent within {quantity(margin_text(margin), unit)}: {verdict}, "
        f"90 % CI {interval(*ends, digits)}, n = {n}"
    )
    return said if verdict is Verdict.NO else said + could_show(detectable, digits)


def could_show(detectable: float, digits: int = 3) -> str:
    """Write the smallest difference that the data could have shown, after a semicolon."""
    if not math.isfinite(detectable):
        return ""
    return f"; smallest detectable difference {short(detectable, digits)}"
