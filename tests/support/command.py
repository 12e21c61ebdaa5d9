"""The command line in a process of its own, with the toys as an installed plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Brainpress = Callable[..., subprocess.CompletedProcess[str]]
SUPPORT = Path(__file__).parent
ENTRY = "from brainpress import main; main()"


def toys_environment(folder: Path) -> dict[str, str]:
    """Return an environment with store and cache in a folder; the toys are a plugin."""
    site = folder / "site"
    info = site / "toys-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[brainpress]\ntoys = toys\n")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("BRAINPRESS_")}
    return kept | {
        "BRAINPRESS_STORE": str(folder / "store"),
        "BRAINPRESS_CACHE": str(folder / "cache"),
        "PYTHONPATH": os.pathsep.join([str(site), str(SUPPORT)]),
        "COLUMNS": "220",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A clean environment in which the toys of these tests are an installed plugin."""
    return toys_environment(tmp_path)


@pytest.fixture
def brainpress(environment: dict[str, str]) -> Brainpress:
    def call(*arguments: str, code: str = ENTRY) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return call
