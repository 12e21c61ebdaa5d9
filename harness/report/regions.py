"""Names of cortical regions in words, and where about they lie."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """A region by its usual abbreviation.

    Parameters
    ----------
    name : str
        In words.
    place : tuple of float
        About where it lies, mm in MNI space (x to the right, y to the front, z up): to mark it on a
        schematic brain, not to extract anything.
    """

    name: str
    place: tuple[float, float, float]


REGIONS = {
    "LATL": Region("left anterior temporal lobe", (-50.0, 10.0, -22.0)),
    "RATL": Region("right anterior temporal lobe", (50.0, 10.0, -22.0)),
    "LPTL": Region("left posterior temporal lobe", (-58.0, -38.0, 2.0)),
    "LIPL": Region("left inferior parietal lobule", (-46.0, -52.0, 42.0)),
    "LPreM": Region("left premotor cortex", (-42.0, -2.0, 50.0)),
    "LIFG": Region("left inferior frontal gyrus", (-48.0, 26.0, 14.0)),
    "TP": Region("left temporal pole", (-48.0, 15.0, -27.0)),
    "aSTS": Region("left anterior superior temporal sulcus", (-54.0, -12.0, -12.0)),
    "pSTS": Region("left posterior superior temporal sulcus", (-51.0, -39.0, 3.0)),
    "TPJ": Region("left temporo-parietal junction", (-52.0, -56.0, 22.0)),
}
"""Abbreviations of the literature; one that is not here is drawn as it is."""


def region_name(short: str) -> str:
    """Spell a region out: ``left inferior frontal gyrus``; as it is where it is not known."""
    return REGIONS[short].name if short in REGIONS else short
