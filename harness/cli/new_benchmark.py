"""The beginning of a benchmark of one's own: a folder that runs as it is."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import HarnessError

_TEXT = (
    "the ferry left late because the cook had lost her hat and nobody would sail without soup so"
    " the captain sent two boys to look under the tables while the rain came in from the west and"
    " the gulls stood in a row on the rail as if they had paid for their seats"
)

_TOML = """\
# A benchmark without Python. Run it: brainpress run -m smollm2-135m -b data:{folder}
# What is here is made up, so that it runs; put your own in its place.

name = "{name}"
participants = ["p1", "p2", "p3"]

# One array (volumes, voxels) for each participant and run: .npy, or FILE:KEY in HDF5 or netCDF.
responses = "responses/{{participant}}_{{run}}.npy"
tr = 2.0  # seconds

# Names of the columns, where they are regions or electrodes. For voxels leave it out, and say which
# of them make up a region in an .npz file of 0 and 1: masks = "masks/{{participant}}.npz"
rois = ["IFG", "STG"]
# resolution = "voxel"  # score every voxel, not the mean of each region

delays = [1, 2, 3, 4]  # volumes
folds = 4
gap = 8  # volumes between what is held out and the rest of its run
# cutoff = 128.0  # high-pass, seconds
context = "strided(256,128)"

citation = ""
licence = ""
notes = "made up"
simulated = true  # take it out when your own responses are here

[[runs]]
name = "run1"
events = "events/run1.tsv"  # onset, duration (or offset), word; tabs, seconds
start = 1.0  # time of the middle of the first volume on the clock of the events
# sound = "sounds/run1.wav"  # what was heard, for speech models and nuisance = ["words", "sound"]

[[runs]]
name = "run2"
events = "events/run2.tsv"
start = 1.0
"""


def scaffold_benchmark(name: str, folder: Path) -> tuple[Path, ...]:
    """Write a benchmark of one's own: description, words, responses of noise.

    Parameters
    ----------
    name : str
        Of the benchmark: lower-case letters, digits, hyphens.
    folder : Path
        Where it goes; made. Nothing that is there is changed.

    Returns
    -------
    tuple of Path
        The files written, the description first.

    Raises
    ------
    HarnessError
        The name will not do, or something is there.
    """
    import numpy as np

    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
        raise HarnessError(f"{name!r} cannot name a benchmark", "lower-case letters, digits, -")
    if folder.exists() and any(folder.iterdir()):
        raise HarnessError(f"{folder} is not empty", "choose a folder that is not there yet")
    texts = {"benchmark.toml": _TOML.format(name=name, folder=folder)}
    words = _TEXT.split() * 4
    for run in ("run1", "run2"):
        rows = [f"{0.8 * i:.1f}\t0.6\t{word}" for i, word in enumerate(words)]
        texts[f"events/{run}.tsv"] = "\n".join(["onset\tduration\tword", *rows]) + "\n"
    written = []
    for relative, text in texts.items():
        path = folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    rng = np.random.default_rng(0)
    (folder / "responses").mkdir()
    shared = {run: rng.normal(size=(100, 2)) for run in ("run1", "run2")}
    for person in ("p1", "p2", "p3"):
        for run, common in shared.items():
            path = folder / "responses" / f"{person}_{run}.npy"
            np.save(path, (common + rng.normal(size=common.shape)).astype(np.float32))
            written.append(path)
    return tuple(written)
