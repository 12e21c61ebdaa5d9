"""The table of slips is whole: every text is in its file once, and every test is there."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path

import pytest

from tests.mutations.table import SLIPS, Slip

ROOT = Path(__file__).parents[2]
FEWEST = 60


@pytest.mark.parametrize("slip", SLIPS, ids=lambda s: f"{Path(s.file).stem}:{s.old[:40]}")
def test_the_text_is_in_its_file_once(slip: Slip) -> None:
    text = (ROOT / slip.file).read_text(encoding="utf-8")
    assert text.count(slip.old) == 1
    assert slip.old != slip.new
    paths = [word for word in shlex.split(slip.tests.partition(" -k ")[0]) if "/" in word]
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), path


def test_rooms_and_number() -> None:
    counted = Counter("/".join(slip.file.split("/")[:2]) for slip in SLIPS)
    assert sum(counted.values()) >= FEWEST
    for room in ("harness/encode", "harness/stats", "harness/stimuli", "harness/record"):
        assert counted[room] >= 5, counted
    assert counted["plugins/benchmarks"] >= 20
    assert len({(slip.file, slip.old, slip.new) for slip in SLIPS}) == len(SLIPS)
