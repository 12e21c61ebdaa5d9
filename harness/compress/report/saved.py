"""A compressed model in one safetensors file, with its report."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.compress.layers.restore import restore
from harness.compress.report.summary import CompressionReport
from harness.compress.report.tensor_file import write_tensors
from harness.errors import CorruptError

_REPORT = "report"


def save_compressed(model: nn.Module, report: CompressionReport, path: Path) -> None:
    """Write a compressed model: dense weights of their rounded values, and the report.

    A tensor that several modules share (tied embeddings) is written once.

    Parameters
    ----------
    model : nn.Module
        The compressed model.
    report : CompressionReport
        What was done to it.
    path : Path
        The file; it appears whole or not at all.

    Raises
    ------
    StoreError
        The folder is full or cannot be written.
    """
    tensors = {name: tensor.contiguous() for name, tensor in _unique(model).items()}
    write_tensors(path, tensors, {_REPORT: json.dumps(report.to_json())})


def load_compressed(model: nn.Module, path: Path) -> CompressionReport:
    """Turn a model as released into the compressed one, in place.

    Parameters
    ----------
    model : nn.Module
        The model before compression.
    path : Path
        What :func:`save_compressed` wrote.

    Returns
    -------
    CompressionReport

    Raises
    ------
    CorruptError
        The file does not read back, or is of another model.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            report = CompressionReport.from_json(json.loads((file.metadata() or {})[_REPORT]))
            restore(model, report)
            wanted = _unique(model)
            if set(wanted) != set(file.keys()):
                different = sorted(set(wanted) ^ set(file.keys()))
                raise _corrupt(path, f"its tensors are not those of the model: {different[:3]}")
            with torch.no_grad():
                for name, tensor in wanted.items():
                    tensor.copy_(file.get_tensor(name))
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _corrupt(path, str(error)) from error
    return report


def _unique(model: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a model by name, each storage once."""
    found: dict[int, str] = {}
    tensors = {}
    for name, tensor in model.state_dict().items():
        if found.setdefault(tensor.data_ptr(), name) == name:
            tensors[name] = tensor
    return tensors


def _corrupt(path: Path, why: str) -> CorruptError:
    return CorruptError(
        f"{path} is no compressed model that fits: {why}",
        "remove it; the model is compressed anew",
    )
