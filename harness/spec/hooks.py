"""The three hooks a plugin may implement.

A plugin is any module named by an entry point of the group ``brainpress``:

>>> from harness import ModelSpec, hookimpl
>>> @hookimpl
... def brainpress_models():
...     return [ModelSpec("mine", source="hf:me/mine", revision="<commit>")]
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec

PROJECT = "brainpress"
ENTRY_POINT_GROUP = "brainpress"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def brainpress_models() -> Iterable[ModelSpec]:
    """Return the models this plugin offers."""
    raise RuntimeError("a hook specification is not called")  # pragma: no cover


@hookspec
def brainpress_compressors() -> Iterable[CompressorSpec]:
    """Return the compressors this plugin offers."""
    raise RuntimeError("a hook specification is not called")  # pragma: no cover


@hookspec
def brainpress_benchmarks() -> Iterable[BenchmarkSpec]:
    """Return the benchmarks this plugin offers."""
    raise RuntimeError("a hook specification is not called")  # pragma: no cover
