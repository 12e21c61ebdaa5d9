"""MultiBLiMP: tables written here in its format, and how they are scored."""

import csv

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.linguistic.multiblimp import (
    FREQUENCIES,
    LANGUAGES,
    MultiBlimp,
    read_language,
)
from places import offline
from wordfreq import available_languages

from harness.errors import DataError, OfflineError, SelectionError

COLUMNS = ("", "sen", "verb", "wrong_sen", "phenomenon", "lang")
ROWS = [
    ("0", "Die Hunde schlafen.", "schlafen", "Die Hunde schläft.", "SV-#", "deu"),
    ("1", '"Ich bin müde", sagte er.', "bin", '"Ich bist müde", sagte er.', "SV-P", "deu"),
    ("2", "Der Hund schläft.", "schläft", "Der Hund schlafen.", "SV-#", "deu"),
]


def write(path, rows, columns=COLUMNS):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    return path


@pytest.fixture
def data(tmp_path, monkeypatch):
    write(tmp_path / "multiblimp/deu/data.tsv", ROWS)
    write(
        tmp_path / "multiblimp/abk/data.tsv",
        [("0", "ha ha", "ha", "ha he", "SP-G", "abk")],
    )
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_reads_what_is_there(data):
    one, two, three = read_language(data / "multiblimp/deu/data.tsv", "deu")
    assert (one.good, one.bad) == ("Die Hunde schlafen.", "Die Hunde schläft.")
    assert two.good == '"Ich bin müde", sagte er.', "marks of quotation are the sentence's own"
    assert [p.paradigm for p in (one, two, three)] == ["deu/SV-#", "deu/SV-P", "deu/SV-#"]
    assert [p.identifier for p in (one, two, three)] == ["deu/1", "deu/2", "deu/3"]
    assert two.phenomenon == "subject-verb agreement, person"
    assert {p.category for p in (one, two, three)} == {"morphology"}
    assert one.language == "de"
    assert len(list(read_language(data / "multiblimp/deu/data.tsv", "deu", 2))) == 2


def test_scored_by_language_and_kind(data):
    with offline():
        bench = MultiBlimp(languages=("deu", "abk"))
    margins = [1.0, -1.0, -2.0, 3.0]
    values = np.array([[m, 0.0] for m in margins]).reshape(-1, 1, 1)
    score = bench.score({bench.request: xr.DataArray(values, dims=("sample", "layer", "unit"))})
    wanted: dict[str, list[float]] = {}
    for pair, margin in zip(bench.pairs, margins, strict=True):
        wanted.setdefault(pair.paradigm, []).append(float(margin > 0))
    assert dict(zip(score["task"].values, score["accuracy"].values, strict=True)) == {
        name: np.mean(found) for name, found in wanted.items()
    }
    assert float(score["value"]) == pytest.approx(np.mean([0.5, 0.0, 1.0]))
    # No list of Abkhaz words: all are alike, and both sentences have as many.
    assert float(score["unigram_right"][-1]) == 0.5


def test_a_first_few(data):
    with offline():
        assert len(MultiBlimp(languages=("deu",), first=1).pairs) == 1


def test_frequencies_are_those_of_languages_that_have_a_list():
    assert set(FREQUENCIES) <= set(LANGUAGES)
    assert set(FREQUENCIES.values()) <= set(available_languages())
    assert len(set(FREQUENCIES.values())) == len(FREQUENCIES)
    assert len(set(LANGUAGES)) == len(LANGUAGES) == 101


def test_an_unknown_language_is_refused():
    with pytest.raises(SelectionError, match="no language 'en'") as caught:
        MultiBlimp(languages=("en",))
    assert "eng" in caught.value.hint


def test_no_pairs_are_refused():
    with pytest.raises(DataError, match="first 0 pairs"):
        MultiBlimp(first=0)


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (ROWS, ("", "sen", "verb", "bad", "phenomenon", "lang"), "no column 'wrong_sen'"),
        ([("0", "a", "", "a", "SV-#", "deu")], COLUMNS, "line 2 holds no pair"),
        ([ROWS[0], ("1", "a")], COLUMNS, "line 3 holds no pair"),
        ([], COLUMNS, "holds no pair"),
    ],
)
def test_a_bad_table_is_named(tmp_path, rows, columns, message):
    path = write(tmp_path / "data.tsv", rows, columns)
    with pytest.raises(DataError, match=message):
        list(read_language(path, "deu"))


def test_missing_while_offline_says_what_and_where(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    with offline(), pytest.raises(OfflineError) as caught:
        MultiBlimp(languages=("deu",))
    assert "multiblimp" in str(caught.value) + caught.value.hint
