"""From the words of a user to specs: names, globs, tags, addresses, controls and suites."""

from __future__ import annotations

import codecs
import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import SelectionError
from harness.runner.options import DTYPES
from harness.spec.registry import Registry
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec

SEEDS = (0, 1, 2)
"""Seeds of an untrained control whose seed is not named."""

Spec = TypeVar("Spec", ModelSpec, CompressorSpec, BenchmarkSpec)
_ADDRESSES = ("hf:", "https:", "pypi:", "file:")
_FOLDERS = ("hf:", "file:")


@dataclass(frozen=True)
class Suite:
    """A named subset of the matrix.

    Parameters
    ----------
    models, compressors, benchmarks : tuple of str
        Names, globs, addresses (models) or controls (models).
    tags : tuple of str
        Tags that the models must carry.
    controls : bool
        Whether every model has its controls beside it, uncompressed: untrained, static, and
        autocorrelation alone.
    description : str
    dtype : str
        Precision of the whole; empty where the suite says none.
    parts : tuple of Suite
        The suite is what its parts are together, each a matrix of its own (a small model by every
        method, a large one by a few). What the axes above name is then what is chosen of it.
    """

    models: tuple[str, ...] = ()
    compressors: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    controls: bool = False
    description: str = ""
    dtype: str = ""
    parts: tuple[Suite, ...] = ()


@dataclass(frozen=True)
class Selection:
    """The specs of a run; their product is the matrix, or holds it.

    ``added`` are the names of controls that nobody named: they are not compressed. ``only`` are the
    names of model, compressor and benchmark that belong together; None, all do.
    """

    models: tuple[ModelSpec, ...]
    compressors: tuple[CompressorSpec, ...]
    benchmarks: tuple[BenchmarkSpec, ...]
    added: frozenset[str] = frozenset()
    only: frozenset[tuple[str, str, str]] | None = None

    def cells(self) -> Iterator[tuple[ModelSpec, CompressorSpec, BenchmarkSpec]]:
        """Yield what is to be scored, by model, compressor and benchmark."""
        for model, compressor, benchmark in product(self.models, self.compressors, self.benchmarks):
            names = (model.name, compressor.name, benchmark.name)
            if self.only is None or names in self.only:
                yield model, compressor, benchmark


def suite_names() -> list[str]:
    """Names of the suites that come with brainpress."""
    folder = files("harness.runner") / "suites"
    return sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith("toml"))


def load_suite(name: str) -> Suite:
    """Read a suite: one that comes with brainpress, or a TOML file.

    Raises
    ------
    SelectionError
        There is no such suite, it is not TOML, or it says something a suite does not say.
    """
    if name.endswith(".toml"):
        text = _suite_text(name)
    elif name in suite_names():
        text = (files("harness.runner") / "suites" / f"{name}.toml").read_text(encoding="utf-8")
    else:
        near = difflib.get_close_matches(name, suite_names(), n=2, cutoff=0.5)
        raise SelectionError(
            f"no suite named {name!r}",
            f"did you mean {near[0]}?"
            if near
            else f"suites: {', '.join(suite_names())}; or the path of a .toml file",
        )
    try:
        said = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SelectionError(f"suite {name} is not TOML: {error}") from error
    parts = said.pop("part", [])
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise SelectionError(f"suite {name}: a part is a table of its own", "write [[part]]")
    if parts and (also := sorted(set(said) - {"description", "dtype"})):
        raise SelectionError(f"suite {name} has parts, and says {also} of the whole")
    whole = _suite(said, f"suite {name}")
    numbered = enumerate(parts, 1)
    if any("dtype" in part for part in parts):
        raise SelectionError(
            f"suite {name}: a part says dtype", "one precision for all: say it of the whole suite"
        )
    return replace(
        whole, parts=tuple(_suite(part, f"suite {name}, part {n}") for n, part in numbered)
    )


def _suite(said: dict[str, Any], where: str) -> Suite:
    known = {f.name for f in fields(Suite)} - {"parts"}
    if unknown := sorted(set(said) - known):
        raise SelectionError(f"{where} says {unknown}", f"a suite says {sorted(known)}")
    description, controls = said.pop("description", ""), said.pop("controls", False)
    if (dtype := said.pop("dtype", "")) and dtype not in DTYPES:
        raise SelectionError(f"{where}: no dtype {dtype!r}", "one of " + ", ".join(DTYPES))
    if not isinstance(controls, bool):
        raise SelectionError(f"{where}: controls must be true or false")
    for axis, value in said.items():
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise SelectionError(f"{where}: {axis} must be a list of names")
    axes = {axis: tuple(value) for axis, value in said.items()}
    return Suite(**axes, controls=controls, description=description, dtype=dtype)


def _suite_text(name: str) -> str:
    """Read a suite's file; Windows' Notepad writes UTF-16 where it is asked for Unicode."""
    try:
        if not Path(name).is_file():
            raise SelectionError(f"no suite file {name[:200]!r}")
        raw = Path(name).read_bytes()
    except (OSError, ValueError) as error:  # a name too long, one with NUL, no permission
        why = getattr(error, "strerror", None) or error
        raise SelectionError(f"suite {name[:200]!r} cannot be read: {why}") from error
    encoding = "utf-16" if raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise SelectionError(
            f"suite {name} is not written in UTF-8: {error}", "save it as UTF-8"
        ) from error


def select(suite: Suite, registry: Registry, seeds: Sequence[int] = SEEDS) -> Selection:
    """Turn a suite into specs.

    An axis that the suite leaves empty takes its default: the compressor ``none``, the benchmarks
    tagged ``embedded``. Models have no default. Of a suite that has parts, what its own axes name
    is chosen.

    Raises
    ------
    SelectionError
        Something named is not there, or an axis is empty.
    """
    if suite.parts:
        return _together(suite, registry, seeds)
    if not suite.models and not suite.tags:
        raise SelectionError(
            "no model is selected",
            f"name a suite ({', '.join(suite_names())}), or models with -m or --tag",
        )
    models: dict[str, ModelSpec] = {}
    for pattern in suite.models or ("*",):
        for spec in _models(pattern, suite.tags, registry, seeds):
            models[spec.name] = spec
    benchmarks = select_benchmarks(suite.benchmarks, registry)
    compressors = registry.compressors.select(suite.compressors or ("none",))
    if not suite.controls:
        return Selection(tuple(models.values()), tuple(compressors), tuple(benchmarks))
    added = {c.name: c for c in controls_of(models.values(), seeds) if c.name not in models}
    if not any(c.method == "none" for c in compressors):  # what controls are compared with
        compressors = [*registry.compressors.select(["none"]), *compressors]
    return Selection(
        (*models.values(), *added.values()),
        tuple(compressors),
        tuple(benchmarks),
        frozenset(added),
    )


def _together(suite: Suite, registry: Registry, seeds: Sequence[int]) -> Selection:
    """Return what the parts of a suite are together, or what its axes choose of that."""
    parts = [select(part, registry, seeds) for part in suite.parts]
    models = {m.name: m for part in parts for m in part.models}
    compressors = {c.name: c for part in parts for c in part.compressors}
    benchmarks = {b.name: b for part in parts for b in part.benchmarks}
    named = [
        model
        for pattern in suite.models or (("*",) if suite.tags else ())
        for model in _models(pattern, suite.tags, registry, seeds)
    ]
    methods = registry.compressors.select(suite.compressors) if suite.compressors else ()
    tasks = select_benchmarks(suite.benchmarks, registry) if suite.benchmarks else ()
    wanted = _of(named, models, "model"), _of(methods, compressors, "compressor")
    # A control that one part adds is not compressed there; one that a part names may be.
    only = frozenset(
        (model.name, compressor.name, benchmark.name)
        for part in parts
        for model, compressor, benchmark in part.cells()
        if model.name not in part.added or compressor.method == "none"
    )
    return Selection(*wanted, _of(tasks, benchmarks, "benchmark"), only=only)


def _of(wanted: Iterable[Spec], known: Mapping[str, Spec], axis: str) -> tuple[Spec, ...]:
    """Return the known specs that are wanted; all, where none is named."""
    names = {spec.name for spec in wanted} or set(known)
    found = tuple(spec for name, spec in known.items() if name in names)
    if not found:
        raise SelectionError(
            f"no part of the suite has the {axis} {', '.join(sorted(names))}",
            f"it has {', '.join(known)}",
        )
    return found


def controls_of(models: Iterable[ModelSpec], seeds: Sequence[int] = SEEDS) -> Iterator[ModelSpec]:
    """Yield the controls of every model: untrained, by seed; static; autocorrelation alone."""
    from harness.lm import controls

    for model in models:
        if not model.control:
            yield from (controls.untrained(model, seed) for seed in seeds)
            yield controls.static(model)
    yield controls.autocorrelation()


def select_benchmarks(patterns: Sequence[str], registry: Registry) -> list[BenchmarkSpec]:
    """Return benchmarks by name and glob; ``data:PATH``; ``NAME:option=value``.

    Raises
    ------
    SelectionError
        Something named is not there, or options are not written as options.
    """
    if not patterns:
        return registry.benchmarks.select((), ("embedded",))
    chosen: dict[str, BenchmarkSpec] = {}
    for pattern in patterns:
        if pattern.startswith("data:"):
            from harness.own_data.description import spec_from_data

            found = [spec_from_data(pattern)]
        else:
            found = registry.benchmarks.select([pattern])
        for spec in found:
            other = chosen.setdefault(spec.name, spec)
            if other != spec:
                raise SelectionError(
                    f"two benchmarks are called {spec.name}: {_data(other)}, and {_data(spec)}",
                    "give each benchmark.toml a name of its own",
                )
    return list(chosen.values())


def _data(spec: BenchmarkSpec) -> str:
    return spec.data or spec.target


def _models(
    pattern: str, tags: Sequence[str], registry: Registry, seeds: Sequence[int]
) -> list[ModelSpec]:
    from harness.lm import controls
    from harness.lm.source import spec_from_address

    head, colon, rest = pattern.partition(":")
    if colon and head == controls.PREFIX:
        only = controls.autocorrelation()
        if pattern != only.name:
            raise SelectionError(f"no control is called {pattern!r}", f"did you mean {only.name}?")
        return [only]
    if colon and head == controls.SPEECH:
        if not rest.startswith(_FOLDERS):
            raise SelectionError(
                f"{pattern[:80]!r} is not the address of a speech model",
                "write speech:hf:org/name@revision or speech:file:FOLDER",
            )
        return [controls.speech(spec_from_address(rest))]
    if colon and head in ("untrained", "static"):
        name, _, seed = rest.partition("#")
        if name.startswith(("untrained:", "static:", "speech:")):
            raise SelectionError(
                f"{pattern[:60]!r} is a control of a control", "name the model that was trained"
            )
        if len(seed) > 9:
            raise SelectionError(f"{head}:{name[:60]}#{seed[:9]}...: a seed has at most 9 digits")
        bases = _models(name, tags, registry, seeds)
        if head == "static":
            return [controls.static(base) for base in bases]
        if seed and not seed.isdecimal():
            raise SelectionError(f"{pattern!r}: the seed after # must be a whole number")
        chosen = [int(seed)] if seed else list(seeds)
        return [controls.untrained(base, s) for base in bases for s in chosen]
    if pattern.startswith(_ADDRESSES):
        return [spec_from_address(pattern)]
    return registry.models.select([pattern], tags)
