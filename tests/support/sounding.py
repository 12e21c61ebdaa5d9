"""A story with a sound whose envelope is known, and listeners who follow it at a known lag."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import wavfile

TR, VOLUMES, RUNS, LAG = 2.0, 90, 5, 2
START, SOUND_START = 1.0, -3.0
"""Of the first volume's middle, and of the sound's first sample, on the clock of the words, s."""
SHARE = 0.6
"""Of the variance of responses that follows the envelope."""
PEOPLE = ("p1", "p2", "p3")


@dataclass(frozen=True)
class Story:
    """Where it lies, and the envelope in each volume, (VOLUMES,) by run, standardised."""

    folder: Path
    envelopes: tuple[np.ndarray, ...]


def write_story(folder: Path, rate: int = 16_000, more: str = "", seed: int = 0) -> Story:
    """Write it.

    The sound is noise whose amplitude is drawn anew every four seconds, over a soft hum; responses
    are its mean amplitude in the volume ``LAG`` volumes earlier, and noise.
    """
    rng = np.random.default_rng(seed)
    (folder / "sounds").mkdir(parents=True)
    (folder / "responses").mkdir()
    (folder / "events").mkdir()
    seconds = TR * VOLUMES + 4
    envelopes = []
    for run in range(1, RUNS + 1):
        t = np.arange(int(seconds * rate)) / rate
        knots = rng.uniform(0, 1, int(seconds / 4) + 3) ** 2
        amplitude = np.interp(t, 4.0 * np.arange(len(knots)), knots)
        hum = 0.02 * np.sin(2 * np.pi * 150 * t)
        sound = 0.2 * amplitude * rng.standard_normal(len(t)) + hum
        wavfile.write(
            folder / "sounds" / f"run{run}.wav", rate, np.int16(32767 * np.clip(sound, -1, 1))
        )
        middles = START + TR * np.arange(VOLUMES) - SOUND_START
        heard = np.array([amplitude[np.abs(t - m) <= TR / 2].mean() for m in middles])
        heard = (heard - heard.mean()) / heard.std()
        envelopes.append(heard)
        moved = np.roll(heard, LAG)
        moved[:LAG] = 0.0
        for person in PEOPLE:
            noise = rng.standard_normal((VOLUMES, 2))
            both = np.column_stack([np.sqrt(SHARE) * moved, np.zeros(VOLUMES)])
            values = both + np.sqrt([1 - SHARE, 1.0]) * noise
            np.save(folder / "responses" / f"{person}_run{run}.npy", values.astype(np.float32))
        onsets = np.sort(rng.uniform(1, seconds - 2, 200))
        words = rng.choice(["the", "sea", "was", "calm", "and", "ships", "waited"], 200)
        rows = [f"{a:.2f}\t0.3\t{w}" for a, w in zip(onsets, words, strict=True)]
        table = "\n".join(["onset\tduration\tword", *rows]) + "\n"
        (folder / "events" / f"run{run}.tsv").write_text(table)
    runs = "".join(
        f'\n[[runs]]\nname = "run{r}"\nevents = "events/run{r}.tsv"\nstart = {START}\n'
        f'sound = "sounds/run{r}.wav"\nsound_start = {SOUND_START}\n'
        for r in range(1, RUNS + 1)
    )
    (folder / "benchmark.toml").write_text(
        f'name = "sea"\nparticipants = {list(PEOPLE)}\ntr = {TR}\nrois = ["A1", "V1"]\n'
        f'responses = "responses/{{participant}}_{{run}}.npy"\n{more}\n{runs}'
    )
    return Story(folder, tuple(envelopes))
