"""Give each layer of a model its new weight, and write down what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from harness.compress.checks import check_changed, check_finite
from harness.compress.compressor import Compressed
from harness.compress.layers import Layer, block_layers, left_alone
from harness.compress.meter import Meter
from harness.compress.report import CompressionReport, LayerReport
from harness.errors import CompressionError

Method = Callable[[Layer, Tensor], Compressed]
"""From a layer and its weight (out, in), float32, to what takes its place."""


def rewrite_layers(
    model: nn.Module, method: Method, device: torch.device | str | None = None
) -> CompressionReport:
    """Compress every linear layer of the blocks by itself, in place.

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model.
    method : callable
        From a layer and its weight to its new weight.
    device : torch.device or str, optional
        Where the method works; None: where each layer is.

    Returns
    -------
    CompressionReport

    Raises
    ------
    CompressionError
        No layer was found, nothing changed, a weight is not finite, or the method refused a layer
        (the message names it).
    """
    layers = [layer for block in block_layers(model) for layer in block]
    parameters = count_parameters(model)
    with Meter(device or layers[0].device) as meter:
        rows = [rewrite(layer, method, device) for layer in layers]
    return summarise(model, layers, rows, parameters, meter)


def rewrite(layer: Layer, method: Method, device: torch.device | str | None = None) -> LayerReport:
    """Compress one layer in place.

    Returns
    -------
    LayerReport
        Norms are of what the model now holds, its own dtype included.
    """
    before = layer.weight(device)
    check_finite(
        before, layer.name, "the model's files are damaged, or its dtype overflowed; load it again"
    )
    try:
        compressed = method(layer, before)
    except CompressionError as error:
        raise CompressionError(f"{layer.name}: {error.message}", error.hint) from error
    check_finite(
        compressed.weight, layer.name, "the method overflowed here: report it with the model's name"
    )
    layer.assign(compressed.weight)
    after = layer.weight(device)
    return LayerReport(
        name=layer.name,
        shape=layer.shape,
        packed_bits=compressed.packed_bits,
        zeros=int((after == 0).sum()),
        weight_norm=_norm(before),
        weight_change=_norm(after - before),
        detail=compressed.detail,
    )


def summarise(
    model: nn.Module,
    layers: Iterable[Layer],
    rows: Iterable[LayerReport],
    parameters: int,
    meter: Meter,
    restore: Mapping[str, Any] | None = None,
) -> CompressionReport:
    """Put the layers' reports together, and check that something changed.

    Parameters
    ----------
    model : nn.Module
        The compressed model.
    layers, rows : iterable
        The layers that were compressed, and what became of them.
    parameters : int
        Parameters of the model before.
    meter : Meter
        Time and memory.
    restore : mapping, optional
        What weights alone do not say of the compressed model.
    """
    layers, rows = list(layers), tuple(rows)
    report = CompressionReport(
        layers=rows,
        skipped=left_alone(model, layers),
        parameters=parameters,
        remaining=count_parameters(model) - sum(row.weights for row in rows),
        seconds=meter.seconds,
        peak_memory=meter.peak_memory,
        restore=restore or {},
    )
    check_changed(report)
    return report


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters; a shared (tied) one counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def _norm(matrix: Tensor) -> float:
    return float(torch.linalg.vector_norm(matrix, dtype=torch.float64))
