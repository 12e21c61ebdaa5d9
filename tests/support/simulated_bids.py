"""A folder as fMRIPrep leaves it, of simulated listeners whose r and unique R2 are known.

Each region is a share of what a model has (its features, behind the double-gamma response of
SPM), word rate behind the same response, noise of its own; and of motion, components and slow
drift, which are many times larger and must go.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
from scipy.stats import gamma

PEOPLE = ("01", "02", "03", "04")
RUNS = ("1", "2")
TR = 2.0
VOLUMES = 600
UNITS = 2
REGIONS = ("A1", "STG", "IFG", "V1", "M1", "ATL")
DRIVEN = (0.0, 0.4, 0.3, 0.0, 0.0, 0.25)
"""Share of each region's variance (confounds aside) that the model has."""
RATE = 0.2
"""Share that word rate has, in every region."""
SPACE = "MNI152NLin2009cAsm"
PER_SIDE = 60
"""Vertices of a hemisphere; the first ten are the medial wall."""


@dataclass(frozen=True, eq=False)
class Simulated:
    """What was simulated.

    Parameters
    ----------
    folder : Path
        With ``derivatives/fmriprep``, ``atlas`` and ``events``.
    features : array, shape (n_runs * n_volumes, n_units)
        What the model has, at the middles of the volumes.
    regions : mapping
        By participant, (n_runs * n_volumes, n_regions), with confounds.
    confounds : mapping
        By participant, the table of each run.
    signals, pure : mapping
        By participant, what the model has of each region, and the region without confounds.
    """

    folder: Path
    features: np.ndarray
    regions: dict[str, np.ndarray]
    confounds: dict[str, list[pd.DataFrame]]
    signals: dict[str, np.ndarray]
    pure: dict[str, np.ndarray]

    @property
    def root(self) -> Path:
        return self.folder / "derivatives" / "fmriprep"


def response() -> np.ndarray:
    """Double-gamma response at the volumes, of unit length."""
    t = np.arange(0, 28, TR)
    h = gamma.pdf(t, 6) - gamma.pdf(t, 16) / 6
    return np.asarray(h / np.linalg.norm(h))


def simulate(folder: Path, seed: int = 0, kinds: tuple[str, ...] = ("volume",)) -> Simulated:
    """Write the folder; ``kinds`` are some of volume, surface, dense, parcels."""
    rng = np.random.default_rng(seed)
    root = folder / "derivatives" / "fmriprep"
    (folder / "events").mkdir(parents=True)
    rates, features = [], []
    for run in RUNS:
        onsets = np.cumsum(rng.gamma(2.0, 0.2, int(2.5 * TR * VOLUMES)))
        onsets = onsets[onsets < TR * VOLUMES - 1]
        rows = [
            f"{t:.3f}\t0.250\t{w}" for t, w in zip(onsets, _words(rng, len(onsets)), strict=True)
        ]
        text = "\n".join(["onset\tduration\tword", *rows]) + "\n"
        (folder / "events" / f"run-{run}.tsv").write_text(text)
        rates.append(_z(np.histogram(onsets, np.arange(VOLUMES + 1) * TR)[0][:, None]))
        features.append(_z(rng.normal(size=(VOLUMES, UNITS))))
    _dataset(root)
    people: dict[str, np.ndarray] = {}
    signals: dict[str, np.ndarray] = {}
    clean: dict[str, np.ndarray] = {}
    tables: dict[str, list[pd.DataFrame]] = {}
    for person in PEOPLE:
        parts, pures, drivers, tables[person] = [], [], [], []
        weights = rng.normal(size=(UNITS, len(REGIONS)))
        for number, run in enumerate(RUNS):
            table = _confounds(rng, 4 + number)
            tables[person].append(table)
            driven = _late(features[number] @ weights) * np.sqrt(DRIVEN)
            pure = _regions(rng, driven, rates[number])
            drivers.append(driven)
            pures.append(pure)
            values = pure + _disturbance(rng, table)
            parts.append(values)
            _write(root, person, run, values, table, rng, kinds)
        people[person] = np.concatenate(parts)
        signals[person], clean[person] = np.concatenate(drivers), np.concatenate(pures)
    _atlases(folder / "atlas", kinds)
    return Simulated(folder, np.concatenate(features), people, tables, signals, clean)


def _words(rng: np.random.Generator, n: int) -> list[str]:
    known = ("the", "a", "of", "and", "boat", "sea", "cook", "hat", "rain", "soup", "sailed")
    return [known[i] for i in rng.integers(len(known), size=n)]


def _z(values: np.ndarray) -> np.ndarray:
    return np.asarray((values - values.mean(axis=0)) / values.std(axis=0))


def _late(values: np.ndarray) -> np.ndarray:
    h = response()
    return _z(np.stack([np.convolve(v, h)[: len(v)] for v in values.T], axis=1))


def _regions(rng: np.random.Generator, driver: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Regions without confounds, each of variance 1; ``driver`` (n_volumes, n_regions)."""
    paced = _late(rate)
    out = []
    for number, share in enumerate(DRIVEN):
        noise = rng.normal(size=len(driver))
        own = driver[:, number] + np.sqrt(RATE) * paced[:, 0]
        out.append(own + np.sqrt(1 - share - RATE) * noise)
    return np.stack(out, axis=1)


def _confounds(rng: np.random.Generator, n_components: int) -> pd.DataFrame:
    table = pd.DataFrame()
    for name in ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"):
        table[name] = np.cumsum(rng.normal(scale=0.02, size=VOLUMES))
    for name in list(table.columns):
        table[f"{name}_derivative1"] = np.r_[np.nan, np.diff(table[name])]
    for name in [c for c in table.columns if "derivative" not in c]:
        table[f"{name}_power2"] = table[name] ** 2
        table[f"{name}_derivative1_power2"] = table[f"{name}_derivative1"] ** 2
    time = (np.arange(VOLUMES) + 0.5) / VOLUMES
    for k in range(1, 1 + int(2 * VOLUMES * TR / 128)):
        table[f"cosine{k - 1:02d}"] = np.cos(np.pi * k * time)
    for k in range(n_components):
        table[f"a_comp_cor_{k:02d}"] = _z(rng.normal(size=(VOLUMES, 1)))[:, 0]
    table["csf"] = 1000 + rng.normal(size=VOLUMES)
    table["white_matter"] = 900 + rng.normal(size=VOLUMES)
    table["framewise_displacement"] = np.r_[np.nan, np.abs(rng.normal(size=VOLUMES - 1))]
    return table


def _disturbance(rng: np.random.Generator, table: pd.DataFrame) -> np.ndarray:
    names = [c for c in table if c.startswith(("trans", "rot", "cosine", "a_comp_cor"))]
    names = [c for c in names if "derivative" not in c and "power2" not in c]
    values = _z(table[names].to_numpy())
    return 2.0 * values @ rng.normal(size=(len(names), len(REGIONS)))


def _dataset(root: Path) -> None:
    root.mkdir(parents=True)
    said = {"Name": "fMRIPrep", "BIDSVersion": "1.4.0", "DatasetType": "derivative"}
    (root / "dataset_description.json").write_text(json.dumps(said))


def _write(
    root: Path,
    person: str,
    run: str,
    values: np.ndarray,
    table: pd.DataFrame,
    rng: np.random.Generator,
    kinds: tuple[str, ...],
) -> None:
    func = root / f"sub-{person}" / "func"
    func.mkdir(parents=True, exist_ok=True)
    stem = f"sub-{person}_task-story_run-{run}"
    path = func / f"{stem}_desc-confounds_timeseries"
    table.to_csv(path.with_suffix(".tsv"), sep="\t", na_rep="n/a", index=False)
    components = [c for c in table if c.startswith("a_comp_cor")]
    said = {
        c: {"Method": "aCompCor", "Mask": "combined", "Retained": True, "SingularValue": 1.0}
        for c in components
    }
    path.with_suffix(".json").write_text(json.dumps(said))
    if "volume" in kinds:
        name = f"{stem}_space-{SPACE}_desc-preproc_bold"
        data = np.zeros((6, 6, 4, VOLUMES), np.float32)
        labels = volume_labels()
        for number in range(len(REGIONS)):
            data[labels == number + 1] = _columns(values[:, number], 24, rng).T
        data[labels == 0] = rng.normal(size=((labels == 0).sum(), VOLUMES))
        data += 1000
        image = nibabel.Nifti1Image(data, np.diag([3.0, 3, 3, 1]))
        image.header.set_zooms((3, 3, 3, TR))
        image.header.set_xyzt_units("mm", "sec")
        nibabel.save(image, func / f"{name}.nii.gz")
        (func / f"{name}.json").write_text(json.dumps({"RepetitionTime": TR, "StartTime": 1.0}))
        mask = nibabel.Nifti1Image(np.ones((6, 6, 4), np.uint8), image.affine)
        nibabel.save(mask, func / f"{stem}_space-{SPACE}_desc-brain_mask.nii.gz")
    if "surface" in kinds:
        for side in range(2):
            vertices = np.full((VOLUMES, PER_SIDE), np.nan, np.float32)
            for number, at in _stretches(side):
                vertices[:, at] = _columns(values[:, number], at.stop - at.start, rng)
            arrays = [
                nibabel.gifti.GiftiDataArray(row, "NIFTI_INTENT_TIME_SERIES") for row in vertices
            ]
            name = f"{stem}_hemi-{'LR'[side]}_space-fsaverage5_bold.func.gii"
            nibabel.save(nibabel.gifti.GiftiImage(darrays=arrays), func / name)
            beside = func / name.replace(".func.gii", ".json")
            beside.write_text(json.dumps({"RepetitionTime": TR}))
    if "dense" in kinds:
        axis = brain_axis()
        data = rng.normal(size=(VOLUMES, len(axis))).astype(np.float32)
        for side in range(2):
            for number, at in _stretches(side):
                shifted = slice(at.start - 10 + 50 * side, at.stop - 10 + 50 * side)
                data[:, shifted] = _columns(values[:, number], at.stop - at.start, rng)
        _cifti(func / f"{stem}_space-fsLR_den-91k_bold.dtseries.nii", data, axis)
    if "parcels" in kinds:
        axis = nibabel.cifti2.ParcelsAxis(
            list(REGIONS),
            [np.empty((0, 3), int)] * len(REGIONS),
            [{"CIFTI_STRUCTURE_CORTEX_LEFT": np.arange(i, i + 1)} for i in range(len(REGIONS))],
            nvertices={"CIFTI_STRUCTURE_CORTEX_LEFT": PER_SIDE},
        )
        name = f"{stem}_space-fsLR_seg-Six_desc-preproc_timeseries.ptseries.nii"
        _cifti(func / name, values.astype(np.float32), axis)


def _columns(region: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Columns whose mean is the region, to rounding: what scatters sums to nothing."""
    scatter = rng.normal(size=(len(region), n))
    return np.asarray(region[:, None] + scatter - scatter.mean(axis=1, keepdims=True))


def _stretches(side: int) -> list[tuple[int, slice]]:
    """Regions of a hemisphere, and their vertices."""
    return [(3 * side + i, slice(10 + 15 * i, 25 + 15 * i)) for i in range(3)]


def volume_labels() -> np.ndarray:
    labels = np.zeros((6, 6, 4), np.int16)
    for number in range(5):
        labels[number] = number + 1
    labels[5] = 6
    return labels


def brain_axis() -> Any:
    made = nibabel.cifti2.BrainModelAxis
    sides = [
        made.from_surface(np.arange(10, PER_SIDE), PER_SIDE, name=f"Cortex{side}")
        for side in ("Left", "Right")
    ]
    below = made.from_mask(np.ones((2, 2, 1), bool), affine=np.eye(4), name="AmygdalaLeft")
    return sides[0] + sides[1] + below


def _cifti(path: Path, data: np.ndarray, axis: Any) -> None:
    series = nibabel.cifti2.SeriesAxis(0.0, TR, len(data))
    nibabel.save(nibabel.cifti2.Cifti2Image(data, (series, axis)), path)


def _atlases(folder: Path, kinds: tuple[str, ...]) -> None:
    folder.mkdir()
    nibabel.save(
        nibabel.Nifti1Image(volume_labels(), np.diag([3.0, 3, 3, 1])), folder / "six.nii.gz"
    )
    rows = [f"{i}\t{name}" for i, name in enumerate(REGIONS, start=1)]
    (folder / "six.tsv").write_text("\n".join(["index\tname", *rows]) + "\n")
    table = {0: ("???", (0, 0, 0, 0))}
    table |= {i: (name, (1, 0, 0, 1)) for i, name in enumerate(REGIONS, start=1)}
    both = []
    for side in range(2):
        labels = np.zeros(PER_SIDE, np.int32)
        for number, at in _stretches(side):
            labels[at] = number + 1
        both.append(labels)
        named = nibabel.gifti.GiftiLabelTable()
        for key, (name, _) in table.items():
            label = nibabel.gifti.GiftiLabel(key)
            label.label = name
            named.labels.append(label)
        array = nibabel.gifti.GiftiDataArray(labels, "NIFTI_INTENT_LABEL")
        image = nibabel.gifti.GiftiImage(darrays=[array], labeltable=named)
        nibabel.save(image, folder / f"six.{'LR'[side]}.label.gii")
    if "dense" in kinds:
        # An atlas of whole surfaces, with the medial wall, and without what lies below.
        made = nibabel.cifti2.BrainModelAxis
        axis = made.from_surface(np.arange(PER_SIDE), PER_SIDE, name="CortexLeft")
        axis = axis + made.from_surface(np.arange(PER_SIDE), PER_SIDE, name="CortexRight")
        labels = np.concatenate(both)[None].astype(np.float32)
        image = nibabel.cifti2.Cifti2Image(
            labels, (nibabel.cifti2.LabelAxis(["six"], [table]), axis)
        )
        nibabel.save(image, folder / "six.dlabel.nii")
