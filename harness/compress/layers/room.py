"""How much memory a calibrated compression takes, from the shapes of a model alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from harness.compress.layers.enter import BATCH_TOKENS
from harness.compress.layers.linear import Layer, block_layers
from harness.lm.anatomy import anatomy
from harness.record.request import Measure
from harness.record.size import pass_bytes

_FLOAT = 4
_FACTORS = 24
"""Bytes an entry of a moment matrix while its factor is made: the matrix, its inverse factor and
the copy that turns this around, in float64."""
_MOMENTS = 8
"""The moments beside, as they were added up and in the order of the sweep, in float32."""
_DRIFT = 8
"""The drift of inputs, as it was added up and in the order of the sweep. P comes when two of the
three matrices of the factor have gone."""
_ROWS = 6
"""Float32 copies of the weights of layers that are swept together: as they were, stacked, in the
order of the sweep, and three of the sweep's own."""


@dataclass(frozen=True)
class WalkRoom:
    """Memory of a compression with calibration, in bytes.

    Parameters
    ----------
    outside : int
        Embeddings, head and norms, where the model is.
    blocks : int
        All blocks, at home: in memory, or 0 where they stay on disk.
    block : int
        The largest block, on the device.
    states : int
        Hidden states of the calibration text, on the CPU, as many times as it walks.
    work : int
        What is made of a block on the device: activations, second moments, one sweep.
    factors : int
        The share of ``work`` that goes to the CPU where the device has no room for it.
    """

    outside: int
    blocks: int
    block: int
    states: int
    work: int
    factors: int

    @property
    def host(self) -> int:
        """Peak of the host where it does all the work."""
        at_home = self.outside + self.states + self.work
        return at_home + (self.blocks or self.block)

    @property
    def device(self) -> int:
        """Peak of an accelerator that has room for the factors."""
        return self.block + self.work

    @property
    def device_least(self) -> int:
        """Peak of an accelerator that leaves the factors to the CPU."""
        return self.block + self.work - self.factors

    @property
    def host_beside(self) -> int:
        """Peak of the host beside an accelerator, should the factors come to it."""
        return self.outside + self.states + self.blocks + self.factors


def walk_room(
    model: nn.Module, tokens: int, length: int, *, streams: int = 1, on_disk: bool = False
) -> WalkRoom:
    """Estimate the memory of a walk with a sweep (GPTQ, SparseGPT) in every layer.

    Other methods on the walk take less: they make no factors, or none in float64.

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model; its parameters may be on the ``meta`` device.
    tokens : int
        Tokens of the calibration text.
    length : int
        Tokens of one sample.
    streams : int
        How many times the text walks: 2 for GPTAQ.
    on_disk : bool
        Whether blocks stay on disk but for the one that is worked on.

    Returns
    -------
    WalkRoom
    """
    network: Any = model
    config = network.config.get_text_config()
    parts = anatomy(model)
    sizes = [sum(p.nbytes for p in block.parameters()) for block in parts.blocks]
    inside = {id(p) for block in parts.blocks for p in block.parameters()}
    shared = {id(p): p.nbytes for p in model.parameters()}
    width = network.get_input_embeddings().weight
    batch = max(length, BATCH_TOKENS // length * length)
    works = [_work(block, streams) for block in block_layers(model) if block]
    work, factors = max(works)
    return WalkRoom(
        outside=sum(nbytes for key, nbytes in shared.items() if key not in inside),
        blocks=0 if on_disk else sum(nbytes for key, nbytes in shared.items() if key in inside),
        block=max(sizes),
        states=streams * tokens * width.shape[1] * width.element_size(),
        work=work + pass_bytes(batch, config, Measure.HIDDEN) - _FLOAT * 2 * batch**2,
        factors=factors,
    )


def _work(layers: Iterable[Layer], streams: int) -> tuple[int, int]:
    """Return bytes of moments and one sweep in a block, and how many of these are factors."""
    groups: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for layer in layers:
        owner = layer.name.rpartition(".")[0], layer.expert and layer.expert.index
        groups.setdefault((*owner, layer.shape[1]), []).append(layer.shape)
    squares = {key: shapes[0][1] ** 2 for key, shapes in groups.items()}
    drift = _FLOAT if streams > 1 else 0
    waiting = sum((_FLOAT + drift) * square for square in squares.values())
    most = factors = 0
    for key, shapes in groups.items():
        square = squares[key]
        beside = waiting - (_FLOAT + drift) * square
        rows = _ROWS * _FLOAT * square**0.5 * sum(rows for rows, _ in shapes)
        swept = (_FACTORS + _MOMENTS + (_DRIFT if drift else 0)) * square
        if beside + swept + rows > most:
            most, factors = int(beside + swept + rows), _FACTORS * square
    return most, factors


def empty_model(config: Any, dtype: torch.dtype) -> nn.Module:
    """Return a causal language model of a shape, without values.

    Parameters
    ----------
    config : PretrainedConfig
    dtype : torch.dtype
        Of its parameters.
    """
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model: nn.Module = AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.tie_weights()  # type: ignore[operator]
    return model
