"""A plan in the terminal: words where there is room, else marks, and nothing is cut off."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

import harness
from harness.report.plan_view import plan_view
from harness.runner.preflight import estimate
from harness.runner.status import Status

MANY = """
[[part]]
models = ["smollm2-135m"]
compressors = ["none", "rtn-int8", "rtn-int4", "rtn-int3", "magnitude-50"]
benchmarks = [
  "simulated-listening", "minimal-pairs", "bits-per-byte",
  "minimal-pairs:each=12", "minimal-pairs:each=6",
]
[[part]]
models = ["static:smollm2-135m"]
benchmarks = ["simulated-listening", "minimal-pairs"]
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    (folder / "many.toml").write_text(MANY)
    return harness.plan(str(folder / "many.toml"), fetch=False, offline=True, store=folder / "s")


def shown(plan, width):
    out = io.StringIO()
    Console(file=out, width=width, color_system=None).print(plan_view(plan, estimate(plan)))
    return out.getvalue().splitlines()


def test_there_is_room_for_words(plan):
    lines = shown(plan, 200)
    (row,) = (line for line in lines if "rtn-int3" in line)
    assert row.split() == ["smollm2-135m", "rtn-int3", *["to", "do"] * 5] or "failed" in row
    assert sum("smollm2-135m " in line for line in lines) == 6


@pytest.mark.parametrize("width", [60, 80])
def test_marks_stand_for_every_benchmark_where_words_have_no_room(plan, width):
    lines = shown(plan, width)
    assert all(len(line) <= width for line in lines)
    stand = {cell.status for cell in plan.cells}
    start = next(at for at, line in enumerate(lines) if line.startswith(" a "))
    legend = " ".join(line.strip() for line in lines[:start])
    assert all(f"{status.mark} {status}" in legend for status in stand)
    named = [line.split()[:2] for line in lines[start : start + 5]]
    order = dict.fromkeys(cell.benchmark.name for cell in plan.cells)
    assert named == [[letter, name] for letter, name in zip("abcde", order, strict=True)]
    marks = {status.mark for status in Status}
    rows = [line.split() for line in lines if line.startswith(" smollm2-135m")]
    # All five stand alike: one row, and the first and last of them by name.
    assert [row[1:5] for row in rows] == [["5:", "none", "…", "magnitude-50"]]
    assert len(rows[0][5:]) == 5
    assert set(rows[0][5:]) <= marks
    (control,) = (line.split() for line in lines if line.startswith(" static:smollm2-135m"))
    assert len(control[2:]) == 2  # no part asks it for the other three
    assert control[-1] == Status.NOT_APPLICABLE.mark


def test_marks_differ_from_status_to_status():
    assert len({status.mark for status in Status}) == len(Status)
