"""The layers a compressor works on, whatever the architecture calls them.

A :class:`Layer` shows every linear map of a model's blocks as one (out, in) matrix: ``nn.Linear``
stores it so, GPT-2's ``Conv1D`` stores its transpose, and a mixture of experts stores those of all
experts in one parameter. Embeddings, the output head, norms and routers are left alone, as in the
papers of all methods here, and the report names each.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harness.errors import CompressionError
from harness.lm.anatomy import Anatomy, anatomy, linear_layers, stacked_experts, stores_transpose

_UNFUSED = re.compile(r"(.*\bexperts)\.(\d+)\.(.*)")
"""Path of a layer of one expert, where every expert is a module of its own."""
_ROUTERS = ("gate", "router")


@dataclass(frozen=True)
class Expert:
    """Which expert of a mixture a layer is of.

    Parameters
    ----------
    mixture : str
        Path of the module that holds all experts.
    index : int
        Number of the expert.
    role : str
        Which of the expert's layers this is.
    """

    mixture: str
    index: int
    role: str


@dataclass(frozen=True)
class Layer:
    """A linear map of a block.

    Parameters
    ----------
    name : str
        Path of the module in the model; of an expert in a stacked parameter, that of the parameter
        with the expert's number behind it: ``model.layers.0.mlp.experts.down_proj[3]``.
    module : nn.Module
        ``nn.Linear``, ``Conv1D``, or what holds the experts.
    expert : Expert, optional
        Which expert it is of; None outside a mixture.
    parameter : str
        Name of its weight in the module.
    stored_transposed : bool
        Whether a slice of a stacked parameter is (in, out).
    """

    name: str
    module: nn.Module
    expert: Expert | None = None
    parameter: str = "weight"
    stored_transposed: bool = False

    @property
    def is_slice(self) -> bool:
        """Whether the layer is a slice of a parameter, and no module of its own."""
        return self.name.endswith("]")

    @property
    def transposed(self) -> bool:
        """Whether the weight is stored as (in, out)."""
        return self.stored_transposed or stores_transpose(self.module)

    @property
    def shape(self) -> tuple[int, int]:
        """(out, in)."""
        rows, width = self._stored.shape
        return (width, rows) if self.transposed else (rows, width)

    @property
    def device(self) -> torch.device:
        """Where the weight is."""
        return self._stored.device

    @property
    def address(self) -> int:
        """Where the weight lies in memory: what it is known by in a product."""
        return self._stored.data_ptr()

    @property
    def identity(self) -> tuple[int, int]:
        """What two layers have in common that are one and the same weight."""
        return id(getattr(self.module, self.parameter)), self.expert.index if self.is_slice else -1  # type: ignore[union-attr]

    @property
    def takes_input(self) -> bool:
        """Whether the layer multiplies what its module is called with.

        The second product of stacked experts does not: what it multiplies is made in the module.
        """
        if not self.is_slice:
            return True
        stacked = (n for n, p in self.module.named_parameters(recurse=False) if p.ndim == 3)
        return next(stacked) == self.parameter

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
        weight = getattr(self.module, self.parameter)
        assert isinstance(weight, Tensor)
        if self.is_slice:
            assert self.expert is not None
            return weight[self.expert.index]
        return weight


def block_layers(model: nn.Module) -> list[list[Layer]]:
    """Return the linear layers of each block, in the order of the blocks.

    A layer that several blocks share is listed with the first of them only. Routers of a mixture of
    experts, and gates of one output, are no layers here.

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model.

    Raises
    ------
    CompressionError
        No block has a linear layer, or weights are packed already.
    ModelError
        The blocks cannot be found.
    """
    found = each_once(all_layers(model))
    if not any(found):
        raise CompressionError(
            f"{type(model).__name__} has no linear layer in its {len(found)} blocks: looked for "
            "nn.Linear and Conv1D modules with a two-dimensional weight, and stacked experts",
            "a model whose weights are packed already cannot be compressed again",
        )
    return found


def all_layers(model: nn.Module) -> list[list[Layer]]:
    """Return the linear layers of each block, one that blocks share with each of them."""
    parts = anatomy(model)
    return [
        list(_layers(name, block))
        for name, block in zip(parts.block_names, parts.blocks, strict=True)
    ]


def each_once(blocks: Sequence[Sequence[Layer]]) -> list[list[Layer]]:
    """Keep of each layer the first."""
    seen: set[tuple[int, int]] = set()
    kept = []
    for layers in blocks:
        fresh = [layer for layer in layers if layer.identity not in seen]
        seen |= {layer.identity for layer in fresh}
        kept.append(fresh)
    return kept


def _layers(block_name: str, block: nn.Module) -> Iterator[Layer]:
    linear = linear_layers(block)
    for path, module in block.named_modules():
        name = f"{block_name}.{path}"
        if path in linear:
            _check_dense(name, module)
            if not _is_gate(block, path, module):
                yield Layer(name, module, _expert_of(name))
        for stacked in stacked_experts(path, module):
            for index in range(len(getattr(module, stacked.parameter))):
                place = f"{name}.{stacked.parameter}[{index}]"
                expert = Expert(name, index, stacked.parameter)
                yield Layer(place, module, expert, stacked.parameter, stacked.transposed)


def _expert_of(name: str) -> Expert | None:
    match = _UNFUSED.fullmatch(name)
    return Expert(match[1], int(match[2]), match[3]) if match else None


def _is_gate(block: nn.Module, path: str, module: nn.Module) -> bool:
    """Whether a linear layer only says how much of something else is taken."""
    weight = module.weight
    if isinstance(weight, Tensor) and not stores_transpose(module) and len(weight) == 1:
        return True
    parent, _, leaf = path.rpartition(".")
    return leaf in _ROUTERS and hasattr(block.get_submodule(parent), "experts")


def _check_dense(name: str, module: nn.Module) -> None:
    """Refuse weights that hold codes, whatever library packed them."""
    weight = getattr(module, "weight", None)
    if isinstance(weight, Tensor) and weight.dtype in _DENSE and weight.ndim == 2:
        return
    kind = "no weight" if weight is None else f"weights of {weight.dtype}"
    raise CompressionError(
        f"{name} ({type(module).__name__}) has {kind}: this model is packed already",
        "compress the model that it was made from",
    )


_DENSE = (torch.float32, torch.float64, torch.bfloat16, torch.float16)


def left_alone(model: nn.Module, layers: Collection[Layer]) -> dict[str, str]:
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
        reasons[name] = _reason(name, module, parts)
    return reasons


def _reason(name: str, module: nn.Module, parts: Anatomy) -> str:
    if module is parts.embedding:
        return "input embedding: a table, not a linear map"
    if module is parts.head:
        return "output head: compressing it costs more than it saves, and no paper here does"
    if isinstance(module, nn.Embedding):
        return "embedding: a table, not a linear map"
    kind = type(module).__name__
    if "norm" in kind.lower():
        return "norm: a vector a block"
    if "Conv" in kind:
        return f"{kind}: a convolution over time, not a linear map of a token"
    if "Router" in kind or name.rpartition(".")[2] in (*_ROUTERS, "shared_expert_gate"):
        return "router: it says which experts a token reaches, or how much of one is taken"
    if "Experts" in kind:
        return f"{kind}: experts in a layout that is not known"
    if any(parameter.ndim >= 2 for parameter in module.parameters(recurse=False)):
        return f"{kind}: its weights are no linear map that is known (state space, mixing)"
    return f"{kind}: not a linear layer of a block"


def block_weights(model: nn.Module) -> int:
    """Count the weights of the blocks that are matrices (or stacks, or kernels), each one once.

    What compression covers is a share of these; vectors (norms, biases) are not counted.
    """
    matrices = {
        id(parameter): parameter.numel()
        for block in anatomy(model).blocks
        for parameter in block.parameters()
        if parameter.ndim >= 2
    }
    return sum(matrices.values())
