"""One walk over the layers of a model, for every calibrated method.

Blocks are visited in order, on the device one at a time, while the hidden states of the calibration
text flow through them. A method sees the layers that share an input together, with the statistics
of that input, and gives each its new weight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum

from torch import Tensor, nn

from harness.compress.calibration import Calibration
from harness.compress.compressor import Compressed
from harness.compress.layers import Layer, block_layers
from harness.compress.meter import Meter
from harness.compress.observe import SharedInput, observe
from harness.compress.report import CompressionReport, LayerReport
from harness.compress.rewrite import count_parameters, naming, put, read_weight, summarise
from harness.compress.stream import enter
from harness.compress.workspace import Workspace
from harness.errors import CompressionError
from harness.lm.anatomy import anatomy

Method = Callable[[Sequence[Tensor], SharedInput], Sequence[Compressed]]
"""From the weights (out, in) of layers with one input, and what is known of it, to new weights."""


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
    method: Method,
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
    order, workspace = Order(order), workspace or Workspace()
    tokens = required(calibration).tokens
    parts = anatomy(model)
    layers = block_layers(model)
    parameters = count_parameters(model)
    rows: list[LayerReport] = []
    with Meter(workspace.device_of(parts.blocks[0])) as meter:
        stream = enter(model, tokens)
        for index, (name, block) in enumerate(zip(parts.block_names, parts.blocks, strict=True)):
            with workspace.visiting(name, block) as device:
                kept = workspace.kept(name)
                if order is Order.DENSE:
                    # What comes out of the block as it was is what the next one sees.
                    passes: Iterator[object] = stream.passing(block, device)
                    seen = observe(block, [] if kept else layers[index], passes)
                elif kept is None:
                    passes = stream.looking(block, device)
                    seen = observe(block, layers[index], passes, to_the_end=False)
                if kept is None:
                    done = _compress(seen, layers[index], method)
                    workspace.keep(name, block, done)
                else:
                    done = kept.put_back(block)
                if order is Order.SEQUENTIAL and index + 1 < len(layers):
                    stream.advance(block, device)
            rows += done
            workspace.report_progress(index + 1, len(layers))
    return summarise(model, [layer for block in layers for layer in block], rows, parameters, meter)


def required(calibration: Calibration | None) -> Calibration:
    """Return the calibration text, or raise CompressionError when there is none."""
    if calibration is None:
        raise CompressionError(
            "this compressor needs calibration text, and none was given",
            "make some with harness.compress.calibration.calibrate",
        )
    return calibration


def _compress(
    seen: Sequence[SharedInput], layers: Sequence[Layer], method: Method
) -> list[LayerReport]:
    """Give the layers of a block their new weights; rows come in the order of the layers."""
    rows = {}
    for shared in seen:
        moments = shared.statistics.moments
        before = [read_weight(layer, moments.device) for layer in shared.layers]
        with naming(" and ".join(layer.name for layer in shared.layers)):
            after = method(before, shared)
        for layer, old, new in zip(shared.layers, before, after, strict=True):
            rows[layer.name] = put(layer, old, new, moments)
    return [rows[layer.name] for layer in layers]
