"""What a run shows: lines with the time where no bar can be drawn, the worker's name where several
are at work.
"""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console
from toys import NONE, benchmark

from harness.report.live import Bars, duration
from harness.runner.cells import Cell, Variant
from harness.runner.status import Status
from harness.spec.specs import ModelSpec

VARIANT = Variant(ModelSpec("tiny", "file:tiny"), NONE)


def test_lines_where_there_is_no_terminal() -> None:
    out = io.StringIO()
    with Bars(Console(file=out, width=200), 2) as bars:
        bars.stage(VARIANT, "loading")
        bars.advance(1, 2)
        bars.worker("worker 2").stage(VARIANT, "recording [toy]")
        bars.finished(Cell(VARIANT, benchmark("Hidden"), Status.DONE))
        bars.finished(Cell(VARIANT, benchmark("Hidden"), Status.FAILED, "no [room]\nmore"))
    lines = out.getvalue().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d tiny\+none: loading", lines[0])
    assert lines[1].endswith("worker 2: tiny+none: recording [toy]")
    assert lines[2:] == ["done tiny+none x toy-hidden", "failed tiny+none x toy-hidden: no [room]"]


def test_bars_in_a_terminal() -> None:
    out = io.StringIO()
    with Bars(Console(file=out, width=120, force_terminal=True), 1) as bars:
        for name in ("worker 1", "worker 2"):
            bars.worker(name).stage(VARIANT, "loading")
            bars.worker(name).advance(3, 4)
    assert "worker 2: tiny+none: loading" in out.getvalue()


def frames(width: int, expected: float = 0.0) -> list[str]:
    """Return what a terminal of some columns shows while a long stage goes on."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=True, color_system=None)
    with Bars(console, 190, expected) as bars:
        bars.stage(VARIANT, "recording minimal-pairs (logprob, sentences of thirty paradigms)")
        bars.advance(3, 4)
        seen = Console(file=io.StringIO(), width=width, record=True)  # the other one is live
        for part in bars._progress.get_renderables():
            seen.print(part)
    return seen.export_text().splitlines()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_long_stage_takes_no_room_from_bar_and_time(width: int) -> None:
    cells, stage, name = frames(width, expected=600.0)
    assert all(len(line) <= width for line in (cells, stage, name))
    assert "0/190" in cells
    assert "10 min left" in cells  # the plan's estimate, until a cell is done
    assert "75%" in stage
    assert re.search(r"\d:\d\d:\d\d", cells)
    assert name.startswith("  tiny+none: recording minimal-pairs")
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in stage


def test_durations_are_short() -> None:
    said = [duration(s) for s in (0.4, 59, 61, 3599, 12_000)]
    assert said == ["0 s", "59 s", "1 min", "1 h 0 min", "3 h 20 min"]
