"""Workflows, templates and the source archive: what a project one can depend on has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def read(path: Path) -> dict[str, Any]:
    said: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return said


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_actions_are_pinned_by_hash_and_say_which_version_it_is(path: Path) -> None:
    used = re.findall(r"uses: (\S+)(.*)", path.read_text(encoding="utf-8"))
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_jobs_may_do_little_and_end(path: Path) -> None:
    said = read(path)
    assert said["permissions"] == {"contents": "read"}
    for name, job in said["jobs"].items():
        assert job["timeout-minutes"] <= 120, name


def test_the_matrix_has_the_versions_and_systems_that_the_classifiers_state() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    stated = {c.rpartition(" ")[2] for c in project["classifiers"] if ":: Python :: 3." in c}
    jobs = read(ROOT / ".github/workflows/ci.yml")["jobs"]
    matrices = [jobs[name]["strategy"]["matrix"] for name in ("check", "install")]
    assert {version for m in matrices for version in m["python"]} == stated
    assert [name.partition("-")[0] for name in matrices[1]["os"]] == ["ubuntu", "macos", "windows"]
    extras = set(project["optional-dependencies"]) - {"test", "docs", "dev"}
    nightly = read(ROOT / ".github/workflows/nightly.yml")["jobs"]["extras"]
    assert set(nightly["strategy"]["matrix"]["extra"]) == extras


def test_templates_are_yaml_with_a_body() -> None:
    for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"):
        assert all({"type", "attributes"} <= set(part) for part in read(path)["body"])


def test_one_version_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_the_source_archive_is_complete(tmp_path: Path) -> None:
    """Every tracked file is in it: who packages brainpress can run its tests."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run([git, "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    names = [n for n in listed.stdout.splitlines() if (ROOT / n).is_file()]
    copy = tmp_path / "copy"
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    build = f"from setuptools import build_meta; print(build_meta.build_sdist({str(tmp_path)!r}))"
    subprocess.run(
        [sys.executable, "-c", build], cwd=copy, check=True, capture_output=True, text=True
    )
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        held = {name.partition("/")[2] for name in opened.getnames()}
    missing = {name for name in names if name not in held}
    assert {
        n for n in missing if Path(n).name not in (".gitignore", ".pre-commit-config.yaml")
    } == set()
