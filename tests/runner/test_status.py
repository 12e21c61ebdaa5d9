"""Statuses: each behaviour is said for each of them, and nowhere else by a bare string."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import harness
from harness.errors import DataError
from harness.runner.status import Status

BEHAVIOURS = ("has_score", "handed_in", "tried_again", "on_board", "explained", "style")


@pytest.mark.parametrize("status", Status)
def test_every_status_knows_its_behaviour(status: Status) -> None:
    assert all(getattr(status, name) is not None for name in BEHAVIOURS)
    assert status.counted(2).startswith("2 ")
    assert Status.read(str(status)) is status


def test_what_has_a_score_is_finished_and_may_be_handed_in() -> None:
    for status in Status:
        assert not (status.has_score and (status.tried_again or not status.handed_in))


def test_a_status_of_another_version() -> None:
    with pytest.raises(DataError, match="'skipped'"):
        Status.read("skipped")


def test_no_bare_status_is_compared_anywhere() -> None:
    """A status beside ``==``, ``in`` or as a key of a lookup is a case that mypy cannot see."""
    values = {str(status) for status in Status}
    package = Path(harness.__file__).parent
    found = [
        f"{path.relative_to(package)}:{node.lineno}"
        for path in package.rglob("*.py")
        if path.name != "status.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and part.value in values and "status" in ast.unparse(node)
    ]
    assert found == []
