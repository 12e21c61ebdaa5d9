"""Gentle and MFA: what they write, and what they leave behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import DataError
from harness.own_data.words import read_words


def gentle(folder: Path, *words: dict[str, Any], transcript: str = "") -> Path:
    path = folder / "align.json"
    path.write_text(json.dumps({"transcript": transcript, "words": list(words)}))
    return path


FOUND = {"case": "success", "word": "The", "start": 0.5, "end": 0.7, "startOffset": 0}
LOST = {"case": "not-found-in-audio", "word": "old", "startOffset": 4}
LAST = {"case": "success", "word": "cat", "start": 1.5, "end": 1.9, "startOffset": 9}


def test_gentle_keeps_the_text_and_words_that_it_did_not_find(tmp_path: Path) -> None:
    passage = read_words(gentle(tmp_path, FOUND, LOST, LAST, transcript="The old, cat!"), "r")
    assert passage.text == "The old, cat!"
    assert passage.items == ("The", "cat")
    assert passage.onsets == (0.5, 1.5)
    without = read_words(gentle(tmp_path, FOUND, LOST, LAST), "r")
    assert without.text == "The old cat"
    assert without.items == ("The", "cat")


def test_gentle_that_found_nothing_or_lacks_times(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no words with times"):
        read_words(gentle(tmp_path, LOST), "r")
    with pytest.raises(DataError, match="word 1, 'The', was found and has no times"):
        read_words(gentle(tmp_path, {"case": "success", "word": "The"}), "r")
    with pytest.raises(DataError, match="'hat', is not in what is left"):
        read_words(gentle(tmp_path, FOUND | {"word": "hat"}, transcript="The cat"), "r")


def mfa(folder: Path, tiers: dict[str, list[list[Any]]]) -> Path:
    path = folder / "mfa.json"
    said = {name: {"type": "interval", "entries": rows} for name, rows in tiers.items()}
    path.write_text(json.dumps({"start": 0, "end": 3, "tiers": said}))
    return path


def test_mfa_json_by_tier(tmp_path: Path) -> None:
    words = [[0.0, 0.2, ""], [0.2, 0.5, "the"], [0.5, 0.6, "<eps>"], [0.6, 1.0, "cat"]]
    passage = read_words(mfa(tmp_path, {"words": words, "phones": [[0, 1, "DH"]]}), "r")
    assert (passage.items, passage.onsets) == (("the", "cat"), (0.2, 0.6))
    both = mfa(tmp_path, {"alice - words": words, "bob - words": [[1.0, 2.0, "hello"]]})
    with pytest.raises(DataError, match="2 tiers of words among alice - words, bob - words"):
        read_words(both, "r")
    assert read_words(both, "r", tier="bob - words").items == ("hello",)
    with pytest.raises(DataError, match="no tiers of words"):
        read_words(both, "r", tier="carol")


def test_mfa_csv_by_speaker(tmp_path: Path) -> None:
    path = tmp_path / "mfa.csv"
    path.write_text(
        "Begin,End,Label,Type,Speaker\n0.0,0.2,the,words,alice\n0.0,0.1,DH,phones,alice\n"
        "0.2,0.4,spn,words,alice\n0.5,0.9,hello,words,bob\n",
        encoding="utf-16",
    )
    with pytest.raises(DataError, match="has words of alice, bob"):
        read_words(path, "r")
    assert read_words(path, "r", tier="alice").items == ("the",)
    assert read_words(path, "r", tier="bob").onsets == (0.5,)
    with pytest.raises(DataError, match="no speaker 'carol'"):
        read_words(path, "r", tier="carol")
    path.write_text("onset,word\n1,a\n")
    with pytest.raises(DataError, match="lacks the columns begin, end, label"):
        read_words(path, "r")


@pytest.mark.parametrize("text", ["{", "[]", '{"other": 1}'])
def test_other_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"is not JSON|is no alignment"):
        read_words(path, "r")
