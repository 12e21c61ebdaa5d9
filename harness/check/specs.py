"""The part of the contract that reads what a plugin says of itself, and runs nothing of it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

from harness.check.rooms import stages_reached
from harness.check.rule import Held, Outcome, RuleBroken, attempt, shelf_of
from harness.spec.layout import KINDS
from harness.spec.names import nearest, split_settings
from harness.spec.registry import discover
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec, Spec
from harness.store.keys import content_key

HEAVY = ("torch", "transformers", "numpy", "xarray", "pandas", "scipy")
"""What listing plugins must not import."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:#@+,=/ -]{0,127}")
SCHEMES = ("hf", "https", "pypi", "file")
_IMPORT_LIMIT = 60


def hook_findings(point: EntryPoint) -> list[Held]:
    """Check a plugin's module: what importing it costs, and whether it says the same twice."""
    return [
        attempt(point.name, "importing it loads no heavy library", lambda: _light(point)),
        attempt(point.name, "it offers the same specs twice", lambda: _same_twice(point)),
    ]


def _light(point: EntryPoint) -> str:
    code = (
        "import sys, importlib; importlib.import_module(sys.argv[1]); "
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    command = [
        sys.executable,
        "-c",
        f"import sys; sys.path[:0] = {sys.path!r}; {code}",
        point.module,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_IMPORT_LIMIT
    )
    if done.returncode:
        raise RuleBroken(f"import {point.module} fails: {done.stderr.strip().splitlines()[-1]}")
    if done.stdout.strip():
        raise RuleBroken(
            f"import {point.module} loads {done.stdout.strip()}: import inside functions"
        )
    return ""


def _same_twice(point: EntryPoint) -> str:
    first, second = discover([point]), discover([point])
    if first != second:
        raise RuleBroken("its hooks do not return the same specs each time they are called")
    count = len(first.models.specs) + len(first.compressors.specs) + len(first.benchmarks.specs)
    if not count:
        raise RuleBroken(
            "it offers nothing: is a function named brainpress_models, … marked with @hookimpl?"
        )
    return "1 spec" if count == 1 else f"{count} specs"


def spec_findings(spec: Spec) -> list[Held]:
    """Check what a spec says."""
    findings = [attempt(spec.name, "its name can be selected", lambda: _name(spec))]
    if isinstance(spec, ModelSpec):
        findings.append(attempt(spec.name, "its source can be read", lambda: _source(spec)))
    else:
        findings.append(attempt(spec.name, "its options have a key", lambda: _options(spec)))
    if isinstance(spec, BenchmarkSpec):
        findings.append(attempt(spec.name, "it says what it measures", lambda: _measure(spec)))
        findings.append(attempt(spec.name, "it names its stages", lambda: _stages(spec)))
    return [*findings, *_missing(spec)]


def _name(spec: Spec) -> str:
    shelf, name = shelf_of(spec), spec.name
    if name not in shelf.specs and shelf.known(name) == spec:
        name = split_settings(name)[0]  # what follows are options that somebody typed
    if not NAME.fullmatch(name) or any(c in name for c in ",*?[ "):
        raise RuleBroken(f"{name!r}: letters, digits and . _ - + @ only")
    return ""


def _source(spec: ModelSpec) -> str:
    scheme = spec.source.partition(":")[0]
    if scheme not in SCHEMES:
        raise RuleBroken(
            f"{spec.source!r} starts with none of {', '.join(f'{s}:' for s in SCHEMES)}",
            nearest_source(spec.source),
        )
    return spec.source


def nearest_source(typed: str) -> str:
    """Say what somebody who wrote ``typed`` for a source may have meant."""
    scheme, colon, rest = typed.partition(":")
    if colon and (near := nearest(scheme, SCHEMES)):
        return f"did you mean {near[0]}:{rest}?"
    if Path(typed).exists():
        return f"did you mean file:{typed}?"
    if re.fullmatch(r"[\w.-]+/[\w.-]+(@\w+)?", typed):
        return f"did you mean hf:{typed}?"
    return "hf:org/name, file:FOLDER, file:X.gguf, https://HOST/X.gguf"


def _options(spec: CompressorSpec | BenchmarkSpec) -> str:
    return content_key(options=dict(spec.options))[:12]


def _measure(spec: BenchmarkSpec) -> str:
    if spec.kind not in KINDS:
        raise RuleBroken(f"kind is {spec.kind!r}, not one of {', '.join(KINDS)}")
    if not spec.metric:
        raise RuleBroken("metric is empty: say what value is, in a few words")
    return spec.metric


def _stages(spec: BenchmarkSpec) -> str:
    """Hold what a benchmark says of its stages against what its code imports."""
    unsaid = stages_reached(spec.target.partition(":")[0]) - set(spec.scored_by)
    if unsaid:
        said = tuple(sorted(unsaid | set(spec.scored_by)))
        raise RuleBroken(
            f"it uses harness.{', harness.'.join(sorted(unsaid))}, and is not scored again when "
            f"that changes: say stages={said!r}"
        )
    return ", ".join(spec.scored_by)


def _missing(spec: Spec) -> Iterator[Held]:
    """Note what a reader of the board will look for."""
    wanted = {"licence": "may others use it?", "citation": "whose work is it?"}
    if isinstance(spec, ModelSpec):
        wanted |= {"revision": "results of a model that is not pinned are marked"}
        wanted |= {"family": "saturation is asked within families"}
    elif isinstance(spec, CompressorSpec):
        wanted |= {"method": "variants are grouped by method"}
    else:
        wanted |= {"margin": "no difference can be called none without one"}
        wanted |= {"data": "where do the data come from?"}
    for field, why in wanted.items():
        if getattr(spec, field) in ("", None):
            yield Held(spec.name, f"it has a {field}", Outcome.NOTE, why)
