"""Where a score comes from: versions, revisions, seeds, keys, timings."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from harness.lm.files import ModelFiles
from harness.runner.cells import Variant
from harness.runner.keys import keys_of, stages_of
from harness.spec.specs import BenchmarkSpec
from harness.store.keys import canonical_json

PACKAGES = ("brainpress", "torch", "transformers", "numpy", "scipy", "xarray", "himalaya")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def provenance(
    variant: Variant,
    spec: BenchmarkSpec,
    files: ModelFiles,
    recorded: Sequence[Mapping[str, Any]],
    parts: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what a score must carry, as netCDF attributes.

    Structures are JSON text, because netCDF attributes hold none. ``recorded`` are the attributes
    of the recordings that were read. ``parts`` are those of
    :meth:`harness.runner.keys.Keys.parts`: whoever checks the score makes its key again from them.
    """
    compressor = variant.compressor
    said: dict[str, Any] = {
        "model": variant.model.name,
        "compressor": compressor.name,
        "benchmark": spec.name,
        "benchmark_version": spec.version,
        "benchmark_options": json.dumps(dict(spec.options), sort_keys=True, default=str),
        "simulated": int(spec.simulated),
        "metric": spec.metric,
        "source": variant.model.source,
        "revision": files.revision,
        "pinned": int(files.pinned),
        "fingerprint": files.fingerprint,
        "notes": " ".join(files.notes),
        "compressor_options": json.dumps(dict(compressor.options), sort_keys=True, default=str),
        "compressor_seed": compressor.seed,
        "recordings": json.dumps(keys_of(parts)[0]),
        "context": "; ".join(dict.fromkeys(str(a.get("context", "")) for a in recorded)),
        "dtype": str(recorded[0].get("dtype", "")) if recorded else "",
        "device": str(recorded[0].get("device", "")) if recorded else "",
        "record_seconds": float(sum(a.get("seconds", 0.0) for a in recorded)),
        "peak_memory": float(max((a.get("peak_memory", 0) for a in recorded), default=0)),
        "versions": json.dumps(versions(), sort_keys=True),
        "stages": json.dumps(stages_of(parts), sort_keys=True),
        "parts": canonical_json(parts),
    }
    # Recordings from before these were measured have neither.
    timed = [a for a in recorded if float(a.get("forward_seconds", 0.0)) > 0]
    if timed:
        said["tokens"] = float(sum(a["tokens"] for a in timed))
        said["forward_seconds"] = float(sum(a["forward_seconds"] for a in timed))
    for name in ("start", "examination"):
        if recorded and name in recorded[0]:
            said[name] = str(recorded[0][name])
    if variant.model.seed is not None:
        said["model_seed"] = variant.model.seed
    return said
