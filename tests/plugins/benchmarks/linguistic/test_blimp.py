"""BLiMP: files written here in its format, and the real ones where they are found."""

import json
from collections import Counter

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.linguistic.blimp import (
    Blimp,
    brainpress_benchmarks,
    read_paradigm,
)
from places import offline

from harness.errors import ChecksumError, DataError, OfflineError
from harness.place.locate import find
from harness.spec.specs import load_target


def line(i=0, **changes):
    row = {
        "sentence_good": f"Who can sleep {i}?",
        "sentence_bad": f"Who sleep can {i}?",
        "field": "syntax",
        "linguistics_term": "island_effects",
        "UID": "made_up",
        "simple_LM_method": True,
        "lexically_identical": True,
        "pairID": str(i),
    }
    return json.dumps({k: v for k, v in {**row, **changes}.items() if v is not None})


@pytest.fixture
def written(tmp_path):
    def write(*lines):
        path = tmp_path / "made_up.jsonl"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def test_reads_what_is_there(written):
    (one, two) = read_paradigm(written(line(0), line(1)), "made_up")
    assert one.good == "Who can sleep 0?"
    assert one.bad == "Who sleep can 0?"
    assert (one.paradigm, one.category, one.phenomenon) == ("made_up", "syntax", "island_effects")
    assert [one.identifier, two.identifier] == ["made_up/0", "made_up/1"]


@pytest.mark.parametrize(
    ("field", "category"),
    [
        ("morphology", "morphology"),
        ("semantics", "semantics"),
        ("syntax_semantics", "syntax"),
        ("syntax/semantics", "syntax"),
    ],
)
def test_fields_become_categories(written, field, category):
    (pair,) = read_paradigm(written(line(field=field)), "made_up")
    assert pair.category == category


def test_stops_after_the_first(written):
    path = written(*[line(i) for i in range(5)], "not read")
    assert len(list(read_paradigm(path, "made_up", 5))) == 5


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('{"sentence_good": "Cut', "line 2 is not a pair of BLiMP: JSONDecodeError"),
        (line(sentence_bad=None), "line 2 is not a pair of BLiMP: KeyError 'sentence_bad'"),
        ("[1, 2]", "line 2 is not a pair of BLiMP: TypeError"),
        (line(field="phonology"), "line 2: unknown field 'phonology'"),
        (line(UID="another"), "line 2 is of paradigm 'another', not made_up"),
    ],
)
def test_a_bad_line_is_named(written, bad, message):
    with pytest.raises(DataError, match=message):
        list(read_paradigm(written(line(), bad), "made_up"))


def test_too_few_pairs(written):
    with pytest.raises(DataError, match="holds 2 pairs, fewer than the 3 wanted"):
        list(read_paradigm(written(line(0), line(1)), "made_up", 3))
    empty = written()
    empty.write_text("")
    with pytest.raises(DataError, match="holds 0 pairs"):
        list(read_paradigm(empty, "made_up"))


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data"


def test_missing_while_offline_names_the_file_and_the_way_out(nowhere):
    with offline(), pytest.raises(OfflineError, match=r"adjunct_island\.jsonl") as caught:
        Blimp()
    assert "alexwarstadt/blimp" in caught.value.hint
    assert "BRAINPRESS_DATA" in caught.value.hint


def test_another_file_under_the_name_is_refused(nowhere):
    (nowhere / "blimp").mkdir(parents=True)
    (nowhere / "blimp" / "adjunct_island.jsonl").write_text(line())
    with offline(), pytest.raises(ChecksumError, match="adjunct_island"):
        Blimp()


def test_no_pairs_are_refused():
    with pytest.raises(DataError, match="first 0 pairs"):
        Blimp(first=0)


real = pytest.mark.skipif(find("blimp") is None, reason="BLiMP is not in BRAINPRESS_DATA")


@pytest.mark.needs_data
@real
def test_the_first_hundred_of_the_real_ones():
    spec = next(s for s in brainpress_benchmarks() if s.name == "blimp-100")
    with offline():
        blimp = load_target(spec)
    assert len(blimp.pairs) == 6700
    tasks = {p.paradigm: p.category for p in blimp.pairs}
    assert Counter(tasks.values()) == {"morphology": 18, "syntax": 40, "semantics": 9}
    assert len({p.phenomenon for p in blimp.pairs}) == 13
    assert len({p.identifier for p in blimp.pairs}) == 6700
    (request,) = blimp.requests()
    # A scorer that anybody can check: the shorter sentence wins.
    lengths = np.array([len(p.text) for p in request.stimuli.passages], float)
    answer = xr.DataArray(-lengths.reshape(-1, 1, 1), dims=("sample", "layer", "unit"))
    score = blimp.score({request: answer})
    wins = []
    for text in find("blimp/causative.jsonl").read_text().splitlines()[:100]:
        row = json.loads(text)
        longer = len(row["sentence_bad"]) - len(row["sentence_good"])
        wins.append((np.sign(longer) + 1) / 2)
    assert score.sizes["task"] == 67
    assert float(score["accuracy"].sel(task="causative")) == pytest.approx(np.mean(wins))


@pytest.mark.needs_data
@real
def test_all_of_the_real_ones():
    with offline():
        pairs = Blimp().pairs
    assert len(pairs) == 67_000
    assert Counter(p.paradigm for p in pairs)["wh_island"] == 1000
