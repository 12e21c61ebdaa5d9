"""Small images in the layout of published ones, with a signal in the regions of language."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

SHAPE = (9, 12, 9)
AFFINE = np.array([[10.0, 0, 0, -66], [0, 10.0, 0, -66], [0, 0, 10.0, -36], [0, 0, 0, 1.0]])


def write_image(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE) -> Path:
    """Write (x, y, z, volume) as a compressed image."""
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), affine), path)
    return path


def noisy(signal: np.ndarray, seed: int, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """Every voxel has the signal (volume,) and noise of its own; the first slice is outside."""
    rng = np.random.default_rng(seed)
    values = 100 + 3 * signal + 3 * rng.normal(size=(*shape, len(signal)))
    values[0] = 0
    return values


def cut(path: Path) -> None:
    """Cut the content of a compressed image in half; what compresses it stays whole."""
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[: len(content) // 2]))


def late(signal: np.ndarray, by: int) -> np.ndarray:
    """The same (volume,) some volumes later."""
    return np.r_[np.zeros(by), signal[:-by]]
