"""What the deposit of the *Alice* EEG holds: archives, people, channels, the table of words.

All of it is read off the code that made the files (``import_dataset/convert-all.py``), fetched them
(``download_alice.py``) and analysed them (``analysis/``) in Eelbrain/Alice at f1cc8145 (MIT), but
for two things that it does not say: where the host keeps the archives since it moved them, from
``alice_eeg.py`` of urancon/deepSTRF at e7413a19, which looked in May 2026; and the people that
``datasets.mat`` marks for use, from ``README.md`` of MiscellaneousStuff/eeg-stimuli.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from harness.errors import DataError
from harness.fetch.archive import members, read_member
from harness.fetch.resource import Resource

if TYPE_CHECKING:
    from harness.numeric.arrays import Bools, Doubles, Ints

BITSTREAMS = "https://drum.lib.umd.edu/bitstreams"
STIMULI = "stimuli.zip"
ARCHIVES = {
    STIMULI: ("df241468-26ee-42df-b27f-3f438cfc5a3f", "4336a47bef7d3e63239c40c0623dc186"),
    "eeg.0.zip": ("264ca110-f7f4-4fd5-9b00-896102b841ad", "d63d96a6e5080578dbf71320ddbec0a0"),
    "eeg.1.zip": ("bef532d8-cf74-4b9d-9b4c-5c1f81610ce9", "bdc65f168db4c0f19bb0fed20eae129b"),
    "eeg.2.zip": ("25fc51ae-d1fa-4094-85af-65dd4cf30251", "3fb33ca1c4640c863a71bddd45006815"),
}
"""Place at the host, and md5. Nobody states sizes, nor who is in which archive."""
PARTICIPANTS = (
    *("S01", "S03", "S04", "S05", "S06", "S08", "S10", "S11", "S12", "S13", "S14", "S15", "S16"),
    *("S17", "S18", "S19", "S20", "S21", "S22", "S25", "S26", "S34", "S35", "S36", "S37", "S38"),
    *("S39", "S40", "S41", "S42", "S44", "S45", "S48"),
)
"""The 33 of 49 that ``datasets.mat`` marks for use, which are those that were converted."""
SEGMENTS = tuple(range(1, 13))
"""Sound files, and labels of what starts them in a recording."""
REFERENCES = ("25", "29")
"""Mastoids. A recording is referenced to their mean: one is then the other with its sign turned."""
CHANNELS = tuple(str(n) for n in range(1, 62) if str(n) not in REFERENCES)
REGIONS = {
    "frontal": ("7", "8", "9", "20", "21", "34", "35", "45", "46", "47", "48", "60", "61"),
    "central": ("1", "2", "6", "33", "36", "37", "43", "44"),
    "centro-parietal": ("3", "4", "5", "38", "39", "40", "41", "42"),
    "occipital": ("13", "14", "15", "16", "26", "27", "28", "52", "53", "54", "55", "56"),
    "left temporal": ("17", "18", "19", "30", "31", "32", "57", "58", "59"),
    "right temporal": ("10", "11", "12", "22", "23", "24", "49", "50", "51"),
}
"""Channels by their place on the scalp; the N400 is largest where it is centro-parietal."""
_RECORDING = re.compile(r"(S\d\d)_alice-raw\.fif")
_COLUMNS = ("Word", "Segment", "onset", "offset", "LogFreq", "Position")


def archive(name: str) -> Resource:
    """Return one of the four archives."""
    place, md5 = ARCHIVES[name]
    return Resource(
        name=name,
        address=f"{BITSTREAMS}/{place}/download",
        sha256="",
        licence="CC-BY-4.0",
        where=f"alice-eeg/{name}",
        checksum=f"md5:{md5}",
    )


def recordings_in(archives: Iterable[Path]) -> dict[str, tuple[Path, str]]:
    """Return which archive holds the recording of each participant, and its name there.

    Raises
    ------
    FetchError
        An archive is damaged.
    DataError
        Two recordings are of one participant.
    """
    found: dict[str, tuple[Path, str]] = {}
    for path in archives:
        for member in members(path):
            name = _RECORDING.fullmatch(PurePosixPath(member).name)
            if name is None:
                continue
            if name[1] in found:
                raise DataError(
                    f"{found[name[1]][0].name} and {path.name} both hold a recording of {name[1]}",
                    "fetch the archives again",
                )
            found[name[1]] = (path, member)
    return found


def stimulus(path: Path, name: str) -> bytes:
    """Read a file of the archive of stimuli by the end of its name.

    Raises
    ------
    FetchError
        The archive is damaged.
    DataError
        It holds no such file.
    """
    fitting = [member for member in members(path) if PurePosixPath(member).name == name]
    if len(fitting) != 1:
        raise DataError(f"{path.name} holds {len(fitting)} files {name}", "fetch it again")
    return read_member(path, fitting[0])


@dataclass(frozen=True, eq=False)
class Words:
    """The table of words, in the order in which they were heard.

    Parameters
    ----------
    texts : tuple of str
    segments : array of int, shape (n_words,)
        Sound file of each word.
    onsets, offsets : array, shape (n_words,)
        In s, from the beginning of its sound file.
    log_frequency : array, shape (n_words,)
    position : array, shape (n_words,)
        In the sentence.
    """

    texts: tuple[str, ...]
    segments: Ints
    onsets: Doubles
    offsets: Doubles
    log_frequency: Doubles
    position: Doubles


def read_words(content: bytes, name: str) -> Words:
    """Read the table of words: ``Word``, ``Segment``, ``onset``, ``offset``, ``LogFreq``, ….

    Words are put in order by segment and onset, whatever the order of the rows.

    Raises
    ------
    DataError
        A column is missing, a cell is no number, or a segment is none of the twelve.
    """
    import numpy as np

    table = csv.DictReader(io.StringIO(content.decode("utf-8-sig", errors="replace")))
    if missing := [c for c in _COLUMNS if c not in (table.fieldnames or ())]:
        raise DataError(f"{name} lacks the columns {', '.join(missing)}", "fetch it again")
    texts, numbers = [], []
    for line, row in enumerate(table, start=2):
        try:
            cells = [float(row[column]) for column in _COLUMNS[1:]]
        except (TypeError, ValueError):
            cells = [float("nan")]
        word = (row["Word"] or "").strip()
        if not np.isfinite(cells).all() or cells[0] not in SEGMENTS or not word:
            raise DataError(f"{name}, line {line}: {word!r} has no usable times", "fetch it again")
        texts.append(word)
        numbers.append(cells)
    values = np.array(numbers).reshape(-1, len(_COLUMNS) - 1)
    order = np.lexsort((values[:, 1], values[:, 0]))
    segments, onsets, offsets, log_frequency, position = values[order].T
    return Words(
        tuple(texts[i] for i in order),
        segments.astype(np.int64),
        onsets,
        np.maximum(offsets, onsets),
        log_frequency,
        position,
    )


def channels_of_regions() -> dict[str, Bools]:
    """Return the channels of each region, (n_channels,)."""
    import numpy as np

    return {name: np.isin(CHANNELS, own) for name, own in REGIONS.items()}


@cache
def places() -> Mapping[str, tuple[float, float, float]]:
    """Return where each channel is: mm to the right, to the front and up, on a sphere of 90 mm.

    From ``import_dataset/easycapM10-acti61_elec.sfp``. The numbers of the montage ``easycap-M10``
    that comes with MNE-Python are those of other places.
    """
    text = files(__package__).joinpath("alice_eeg_places.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    return {name: (float(x), float(y), float(z)) for name, x, y, z in rows}
