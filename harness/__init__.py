"""How small, and how compressed, can a language model be and still predict the human brain.

The verbs are :func:`run`, :func:`plan`, :func:`open_board`, :func:`answer`, :func:`export`,
:func:`models`, :func:`compressors` and :func:`benchmarks`; a plugin needs :data:`hookimpl` and the
three specs.
Names are imported on use: ``import harness`` loads neither torch nor transformers.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import benchmarks as benchmarks
    from harness.api import compressors as compressors
    from harness.api import models as models
    from harness.api import plan as plan
    from harness.api import run as run
    from harness.board.answers import answer as answer
    from harness.board.files import export as export
    from harness.board.files import open_board as open_board
    from harness.errors import HarnessError as HarnessError
    from harness.record.context import Context as Context
    from harness.record.request import Measure as Measure
    from harness.record.request import Recordings as Recordings
    from harness.record.request import Request as Request
    from harness.runner.options import Overwrite as Overwrite
    from harness.spec.hooks import hookimpl as hookimpl
    from harness.spec.specs import BenchmarkSpec as BenchmarkSpec
    from harness.spec.specs import CompressorSpec as CompressorSpec
    from harness.spec.specs import ModelSpec as ModelSpec
    from harness.stimuli.passages import Passage as Passage
    from harness.stimuli.passages import Stimuli as Stimuli

_HOMES = {
    "BenchmarkSpec": "harness.spec.specs",
    "CompressorSpec": "harness.spec.specs",
    "Context": "harness.record.context",
    "HarnessError": "harness.errors",
    "Measure": "harness.record.request",
    "ModelSpec": "harness.spec.specs",
    "Overwrite": "harness.runner.options",
    "Passage": "harness.stimuli.passages",
    "Recordings": "harness.record.request",
    "Request": "harness.record.request",
    "Stimuli": "harness.stimuli.passages",
    "answer": "harness.board.answers",
    "benchmarks": "harness.api",
    "compressors": "harness.api",
    "export": "harness.board.files",
    "hookimpl": "harness.spec.hooks",
    "models": "harness.api",
    "open_board": "harness.board.files",
    "plan": "harness.api",
    "run": "harness.api",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
