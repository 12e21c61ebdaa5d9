"""Models larger than memory: blocks stay on disk and are read one at a time.

Parameters of the blocks live on torch's ``meta`` device, which holds shapes and no values. A
:class:`~harness.compress.layers.workspace.Workspace` with a ``source`` reads a block when it is
visited and lets it go afterwards, so a model is compressed in the memory of one block and of the
hidden states of the calibration text.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import CompressionError, ModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"


def open_on_disk(folder: Path, dtype: torch.dtype) -> nn.Module:
    """Open a Hugging Face folder without reading its blocks.

    Parameters
    ----------
    folder : Path
        Config and safetensors.
    dtype : torch.dtype
        Of the parameters.

    Returns
    -------
    nn.Module
        A causal language model whose blocks are on the ``meta`` device; all else is in memory.

    Raises
    ------
    ModelError
        A tensor is not in the folder.
    """
    import torch
    from accelerate import init_empty_weights
    from transformers import AutoConfig, AutoModelForCausalLM

    from harness.lm.anatomy import anatomy

    config = AutoConfig.from_pretrained(folder)
    with init_empty_weights(include_buffers=False):
        model: nn.Module = AutoModelForCausalLM.from_config(config, dtype=dtype)
    # Emptying made a parameter of its own of every tied one; the checkpoint holds it once.
    model.tie_weights()  # type: ignore[operator]
    inside = tuple(f"{name}." for name in anatomy(model).block_names)
    outside = [name for name, _ in model.named_parameters() if not name.startswith(inside)]
    tensors = read_tensors(folder, outside)
    for name in outside:
        owner, _, leaf = name.rpartition(".")
        parameter = torch.nn.Parameter(tensors[name].to(dtype), requires_grad=False)
        setattr(model.get_submodule(owner), leaf, parameter)
    model.tie_weights()  # type: ignore[operator]
    return model.eval().requires_grad_(False)


def read_tensors(folder: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """Read some tensors of a folder of safetensors.

    Parameters
    ----------
    folder : Path
        Holds one or several ``*.safetensors``.
    names : iterable of str
        As the model calls them.

    Raises
    ------
    ModelError
        A tensor is in none of the files.
    """
    from safetensors import safe_open

    files = tensor_files(folder)
    found = {}
    for name in names:
        key = _name_on_disk(name, files)
        if key is None:
            raise ModelError(
                f"{folder} has no tensor {name}: looked in {len(set(files.values()))} files of "
                f"{len(files)} tensors",
                "the folder must hold the model's own weights, as safetensors",
            )
        with safe_open(files[key], "pt") as file:
            found[name] = file.get_tensor(key)
    return found


def _name_on_disk(name: str, files: Mapping[str, Path]) -> str | None:
    """Return what a checkpoint calls a tensor of the model; None where it has no such tensor."""
    # GPT-NeoX calls its head embed_out on disk; a checkpoint of the backbone alone (GPT-2) leaves
    # out its name.
    known = name, name.partition(".")[2], name.replace("lm_head.", "embed_out.")
    return next((key for key in known if key in files), None)


def _tensors(path: Path, names: Iterable[str], dtype: torch.dtype | None) -> dict[str, Tensor]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        found = {name: file.get_tensor(name) for name in names}
    return {k: t.to(dtype) if t.is_floating_point() and dtype else t for k, t in found.items()}


def tensor_files(folder: Path) -> dict[str, Path]:
    """Return which file of a folder holds each tensor."""
    from safetensors import safe_open

    files: dict[str, Path] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            files |= dict.fromkeys(file.keys(), path)
    return files


def write_checkpoint(
    source: Path,
    finished: Path,
    block_names: Iterable[str],
    target: Path,
    dtype: torch.dtype | None = None,
) -> None:
    """Put finished blocks and the rest of a model together as a Hugging Face folder.

    Parameters
    ----------
    source : Path
        The model before compression.
    finished : Path
        The workspace's folder, with a file for every block.
    block_names : iterable of str
        Path of each block in the model.
    target : Path
        The folder to write: config and tokenizer of the source, a file a block, and the rest.
    dtype : torch.dtype, optional
        What the blocks were opened in: all else is written in it, too. Default: as it is.

    Raises
    ------
    CompressionError
        A block has a tensor that the source has not.
    StoreError
        The target is full or cannot be written.
    """
    from safetensors.torch import load_file

    from harness.store.atomic import writing

    files = tensor_files(source)
    place: dict[str, str] = {}
    done: set[str] = set()
    for name in block_names:
        block = load_file(finished / f"{name}.safetensors")
        tensors = {_name_on_disk(f"{name}.{key}", files): tensor for key, tensor in block.items()}
        if None in tensors:
            raise CompressionError(
                f"{name} has other tensors than {source} holds",
                "a method that changes what a block is made of needs the whole model in memory",
            )
        _write(target, {str(key): tensor for key, tensor in tensors.items()}, name, place)
        done |= {str(key) for key in tensors}
    by_file: dict[Path, list[str]] = {}
    for key, path in files.items():
        if key not in done:
            by_file.setdefault(path, []).append(key)
    for i, (path, keys) in enumerate(by_file.items()):  # a file at a time: none may fit twice
        _write(target, _tensors(path, keys, dtype), f"rest-{i + 1}", place)
    with writing(target / INDEX) as beside:
        beside.write_text(json.dumps({"metadata": {}, "weight_map": place}, indent=1))
    for path in source.iterdir():
        if path.is_file() and path.suffix != ".safetensors" and path.name != INDEX:
            shutil.copy(path, target / path.name)
    if dtype is not None:
        config = json.loads((target / CONFIG).read_text(encoding="utf-8"))
        config = {k: v for k, v in config.items() if k != "torch_dtype"}
        config["dtype"] = str(dtype).removeprefix("torch.")
        (target / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")


def _write(target: Path, tensors: Mapping[str, Tensor], name: str, place: dict[str, str]) -> None:
    from harness.compress.report.tensor_file import write_tensors

    path = target / f"model-{name}.safetensors"
    write_tensors(path, tensors, {"format": "pt"})
    place |= dict.fromkeys(tensors, path.name)
