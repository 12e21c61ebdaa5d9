"""The files that a benchmark needs, without needing them."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence

from harness.errors import PluginError, SelectionError
from harness.fetch.resource import Resource
from harness.plugin.specs import BenchmarkSpec


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
    module, _, attribute = spec.target.partition(":")
    try:
        target = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise PluginError(f"{spec.name}: cannot load {spec.target!r}: {error}") from error
    offer = getattr(target, "resources", None)
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
