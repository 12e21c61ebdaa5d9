"""The site of docs/, the leaderboard's workflow, and the paper's suite hold together."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.runner.select import load_suite, select, suite_names
from harness.spec.registry import registry

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site() -> dict[str, Any]:
    said: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    return said


def pages(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    if isinstance(nav, dict):
        return [page for value in nav.values() for page in pages(value)]
    return [page for item in nav for page in pages(item)]


def test_every_page_is_in_the_navigation(site):
    assert sorted(pages(site["nav"])) == sorted(p.name for p in (ROOT / "docs").glob("*.md"))


def test_what_the_reference_names_is_there():
    text = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    found = re.findall(r"^::: (\S+)\n(?:    options:\n      members: \[(.+)\])?", text, re.M)
    assert len(found) > 8
    for module, members in found:
        loaded = importlib.import_module(module)
        for name in filter(None, members.split(", ")):
            assert getattr(loaded, name).__doc__, f"{module}.{name}"


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="needs the extra docs")
def test_the_site_builds(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-d", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "site/reference/index.html").read_text(encoding="utf-8")
    assert "Score every selected variant" in page
    assert "fonts.googleapis" not in page


@pytest.mark.parametrize("name", suite_names())
def test_every_suite_selects_what_is_there(name):
    suite = load_suite(name)
    chosen = select(suite, registry())
    assert suite.description
    for part in suite.parts or (suite,):
        assert len(chosen.models) >= len(part.models)
        assert len(chosen.benchmarks) >= len(part.benchmarks) > 0


def test_the_workflow_reads_a_submission_with_the_code_of_the_base():
    said = yaml.safe_load((ROOT / ".github/workflows/leaderboard.yml").read_text(encoding="utf-8"))
    job = said["jobs"]["check"]
    run = "\n".join(step.get("run", "") for step in job["steps"])
    assert "pip install -q -c base/constraints.txt -e 'base[report]'" in run
    assert "pip install" not in run.replace("-e 'base[report]'", "").replace(
        "pip install -q -c base", ""
    )
    assert said["permissions"] == {"contents": "read"}
    assert "permissions" not in job
    for command in ("check", "verify", "build"):
        assert f"brainpress board {command}" in run
    # Text of a pull request never becomes part of a command.
    assert "${{" not in run
