"""Places: sizes as a user writes them, what the environment says, and what code that has no other
way is told.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.place.place import MEMORY, Place, entered, here
from harness.place.size import parse_size


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


def test_what_is_not_said_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BRAINPRESS_DATA", f"{tmp_path}:/elsewhere")
    monkeypatch.delenv("BRAINPRESS_STORE", raising=False)
    monkeypatch.delenv("BRAINPRESS_OFFLINE", raising=False)
    place = Place.make()
    assert place == Place(
        cache=tmp_path / "cache",
        store=tmp_path / "cache" / "store",
        data=(tmp_path, Path("/elsewhere")),
        offline=False,
        memory=MEMORY,
        device="auto",
    )
    monkeypatch.setenv("BRAINPRESS_STORE", str(tmp_path / "mine"))
    monkeypatch.setenv("BRAINPRESS_OFFLINE", "1")
    assert Place.make().offline
    assert Place.make().store == tmp_path / "mine"
    assert Place.make(store="there", memory="1GiB").store == Path("there")
    assert Place.make(memory="1GiB").memory == Place.make(memory=2**30).memory == 2**30


def test_here_is_the_place_entered_last() -> None:
    outside = here()
    assert outside.device == "cpu"
    first = replace(outside, memory=100)
    with entered(first):
        assert here() is first
        with entered(replace(first, device="cuda", unfinished=Path("here"))):
            assert here() == replace(outside, memory=100, device="cuda", unfinished=Path("here"))
        assert here() is first
    assert here() == outside


def test_a_place_stays_as_it_was_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is done in a place does not change with the environment, nor in another process."""
    place = Place.make(offline=True)
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "other"))
    with entered(place):
        assert here().cache == place.cache != tmp_path / "other"
    assert pickle.loads(pickle.dumps(place)) == place
