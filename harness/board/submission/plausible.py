"""Whether the numbers of an entry can be true, and whether they agree with each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr

from harness.board.submission.detail import prose, raw_dimensions
from harness.board.submission.entry import Entry
from harness.board.submission.schema import NUMBERS
from harness.errors import SubmissionError
from harness.runner.status import Status
from harness.spec.layout import TOLERANCE, headline, mean_of

LOWER_BOUND = "leave-one-out"
"""A ceiling of this kind may be exceeded."""
_RANGES = {
    "bits_per_weight": (0, 64),
    "bits_per_weight_model": (0, 64),
    "sparsity": (0, 1),
    "coverage": (0, 1),
    "perplexity": (1, math.inf),
}


def cell_faults(entry: Entry, cell: Mapping[str, Any]) -> Iterator[str]:
    """Say what is impossible about one cell."""
    if not Status(cell["status"]).has_score:
        if cell["key"] or any(cell[n] is not None for n in NUMBERS):
            yield "it does not apply, and yet has a result"
        return
    value, low, high, ceiling = (cell[n] for n in ("value", "low", "high", "ceiling"))
    if not cell["key"]:
        yield "it has no key"
    if value is None:
        yield "it is done, and has no value"
        return
    if (low is None) != (high is None):
        yield "its interval has one end"
    elif low is not None and not low - TOLERANCE <= value <= high + TOLERANCE:
        yield f"its interval [{low:.4g}, {high:.4g}] does not contain its value {value:.4g}"
    yield from _range(entry.record["benchmark"], value)
    if ceiling is not None:
        yield from _ceiling(cell, value, low, ceiling)
    for name, (least, most) in _RANGES.items():
        number = cell["compression"].get(name)
        if number is not None and not least <= number <= most:
            yield f"{name} is {number:.4g}, not from {least} to {most}"


def _range(benchmark: Mapping[str, Any], value: float) -> Iterator[str]:
    metric = benchmark["metric"].lower()
    if "accuracy" in metric and not 0 <= value <= 1:
        yield f"an accuracy of {value:.4g}"
    if "pearson" in metric and not -1 <= value <= 1:
        yield f"a correlation of {value:.4g}"


def _ceiling(
    cell: Mapping[str, Any], value: float, low: float | None, ceiling: float
) -> Iterator[str]:
    if ceiling <= 0:
        yield f"its ceiling is {ceiling:.4g}"
        return
    kind = str(cell["provenance"].get("ceiling_kind", ""))
    if low is not None and low > ceiling and LOWER_BOUND not in kind:
        yield f"its whole interval, from {low:.4g}, is above its ceiling {ceiling:.4g}"


def detail_faults(entry: Entry) -> Iterator[tuple[str, str]]:
    """Say what is wrong with an entry's detail, compressor by compressor.

    Yields
    ------
    where, what : str
        ``where`` is a compressor, or nothing for the detail as a whole.
    """
    done = {
        cell["compressor"]["name"]: cell
        for cell in entry.record["cells"]
        if Status(cell["status"]).has_score
    }
    try:
        dataset = entry.dataset()
    except SubmissionError as error:
        yield "", error.message
        return
    if dataset is None:
        yield "", "it has values, and no detail behind them"
        return
    for dimension in raw_dimensions(dataset):
        yield "", f"its detail is over {dimension}: stimuli and responses are not handed in"
    for name in prose(dataset):
        yield "", f"its detail holds text ({name})"
    names = [str(n) for n in np.atleast_1d(dataset.get("compressor", xr.DataArray([])).values)]
    if sorted(names) != sorted(done) or "compressor" not in dataset.dims:
        yield "", f"its detail is of {sorted(names)}, its values of {sorted(done)}"
        return
    for i, name in enumerate(names):
        for fault in variant_faults(dataset.isel(compressor=i), done[name]):
            yield name, fault


def variant_faults(dataset: xr.Dataset, cell: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong between the value of one variant and its own detail.

    Parameters
    ----------
    dataset : Dataset
        Detail of the one variant.
    cell : mapping
        Its ``value`` and ``provenance``.
    """
    for name, variable in dataset.data_vars.items():
        if variable.dtype.kind != "f":
            continue
        if np.isinf(variable.values).any():
            yield f"{name} holds an infinite number"
        # Where no ceiling is reliable there is nothing that is relative to one.
        relative = str(name).startswith("normalised")
        if variable.size and np.isnan(variable.values).all() and not relative:
            yield f"{name} holds no number"
    primary = headline(dataset)
    if primary is not None and cell["value"] is not None:
        mean = mean_of(dataset, primary)
        if not abs(mean - cell["value"]) <= TOLERANCE:
            yield f"its value {cell['value']:.6g} is not the mean of {primary.name}, {mean:.6g}"
    yield from _share(dataset, cell)
    said = cell["provenance"].get("participants")
    there = dataset.sizes.get("participant")
    if said is not None and there is not None and said != there:
        yield f"its provenance says {said} participants, its detail has {there}"


def _share(dataset: xr.Dataset, cell: Mapping[str, Any]) -> Iterator[str]:
    """Compare a share of the ceiling with those of participants, or with value and ceiling."""
    share, value, ceiling = (cell.get(name) for name in ("normalised", "value", "ceiling"))
    if share is None or value is None:
        return
    if "normalised_participant" in dataset:
        mean = float(dataset["normalised_participant"].mean())
        if not abs(mean - share) <= TOLERANCE * max(1.0, abs(share)):
            yield f"{share:.4g} is not the share of ceilings by participant, {mean:.4g}"
    elif ceiling is not None and abs(share * ceiling - value) > TOLERANCE:
        yield f"{value:.4g} of a ceiling of {ceiling:.4g} is not the share {share:.4g}"


def has_layers(entry: Entry) -> bool:
    """Whether a score went layer by layer: of hidden states; probabilities have one, the last."""
    try:
        dataset = entry.dataset()
    except SubmissionError:
        return False
    return dataset is not None and dataset.sizes.get("layer", 0) > 1


def samples_of(entry: Entry) -> dict[str, tuple[str, ...]]:
    """Return who and what an entry was measured on: the names along each dimension of its detail.

    Layers and compressors are left out: they are the model's.
    """
    try:
        dataset = entry.dataset()
    except SubmissionError:
        return {}
    if dataset is None:
        return {}
    found = {}
    for dimension, size in dataset.sizes.items():
        if dimension not in ("layer", "compressor"):
            names = dataset[dimension].values if dimension in dataset.coords else range(size)
            found[str(dimension)] = tuple(map(str, names))
    return found
