"""Podcast ECoG: a transcript, recordings and tables in the published layout."""

from __future__ import annotations

import csv

import numpy as np

RATE = 64.0
SECONDS = 260.0
LAG = 0.4
"""When electrodes follow a word, s."""
CHANNELS = ("G1", "G2", "G3", "G4", "G5", "EKG1")
PLACES = {"G1": (-48, 15, -27), "G2": (-51, -39, 3), "G3": (40, 0, 0), "G4": (30, 10, 40)}


def transcript(n=300):
    """Words about 0.8 s apart; the tenth was not found in the sound."""
    rng = np.random.default_rng(0)
    onsets = 3.71 + np.cumsum(rng.uniform(0.5, 1.1, n))
    words = rng.choice(["Act", "one,", "monkey", "in", "the", "middle."], n)
    rows = [[w, f"{t:.3f}", f"{t + 0.3:.3f}"] for w, t in zip(words, onsets, strict=True)]
    rows[9][1:] = ["", ""]
    return rows, np.delete(onsets, 9)


def write_table(path, header, rows, delimiter=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([header, *rows])


def write_signal(path, values, names=CHANNELS, bads=("G5",), rate=RATE):
    import mne

    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = ["ecg" if name.startswith("EKG") else "ecog" for name in names]
    info = mne.create_info(list(names), rate, kinds)
    info["bads"] = list(bads)
    raw = mne.io.RawArray(values, info, verbose="ERROR")
    raw.save(path, overwrite=True, fmt="single", verbose="ERROR")


def signals(onsets, driver, seed, seconds=SECONDS):
    """G1 and G2 follow each word's number by 0.4 s, for 0.2 s; the others are noise."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(CHANNELS), int(seconds * RATE)))
    for onset, height in zip(onsets, driver, strict=True):
        start = round((onset + LAG - 0.1) * RATE)
        values[:2, start : start + round(0.2 * RATE)] += 2 * height
    return values
