"""Layers projected to one width: what a wider model owes to its number of regressors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.design.features import zscore_by_run

SEED = 20260


def narrowed(recording: xr.DataArray, runs: npt.ArrayLike, width: int) -> xr.DataArray:
    """Project every layer to a width, by a Gaussian matrix that depends on both widths alone.

    Units are z-scored by run before: in many models a few units have nearly all of the variance.

    Parameters
    ----------
    recording : DataArray (sample, layer, unit)
        Read layer by layer.
    runs : array, shape (n_samples,)
    width : int
        0: the recording itself. A layer that is as narrow already is projected like the others.

    Returns
    -------
    DataArray (sample, layer, unit)
        float32.
    """
    if not width:
        return recording
    n_units = recording.sizes["unit"]
    rng = np.random.default_rng([SEED, n_units, width])
    onto = (rng.standard_normal((n_units, width)) / np.sqrt(width)).astype(np.float32)
    out = np.empty((recording.sizes["sample"], recording.sizes["layer"], width), np.float32)
    for layer in range(recording.sizes["layer"]):
        values = np.asarray(recording[:, layer].values, np.float32)
        out[:, layer] = np.asarray(zscore_by_run(values, runs), np.float32) @ onto
    kept = {"layer": recording["layer"].values} if "layer" in recording.coords else {}
    return xr.DataArray(out, dims=("sample", "layer", "unit"), coords=kept)
