"""The parts of a decoder-only language model, whatever its architecture calls them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from harness.errors import ModelError

_BLOCKS = (
    "model.layers",  # Llama, Qwen, Mistral, Phi-3, Gemma
    "transformer.h",  # GPT-2
    "gpt_neox.layers",
    "model.decoder.layers",  # OPT
    "model.language_model.layers",  # the language half of a model that also sees
)
_FINAL_NORMS = (
    "norm",
    "ln_f",
    "final_layer_norm",
    "final_layernorm",
    "final_norm",
    "norm_f",
    "ln_out",  # RWKV
    "embedding_norm",  # LFM2
    "layer_norm",  # XGLM, BioGPT
    "layernorm",  # CTRL
    "out_norm",  # xLSTM
)
"""What the norm after the last block is called, beside the list of blocks."""


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The parts of a language model, in the order in which a token meets them.

    Parameters
    ----------
    embedding : nn.Module
        From token numbers to vectors.
    blocks : tuple of nn.Module
        The decoder's blocks; none in a static model.
    block_names : tuple of str
        Path of each block in the model.
    final_norm : nn.Module, optional
        The norm after the last block; None where there is none.
    head : nn.Module, optional
        From vectors to logits; None in a static model.
    """

    embedding: nn.Module
    blocks: tuple[nn.Module, ...]
    block_names: tuple[str, ...]
    final_norm: nn.Module | None
    head: nn.Module | None


class StaticEmbedding(nn.Module):
    """A model's input embedding as a model of its own.

    Parameters
    ----------
    embedding : nn.Module
        From token numbers (batch, token) to vectors (batch, token, unit).
    config : PretrainedConfig
        Of the model it is from.
    """

    def __init__(self, embedding: nn.Module, config: Any) -> None:
        super().__init__()
        self.embedding = embedding
        self.config = config

    @property
    def dtype(self) -> torch.dtype:
        """Of the vectors, as a model of transformers says it of its weights."""
        return next(self.parameters()).dtype

    def forward(self, input_ids: Any, **_: Any) -> Any:
        """Return the vectors of the tokens, (batch, token, unit); what else is given is ignored."""
        return self.embedding(input_ids)


def anatomy(model: nn.Module) -> Anatomy:
    """Find the parts of a decoder-only causal language model.

    Blocks are looked for where the common architectures have them, then anywhere: they are the one
    ``ModuleList``, not inside another such list, with as many members as the config has layers.

    Raises
    ------
    ModelError
        The blocks or the embedding cannot be found; the message says what was looked for.
    """
    if isinstance(model, StaticEmbedding):
        return Anatomy(model.embedding, (), (), None, None)
    path, blocks = _find_blocks(model)
    holder_name = path.rpartition(".")[0]
    holder = model.get_submodule(holder_name)
    embedding = _accessor(model, "get_input_embeddings")
    if embedding is None:
        raise ModelError(
            f"{type(model).__name__} has no input embedding: looked for get_input_embeddings()"
        )
    norms = (getattr(holder, name, None) for name in _FINAL_NORMS)
    return Anatomy(
        embedding=embedding,
        blocks=tuple(blocks),
        block_names=tuple(f"{path}.{i}" for i in range(len(blocks))),
        final_norm=next((norm for norm in norms if isinstance(norm, nn.Module)), None),
        head=_accessor(model, "get_output_embeddings"),
    )


def linear_layers(block: nn.Module) -> dict[str, nn.Module]:
    """Return the linear maps of a block by their path in it, in the order of definition.

    These are ``nn.Linear`` and GPT-2's ``Conv1D``, which stores the transpose: see
    :func:`stores_transpose`.
    """
    return {
        name: module
        for name, module in block.named_modules()
        if isinstance(module, nn.Linear) or stores_transpose(module)
    }


def stores_transpose(module: nn.Module) -> bool:
    """Whether a linear map stores its weight as (in, out), as GPT-2's ``Conv1D`` does."""
    # By name: transformers is not imported for it, and it is the only such module.
    weight = getattr(module, "weight", None)
    return type(module).__name__ == "Conv1D" and getattr(weight, "ndim", 0) == 2


@dataclass(frozen=True)
class StackedExperts:
    """A parameter (expert, rows, columns) that holds one linear map of every expert of a block.

    Parameters
    ----------
    path : str
        Of the module in the block.
    module : nn.Module
        Holds the parameter.
    parameter : str
        Its name in the module.
    transposed : bool
        Whether a map is stored as (in, out).
    """

    path: str
    module: nn.Module
    parameter: str
    transposed: bool


def stacked_experts(path: str, module: nn.Module) -> list[StackedExperts]:
    """Return the parameters of a module that hold linear maps of experts, in order of definition.

    transformers says of most experts how they are stored (``is_transposed``); the one kind of which
    it does not stores (out, in). Experts of any other layout are not taken for linear maps.

    Parameters
    ----------
    path : str
        Of the module in its block.
    module : nn.Module
        Any module of a block.
    """
    kind = type(module).__name__
    if "Experts" not in kind or kind.startswith("Llama4"):
        return []  # Llama 4 multiplies all tokens with all experts, in one batched product
    transposed = getattr(module, "is_transposed", None)
    if transposed is None and not kind.endswith("ParallelExperts"):
        return []
    return [
        StackedExperts(path, module, name, bool(transposed))
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.ndim == 3
    ]


def _find_blocks(model: nn.Module) -> tuple[str, nn.ModuleList]:
    for path in _BLOCKS:
        try:
            found = model.get_submodule(path)
        except AttributeError:
            continue
        if isinstance(found, nn.ModuleList) and len(found):
            return path, found
    count = _layer_count(model)
    lists = list(_module_lists(model))
    fitting = {path: module for path, module in lists if len(module) == count}
    outermost = [
        path for path in fitting if not any(path.startswith(f"{other}.") for other in fitting)
    ]
    if len(outermost) == 1:
        return outermost[0], fitting[outermost[0]]
    seen = ", ".join(f"{path} ({len(module)})" for path, module in lists) or "none"
    raise ModelError(
        f"cannot find the blocks of {type(model).__name__}: looked for {', '.join(_BLOCKS)}, then "
        f"for one ModuleList of config.num_hidden_layers = {count} members; its lists are: {seen}",
        "decoder-only language models are supported",
    )


def _layer_count(model: nn.Module) -> int | None:
    config: Any = getattr(model, "config", None)
    if hasattr(config, "get_text_config"):
        config = config.get_text_config()
    count = getattr(config, "num_hidden_layers", None)
    return count if isinstance(count, int) else None


def _module_lists(model: nn.Module) -> Iterator[tuple[str, nn.ModuleList]]:
    for path, module in model.named_modules():
        if isinstance(module, nn.ModuleList):
            yield path, module


def _accessor(model: nn.Module, name: str) -> nn.Module | None:
    """Ask a transformers model for a part; None when it does not know."""
    try:
        found = getattr(model, name)()
    except (AttributeError, NotImplementedError):
        return None
    return found if isinstance(found, nn.Module) else None
