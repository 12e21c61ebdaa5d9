"""Sizes as people write them, and what deep code is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.place.workplace import Workplace, parse_size, working, workplace


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GiB", 8 * 2**30), ("500 MB", 500_000_000), ("1.5G", 1_500_000_000), ("64", 64)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GB", "0GiB", "8 iB", "8Gi8"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(HarnessError, match="not a size"):
        parse_size(text)


def test_the_workplace_is_what_was_said_last() -> None:
    assert workplace() == Workplace()
    with working(memory=100), working(device="cuda"):
        assert workplace() == Workplace(100, "cuda")
        with working(memory=50, folder=Path("here")):
            assert workplace() == Workplace(50, "cuda", Path("here"))
        assert workplace() == Workplace(100, "cuda")
    assert workplace() == Workplace()
