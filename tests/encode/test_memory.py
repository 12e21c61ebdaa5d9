"""Sizes as people write them, and the budget that deep code asks for."""

from __future__ import annotations

import pytest

from harness.encode.memory import DEFAULT, budget, memory_budget, parse_size
from harness.errors import HarnessError


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


def test_the_budget_is_what_was_said_last() -> None:
    assert budget() == DEFAULT
    with memory_budget(100), memory_budget(None):
        assert budget() == 100
        with memory_budget(50):
            assert budget() == 50
        assert budget() == 100
    assert budget() == DEFAULT
