"""A compressed model leaves: what was scored, as a folder that other programs read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import CompressionError, SelectionError
from harness.place.place import Place, entered
from harness.runner.cells import Variant
from harness.runner.options import RunOptions
from harness.runner.progress import Progress, Silent
from harness.runner.select import Suite, select
from harness.runner.session import Session
from harness.runner.weights_packed import layout, pack_folder
from harness.spec.registry import registry
from harness.store.atomic import explained
from harness.store.keys import canonical_json
from harness.store.store import Store

if TYPE_CHECKING:
    import xarray as xr
    from torch import nn

    from harness.lm.files import ModelFiles
    from harness.lm.load import LanguageModel

SAME = 1e-5
"""Largest difference of logits from what was scored, as a share of the largest logit."""

_CHECKED = 32
_DENSE = (
    "The weights are dense: the values that the packed form stands for. The folder is as large as "
    "the model it was made from; its packed size is in the table."
)
_PACKED = (
    "The compressed layers are packed in the format of compressed-tensors, and stand for exactly "
    "the values that were scored; all else is as it was, in the precision of the run."
)


def parse_variant(text: str) -> Variant:
    """Read ``MODEL+COMPRESSOR``; options may follow the compressor's name.

    Raises
    ------
    SelectionError
        It names not exactly one model and one compressor.
    """
    name, _, compressor = text.partition("+")
    chosen = select(Suite(models=(name,), compressors=(compressor or "none",)), registry())
    if len(chosen.models) != 1 or len(chosen.compressors) != 1:
        raise SelectionError(
            f"{text!r} names {len(chosen.models)} models and {len(chosen.compressors)} compressors",
            "name one variant: MODEL+COMPRESSOR, such as smollm2-135m+gptq-int4",
        )
    return Variant(chosen.models[0], chosen.compressors[0])


def write_weights(
    variant: Variant,
    folder: Path,
    place: Place,
    options: RunOptions | None = None,
    progress: Progress | None = None,
    *,
    packed: bool = False,
) -> Path:
    """Write a variant as a Hugging Face folder: weights, tokenizer, and a card.

    The weights are the values that the packed form stands for, in the precision of the run: what
    was scored, for any program that reads such folders. It is read back before it is called whole.

    Parameters
    ----------
    variant : Variant
        Compressed if that was not done before.
    folder : Path
        New or empty.
    place : Place
        Where results are, and the device.
    options : RunOptions, optional
        The precision.
    progress : Progress, optional
    packed : bool
        Codes and scales in place of the values they stand for, as compressed-tensors stores them.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CompressionError
        The folder is not empty, the variant is more than its weights (it rounds what goes into
        layers), its method has no packed form, or what was written does not read back as what was
        scored.
    """
    folder = folder.expanduser()
    check_empty(folder)
    options = options or RunOptions()
    how = layout(variant.compressor, options.dtype) if packed else None
    opened = Session(variant, Store(place.store), place, options, progress or Silent())
    with entered(place), closing(opened), whole_folder(folder) as partial:
        report = opened.report()
        model = opened.model()
        _check_weights_alone(variant, model)
        model.model.save_pretrained(partial)  # type: ignore[operator]
        model.tokenizer.save_pretrained(partial)
        if how is not None:
            pack_folder(partial, model.model, [str(name) for name in report["module"].values], how)
        said = card(variant, model.files, report, packed=packed)
        (partial / "README.md").write_text(said, encoding="utf-8")
        apart = max(reader(model, partial) for reader in _readers(packed))
        if not apart <= SAME:
            raise CompressionError(
                f"{folder} would read back as another model: its logits are apart by {apart:.2g}",
                "this architecture does not save what it runs; nothing was written",
            )
    return folder


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a folder beside another to write into, which takes its place when it is whole.

    What a killed run left there goes first, so that the same command can be given again.

    Parameters
    ----------
    folder : Path
        New or empty.

    Raises
    ------
    CompressionError
        The folder holds something.
    StoreError
        It cannot be made.
    """
    check_empty(folder)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with explained(partial.parent):
        partial.mkdir(parents=True)
    try:
        yield partial
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_empty(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises
    ------
    CompressionError
        It does, or is a file.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CompressionError(f"{folder} is not empty", "name a folder that is not there yet")


def _check_weights_alone(variant: Variant, model: LanguageModel) -> None:
    from harness.compress.methods.activations import RoundedInput
    from harness.compress.methods.key_values import rounds_keys_and_values

    if rounds_keys_and_values(model.model):
        raise CompressionError(
            f"{variant.compressor.name} rounds keys and values while the model runs: a folder of "
            "weights would be another model",
            "methods that change weights alone can leave",
        )
    for name, module in model.model.named_modules():
        if any(isinstance(hook, RoundedInput) for hook in module._forward_pre_hooks.values()):
            raise CompressionError(
                f"{variant.compressor.name} rounds what goes into {name} while the model runs: a "
                "folder of weights would be another model",
                "methods that change weights alone can leave",
            )


def _readers(packed: bool) -> list[Callable[[LanguageModel, Path], float]]:
    """Return who reads a folder back: plain transformers where it can, and brainpress."""
    if not packed:
        return [_apart_by_transformers]
    there = find_spec("compressed_tensors") is not None
    return [_apart_by_brainpress, *([_apart_by_transformers] if there else [])]


def _apart_by_transformers(model: LanguageModel, folder: Path) -> float:
    """Return the largest difference of logits after reading a folder with plain transformers."""
    from transformers import AutoModelForCausalLM

    dtype = next(model.model.parameters()).dtype
    again = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, local_files_only=True, trust_remote_code=False
    )
    return _apart(model, again)


def _apart_by_brainpress(model: LanguageModel, folder: Path) -> float:
    from harness.lm.load import DTYPES, load
    from harness.lm.source import resolve

    (spec,) = select(Suite(models=(f"file:{folder}",)), registry()).models
    dtype = next(model.model.parameters()).dtype
    (name,) = (name for name, known in DTYPES.items() if known == dtype)
    return _apart(model, load(resolve(spec, offline=True), spec, dtype=name).model)


def _apart(model: LanguageModel, again: nn.Module) -> float:
    """Return the largest difference of logits of two models, as a share of the largest logit."""
    import torch

    device = next(model.model.parameters()).device
    again = again.to(device).eval()
    count = min(_CHECKED, model.context or _CHECKED)
    rows = model.model.get_input_embeddings().num_embeddings  # type: ignore[operator]
    tokens = (torch.arange(count, device=device) * 7919 % rows)[None]
    with torch.no_grad():
        first, second = (m(input_ids=tokens).logits.float() for m in (model.model, again))
    return float((first - second).abs().max() / first.abs().max())


def card(variant: Variant, files: ModelFiles, report: xr.Dataset, *, packed: bool = False) -> str:
    """Return the card of a folder: what was done to which model, on which text, and how far.

    Parameters
    ----------
    variant : Variant
    files : ModelFiles
        Of the model before.
    report : Dataset
        What the compressor did.
    packed : bool
        Whether the folder holds codes.
    """
    said = report.attrs
    spec, compressor = variant.model, variant.compressor
    licence = spec.licence or "unknown: see the model it was made from"
    share = float(said.get("coverage", float("nan")))
    calibration = str(said.get("calibration_sha256", "")) or "none"
    rows: list[tuple[str, Any]] = [
        ("variant", f"{spec.name}+{compressor.name}"),
        ("made from", f"{spec.source}, files {files.fingerprint}"),
        ("licence", licence),
        ("compressor", f"{compressor.target} {canonical_json(dict(compressor.options))}"),
        ("citation", compressor.citation),
        ("calibration text, SHA-256 of its tokens", calibration),
        ("bits a weight, whole model, as packed", f"{float(said['bits_per_weight_model']):.3f}"),
        ("bits a weight, compressed layers", f"{float(said['bits_per_weight']):.3f}"),
        ("share of the blocks' weights compressed", "all" if share != share else f"{share:.3f}"),
    ]  # fmt: skip
    after = float(said["perplexity"])
    if after == after:
        before = f"{float(said['perplexity_before']):.2f}, "
        rows.append(("perplexity on the embedded story, before and after", f"{before}{after:.2f}"))
    lines = "\n".join(f"| {name} | {value} |" for name, value in rows)
    form = _PACKED if packed else _DENSE
    return (
        f"# {spec.name}, {compressor.name}\n\nWritten by brainpress. {form}\n\n"
        f"| | |\n|---|---|\n{lines}\n"
    )
