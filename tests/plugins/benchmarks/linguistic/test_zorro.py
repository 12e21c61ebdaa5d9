"""Pairs in a user's folder."""

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.linguistic.zorro import Zorro, read_paradigm

from harness.errors import DataError

LINES = "the dog see it .\nthe dog sees it .\n\nwe sees it .\nwe see it .\n"
KNOWN = "quantifiers-superlative"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / f"{KNOWN}.txt").write_text(LINES)
    (tmp_path / "agreement-mine.txt").write_text("a b .\nb a .\n")
    (tmp_path / "notes.md").write_text("not read")
    return tmp_path


def test_bad_then_good(folder):
    one, two = read_paradigm(folder / f"{KNOWN}.txt")
    assert (one.bad, one.good) == ("the dog see it .", "the dog sees it .")
    assert (two.bad, two.good) == ("we sees it .", "we see it .")
    assert [one.identifier, two.identifier] == [f"{KNOWN}/0", f"{KNOWN}/1"]


def test_categories_are_those_of_holmes_and_else_the_users(folder):
    pairs = {p.paradigm: p for p in Zorro(str(folder), category="morphology").pairs}
    assert pairs[KNOWN].category == "semantics"
    assert pairs[KNOWN].phenomenon == "quantifiers"
    assert pairs["agreement-mine"].category == "morphology"
    assert pairs["agreement-mine"].phenomenon == "agreement"


def test_scores(folder):
    bench = Zorro(str(folder))
    # good and bad in turn: paradigm agreement-mine is wrong, the other half right
    values = np.array([-9, -5, -5, -9, -9, -5], float).reshape(-1, 1, 1)
    score = bench.score({bench.request: xr.DataArray(values, dims=("sample", "layer", "unit"))})
    assert score["task"].values.tolist() == ["agreement-mine", KNOWN]
    assert score["accuracy"].values.tolist() == [0.0, 0.5]


def test_by_name_in_a_data_folder(folder, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(folder.parent))
    assert len(Zorro(folder.name).pairs) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one\ntwo\nthree\n", "3 sentences, which are no pairs"),
        ("\n", "0 sentences"),
        ("one\ntwo\nsame\nsame\n", "sentences 3 and 4 are the same"),
    ],
)
def test_what_is_no_paradigm(tmp_path, text, message):
    (tmp_path / "made.txt").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_paradigm(tmp_path / "made.txt")
    assert "made.txt" in caught.value.message


def test_not_utf8(tmp_path):
    (tmp_path / "made.txt").write_bytes(b"caf\xe9\ncafe\n")
    with pytest.raises(DataError, match="UTF-8"):
        read_paradigm(tmp_path / "made.txt")


def test_no_folder_and_no_paradigm(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    with pytest.raises(DataError, match="no folder 'zorro'") as caught:
        Zorro()
    assert "BRAINPRESS_DATA" in caught.value.hint
    (tmp_path / "zorro").mkdir()
    with pytest.raises(DataError, match="no paradigm in zorro"):
        Zorro()
    with pytest.raises(DataError, match="no category 'phonology'"):
        Zorro(category="phonology")
