"""The layers a compressor works on, whatever the architecture calls them.

A :class:`Layer` shows every linear map of a model's blocks as one (out, in) matrix: ``nn.Linear``
stores it so, GPT-2's ``Conv1D`` stores its transpose. Embeddings, the output head and norms are
left alone, as in the papers of all methods here, and the report names each.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.errors import CompressionError
from harness.lm.anatomy import anatomy, linear_layers, stores_transpose


@dataclass(frozen=True)
class Layer:
    """A linear map of a block.

    Parameters
    ----------
    name : str
        Path of the module in the model.
    module : nn.Module
        ``nn.Linear`` or ``Conv1D``.
    """

    name: str
    module: nn.Module

    @property
    def transposed(self) -> bool:
        """Whether the module stores (in, out)."""
        return stores_transpose(self.module)

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in)."""
        rows, width = self._stored.shape
        return (width, rows) if self.transposed else (rows, width)

    @property
    def device(self) -> torch.device:
        """Where the weight is."""
        return self._stored.device

    def weight(self, device: torch.device | str | None = None) -> Tensor:
        """Return a copy of the weight, (out, in), float32, contiguous."""
        stored = self._stored.detach()
        matrix = stored.T if self.transposed else stored
        return matrix.to(device=device, dtype=torch.float32, copy=True).contiguous()

    def assign(self, weight: Tensor) -> None:
        """Put an (out, in) weight in place, in the model's own dtype and device."""
        with torch.no_grad():
            self._stored.copy_(weight.T if self.transposed else weight)

    @property
    def _stored(self) -> Tensor:
        weight = self.module.weight
        assert isinstance(weight, Tensor)
        return weight


def block_layers(model: nn.Module) -> list[list[Layer]]:
    """Return the linear layers of each block, in the order of the blocks.

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model.

    Raises
    ------
    CompressionError
        No block has a linear layer.
    ModelError
        The blocks cannot be found.
    """
    parts = anatomy(model)
    found = [
        [Layer(f"{name}.{path}", module) for path, module in linear_layers(block).items()]
        for name, block in zip(parts.block_names, parts.blocks, strict=True)
    ]
    if not any(found):
        raise CompressionError(
            f"{type(model).__name__} has no linear layer in its {len(found)} blocks: looked for "
            "nn.Linear and Conv1D modules with a two-dimensional weight",
            "a model whose weights are packed already cannot be compressed again",
        )
    return found


def left_alone(model: nn.Module, layers: list[Layer]) -> dict[str, str]:
    """Say why each module with weights that is not among ``layers`` is not compressed.

    Returns
    -------
    dict
        Path of the module to the reason.
    """
    parts = anatomy(model)
    taken = {id(layer.module) for layer in layers}
    reasons = {}
    for name, module in model.named_modules():
        if id(module) in taken or not any(True for _ in module.parameters(recurse=False)):
            continue
        reasons[name] = _reason(module, parts.embedding, parts.head)
    return reasons


def _reason(module: nn.Module, embedding: nn.Module, head: nn.Module | None) -> str:
    if module is embedding:
        return "input embedding: a table, not a linear map"
    if module is head:
        return "output head: compressing it costs more than it saves, and no paper here does"
    if isinstance(module, nn.Embedding):
        return "embedding: a table, not a linear map"
    if "norm" in type(module).__name__.lower():
        return "norm: a vector a block"
    return f"{type(module).__name__}: not a linear layer of a block"
