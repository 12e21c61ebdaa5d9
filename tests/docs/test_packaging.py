"""What pyproject.toml and constraints.txt promise, held against the code."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
OWN = ("harness", "brainpress_plugins")
FOLDERS = ("harness", "plugins")
EXTRA_MODULES = {
    "gptqmodel": "gptq",
    "optimum": "gptq",
    "bitsandbytes": "bnb",
    "llmcompressor": "llmcompressor",
    "compressed_tensors": "llmcompressor",
    "datasets": "llmcompressor",
    "dask": "dask",
    "distributed": "dask",
    "altair": "report",
    "vl_convert": "report",
    "nilearn": "report",
    "nibabel": "neural",
    "h5py": "neural",
    "mne": "neural",
    "plotly": "report",
    "matplotlib": "report",  # by nilearn
}
"""Modules that only an extra brings."""


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def sources() -> Iterator[Path]:
    for room in FOLDERS:
        yield from (ROOT / room).rglob("*.py")


def imported() -> dict[str, str]:
    """Third-party modules that our code imports, and where."""
    found: dict[str, str] = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                found[name.partition(".")[0]] = path.relative_to(ROOT).as_posix()
    return {n: f for n, f in found.items() if n not in {*sys.stdlib_module_names, *OWN}}


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(r).name) for r in requirements}


def test_what_is_imported_is_a_dependency(pyproject):
    base = names(pyproject["project"]["dependencies"])
    extras = pyproject["project"]["optional-dependencies"]
    homes = packages_distributions()
    for module, where in imported().items():
        if module in EXTRA_MODULES:
            assert EXTRA_MODULES[module] in extras, f"{where} imports {module}"
        else:
            own = {canonicalize_name(d) for d in homes.get(module, [module])}
            assert own & base, f"{where} imports {module}, which is no dependency"


def test_what_is_a_dependency_is_imported(pyproject):
    homes = packages_distributions()
    used = {canonicalize_name(d) for module in imported() for d in homes.get(module, [])}
    base = names(pyproject["project"]["dependencies"])
    assert not base - used


def test_constraints_pin_what_is_asked_for(pyproject, pins):
    project = pyproject["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (Requirement(r) for each in lists for r in each):
        name = canonicalize_name(requirement.name)
        if name != "brainpress":
            assert name in pins, f"{requirement} has no pin"
            assert requirement.specifier.contains(Version(pins[name])), requirement


def test_constraints_hold_on_any_machine(pins):
    for name, version in pins.items():
        assert name == canonicalize_name(name)
        assert Version(version).local is None, f"{name}=={version}: a build of one machine"
        assert not name.startswith(("nvidia-", "cuda-")), name
        assert name != "triton"


def test_every_plugin_module_is_registered():
    points = entry_points(group="brainpress")
    registered = {p.value for p in points if p.value.startswith("brainpress_plugins.")}
    written = set()
    for path in (ROOT / "plugins").rglob("*.py"):
        if re.search(r"^@hookimpl", path.read_text(encoding="utf-8"), re.MULTILINE):
            module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
            written.add(f"brainpress_{module.removesuffix('.__init__')}")
    assert registered == written, "install the project again: a plugin module came or went"
    for module in registered:
        importlib.import_module(module)


def test_data_files_are_installed(pyproject):
    patterns = pyproject["tool"]["setuptools"]["package-data"]
    for room, package in zip(FOLDERS, OWN, strict=True):
        for path in (ROOT / room).rglob("*"):
            relative = path.relative_to(ROOT / room)
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                suffix = f"**/*{path.suffix}"
                assert suffix in patterns[package] or path.name in patterns[package], relative


def test_scaffolded_readmes_link_no_page_that_is_not_there():
    for path in (ROOT / "harness" / "scaffold" / "templates").rglob("*.md.txt"):
        assert "](http" not in path.read_text(encoding="utf-8"), path
