"""One walk over the layers of a model, for every calibrated method.

Blocks are visited in order, on the device one at a time, while the hidden states of the calibration
text flow through them. A method sees the layers that share an input together, with the statistics
of that input, and gives each its new weight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

from torch import Tensor, nn

from harness.compress.calibration import Calibration
from harness.compress.compressor import Compressed
from harness.compress.layers import Layer, block_layers
from harness.compress.meter import Meter
from harness.compress.moments import InputStatistics
from harness.compress.observe import Group, observe
from harness.compress.report import CompressionReport, LayerReport
from harness.compress.rewrite import count_parameters, naming, put, read_weight, summarise
from harness.compress.stream import enter
from harness.compress.workspace import Workspace
from harness.errors import CompressionError
from harness.lm.anatomy import anatomy

GroupMethod = Callable[[Sequence[Tensor], InputStatistics], Sequence[Compressed]]
"""From the weights (out, in) of layers with one input, and its statistics, to their new weights."""


class Order(StrEnum):
    """What calibration text a block is measured on.

    ``sequential``: as the compressed blocks before it pass it on, so that a block can make up for
    errors before it (GPTQ, SparseGPT). ``dense``: as the whole model does; each block runs once.
    """

    SEQUENTIAL = "sequential"
    DENSE = "dense"


def walk(
    model: nn.Module,
    calibration: Calibration | None,
    method: GroupMethod,
    *,
    order: Order | str = Order.SEQUENTIAL,
    workspace: Workspace | None = None,
) -> CompressionReport:
    """Compress every linear layer of the blocks with calibration, in place.

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model.
    calibration : Calibration
        The text.
    method : callable
        From the weights of layers that share an input to what takes their place.
    order : Order
        What a block is measured on.
    workspace : Workspace, optional
        Device, and where finished blocks are kept.

    Returns
    -------
    CompressionReport

    Raises
    ------
    CompressionError
        No calibration was given, no layer was found, nothing changed, or the method gave a layer up
        (the message names it).
    """
    if calibration is None:
        raise CompressionError(
            "this compressor needs calibration text, and none was given",
            "make some with harness.compress.calibration.calibrate",
        )
    order, workspace = Order(order), workspace or Workspace()
    parts = anatomy(model)
    layers = block_layers(model)
    parameters = count_parameters(model)
    rows: list[LayerReport] = []
    with Meter(workspace.device_of(parts.blocks[0])) as meter:
        stream = enter(model, calibration.tokens)
        for index, (name, block) in enumerate(zip(parts.block_names, parts.blocks, strict=True)):
            with workspace.visiting(block) as device:
                kept = workspace.kept(name)
                wanted = [] if kept else layers[index]
                if order is Order.DENSE:
                    groups = observe(wanted, stream.passing(block, device))
                else:
                    groups = observe(wanted, stream.outputs(block, device)) if wanted else []
                done = kept.put_back(block) if kept else _compress(groups, wanted, method)
                if not kept:
                    workspace.keep(name, block, done)
                if order is Order.SEQUENTIAL and index + 1 < len(layers):
                    stream.advance(block, device)
            rows += done
            workspace.report_progress(index + 1, len(layers))
    return summarise(model, [layer for block in layers for layer in block], rows, parameters, meter)


def _compress(
    groups: Sequence[Group], layers: Sequence[Layer], method: GroupMethod
) -> list[LayerReport]:
    """Give the layers of a block their new weights; rows come in the order of the layers."""
    rows = {}
    for group in groups:
        device = group.inputs.moments.device
        before = [read_weight(layer, device) for layer in group.layers]
        with naming(" and ".join(layer.name for layer in group.layers)):
            after = method(before, group.inputs)
        for layer, old, new in zip(group.layers, before, after, strict=True):
            rows[layer.name] = put(layer, old, new, group.inputs.moments)
    return [rows[layer.name] for layer in layers]
