"""What somebody who writes a plugin does next, as commands to copy."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

from harness.check.contract import plugin_points
from harness.check.rule import specs_of
from harness.errors import HarnessError
from harness.scaffold.package import PluginKind
from harness.spec.hooks import ENTRY_POINT_GROUP
from harness.spec.registry import discover, registry
from harness.spec.specs import CompressorSpec, ModelSpec, Spec

_WORK = {
    PluginKind.COMPRESSOR: ("compressor.py", "the method"),
    PluginKind.BENCHMARK: ("benchmark.py", "what is recorded, and the score"),
}


def after_new(kind: PluginKind | str, name: str, folder: Path, source: str = "") -> list[str]:
    """Say which files of a new package to edit, and what to type then.

    Parameters
    ----------
    kind : PluginKind or str
    name : str
        Of the package.
    folder : Path
        That was written.
    source : str
        Of a model, if it was given.

    Returns
    -------
    list of str
        Lines.
    """
    kind = PluginKind(kind)
    # Beside pyproject.toml there is one package, and the tests.
    module = next(path.parent for path in Path(folder).glob("*/__init__.py"))
    edit = [f"edit {module / '__init__.py'}: "]
    if kind is PluginKind.MODEL:
        edit[0] += "whose it is, its licence, and a revision if the weights are not on this disk"
        if not source:
            edit.append(
                f"put config.json, the tokenizer and *.safetensors into {Path(folder) / 'weights'}"
            )
    else:
        file, what = _WORK[kind]
        edit[0] += "name, options, licence, whose it is"
        edit.insert(0, f"edit {module / file}: {what}")
    return [*edit, *_install(folder), f"brainpress check {name}"]


def after_check(target: str) -> list[str]:
    """Say what to do with a plugin that keeps to the contract.

    Parameters
    ----------
    target : str
        As for :func:`harness.check.contract.check_plugin`.

    Returns
    -------
    list of str
        Lines.
    """
    points = plugin_points(target)
    if not points:
        return _run([spec for spec, _ in registry().find(target)])
    here = {(point.name, point.value) for point in entry_points(group=ENTRY_POINT_GROUP)}
    installed = {(point.name, point.value) for point in points} <= here
    steps = _run(specs_of(discover(points)))
    return steps if installed else [*_install(Path(target)), *steps]


def _install(folder: Path) -> list[str]:
    place = str(folder) if folder.is_absolute() else f"./{folder}"
    return [f"pip install -e {shlex.quote(place)}"]


def _run(specs: Sequence[Spec]) -> list[str]:
    """Say how what was checked is scored, with all that a submission must hold."""
    if not specs:
        return []
    spec = specs[0]
    model = spec.name if isinstance(spec, ModelSpec) else _smallest()
    axis = ""
    if isinstance(spec, CompressorSpec):
        axis = f" -c {shlex.quote(f'none,{spec.name}')}"
    elif not isinstance(spec, ModelSpec):
        axis = f" -b {shlex.quote(spec.name)}"
    if isinstance(spec, ModelSpec) and spec.control:
        return [f"brainpress run -m {shlex.quote(model)}"]
    models = shlex.quote(f"{model},untrained:{model},static:{model}")
    return [
        *_pin(spec),
        f"brainpress run -m {models}{axis}",
        "brainpress submit --as NAME --contact WHERE   (a submission holds the model as it is,"
        " and its controls)",
    ]


def _pin(spec: Spec) -> list[str]:
    """Say what to write to pin a model's files: nobody knows the fingerprint of a folder."""
    if not isinstance(spec, ModelSpec) or spec.revision:
        return []
    from harness.lm.source import resolve

    try:
        files = resolve(spec, offline=True)
    except HarnessError:
        return []
    return [f'to pin its files, write revision="{files.revision}" into its spec']


def _smallest() -> str:
    """Return the model that is scored soonest."""
    models = [s for s in registry().models.specs.values() if s.parameters and not s.gated]
    return min(models, key=lambda s: s.parameters or 0).name if models else "MODEL"
