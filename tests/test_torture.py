"""A short torture, and that it notices what it is for."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from run_fixtures import cache, planning, store  # noqa: F401 - fixtures

pytest.importorskip("resource", reason="needs POSIX")

from tests.torture.__main__ import COLUMNS, table
from tests.torture.ground import Ended, Ground
from tests.torture.kinds import SILENT, SURVIVED, TOLD, TRACED, Torture, damage

SHORT = ("kill -9", "flipped bits", "swapped files", "full disk", "hostile bundles")


def test_a_short_torture():
    only = [word for name in SHORT for word in ("--only", name)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.torture", "--rounds", "1", "--seed", "11", *only],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.strip().splitlines()[-1].split()
    assert last[0] == "together"
    assert int(last[1]) >= 44
    assert last[-2:] == ["0", "0"]


def test_a_wrong_number_is_silent_and_a_traceback_is_one(planning, store, tmp_path):  # noqa: F811
    from toys import NONE, benchmark

    from harness.api import carry_out

    carry_out(planning([benchmark("Hidden"), benchmark("Whole2")], [NONE]))
    torture = Torture(Ground(tmp_path, tmp_path), random.Random(1), store.root, 1.0)
    assert torture.right
    fine = Ended(0, "")
    assert torture.judged(fine, store.root, "").what == SURVIVED
    assert torture.judged(Ended(2, "error: no"), store.root, "").what == TOLD
    assert torture.judged(Ended(1, "Traceback (most recent call last)"), store.root, "").what == (
        TRACED
    )
    other = tmp_path / "other"
    shutil.copytree(store.root, other)
    first, second = sorted((other / "scores").glob("*/*.nc"))
    shutil.copy(second, first)
    assert torture.judged(fine, other, "").what == SILENT
    assert torture.judged(Ended(-9, ""), store.root, "").what == SILENT
    (store.root / "scores" / ".left.~0-1.x").touch()
    assert torture.judged(fine, store.root, "").what == SILENT


def test_the_table_counts():
    said = table({"kill -9": Counter({"tried": 3, SURVIVED: 3})}).splitlines()
    assert said[0].split() == list(COLUMNS)
    assert said[1].split() == ["kill", "-9", "3", "3", "0", "0", "0"]
    assert said[2].split() == ["together", "3", "3", "0", "0", "0"]


def test_damage_always_changes_something():
    draw = random.Random(5)
    body = draw.randbytes(2000)
    assert all(damage(body, draw) != body for _ in range(300))
    assert damage(b"", draw)
