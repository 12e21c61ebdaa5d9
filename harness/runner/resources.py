"""The files that a benchmark needs, without needing them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from harness.errors import SelectionError
from harness.fetch.resource import Resource
from harness.record.benchmark import HasFiles, HasFilesByParticipant
from harness.spec.specs import BenchmarkSpec, target_of


def benchmark_resources(
    spec: BenchmarkSpec, participants: Sequence[str] = ()
) -> tuple[Resource, ...]:
    """Return the files of a benchmark.

    A benchmark offers them as :class:`harness.record.benchmark.HasFiles`; no benchmark is made:
    that would need the files.

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
    target = target_of(spec)
    if not isinstance(target, HasFiles):
        raise SelectionError(
            f"{spec.name} names no files to fetch",
            "its data are part of brainpress, or are your own",
        )
    options = dict(spec.options)
    if not participants:
        return tuple(target.resources(**options))
    if not isinstance(target, HasFilesByParticipant):
        raise SelectionError(f"{spec.name} does not tell participants apart")
    options.pop("participants", None)
    return tuple(target.resources_of(tuple(participants), **options))


def names_files(spec: BenchmarkSpec) -> bool:
    """Say whether a benchmark names the files that it needs.

    Raises
    ------
    PluginError
        Its target cannot be imported.
    """
    return isinstance(target_of(spec), HasFiles)


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

    if not names_files(spec):
        return ""
    digest = hashlib.sha256()
    unpinned = [r for r in benchmark_resources(spec) if not r.digest]
    for resource in sorted(unpinned, key=lambda r: r.where or r.name):
        path = located(resource)
        content = remembered_sha256(path) if path else "absent"
        digest.update(f"{resource.where or resource.name}\0{content}\n".encode())
    return digest.hexdigest() if unpinned else ""
