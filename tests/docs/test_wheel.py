"""The wheel, installed beside folders of the names that the checkout has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {"harness": "harness", "plugins": "brainpress_plugins"}
SOURCES = (*FOLDERS, "brainpress.py", "setup.py", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built from a copy."""
    source = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    built = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(built), str(source)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    site = next((folder / "lib").glob("python*")) / "site-packages"
    homes = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    homes |= {str(Path(module.__file__ or "").parents[1]) for module in (pytest,)}
    (site / "dependencies.pth").write_text("\n".join(sorted(homes)) + "\n")
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install"]
    command += ["--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder


@pytest.fixture
def started(environment: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program of the environment in a folder with ``plugins/`` and ``harness/`` in it."""
    for name in ("plugins", "harness"):
        (tmp_path / name).mkdir()
    (tmp_path / "plugins" / "__init__.py").write_text("")
    settings = os.environ | {
        "BRAINPRESS_STORE": str(tmp_path / "store"),
        "BRAINPRESS_CACHE": str(tmp_path / "cache"),
        "COLUMNS": "200",
        "OMP_NUM_THREADS": "1",
    }
    settings.pop("PYTHONPATH", None)

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(environment / "bin" / program), *arguments],
            env=settings,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_wheel_holds_what_the_checkout_holds(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {"brainpress.py"}
    for folder, package in FOLDERS.items():
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                expected.add(f"{package}/{path.relative_to(ROOT / folder).as_posix()}")
    assert held == expected


def test_the_wheel_lists_doctors_and_runs(
    started: Any, environment: Path, tiny_release: Any
) -> None:
    listed = started("brainpress", "list")
    assert listed.returncode == 0, listed.stderr
    assert "smollm2-135m" in listed.stdout
    assert "gptq-int4" in listed.stdout
    assert "broken" not in listed.stderr
    examined = started("brainpress", "doctor")
    assert examined.returncode == 0, examined.stdout + examined.stderr
    model = f"file:{tiny_release(max_position_embeddings=512)}"
    arguments = ("-m", model, "-b", "minimal-pairs", "--board", "board.nc")
    done = started("brainpress", "run", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    board = "harness.open_board('board.nc')['cells'].sizes"
    read = started("python", "-c", f"import harness; print(harness.__file__, {board})")
    assert str(environment) in read.stdout, read.stderr
    assert "'benchmark': 1" in read.stdout
