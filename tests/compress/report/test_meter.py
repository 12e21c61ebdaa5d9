"""Time and memory of a piece of work."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.compress.report import meter as meter_module
from harness.compress.report.meter import Meter


def test_the_peak_is_seen_after_it_has_passed() -> None:
    with Meter() as quiet:
        pass
    with Meter() as busy:
        block = bytearray(300_000_000)
        block[::4096] = b"x" * len(block[::4096])
        del block
    assert busy.peak_memory > quiet.peak_memory + 200_000_000


def test_seconds_are_counted() -> None:
    with Meter() as meter:
        time.sleep(0.05)
    assert 0.05 <= meter.seconds < 5


def test_where_the_kernel_tells_nothing_the_process_s_own_peak_bounds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(meter_module, "_CLEAR_REFS", tmp_path / "none" / "clear_refs")
    monkeypatch.setattr(meter_module, "_STATUS", tmp_path / "none" / "status")
    with Meter() as meter:
        pass
    assert meter.peak_memory > 10_000_000
