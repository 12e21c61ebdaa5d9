"""The short form of ``benchmarks/compression_kills.py``: two kills where that makes twenty."""

from __future__ import annotations

from pathlib import Path

from benchmarks.compression_kills import killed_at_random
from harness.check.mocks import write_mock_model


def test_a_killed_compression_goes_on_and_ends_with_the_same_weights(tmp_path: Path) -> None:
    write_mock_model(tmp_path / "mock")
    text = tmp_path / "prose.txt"
    text.write_text("The ferry left the harbour before the fog came in. " * 80)
    options = f"calibration=file:{text};samples=8;length=32"
    variant = f"file:{tmp_path / 'mock'}+gptq-int4:{options}"
    folder = tmp_path / "work"
    folder.mkdir()
    tally = killed_at_random(variant, folder, 2)
    assert tally.wrong == []
    assert len(tally.killed) == 2
    assert tally.finished >= 1
