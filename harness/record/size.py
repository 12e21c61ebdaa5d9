"""How large a recording will be, and how it is laid out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.place import memory
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


def pass_bytes(n_tokens: int, config: Any, measure: Measure) -> int:
    """Return about how much memory reading tokens at once takes beside the model, in bytes.

    Parameters
    ----------
    n_tokens : int
    config : PretrainedConfig
        With ``hidden_size`` and ``vocab_size``.
    measure : Measure

    Notes
    -----
    Measured: log-probabilities peak at 2.2 times their logits; states in a block are a few times
    as wide as the stream, and a mask is as long as it is wide.
    """
    units = int(getattr(config, "hidden_size", 0) or 768)
    inner = int(getattr(config, "intermediate_size", 0) or 4 * units)
    logits = 0 if measure is Measure.HIDDEN else 5 * int(config.vocab_size) // 2
    return FLOAT * n_tokens * (6 * units + 4 * inner + logits + 2 * n_tokens)


def fitting(n_tokens: int, longest: int, config: Any, measure: Measure) -> int:
    """Return how many tokens to read at once, as many as asked for or as memory holds.

    Parameters
    ----------
    n_tokens : int
        Most tokens of a batch.
    longest : int
        Tokens that cannot be parted.
    config, measure
        See :func:`pass_bytes`.

    Raises
    ------
    NotEnoughMemory
        What cannot be parted does not fit.
    """
    if (room := memory.available()) is None:
        return n_tokens
    memory.check_room(
        pass_bytes(longest, config, measure), f"reading {longest} tokens at once", memory.HINT
    )
    while n_tokens > longest and pass_bytes(n_tokens, config, measure) > memory.SHARE * room.size:
        n_tokens = max(longest, n_tokens // 2)
    return n_tokens


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
