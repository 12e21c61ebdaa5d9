"""A compressor at work, and its report as a dataset."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from harness.compress.apply import apply, checked_calibration
from harness.compress.compressor import Compressor
from harness.compress.layers.workspace import Workspace
from harness.compress.report.saved import load_compressed, save_compressed
from harness.compress.report.summary import CompressionReport
from harness.compress.text.perplexity import embedded_text, perplexity
from harness.numeric.arrays import Doubles
from harness.place.locate import cache_folder

if TYPE_CHECKING:
    from harness.lm.load import LanguageModel

TEXT = "ferry"
"""The embedded text that perplexity is measured on before and after."""


def compress(
    model: LanguageModel,
    compressor: Compressor,
    before: tuple[float, float] | None = None,
    *,
    stimuli: Mapping[str, str] | None = None,
    blocks: Path | None = None,
    save: Path | None = None,
    offline: bool = False,
) -> xr.Dataset:
    """Compress a loaded model in place and report.

    Parameters
    ----------
    model : LanguageModel
    compressor : Compressor
    before : tuple of float, optional
        Perplexity and bits per byte of the model as it is, where they are known already.
    stimuli : mapping, optional
        Texts that the model will be tested on, by name: calibration text must not hold them.
    blocks : Path, optional
        Folder for finished blocks, so that a run that was killed goes on with the next; removed
        when all are finished.
    save : Path, optional
        File for the compressed weights.
    offline : bool
        Never use the network.

    Returns
    -------
    Dataset
        Dims (module,): what became of each compressed layer; (left_alone,): the others and why.
        Attributes: totals, and perplexity on the embedded text before and after.
    """
    before = before or _perplexity(model)
    applied = apply(
        compressor,
        model,
        cache=cache_folder() / "calibration",
        stimuli=stimuli,
        workspace=None if blocks is None else Workspace(folder=blocks),
        offline=offline,
    )
    if save is not None:
        save_compressed(model.model, applied.report, save)
    if blocks is not None:
        shutil.rmtree(blocks, ignore_errors=True)
    changed = applied.report.layers or applied.report.restore
    after = _perplexity(model) if changed else before
    dataset = report_dataset(applied.report, before, after)
    if model.stored_bits is not None and not applied.report.layers:
        dataset.attrs["bits_per_weight"] = model.stored_bits
    if "quantization_config" in model.files.config and not model.spec.control:
        dataset.attrs |= _as_released(model)
    # What two calibrated results must share to be compared; empty when there was no such text.
    dataset.attrs["calibration_sha256"] = applied.calibration.sha256 if applied.calibration else ""
    return dataset


def reload(
    model: LanguageModel,
    compressor: Compressor,
    saved: Path,
    *,
    stimuli: Mapping[str, str] | None = None,
    offline: bool = False,
) -> None:
    """Turn a loaded model into the compressed one that an earlier run saved, in place.

    Parameters
    ----------
    model, compressor, stimuli, offline
        As for :func:`compress`.
    saved : Path
        Its ``save``.

    Raises
    ------
    CorruptError
        The file does not read back; the model must be loaded anew.
    CompressionError
        The calibration text holds a stimulus.
    """
    cache = cache_folder() / "calibration"
    checked_calibration(compressor, model, cache=cache, stimuli=stimuli, offline=offline)
    load_compressed(model.model, saved)


def _as_released(model: LanguageModel) -> dict[str, float]:
    """Return the size of a checkpoint that was published packed: that of its files."""
    import copy

    from harness.compress.report.released import released

    config = copy.deepcopy(model.model.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    found = released(model.files.folder, config)
    return {
        "bits_per_weight_model": found.bits_per_weight,
        "bytes_packed": found.bytes_packed,
        "bytes_base": 2 * found.parameters,
        "ratio": 2 * found.parameters / found.bytes_packed,
    }


def _perplexity(model: LanguageModel) -> tuple[float, float]:
    if "logprob" not in model.capabilities:
        return math.nan, math.nan
    measured = perplexity(model, embedded_text(TEXT))
    return measured.perplexity, measured.bits_per_byte


def report_dataset(
    report: CompressionReport, before: tuple[float, float], after: tuple[float, float]
) -> xr.Dataset:
    """Turn a report into a dataset that netCDF can hold."""
    rows = report.layers

    def column(values: list[float | None]) -> tuple[str, Doubles]:
        return "module", np.array([math.nan if v is None else v for v in values], float)

    totals = {k: math.nan if v is None else v for k, v in report.totals().items()}
    return xr.Dataset(
        {
            "bits_per_weight": column([r.bits_per_weight for r in rows]),
            "sparsity": column([r.sparsity for r in rows]),
            "weight_error": column([r.weight_error for r in rows]),
            "output_error": column([r.output_error for r in rows]),
            "weights": column([float(r.weights) for r in rows]),
            "reason": ("left_alone", np.array(list(report.skipped.values()), object)),
        },
        coords={
            "module": np.array([r.name for r in rows], object),
            "left_alone": np.array(list(report.skipped), object),
        },
        attrs=totals
        | {
            "parameters": report.parameters,
            "text": TEXT,
            "perplexity_before": before[0],
            "perplexity": after[0],
            "bits_per_byte_before": before[1],
            "bits_per_byte": after[1],
        },
    )
