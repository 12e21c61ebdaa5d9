"""What a compressed model is beside its weights: blocks that are gone, numbers that are rounded."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import nn

from harness.compress.methods.activations import round_inputs
from harness.compress.methods.key_values import round_keys_and_values
from harness.compress.report.summary import INPUT_BITS, CompressionReport, LayerReport
from harness.lm.anatomy import anatomy

DROPPED = "dropped_blocks"
"""What a report's ``restore`` calls the places of dropped blocks."""
KEY_VALUE_BITS = "key_value_bits"
"""What it calls the bits that keys and values are rounded to."""


def restore(model: nn.Module, report: CompressionReport) -> None:
    """Give a model as released the structure of a compressed one, in place.

    Its state dict then fits that of the compressed model, which is to be loaded next.

    Parameters
    ----------
    model : nn.Module
        The model before compression.
    report : CompressionReport
        Of the compressed model.
    """
    if dropped := report.restore.get(DROPPED):
        drop_blocks(model, dropped)
    if bits := report.restore.get(KEY_VALUE_BITS):
        round_keys_and_values(model, int(bits))
    restore_inputs(model, "", report.layers)


def restore_inputs(module: nn.Module, prefix: str, rows: Iterable[LayerReport]) -> None:
    """Make the layers round their inputs that a report says did.

    Parameters
    ----------
    module : nn.Module
        The model, or a part of it.
    prefix : str
        Path of that part in the model, with a dot at its end.
    rows : iterable of LayerReport
        Layers of that part.
    """
    for row in rows:
        if (bits := row.detail.get(INPUT_BITS)) is not None:
            name = row.name.removeprefix(prefix)
            layer = module.get_submodule(name.rpartition(".")[0] if name.endswith("]") else name)
            round_inputs(
                layer, torch.ones(row.shape[1]), bits if isinstance(bits, str) else int(bits)
            )


def drop_blocks(model: nn.Module, dropped: Collection[int]) -> None:
    """Take blocks out of a model, in place.

    What the config says layer by layer is cut to fit, and the blocks that stay are numbered anew
    (a cache of keys and values counts them).

    Parameters
    ----------
    model : nn.Module
        A decoder-only causal language model.
    dropped : collection of int
        Places of the blocks, from 0.
    """
    parts = anatomy(model)
    total = len(parts.blocks)
    kept = [place for place in range(total) if place not in set(dropped)]
    path = parts.block_names[0].rpartition(".")[0]
    model.set_submodule(path, nn.ModuleList(parts.blocks[place] for place in kept))
    _cut_config(model.config, total, kept)
    for number, place in enumerate(kept):
        for module in parts.blocks[place].modules():
            if isinstance(getattr(module, "layer_idx", None), int):
                setattr(module, "layer_idx", number)  # noqa: B010 (nn.Module types it otherwise)


def _cut_config(config: Any, total: int, kept: list[int]) -> None:
    if hasattr(config, "get_text_config"):
        config = config.get_text_config()
    for name, value in vars(config).items():
        if isinstance(value, list) and len(value) == total:
            setattr(config, name, [value[place] for place in kept])
    config.num_hidden_layers = len(kept)
