"""Public assemblies, written as Brain-Score writes them, and recordings of a model for them."""

from __future__ import annotations

import numpy as np
import xarray as xr

WORDS = ["the", "old", "keeper", "of", "a", "lamp", "saw", "ships", "that", "never", "came", "home"]


def sentences(n, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(3, 12))) + f" {i}." for i in range(n)]


def written(path, values, presentation, neuroid):
    """Write as brainio does: an unnamed array, its levels as coordinates."""
    coords = {k: ("presentation", np.asarray(v)) for k, v in presentation.items()}
    coords |= {k: ("neuroid", np.asarray(v)) for k, v in neuroid.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    xr.DataArray(values, dims=("presentation", "neuroid"), coords=coords).to_netcdf(path)


def placed(tmp_path, monkeypatch):
    """Return what writes a benchmark's assembly, and makes its checksum that of what is there."""
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))

    def prepare(benchmark, *arguments):
        path = tmp_path / "brainscore" / benchmark.file
        if arguments:
            written(path, *arguments)
            from harness.fetch.checksum import digest_of

            monkeypatch.setattr(benchmark, "sha1", digest_of(path, "sha1"))
        return path

    return prepare


def recording(benchmark, drivers, seed=0):
    """Layer 1 holds the drivers, (item, k), among noise."""
    (request,) = benchmark.requests()
    rows = sum(request.readout.rows(request.stimuli))
    values = np.random.default_rng(seed).normal(size=(rows, 2, 6)).astype(np.float32)
    values[:, 1, : drivers.shape[1]] = drivers
    dims = ("sample", "layer", "unit")
    return {request: xr.DataArray(values, dims=dims, coords={"layer": [0, 1]})}
