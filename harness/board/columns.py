"""What of a detail stands beside a value: the unique part, nuisance, shares of the ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

SCALARS: Mapping[str, tuple[str, ...]] = {
    "unique": ("unique", "unique_r2"),
    "unique_low": ("unique_crossed_low", "unique_low"),
    "unique_high": ("unique_crossed_high", "unique_high"),
    "unique_p": ("unique_p",),
    "unique_share": ("unique_of_ceiling",),
    "nuisance": ("nuisance", "nuisance_r", "baseline_r", "baseline_value"),
    "normalised_low": ("normalised_low",),
    "normalised_high": ("normalised_high",),
}
"""Numbers of a variant by the names of variables that may have them: the first that is there. The
interval is that over participants and parts of the stimulus where it is known."""


def beside_value(known: xr.Dataset | None) -> dict[str, dict[str, float]]:
    """Return the numbers of every variant that stand beside its value.

    Parameters
    ----------
    known : Dataset or None
        A benchmark's group of a board.

    Returns
    -------
    dict
        By column (:data:`SCALARS`), then by variant; without columns that nobody has.
    """
    if known is None:
        return {}
    names = [str(name) for name in known["variant"].values]
    found: dict[str, dict[str, float]] = {}
    for column, places in SCALARS.items():
        present = [name for name in places if name in known and "variant" in known[name].dims]
        values = next(
            (v for v in (_means(known[n]) for n in present) if np.isfinite(v).any()), None
        )
        if values is not None:
            found[column] = dict(zip(names, map(float, values), strict=True))
    return found


def _means(values: xr.DataArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Average over whatever is not a variant, participants last, so that they weigh the same."""
    rest = [d for d in values.dims if d not in ("variant", "participant")]
    mean = values.mean(rest).mean([d for d in values.dims if d == "participant"])
    return np.asarray(mean.values, np.float64)
