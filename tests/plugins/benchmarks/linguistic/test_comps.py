"""COMPS: files written here in its format, and how they are scored."""

import json

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.linguistic.comps import FILES, Comps, read_file
from places import offline

from harness.errors import DataError, OfflineError


def line(i=0, **changes):
    row = {
        "id": i,
        "property": "can bark",
        "prefix_acceptable": f"A wug {i} is a dog. Therefore, a wug {i}",
        "prefix_unacceptable": f"A wug {i} is a cat. Therefore, a wug {i}",
        "property_phrase": "can bark.",
        "negative_sample_type": "taxonomic" if i % 2 else "random",
    }
    return json.dumps({k: v for k, v in {**row, **changes}.items() if v is not None})


@pytest.fixture
def data(tmp_path, monkeypatch):
    (tmp_path / "comps").mkdir()
    for name in FILES:
        (tmp_path / f"comps/{name}.jsonl").write_text("\n".join(line(i) for i in range(4)) + "\n")
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_reads_what_is_there(data):
    one, two, *_ = read_file(data / "comps/comps_wugs.jsonl", "comps_wugs")
    assert one.text == "can bark."
    assert one.good == "A wug 0 is a dog. Therefore, a wug 0"
    assert one.bad == "A wug 0 is a cat. Therefore, a wug 0"
    assert [one.paradigm, two.paradigm] == ["wugs/random", "wugs/taxonomic"]
    assert (one.category, one.phenomenon) == ("reasoning", "property inheritance")
    (base,) = read_file(data / "comps/comps_base.jsonl", "comps_base", 1)
    assert (base.category, base.paradigm) == ("semantics", "base/random")


def test_scored_by_file_and_kind(data):
    with offline():
        bench = Comps(first=3)
    rng = np.random.default_rng(1)
    logprobs = rng.normal(size=(len(bench.contrasts), 2))
    rows = np.stack([np.full_like(logprobs, -50.0), logprobs], axis=-1).reshape(-1, 1, 1)
    score = bench.score({bench.request: xr.DataArray(rows, dims=("sample", "layer", "unit"))})
    wanted: dict[str, list[bool]] = {}
    for contrast, (good, bad) in zip(bench.contrasts, logprobs, strict=True):
        wanted.setdefault(contrast.paradigm, []).append(good > bad)
    assert len(wanted) == 8
    for task, found in wanted.items():
        assert float(score["accuracy"].sel(task=task)) == pytest.approx(np.mean(found))
    assert score["category"].values.tolist() == ["semantics", "reasoning"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('{"prefix_acceptable": "Cut', "line 2 is no contrast of COMPS: JSONDecodeError"),
        (line(property_phrase=None), "line 2 is no contrast of COMPS: KeyError"),
        ("[1]", "line 2 is no contrast of COMPS: TypeError"),
        (line(prefix_acceptable=" "), "line 2 is no contrast of COMPS: StimulusError"),
    ],
)
def test_a_bad_line_is_named(tmp_path, bad, message):
    path = tmp_path / "comps_base.jsonl"
    path.write_text(f"{line()}\n{bad}\n")
    with pytest.raises(DataError, match=message):
        list(read_file(path, "comps_base"))


def test_an_empty_file_and_no_contrasts_are_refused(tmp_path):
    (tmp_path / "comps_base.jsonl").write_text("")
    with pytest.raises(DataError, match="holds no contrast"):
        list(read_file(tmp_path / "comps_base.jsonl", "comps_base"))
    with pytest.raises(DataError, match="first 0 contrasts"):
        Comps(first=0)


def test_missing_while_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    with offline(), pytest.raises(OfflineError, match=r"comps_base\.jsonl"):
        Comps()
