"""What a run shows: lines with the time where no bar can be drawn, the worker's name where several
are at work.
"""

from __future__ import annotations

import io
import re

from rich.console import Console
from toys import NONE, benchmark

from harness.report.live import Bars
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
