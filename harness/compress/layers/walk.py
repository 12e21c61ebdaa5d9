"""One walk over the layers of a model, for every calibrated method.

Blocks are visited in order, on the device one at a time, while the hidden states of the calibration
text flow through them. A method sees the layers that share an input together, with the statistics
of that input, and gives each its new weight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from harness.compress.compressor import Compressed
from harness.compress.layers.enter import enter
from harness.compress.layers.in_turn import observe_in_turn
from harness.compress.layers.linear import Layer, block_layers
from harness.compress.layers.observe import SharedInput, observe
from harness.compress.layers.own_run import eager_experts
from harness.compress.layers.rewrite import count_parameters, naming, put, read_weight, summarise
from harness.compress.layers.stream import Stream
from harness.compress.layers.workspace import KeptBlock, Workspace
from harness.compress.report.meter import Meter
from harness.compress.report.summary import CompressionReport, LayerReport
from harness.compress.text.calibration import Calibration
from harness.errors import CompressionError
from harness.lm.anatomy import anatomy
from harness.numeric.narrow import narrow_on_one_thread

Method = Callable[[Sequence[Tensor], SharedInput], Sequence[Compressed]]
"""From the weights (out, in) of layers with one input, and what is known of it, to new weights."""


class Order(StrEnum):
    """What calibration text a block is measured on.

    ``sequential``: as the compressed blocks before it pass it on, so that a block can make up for
    errors before it (GPTQ, SparseGPT). ``true-sequential`` (the term of GPTQ's authors): within a
    block, too, each group of layers that share an input is measured behind the compressed ones
    before it; each block runs once. ``dense``: as the whole model does; each block runs once.
    """

    SEQUENTIAL = "sequential"
    TRUE_SEQUENTIAL = "true-sequential"
    DENSE = "dense"


def walk(
    model: nn.Module,
    calibration: Calibration | None,
    method: Method,
    *,
    order: Order | str = Order.SEQUENTIAL,
    workspace: Workspace | None = None,
    drift: bool = False,
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
    drift : bool
        Let the text walk through the model as it was, too, so that statistics have a ``drift``:
        how far a layer's inputs are from what they were. It takes the memory of the hidden states
        again, and another run of each block.

    Returns
    -------
    CompressionReport

    Raises
    ------
    CompressionError
        There is no drift in this order, no calibration was given, no layer was found, nothing
        changed, or the method gave a layer up (the message names it).
    """
    order, workspace = Order(order), workspace or Workspace()
    if drift and order is Order.DENSE:
        raise CompressionError(
            "in the order 'dense' every layer is measured on what the model before compression "
            "gives it: nothing has drifted",
            "choose the order 'sequential' or 'true-sequential'",
        )
    tokens = required(calibration).tokens
    parts = anatomy(model)
    parameters = count_parameters(model)
    rows: list[LayerReport] = []
    widest = max(layer.shape[1] for block in block_layers(model) for layer in block)
    meter = Meter(workspace.device_of(parts.blocks[0]))
    with meter, narrow_on_one_thread(widest), eager_experts(model):
        entered = enter(model, tokens, workspace)
        layers = entered.layers
        uncompressed = entered.stream.twin() if drift else None
        visitor = _Visitor(method, order, entered.stream, uncompressed)
        for index, (name, block) in enumerate(zip(parts.block_names, parts.blocks, strict=True)):
            last = index + 1 == len(layers)
            with workspace.visiting(name, block) as device:
                kept = workspace.kept(name)
                if kept is None:
                    done = visitor.compress(block, layers[index], device, last=last)
                    workspace.keep(name, block, done)
                else:
                    done = visitor.put_back(kept, block, device, last=last)
            rows += done
            workspace.report_progress(index + 1, len(layers))
    return summarise(model, [layer for block in layers for layer in block], rows, parameters, meter)


def required(calibration: Calibration | None) -> Calibration:
    """Return the calibration text, or raise CompressionError when there is none."""
    if calibration is None:
        raise CompressionError(
            "this compressor needs calibration text, and none was given",
            "make some with harness.compress.text.calibration.calibrate",
        )
    return calibration


@dataclass(frozen=True)
class _Visitor:
    """What is done with a block; afterwards the stream stands behind it, unless it is the last."""

    method: Method
    order: Order
    stream: Stream
    uncompressed: Stream | None = None

    def compress(
        self, block: nn.Module, layers: Sequence[Layer], device: torch.device, *, last: bool
    ) -> list[LayerReport]:
        if self.order is Order.TRUE_SEQUENTIAL:
            turns = observe_in_turn(
                block,
                layers,
                self.stream,
                device,
                to_the_end=not last,
                uncompressed=self.uncompressed,
            )
            # Closed at once when the method fails, not when its error is forgotten.
            with closing(turns):
                return _compress(turns, layers, self.method)
        if self.order is Order.DENSE and not last:
            # What comes out of the block as it was is what the next one sees.
            seen = observe(block, layers, self.stream, device, advance=True)
            return _compress(seen, layers, self.method)
        seen = observe(
            block,
            layers,
            self.stream,
            device,
            advance=False,
            to_the_end=False,
            uncompressed=self.uncompressed,
        )
        done = _compress(seen, layers, self.method)
        if not last:
            self.stream.advance(block, device)
        return done

    def put_back(
        self, kept: KeptBlock, block: nn.Module, device: torch.device, *, last: bool
    ) -> list[LayerReport]:
        if self.order is Order.DENSE and not last:
            self.stream.advance(block, device)
        if self.uncompressed is not None and not last:
            self.uncompressed.advance(block, device)
        done = kept.put_back(block)
        if self.order is not Order.DENSE and not last:
            self.stream.advance(block, device)
        return done


def _compress(
    seen: Iterable[SharedInput], layers: Sequence[Layer], method: Method
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
