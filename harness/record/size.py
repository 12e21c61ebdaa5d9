"""How large a recording will be, before it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.record.request import Measure, Request


def recording_bytes(request: Request, config: Mapping[str, Any]) -> int:
    """Return the bytes of the answer to a request in float32, by the model's configuration."""
    rows = sum(request.readout.rows(request.stimuli))
    if request.measure is not Measure.HIDDEN:
        return rows * 4
    layers = int(config.get("num_hidden_layers", config.get("n_layer", 12))) + 1
    units = int(config.get("hidden_size", config.get("n_embd", 768)))
    return rows * layers * units * 4
