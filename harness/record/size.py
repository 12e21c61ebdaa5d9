"""How large a recording will be, and how it is laid out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.record.request import Measure, Request

FLOAT = 4
"""Bytes of a number of a recording."""
HELD = 2**28
"""Bytes of the recordings of one pass that are held in memory; larger ones are in files."""
CHUNK = 2**26
"""Bytes of a chunk of a stored recording, at most."""

Shape = tuple[int, int, int]
"""Rows, layers, units."""


def recording_bytes(request: Request, config: Mapping[str, Any]) -> int:
    """Return the bytes of the answer to a request in float32, by the model's configuration."""
    rows = sum(request.readout.rows(request.stimuli))
    if request.measure is not Measure.HIDDEN:
        return rows * FLOAT
    layers = int(config.get("num_hidden_layers", config.get("n_layer", 12))) + 1
    units = int(config.get("hidden_size", config.get("n_embd", 768)))
    return bytes_of((rows, layers, units))


def bytes_of(shape: Shape) -> int:
    """Return the bytes of a recording."""
    return math.prod(shape) * FLOAT


def held_bytes(nbytes: int) -> int:
    """Return about how much memory a pass takes for recordings of some size.

    Its values, and as much again while they are stored.
    """
    return 2 * min(nbytes, HELD)


def chunk_of(shape: Shape) -> Shape:
    """Return the chunks in which a recording is stored: rows of one layer."""
    rows, _, units = shape
    # As even as can be: the last chunk takes as much of the disk as the others.
    pieces = math.ceil(rows / max(1, CHUNK // (units * FLOAT)))
    return max(1, math.ceil(rows / max(1, pieces))), 1, units


def layer_file(folder: Path, layer: int) -> Path:
    """Where a layer of a recording in files is."""
    return folder / f"{layer}.f32"
