"""The sound of a run: whose it is, whether the words are in it, and what of it is nuisance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError

if TYPE_CHECKING:
    from harness.numeric.arrays import Doubles
    from harness.own_data.description import Run
    from harness.stimuli.passages import Passage

WORDS, SOUND = "words", "sound"
"""What a description may name as nuisance."""
TOLD, REFUSED = 0.05, 0.5
"""Shares of the words that are outside the sound."""
_MEANT = {
    WORDS: "word rate, word length and frequency",
    SOUND: "the sound (envelope, mel bands)",
}


def check_nuisance(nuisance: Sequence[str], runs: Sequence[Run]) -> None:
    """Refuse regressors that there are not.

    Raises
    ------
    DataError
        One is unknown, or named twice; there is none; or it is of a sound that a run lacks.
    """
    unknown = [name for name in nuisance if name not in _MEANT]
    if unknown or not nuisance or len(set(nuisance)) < len(nuisance):
        raise DataError(
            f"nuisance is {list(nuisance)}", f"name {WORDS}, {SOUND} or both, each once"
        )
    lacking = [run.name for run in runs if not run.sound]
    if SOUND in nuisance and lacking:
        raise DataError(
            f"nuisance names sound, and {', '.join(lacking)} has none",
            'say in each run where it is: sound = "run1.wav"',
        )


def adds_to(nuisance: Sequence[str]) -> str:
    """Say what a model must add to."""
    return " and to ".join(_MEANT[name] for name in nuisance)


def with_sound(passage: Passage, folder: Path, run: Run) -> Passage:
    """Return the words of a run with its sound, where it has one.

    Raises
    ------
    DataError
        The file is not there.
    """
    from harness.fetch.checksum import content_sha256
    from harness.stimuli.sound import Sound

    if not run.sound:
        return passage
    path = folder / run.sound
    if not path.is_file():
        raise DataError(f"no sound of run {run.name} at {path}", "mend `sound`, or leave it out")
    return replace(passage, sound=Sound(str(path), content_sha256(path), run.sound_start))


def sound_columns(
    passages: Sequence[Passage], clocks: Sequence[Sequence[float]]
) -> dict[str, Doubles]:
    """Return envelope and mel bands of all runs on the clock of the volumes, by name.

    Raises
    ------
    DataError
        A sound is not to be read.
    """
    import numpy as np

    from harness.stimuli.sound_features import COLUMNS, sound_nuisance

    pairs = zip(passages, clocks, strict=True)
    columns = np.concatenate([sound_nuisance(p.sound, c) for p, c in pairs if p.sound])
    return dict(zip(COLUMNS, columns.T, strict=True))


def compare_sound(passage: Passage, where: str) -> str:
    """Compare when words were heard with when there was sound.

    Parameters
    ----------
    passage : Passage
        The words of a run.
    where : str
        Of the description, for messages.

    Returns
    -------
    str
        What is odd: more than a word in twenty is outside the sound. Empty where nothing is.

    Raises
    ------
    DataError
        Half of the words are, or the sound is not to be read.
    """
    sound, times = passage.sound, passage.midpoints
    if sound is None or not times:
        return ""
    end = sound.start + sound.duration()
    outside = sum(not sound.start <= t <= end for t in times) / len(times)
    said = (
        f"{where}: {outside:.0%} of the words of run {passage.name} are outside its sound, which"
        f" lasts from {sound.start:,.0f} to {end:,.0f} s"
    )
    if outside > REFUSED:
        raise DataError(
            said, "sound_start is the time of the first sample on the clock of the events"
        )
    return said if outside > TOLD else ""
