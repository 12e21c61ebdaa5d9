"""A miniature of the *Alice* EEG, made as the set's own code makes its files.

What ``import_dataset/convert-all.py`` of Eelbrain/Alice (f1cc8145) does is done here to made-up
recordings: volts from microvolts, channels of the easycap M10 with ``29`` added as the implicit
reference, the mean of ``25`` and ``29`` as reference, labels of segments from the table of words
(``proc.trl``: first sample of a trial counted from one, its offset, segment, time in the sound),
S26 with its first event missing and its labels off by one, bad channels. The sounds, and the
columns of the table, are those that ``predictors/*.py`` read.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

RATE = 500
SOUND_RATE = 8000
LAG = 0.35
"""When channels 4 and 40 follow a word, s: the middle of a window of 0.1 s."""
FOLLOWING = ("4", "40")
NAMES = ("1", "3", "4", "5", "7", "19", "25", "33", "40", "27", "54")
PAUSE = 2.0
PRESTIMULUS = -150
"""Samples of a trial before its word, as ``trl`` has it."""
WORDS = ("Alice", "was", "beginning", "to", "get", "very", "tired", "of", "sitting", "by")
COLUMNS = (
    *("Word", "Segment", "onset", "offset", "Order", "LogFreq", "LogFreq_Prev", "LogFreq_Next"),
    *("SndPower", "Length", "Position", "Sentence", "IsLexical", "NGRAM", "RNN", "CFG"),
)


@dataclass(frozen=True, eq=False)
class Miniature:
    """Folder of the four archives, their md5, and what is true of them."""

    folder: Path
    md5: dict[str, str]
    segments: np.ndarray
    onsets: np.ndarray
    offsets: np.ndarray
    texts: tuple[str, ...]
    driver: np.ndarray
    durations: dict[int, float]

    def fif(self, person: str) -> bytes:
        """The recording of a participant, out of its archive."""
        for path in self.folder.glob("eeg.*.zip"):
            with zipfile.ZipFile(path) as zipped:
                name = f"eeg/{person}/{person}_alice-raw.fif"
                if name in zipped.namelist():
                    return zipped.read(name)
        raise KeyError(person)


def make(
    folder: Path, people: dict[str, dict[str, object]], per_segment: int = 26, letters: bool = False
) -> Miniature:
    """Write the archives.

    ``people`` says by participant what is particular: ``archive`` (0 to 2), ``bads``, ``lacks``
    (the first segment), ``names`` of further channels, ``ends`` (s, where the recording stops).
    With ``letters`` what channels follow is how long words are.
    """
    rng = np.random.default_rng(0)
    durations, rows = {}, []
    for segment in range(1, 13):
        onsets = (0.3 + np.cumsum(rng.uniform(0.3, 0.6, per_segment))).round(3)
        onsets[0] = 0.3 + 0.002 * segment  # whose label falls on a sample
        durations[segment] = round(float(onsets[-1]) + 1.2, 3)
        rows += [(segment, onset, onset + 0.25) for onset in onsets]
    segments, on, off = (np.array(column) for column in zip(*rows, strict=True))
    driver = rng.normal(size=len(rows))
    texts = tuple(rng.choice(WORDS, len(rows)))
    if letters:
        driver = np.array([float(len(text)) for text in texts])
        driver = (driver - driver.mean()) / driver.std()
    made = Miniature(folder, {}, segments, on, off, texts, driver, durations)
    folder.mkdir(parents=True, exist_ok=True)
    _write_stimuli(made, rng)
    archives: dict[int, dict[str, bytes]] = {0: {}, 1: {}, 2: {}}
    for number, (person, said) in enumerate(people.items()):
        path = folder / f"{person}_alice-raw.fif"
        _write_recording(made, path, 20 + number, said)
        place = int(said.get("archive", 0))  # type: ignore[call-overload]
        archives[place][f"eeg/{person}/{person}_alice-raw.fif"] = path.read_bytes()
        path.unlink()
    for number, files in archives.items():
        pack(folder / f"eeg.{number}.zip", {"eeg/": b"", "__MACOSX/._eeg": b"junk", **files})
    for path in folder.glob("*.zip"):
        made.md5[path.name] = md5_of(path)
    return made


def offer(made: Miniature, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Make the archives those that the benchmark looks for."""
    from brainpress_plugins.benchmarks.neural.alice_eeg_files import ARCHIVES

    monkeypatch.setenv("BRAINPRESS_DATA", str(made.folder.parent))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(cache))
    for name, md5 in made.md5.items():
        monkeypatch.setitem(ARCHIVES, name, (ARCHIVES[name][0], md5))


def md5_of(path: Path) -> str:
    """The md5 of a file."""
    return hashlib.md5(path.read_bytes()).hexdigest()


def raw_of(made: Miniature, person: str, folder: Path) -> Any:
    """The recording of a participant, as MNE-Python reads it from a file of its own."""
    import mne

    path = folder / f"{person}-raw.fif"
    path.write_bytes(made.fif(person))
    return mne.io.read_raw_fif(path, preload=True, verbose="ERROR")


def pack(path: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)


def _write_stimuli(made: Miniature, rng: np.random.Generator) -> None:
    files = {"stimuli/": b""}
    for segment, seconds in made.durations.items():
        sound = rng.normal(size=round(seconds * SOUND_RATE)) * 20
        for onset in made.onsets[made.segments == segment]:
            start = round(onset * SOUND_RATE)
            sound[start : start + SOUND_RATE // 5] *= rng.uniform(20, 200)
        stream = io.BytesIO()
        wavfile.write(stream, SOUND_RATE, np.clip(sound, -32000, 32000).astype(np.int16))
        files[f"stimuli/{segment}.wav"] = stream.getvalue()
    table = io.StringIO()
    lines = csv.DictWriter(table, COLUMNS)
    lines.writeheader()
    for i in rng.permutation(len(made.texts)):  # the file's order is nobody's promise
        seconds = made.offsets[i] - made.onsets[i]
        lines.writerow(
            dict.fromkeys(COLUMNS, 0)
            | {"Word": made.texts[i], "Segment": made.segments[i], "onset": made.onsets[i]}
            | {"offset": made.offsets[i], "Order": i + 1, "LogFreq": 8 + len(made.texts[i]) % 3}
            | {"Length": seconds, "Position": 1 + i % 9, "Sentence": 1 + i // 9}
        )
    files["stimuli/AliceChapterOne-EEG.csv"] = table.getvalue().encode()
    pack(made.folder / "stimuli.zip", files)


def _write_recording(made: Miniature, path: Path, seed: int, said: dict[str, object]) -> None:
    import mne
    from brainpress_plugins.benchmarks.neural.alice_eeg_files import places

    rng = np.random.default_rng(seed)
    lacks = bool(said.get("lacks", False))
    starts, at = {}, 3.0 + rng.uniform()
    for segment, seconds in made.durations.items():
        if not (lacks and segment == 1):
            starts[segment] = at
            at += seconds + PAUSE
    names = [*NAMES, *said.get("names", ("VEOG", "Aux5", "AUD"))]  # type: ignore[misc]
    values = rng.normal(size=(len(names), round((at + 2) * RATE)))
    values[names.index("25")] *= 0.1
    trl = []
    for i, (segment, onset) in enumerate(zip(made.segments, made.onsets, strict=True)):
        if segment not in starts:
            continue
        sample = round((starts[segment] + onset) * RATE)
        for name in FOLLOWING:
            left = sample + round((LAG - 0.05) * RATE)
            values[names.index(name), left : left + RATE // 10] += 2 * made.driver[i]
        # Labels of one who lacks the first event are one too low.
        label = segment - 1 if lacks else segment
        trl.append((sample + 1 + PRESTIMULUS, sample + 500, PRESTIMULUS, label, onset, i + 1))
    if "ends" in said:
        values = values[:, : round(float(said["ends"]) * RATE)]  # type: ignore[arg-type]
    info = mne.create_info(names, RATE, ["eeg"] * len(NAMES) + ["stim"] * (len(names) - len(NAMES)))
    raw = mne.io.RawArray(values * 1e-6, info, verbose="ERROR")
    # As the reader of sfp files: centimetres on a sphere of 9 become metres on one of .095.
    raw = mne.add_reference_channels(raw, "29", False)
    positions = {name: np.array(place) * 0.095 / 90 for name, place in places().items()}
    raw.set_montage(mne.channels.make_dig_montage(positions), verbose="ERROR")
    raw.set_eeg_reference(["25", "29"], verbose="ERROR")
    table = np.array(trl)
    numbers = table[:, 3] + (1 if lacks else 0)
    onsets, labels = [], []
    for segment in range(1, 13):
        if segment not in numbers:
            continue
        labels.append(segment)
        first = np.flatnonzero(numbers == segment)[0]
        istart, _, before, _, tstart, _ = table[first]
        onsets.append(istart / RATE - tstart - before / RATE)
    raw.set_annotations(mne.Annotations(onsets, [0.1] * len(onsets), labels), verbose="ERROR")
    raw.info["bads"] = list(said.get("bads", ()))  # type: ignore[call-overload]
    raw.save(path, verbose="ERROR")
