"""Give each layer of a model its new weight, and write down what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from harness.compress.compressor import Compressed
from harness.compress.layers.linear import Layer, block_layers, block_weights, left_alone
from harness.compress.layers.workspace import Workspace
from harness.compress.methods.activations import round_inputs
from harness.compress.methods.moments import output_error
from harness.compress.report.checks import check_changed, check_finite
from harness.compress.report.meter import Meter
from harness.compress.report.summary import INPUT_BITS, CompressionReport, LayerReport
from harness.errors import CompressionError
from harness.lm.anatomy import anatomy

LayerMethod = Callable[[Tensor], Compressed]
"""From a layer's weight (out, in), float32, to what takes its place."""


def rewrite_layers(
    model: nn.Module, method: LayerMethod, workspace: Workspace | None = None
) -> CompressionReport:
    """Compress every linear layer of the blocks by itself, in place.

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model.
    method : callable
        From the weight of a layer to its new weight.
    workspace : Workspace, optional
        Device, and where finished blocks are kept.

    Returns
    -------
    CompressionReport

    Raises
    ------
    CompressionError
        No layer was found, nothing changed, a weight is not finite, or the method refused a layer
        (the message names it).
    """
    workspace = workspace or Workspace()
    parts = anatomy(model)
    layers = block_layers(model)
    parameters = count_parameters(model)
    rows: list[LayerReport] = []
    with Meter(workspace.device_of(parts.blocks[0])) as meter:
        for index, (name, block) in enumerate(zip(parts.block_names, parts.blocks, strict=True)):
            with workspace.visiting(name, block) as device:
                kept = workspace.kept(name)
                done = kept.put_back(block) if kept else _rewrite(layers[index], method, device)
                if not kept:
                    workspace.keep(name, block, done)
            rows += done
            workspace.report_progress(index + 1, len(layers))
    return summarise(model, [layer for block in layers for layer in block], rows, parameters, meter)


def read_weight(layer: Layer, device: torch.device) -> Tensor:
    """Return a copy of a layer's weight (out, in), float32.

    Raises
    ------
    CompressionError
        A weight is NaN or infinite.
    """
    weight = layer.weight(device)
    check_finite(
        weight, layer.name, "the model's files are damaged, or its dtype overflowed; load it again"
    )
    return weight


def put(
    layer: Layer, before: Tensor, compressed: Compressed, moments: Tensor | None = None
) -> LayerReport:
    """Give a layer its new weight, and say what became of it.

    Parameters
    ----------
    layer : Layer
    before : Tensor
        (out, in): its weight as it was.
    compressed : Compressed
        What takes its place.
    moments : Tensor, optional
        (in, in): second moments of its input, to tell the error of its output.

    Returns
    -------
    LayerReport
        Norms are of what the model now holds, its own dtype included.

    Raises
    ------
    CompressionError
        The new weight is NaN or infinite.
    """
    check_finite(
        compressed.weight, layer.name, "the method overflowed here: report it with the model's name"
    )
    layer.assign(compressed.weight)
    after = layer.weight(before.device)
    detail = dict(compressed.detail)
    rounds = compressed.input_bits is not None and layer.takes_input
    if rounds and compressed.input_scale is not None and compressed.input_bits is not None:
        round_inputs(layer.module, compressed.input_scale, compressed.input_bits)
        detail[INPUT_BITS] = compressed.input_bits
    return LayerReport(
        name=layer.name,
        shape=layer.shape,
        packed_bits=compressed.packed_bits,
        zeros=after.numel() - int(torch.count_nonzero(after)),
        weight_norm=frobenius(before),
        weight_change=frobenius(after - before),
        output_error=None if moments is None else output_error(before, after, moments),
        detail=detail,
    )


@contextmanager
def naming(layer: str) -> Iterator[None]:
    """Put the name of a layer in front of what a method has to complain about."""
    try:
        yield
    except CompressionError as error:
        raise CompressionError(f"{layer}: {error.message}", error.hint) from error


def _rewrite(
    layers: Iterable[Layer], method: LayerMethod, device: torch.device
) -> list[LayerReport]:
    rows = []
    for layer in layers:
        before = read_weight(layer, device)
        with naming(layer.name):
            compressed = method(before)
        rows.append(put(layer, before, compressed))
    return rows


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
        block_weights=block_weights(model),
    )
    check_changed(report)
    return report


def count_parameters(model: nn.Module) -> int:
    """Return the number of parameters; a shared (tied) one counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def frobenius(matrix: Tensor) -> float:
    """Return the root of the sum of squares of a matrix, summed in float64."""
    return float(torch.linalg.vector_norm(matrix, dtype=torch.float64))
