"""The files that a benchmark needs, without needing them."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from typing import Any

from harness.errors import SelectionError
from harness.fetch.resource import Resource
from harness.spec.specs import BenchmarkSpec, target_of


def benchmark_resources(
    spec: BenchmarkSpec, participants: Sequence[str] = ()
) -> tuple[Resource, ...]:
    """Return the files of a benchmark.

    A benchmark offers them in a static method ``resources(**options)`` of its target, which takes
    the options of the spec and makes no benchmark: that would need the files.

    Parameters
    ----------
    spec : BenchmarkSpec
    participants : sequence of str
        Files of these participants only, where the benchmark tells them apart.

    Raises
    ------
    SelectionError
        The benchmark has no files to fetch, or does not tell participants apart.
    PluginError
        Its target cannot be imported.
    """
    offer = _offer(spec)
    if offer is None:
        raise SelectionError(
            f"{spec.name} names no files to fetch",
            "its data are part of brainpress, or are your own",
        )
    options = dict(spec.options)
    if participants:
        if "participants" not in inspect.signature(offer).parameters:
            raise SelectionError(f"{spec.name} does not tell participants apart")
        options["participants"] = tuple(participants)
    return tuple(offer(**options))


def names_files(spec: BenchmarkSpec) -> bool:
    """Say whether a benchmark names the files that it needs.

    Raises
    ------
    PluginError
        Its target cannot be imported.
    """
    return _offer(spec) is not None


def unpinned_content(spec: BenchmarkSpec) -> str:
    """Return one checksum of the files of a benchmark whose right content nobody stated.

    A score must not outlive the responses it was made of: where the version of a benchmark does not
    say what its files hold, their content is part of the score's key.

    Parameters
    ----------
    spec : BenchmarkSpec
        Of a benchmark whose files are on this machine.

    Returns
    -------
    str
        Empty when every file has a checksum of its own, or none is fetched.
    """
    from harness.fetch.checksum import remembered_sha256
    from harness.fetch.download import located

    if _offer(spec) is None:
        return ""
    digest = hashlib.sha256()
    unpinned = [r for r in benchmark_resources(spec) if not r.digest]
    for resource in sorted(unpinned, key=lambda r: r.where or r.name):
        path = located(resource)
        content = remembered_sha256(path) if path else "absent"
        digest.update(f"{resource.where or resource.name}\0{content}\n".encode())
    return digest.hexdigest() if unpinned else ""


def _offer(spec: BenchmarkSpec) -> Any:
    return getattr(target_of(spec), "resources", None)
