"""What every plugin must keep to, as checks that anybody can run on theirs.

``brainpress check PLUGIN`` runs them; a package's own tests may call :func:`check_plugin`.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from harness.check import runs
from harness.check.rule import Held, Outcome, shelf_of, specs_of
from harness.check.specs import hook_findings, spec_findings
from harness.errors import SelectionError
from harness.spec.hooks import ENTRY_POINT_GROUP
from harness.spec.registry import discover, registry
from harness.spec.specs import BenchmarkSpec, CompressorSpec, Spec, registered


def check_plugin(target: str | Path) -> list[Held]:
    """Hold a plugin against the contract.

    Parameters
    ----------
    target : str or Path
        Folder of a package (it need not be installed); or the name of a distribution, an entry
        point, a model, a compressor or a benchmark, these two also with ``:option=value``.

    Returns
    -------
    list of Held

    Raises
    ------
    SelectionError
        There is no such plugin.
    """
    points = plugin_points(target)
    findings: list[Held] = []
    if points:
        found = discover(points)
        findings += [
            Held(b.plugin, "the plugin loads", Outcome.FAILED, b.reason) for b in found.broken
        ]
        broken = {b.plugin for b in found.broken}
        for point in points:
            # Of what does not load the rest would say the same.
            if point.name not in broken or specs_of(discover([point])):
                findings += hook_findings(point)
        specs = specs_of(found)
        findings += [finding for spec in specs for finding in _name_taken(spec, points)]
    else:
        specs = [spec for spec, _ in registry().find(str(target))]
    for spec in specs:
        findings += spec_findings(spec)
        findings += _behaviour(spec)
    return findings


def plugin_points(target: str | Path) -> list[EntryPoint]:
    """Return the entry points of a package's folder, a distribution, or of one name.

    A folder's modules can be imported from then on.

    Raises
    ------
    SelectionError
        The folder is no package, or names no plugin.
    """
    folder = Path(target)
    if folder.is_dir():
        return _points_of_folder(folder.resolve())
    return [
        point
        for point in entry_points(group=ENTRY_POINT_GROUP)
        if point.name == target or (point.dist is not None and point.dist.name == target)
    ]


def _points_of_folder(folder: Path) -> list[EntryPoint]:
    path = folder / "pyproject.toml"
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        named = said["project"]["entry-points"][ENTRY_POINT_GROUP]
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise SelectionError(
            f"{path} names no plugin: {error!r}",
            f'it needs a table [project.entry-points.{ENTRY_POINT_GROUP}] with NAME = "module"',
        ) from error
    home = folder / "src" if (folder / "src").is_dir() else folder
    if str(home) not in sys.path:
        sys.path.insert(0, str(home))
    return [EntryPoint(name, value, ENTRY_POINT_GROUP) for name, value in named.items()]


def _name_taken(spec: Spec, points: list[EntryPoint]) -> Iterator[Held]:
    shelf = shelf_of(spec)
    mine = {point.dist.name for point in points if point.dist is not None}
    origin = shelf.origins.get(spec.name, "")
    # A folder's own installed copy has the same spec and is no rival.
    owner = origin.partition(" ")[0]
    copy = origin and shelf.specs[spec.name] == registered(spec, owner)
    if origin and owner not in mine and not copy:
        yield Held(spec.name, "its name is free", Outcome.FAILED, f"taken by {origin}")


def _behaviour(spec: Spec) -> list[Held]:
    if isinstance(spec, CompressorSpec):
        return runs.compressor_findings(spec)
    if isinstance(spec, BenchmarkSpec):
        return runs.benchmark_findings(spec)
    return runs.model_findings(spec)
