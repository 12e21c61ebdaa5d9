"""What every plugin must keep to, as checks that anybody can run on theirs.

``brainpress check PLUGIN`` runs them; a package's own tests may call :func:`check_plugin`.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from harness.errors import DataError, ExtraMissing, FetchError, HarnessError, SelectionError
from harness.spec.hooks import ENTRY_POINT_GROUP
from harness.spec.registry import Registry, Shelf, discover, registry
from harness.spec.specs import BenchmarkSpec, CompressorSpec, Spec, registered


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """What it needs is not on this machine."""
    NOTE = "note"
    """No fault, but something that users will miss."""


@dataclass(frozen=True)
class Finding:
    """One rule, held against one thing.

    Parameters
    ----------
    subject : str
        Name of the plugin or of its model, compressor or benchmark.
    rule : str
        What must hold.
    outcome : Outcome
    detail : str
        What was found.
    hint : str
        What to do next.
    """

    subject: str
    rule: str
    outcome: Outcome
    detail: str = ""
    hint: str = ""


class Broken(HarnessError):
    """A rule of the contract does not hold."""


def attempt(subject: str, rule: str, trial: Callable[[], str]) -> Finding:
    """Try a rule: what the trial returns is the detail, what it raises is why the rule fails.

    A trial that raises because data, weights or an extra are not here is skipped.
    """
    try:
        return Finding(subject, rule, Outcome.PASSED, trial())
    except (FetchError, DataError, ExtraMissing) as error:
        return Finding(subject, rule, Outcome.SKIPPED, error.message, error.hint)
    except HarnessError as error:
        return Finding(subject, rule, Outcome.FAILED, error.message, error.hint)
    # Whatever a stranger's code raises is a finding, not the end of the check.
    except Exception as error:
        return Finding(subject, rule, Outcome.FAILED, f"{type(error).__name__}: {error}")


def check_plugin(target: str | Path) -> list[Finding]:
    """Hold a plugin against the contract.

    Parameters
    ----------
    target : str or Path
        Folder of a package (it need not be installed); or the name of a distribution, an entry
        point, a model, a compressor or a benchmark, these two also with ``:option=value``.

    Returns
    -------
    list of Finding

    Raises
    ------
    SelectionError
        There is no such plugin.
    """
    from harness.check.specs import hook_findings, spec_findings

    points = plugin_points(target)
    findings: list[Finding] = []
    if points:
        found = discover(points)
        findings += [
            Finding(b.plugin, "the plugin loads", Outcome.FAILED, b.reason) for b in found.broken
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


def specs_of(found: Registry) -> list[Spec]:
    """Return everything that plugins offer."""
    return [
        *found.models.specs.values(),
        *found.compressors.specs.values(),
        *found.benchmarks.specs.values(),
    ]


def _name_taken(spec: Spec, points: list[EntryPoint]) -> Iterator[Finding]:
    shelf = shelf_of(spec)
    mine = {point.dist.name for point in points if point.dist is not None}
    origin = shelf.origins.get(spec.name, "")
    # A folder's own installed copy has the same spec and is no rival.
    owner = origin.partition(" ")[0]
    copy = origin and shelf.specs[spec.name] == registered(spec, owner)
    if origin and owner not in mine and not copy:
        yield Finding(spec.name, "its name is free", Outcome.FAILED, f"taken by {origin}")


def shelf_of(spec: Spec) -> Shelf[Any]:
    """Return the installed plugins of a spec's kind."""
    found = registry()
    if isinstance(spec, CompressorSpec):
        return found.compressors
    return found.benchmarks if isinstance(spec, BenchmarkSpec) else found.models


def _behaviour(spec: Spec) -> list[Finding]:
    from harness.check import runs as contract_runs

    if isinstance(spec, CompressorSpec):
        return contract_runs.compressor_findings(spec)
    if isinstance(spec, BenchmarkSpec):
        return contract_runs.benchmark_findings(spec)
    return contract_runs.model_findings(spec)
