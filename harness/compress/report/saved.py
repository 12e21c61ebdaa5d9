"""A compressed model in one safetensors file, with its report."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from harness.compress.layers.restore import restore
from harness.compress.report.summary import CompressionReport
from harness.compress.report.tensor_file import reading_tensors, write_tensors
from harness.errors import CorruptError

_REPORT = "report"


def save_compressed(model: nn.Module, report: CompressionReport, path: Path, key: str = "") -> None:
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
    key : str
        Key of the variant. Default: the file's name.

    Raises
    ------
    StoreError
        The folder is full or cannot be written.
    """
    tensors = {name: tensor.contiguous() for name, tensor in _unique(model).items()}
    metadata = {_REPORT: json.dumps(report.to_json())}
    write_tensors(path, tensors, metadata, name=weights_name(key or path.stem))


def weights_name(key: str) -> str:
    """Return what a file of weights says that it is kept under."""
    return f"weights/{key}"


def load_compressed(model: nn.Module, path: Path, key: str = "") -> CompressionReport:
    """Turn a model as released into the compressed one, in place.

    Parameters
    ----------
    model : nn.Module
        The model before compression.
    path : Path
        What :func:`save_compressed` wrote.
    key : str
        Key of the variant. Default: the file's name.

    Returns
    -------
    CompressionReport

    Raises
    ------
    CorruptError
        The file does not read back, is of another model, or its bytes have changed. The model must
        be loaded anew: some of its weights have been replaced.
    """
    try:
        with (
            reading_tensors(path, weights_name(key or path.stem)) as (said, tensors),
            torch.no_grad(),
        ):
            report = CompressionReport.from_json(json.loads(said[_REPORT]))
            restore(model, report)
            wanted, read = _unique(model), set()
            for name, tensor in tensors:
                if name in wanted:
                    wanted[name].copy_(tensor)
                read.add(name)
            if different := sorted(set(wanted) ^ read):
                raise _corrupt(path, f"its tensors are not those of the model: {different[:3]}")
    except (FileNotFoundError, KeyError, TypeError, ValueError, RuntimeError) as error:
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
        f"{path} does not fit: {why}",
        "remove it; the model is compressed anew",
    )
