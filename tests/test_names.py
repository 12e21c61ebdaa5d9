"""What stands beside a user's script: folders of the names that brainpress uses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def python(code: str, folder: Path, *, path: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script that lies in a folder, as a user does."""
    script = folder / "script.py"
    script.write_text(code)
    environment = os.environ | {"PYTHONPATH": path, "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, str(script)], env=environment, cwd=folder, capture_output=True, text=True
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "__init__.py").write_text("")
    return tmp_path


def test_a_folder_of_plugins_beside_the_script_hides_nothing(folder: Path) -> None:
    done = python("import harness\nprint(len(harness.models()))", folder)
    assert int(done.stdout) > 20, done.stderr


def test_a_module_of_plugins_beside_the_script_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "plugins.py").write_text("")
    done = python("import brainpress\nprint(len(brainpress.compressors()))", tmp_path)
    assert int(done.stdout) > 20, done.stderr


def test_a_package_of_our_name_is_named(folder: Path) -> None:
    theirs = folder / "harness" / "__init__.py"
    theirs.parent.mkdir()
    theirs.write_text("")
    done = python("import brainpress\nbrainpress.models()", folder)
    assert f"{theirs} is imported as 'harness'" in done.stderr
    done = python("import brainpress\nbrainpress.main()", folder)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {theirs} is imported as 'harness'")


def test_both_names_are_one_package(tmp_path: Path) -> None:
    done = python(
        "import brainpress, harness\n"
        "assert brainpress.ModelSpec is harness.ModelSpec\n"
        "assert dir(brainpress) == dir(harness)\n"
        "print('same')",
        tmp_path,
    )
    assert done.stdout.strip() == "same", done.stderr
