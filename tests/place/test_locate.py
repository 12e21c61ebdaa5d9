"""Where files are looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import FetchError
from harness.place.locate import cache_folder, candidates, data_folders, find


def test_data_folders_come_from_the_path_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINPRESS_DATA", os.pathsep.join(["/a", "", " ", "~/b"]))
    assert data_folders() == (Path("/a"), Path.home() / "b")
    monkeypatch.delenv("BRAINPRESS_DATA")
    assert data_folders() == ()


def test_the_first_folder_that_has_it_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    (second / "texts").mkdir(parents=True)
    (second / "texts" / "a.txt").write_text("second")
    monkeypatch.setenv("BRAINPRESS_DATA", f"{first}{os.pathsep}{second}")
    assert find("texts/a.txt") == second / "texts" / "a.txt"
    (first / "texts").mkdir(parents=True)
    (first / "texts" / "a.txt").write_text("first")
    assert find("texts/a.txt") == first / "texts" / "a.txt"
    assert find("texts/b.txt") is None
    assert find("texts") == first / "texts"


@pytest.mark.parametrize("relative", ["", "/etc/passwd", "../up", "a/../../up"])
def test_nothing_is_found_outside(relative: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINPRESS_DATA", "/data")
    with pytest.raises(FetchError, match="relative path"):
        candidates(relative)


def test_the_cache_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINPRESS_CACHE", "~/elsewhere")
    assert cache_folder() == Path.home() / "elsewhere"
    monkeypatch.setenv("BRAINPRESS_CACHE", " ")
    assert cache_folder().name == "brainpress"
