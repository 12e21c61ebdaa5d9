"""Make every slip of the table, one at a time, in a scratch copy, and see whether a test fails.

``python tests/mutations/try_slips.py [WORD …]``: only slips whose file or text holds a word. A line
each: ``killed`` (its tests pass without it and fail with it), ``survived`` or ``equivalent``. Exits
with the number that is neither killed nor equivalent.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIBRARIES = (
    *(
        "pytest",
        "numpy",
        "pandas",
        "scipy.stats",
        "scipy.sparse",
        "xarray",
        "torch",
        "transformers",
    ),
    *("h5py", "netCDF4", "nibabel", "mne", "wordfreq", "sklearn.linear_model", "typer.testing"),
)

LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", "*.egg-info", ".*_cache", "site")
LIMIT = 900
"""Seconds for the tests of one slip: what hangs is noticed, too."""


def slips() -> tuple[Any, ...]:
    """Read the table, without a package around it."""
    spec = importlib.util.spec_from_file_location("table", Path(__file__).with_name("table.py"))
    assert spec is not None
    assert spec.loader is not None
    table = importlib.util.module_from_spec(spec)
    sys.modules["table"] = table
    spec.loader.exec_module(table)
    return tuple(table.SLIPS)


def scratch(folder: Path) -> Path:
    """Copy the project, so that ``harness`` and ``brainpress_plugins`` are those of the copy."""
    copy = folder / "copy"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    (copy / "brainpress_plugins").symlink_to(copy / "plugins", target_is_directory=True)
    return copy


def outcome(copy: Path, tests: str) -> str:
    """Run tests in the copy: ``passed``, ``failed``, or why neither."""
    paths, _, chosen = tests.partition(" -k ")
    words = [*shlex.split(paths), *(["-k", chosen] if chosen else [])]
    child = os.fork()
    if not child:
        os._exit(_tested(copy, ["-q", "-x", "-p", "no:cacheprovider", *words]))
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            said = {0: "passed", 1: "failed", 2: "failed", 5: "chose no test"}
            return said.get(code, f"ended with {code}")
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "failed"


def _tested(copy: Path, words: list[str]) -> int:
    """Run pytest in this process, a fork that has loaded libraries and nothing of the project."""
    import pytest

    with (copy / "pytest.log").open("w") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
        os.chdir(copy)
        sys.path.insert(0, str(copy))
        sys.dont_write_bytecode = True
        return int(pytest.main(words))


def loaded() -> None:
    """Load what all tests load, once: a fork then starts at once."""
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def verdict(copy: Path, slip: Any, clean: dict[str, str]) -> str:
    """Make a slip and run its tests; the copy is as before afterwards."""
    if slip.tests not in clean:
        clean[slip.tests] = outcome(copy, slip.tests)
    if clean[slip.tests] != "passed":
        return f"no verdict (without the slip its tests: {clean[slip.tests]})"
    path = copy / slip.file
    text = path.read_text(encoding="utf-8")
    assert text.count(slip.old) == 1, f"{slip.file}: {slip.old!r} is there {text.count(slip.old)} x"
    path.write_text(text.replace(slip.old, slip.new), encoding="utf-8")
    try:
        found = outcome(copy, slip.tests)
    finally:
        path.write_text(text, encoding="utf-8")
    if found == "passed":
        return f"equivalent ({slip.equivalent})" if slip.equivalent else "survived"
    return "killed" if found == "failed" else f"no verdict ({found})"


def main(words: list[str]) -> int:
    """Try the slips that hold a word; return how many are left."""
    chosen = [s for s in slips() if not words or any(w in s.file + s.old for w in words)]
    loaded()
    left = 0
    clean: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        copy = scratch(Path(folder))
        for slip in chosen:
            start = time.monotonic()
            said = verdict(copy, slip, clean)
            left += not said.startswith(("killed", "equivalent"))
            old, new = " ".join(slip.old.split()), " ".join(slip.new.split())
            seconds = time.monotonic() - start
            print(f"{said}: {slip.file}: {old} -> {new} ({seconds:.0f} s)", flush=True)
    print(f"{len(chosen)} slips, {left} neither killed nor equivalent")
    return left


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
