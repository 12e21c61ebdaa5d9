"""A compressed model leaves that never was in memory: blocks are read, compressed and written."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import CompressionError
from harness.lm.source import resolve
from harness.place.place import Place, entered
from harness.runner.cells import Variant
from harness.runner.keys import Keys
from harness.runner.options import RunOptions
from harness.runner.progress import Progress, Silent
from harness.runner.weights import card, check_empty, whole_folder
from harness.spec.specs import load_target
from harness.store.store import Kind, Store

if TYPE_CHECKING:
    import xarray as xr

    from harness.compress.report.summary import CompressionReport
    from harness.lm.files import ModelFiles

_IN_MEMORY = "leave out --from-disk"


def write_weights_from_disk(
    variant: Variant,
    folder: Path,
    place: Place,
    options: RunOptions | None = None,
    progress: Progress | None = None,
) -> Path:
    """Compress a model block by block from its files, and write it as a Hugging Face folder.

    Memory holds the embeddings, one block, and the hidden states of the calibration text. Finished
    blocks stay in the store until the folder is whole, so a run that was killed goes on with the
    next. The weights are those of :func:`harness.runner.weights.write_weights`.

    Parameters
    ----------
    variant : Variant
    folder : Path
        New or empty.
    place : Place
        Where results are, and the device on which blocks are worked on.
    options : RunOptions, optional
        The precision.
    progress : Progress, optional

    Returns
    -------
    Path
        The folder. Its card has no perplexity: measuring one takes the model in memory.

    Raises
    ------
    CompressionError
        The folder is not empty; the variant compresses nothing, is a control or packed already;
        or the method changes more than the values of the blocks' weights.
    ModelError
        The folder of the model has not every tensor under the name that the model has for it.
    """
    folder = folder.expanduser()
    check_empty(folder)
    options, progress = options or RunOptions(), progress or Silent()
    with entered(place), whole_folder(folder) as partial:
        files = resolve(variant.model, offline=place.offline, progress=progress.advance)
        _check_can(variant, files)
        key = Keys(files.fingerprint, variant.compressor, options.dtype).variant
        store = Store(place.store)
        blocks = store.root / "blocks" / key
        with store.lock(Kind.COMPRESSION, key):
            report = _compress(variant, files, partial, blocks, place, options, progress)
            (partial / "README.md").write_text(card(variant, files, report), encoding="utf-8")
    shutil.rmtree(blocks, ignore_errors=True)
    return folder


def _check_can(variant: Variant, files: ModelFiles) -> None:
    spec, compressor = variant.model, variant.compressor
    if compressor.method == "none":
        raise CompressionError(
            f"{spec.name}+{compressor.name} is {files.folder}: nothing would change",
            "copy the folder",
        )
    if spec.control or "quantization_config" in files.config:
        what = "is a control" if spec.control else "is packed already"
        raise CompressionError(
            f"{spec.name} {what}: its weights are not those of its files",
            _IN_MEMORY,
        )


def _compress(
    variant: Variant,
    files: ModelFiles,
    folder: Path,
    blocks: Path,
    place: Place,
    options: RunOptions,
    progress: Progress,
) -> xr.Dataset:
    from harness.compress.apply import apply
    from harness.compress.layers.offload import open_on_disk, write_checkpoint
    from harness.compress.layers.workspace import Workspace
    from harness.lm.anatomy import anatomy
    from harness.lm.load import DTYPES, unexamined
    from harness.runner.compression import report_dataset

    dtype = DTYPES[options.dtype]
    progress.stage(variant, "loading")
    model = unexamined(files, variant.model, open_on_disk(files.folder, dtype))
    progress.stage(variant, "compressing")
    applied = apply(
        load_target(variant.compressor),
        model,
        cache=place.cache / "calibration",
        workspace=Workspace(
            device=place.found_device(),
            folder=blocks,
            source=files.folder,
            progress=progress.advance,
        ),
        offline=place.offline,
    )
    _check_values_alone(applied.report, variant)
    progress.stage(variant, "writing")
    write_checkpoint(files.folder, blocks, anatomy(model.model).block_names, folder, dtype)
    unknown = float("nan"), float("nan")
    said = report_dataset(applied.report, unknown, unknown)
    said.attrs["calibration_sha256"] = applied.calibration.sha256 if applied.calibration else ""
    return said


def _check_values_alone(report: CompressionReport, variant: Variant) -> None:
    from harness.compress.report.summary import INPUT_BITS

    rounded = any(INPUT_BITS in layer.detail for layer in report.layers)
    if report.restore or rounded:
        what = "rounds what goes into layers" if rounded else "takes blocks out"
        way_out = "methods that change weights alone can leave" if rounded else _IN_MEMORY
        raise CompressionError(
            f"{variant.compressor.name} {what}: values of weights do not say so", way_out
        )
