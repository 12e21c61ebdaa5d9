"""Discovery of plugins through entry points, one by one, and selection among what they offer."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

import pluggy

from harness.errors import PluginError, SelectionError
from harness.spec import hooks
from harness.spec.names import nearest, split_draw, split_draws, split_settings
from harness.spec.settings import with_draw, with_settings
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec, Spec, flaw, registered

OWN = "brainpress"
"""The distribution whose plugins come first."""

S = TypeVar("S", ModelSpec, CompressorSpec, BenchmarkSpec)


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin, or a part of one, that was left out.

    Parameters
    ----------
    plugin : str
        Name of the entry point.
    distribution : str
        The package that brought it, with its version.
    reason : str
        What was wrong with it.
    """

    plugin: str
    distribution: str
    reason: str


@dataclass(frozen=True)
class Shelf(Generic[S]):
    """The specs of one kind, by name.

    Parameters
    ----------
    kind : str
        ``model``, ``compressor`` or ``benchmark``.
    specs : dict
        Specs by name, sorted.
    origins : dict
        The distribution that brought each.
    """

    kind: str
    specs: dict[str, S] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> S:
        """Return the spec of this name; of a compressor or benchmark, also ``NAME:option=value``.

        Of a calibrated compressor also ``NAME#3``, a draw of its calibration text.

        Raises
        ------
        SelectionError
            There is none (the nearest names are offered), or it has no such option.
        """
        if name in self.specs:
            return self.specs[name]
        base = name
        drawn, draw = split_draw(name)
        if self.kind == "compressor" and draw:
            whole = self.get(drawn)
            assert isinstance(whole, CompressorSpec)
            return with_draw(whole, int(draw))
        if self.kind != "model":
            base, settings = split_settings(name)
            if not settings:  # a colon, but no option yet
                base, _, settings = name.rpartition(":")
            spec = self.specs.get(base)
            if spec is not None and not isinstance(spec, ModelSpec):
                return with_settings(spec, settings)
        near = nearest(base or name, self.specs)
        hint = f"did you mean {' or '.join(near)}?" if near else ""
        raise SelectionError(
            f"no {self.kind} named {name!r}",
            hint or f"`brainpress list {self.kind}s` shows all {len(self.specs)}",
        )

    def known(self, name: str) -> S | None:
        """Return what :meth:`get` does; None where that raises."""
        try:
            return self.get(name)
        except SelectionError:
            return None

    def select(self, patterns: Sequence[str] = (), tags: Sequence[str] = ()) -> list[S]:
        """Return the specs that match any of the patterns and carry all of the tags.

        Parameters
        ----------
        patterns : sequence of str
            Names or globs, in the order wanted, each with ``:option=value`` where they are no
            models, and of compressors with ``#0-4``, draws; none: everything.
        tags : sequence of str

        Raises
        ------
        SelectionError
            A pattern, or the whole selection, matches nothing.
        """
        chosen: dict[str, S] = {}
        for pattern in patterns or ["*"]:
            draws: tuple[int, ...] = ()
            if self.kind == "compressor":
                pattern, draws = split_draws(pattern)
            glob, settings = (pattern, "") if self.kind == "model" else split_settings(pattern)
            if any(c in glob for c in "*?["):
                found = fnmatch.filter(self.specs, glob)
                if not found and patterns:
                    raise SelectionError(
                        f"no {self.kind} matches {glob!r}",
                        f"`brainpress list {self.kind}s` shows all {len(self.specs)}",
                    )
            else:
                found = [glob]
            for name in found:
                typed = f"{name}:{settings}" if settings else name
                for each in [f"{typed}#{draw}" for draw in draws] or [typed]:
                    spec = self.get(each)
                    chosen[spec.name] = spec
        tagged = [s for s in chosen.values() if set(tags) <= set(s.tags)]
        if not tagged:
            known = sorted({t for s in self.specs.values() for t in s.tags})
            raise SelectionError(
                f"no {self.kind} in {list(patterns) or 'all'} carries the tags {list(tags)}",
                f"tags in use: {', '.join(known)}" if tags else "",
            )
        return tagged


@dataclass(frozen=True)
class Registry:
    """Everything the installed plugins offer, and what was wrong with the rest."""

    models: Shelf[ModelSpec]
    compressors: Shelf[CompressorSpec]
    benchmarks: Shelf[BenchmarkSpec]
    broken: tuple[BrokenPlugin, ...] = ()

    def find(self, name: str) -> list[tuple[Spec, str]]:
        """Return specs of any kind with this name, and who brought them.

        Raises
        ------
        SelectionError
            There is none; the nearest names are offered.
        """
        shelves: list[Shelf[Any]] = [self.models, self.compressors, self.benchmarks]
        found = [(s.specs[name], s.origins[name]) for s in shelves if name in s.specs]
        if found:
            return found
        base = split_settings(split_draw(name)[0])[0]
        for shelf in shelves[1:]:
            if base in shelf.specs:
                return [(shelf.get(name), shelf.origins[base])]
        names = [n for s in shelves for n in s.specs]
        near = nearest(base, names)
        raise SelectionError(
            f"no model, compressor or benchmark named {name!r}",
            f"did you mean {' or '.join(near)}?" if near else "`brainpress list` shows all",
        )


_KINDS: tuple[tuple[str, type[Any]], ...] = (
    ("model", ModelSpec),
    ("compressor", CompressorSpec),
    ("benchmark", BenchmarkSpec),
)


NOBODY = "unknown"
"""Distribution of a plugin in a folder that nobody installed."""


def discover(points: Iterable[EntryPoint]) -> Registry:
    """Load entry points one by one and collect their specs.

    A plugin that fails to import, returns nonsense or takes a taken name is listed in ``broken``
    and never stops the others. The first to take a name keeps it; brainpress' own come first.
    """
    shelves: dict[str, Shelf[Any]] = {kind: Shelf(kind) for kind, _ in _KINDS}
    broken: list[BrokenPlugin] = []
    known: dict[int, tuple[str, str]] = {}  # a distribution's metadata is parsed once
    found = []
    for point in points:
        if id(point.dist) not in known:
            known[id(point.dist)] = _origin(point)
        found.append((known[id(point.dist)], point))
    found.sort(key=lambda f: (f[0][0] != OWN, f[1].name, f[1].value))
    for (owner, version), point in found:
        origin = f"{owner} {version}"
        try:
            manager = pluggy.PluginManager(hooks.PROJECT)
            manager.add_hookspecs(hooks)
            manager.register(point.load(), name=point.name)
            manager.check_pending()
        except (Exception, SystemExit) as error:  # whatever a stranger's module raises is its own
            reason = f"{type(error).__name__}: {error}{_elsewhere(point, error)}"
            broken.append(BrokenPlugin(point.name, origin, reason))
            continue
        for kind, spec_type in _KINDS:
            for reason in _collect(manager, shelves[kind], spec_type, owner, version):
                broken.append(BrokenPlugin(point.name, origin, reason))
    for shelf in shelves.values():
        ordered = dict(sorted(shelf.specs.items()))
        shelf.specs.clear()
        shelf.specs.update(ordered)
    return Registry(shelves["model"], shelves["compressor"], shelves["benchmark"], tuple(broken))


def _collect(
    manager: pluggy.PluginManager,
    shelf: Shelf[Any],
    spec_type: type[Any],
    owner: str,
    version: str,
) -> list[str]:
    """Put a plugin's specs of one kind on the shelf; return what was wrong."""
    origin = f"{owner} {version}"
    hook = getattr(manager.hook, f"brainpress_{shelf.kind}s")
    try:
        offered = [_registered(spec, owner) for answer in hook() for spec in answer]
    except Exception as error:  # likewise
        return [f"brainpress_{shelf.kind}s: {type(error).__name__}: {error}"]
    wrong = []
    for spec in offered:
        if not isinstance(spec, spec_type):
            wrong.append(
                f"brainpress_{shelf.kind}s returned a {type(spec).__name__},"
                f" not a {spec_type.__name__}"
            )
        elif problem := flaw(spec):
            wrong.append(f"the {shelf.kind} {spec.name!r} says nonsense: {problem}")
        elif spec.name in shelf.specs:
            holder = shelf.origins[spec.name]
            wrong.append(f"the {shelf.kind} name {spec.name!r} is taken by {holder}")
        elif twin := _twin(spec, shelf):
            wrong.append(
                f"the {shelf.kind} {spec.name!r} has the identity {spec.identity!r} of {twin!r}, "
                "which is another: give it an identity of its own"
            )
        else:
            shelf.specs[spec.name] = spec
            shelf.origins[spec.name] = origin
    return wrong


def _registered(spec: Spec, owner: str) -> Spec:
    """Give a spec its identity; a plugin in a folder that nobody installed has none yet."""
    known = isinstance(spec, CompressorSpec | BenchmarkSpec) and owner != NOBODY
    return registered(spec, owner) if known else spec


def _twin(spec: Spec, shelf: Shelf[Any]) -> str:
    """Return the name of another plugin whose results would be kept under the same identity."""
    if isinstance(spec, ModelSpec) or not spec.identity:
        return ""
    for other in shelf.specs.values():
        if other.identity == spec.identity and other.target != spec.target:
            return str(other.name)
    return ""


def _elsewhere(point: EntryPoint, error: BaseException) -> str:
    """Say which file was imported where a plugin's package is not the one it was installed as."""
    package = point.module.partition(".")[0]
    if not isinstance(error, ModuleNotFoundError) or package not in sys.modules:
        return ""
    module = sys.modules[package]
    where = module.__file__ or next(iter(getattr(module, "__path__", ())), "")
    return f" ({package!r} is imported from {where})"


def _origin(point: EntryPoint) -> tuple[str, str]:
    dist = point.dist
    return (dist.name, dist.version) if dist is not None else (NOBODY, "")


@cache
def registry() -> Registry:
    """Return what the plugins installed in this environment offer. Loaded once a process.

    Raises
    ------
    PluginError
        brainpress itself is not installed, so that none of its own plugins can be found.
    """
    found = discover(entry_points(group=hooks.ENTRY_POINT_GROUP))
    if found.models.specs or found.compressors.specs:
        return found
    own = [b for b in found.broken if b.distribution.partition(" ")[0] == OWN]
    if own:
        raise PluginError(
            f"none of brainpress's own plugins can be loaded; {own[0].plugin}: {own[0].reason}",
            "rename what is imported in their place, or install the project again",
        )
    raise PluginError(
        "no brainpress plugin is installed, not even its own",
        "install the project (`pip install -e .`) instead of running it from a bare checkout",
    )
