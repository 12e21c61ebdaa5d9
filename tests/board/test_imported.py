"""Scores of lm-eval on a board: marked as imported, read by answers, page and table."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from harness.board.answers.dissociation import dissociation
from harness.board.answers.profile import profile
from harness.board.imported import Imported, Placing, keep, kept, read_lm_eval, read_placing
from harness.board.imported_cells import with_imported
from harness.errors import DataError

# As lm-eval 0.4.12 wrote it, of stories260K exported by `brainpress weights` and two tiny tasks.
RESULTS: dict[str, Any] = {
    "results": {
        "tiny_verbs": {
            "name": "tiny_verbs",
            "alias": "tiny_verbs",
            "sample_len": 80,
            "acc,none": 0.9875,
            "acc_stderr,none": 0.012499999999999992,
        },
        "tiny_agreement": {
            "name": "tiny_agreement",
            "alias": "tiny_agreement",
            "sample_len": 80,
            "acc,none": 0.4625,
            "acc_stderr,none": 0.05609595644174299,
        },
    },
    "group_subtasks": {},
    "versions": {"tiny_verbs": 1.0, "tiny_agreement": 1.0},
    "n-shot": {"tiny_verbs": 0, "tiny_agreement": 0},
    "n-samples": {
        "tiny_verbs": {"original": 80, "effective": 80},
        "tiny_agreement": {"original": 80, "effective": 80},
    },
    "higher_is_better": {"tiny_verbs": {"acc": True}, "tiny_agreement": {"acc": True}},
    "config": {"model": "hf", "model_args": {"pretrained": "w-none"}, "model_sha": "abc"},
    "date": 1.0,
    "lm_eval_version": "0.4.12",
}
PLACING = Placing((("tiny_agree*", "morphology", 0.5), ("tiny_*", "semantics", 0.5)))


def written(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "results_2026-12-01.json"
    path.write_text(json.dumps(RESULTS | changes))
    return path


def board() -> xr.DataTree:
    """A base and a compressed variant on one neural benchmark."""
    dims = ("model", "compressor", "benchmark")
    shape = (1, 2, 1)
    numbers = ("value", "low", "high", "ceiling", "normalised")
    texts = ("status", "reason", "key", "provenance")
    coords = {
        "model": np.array(["m"], object),
        "compressor": np.array(["none", "rtn-int2"], object),
        "benchmark": np.array(["story"], object),
    }
    cells = {n: (dims, np.full(shape, 0.2)) for n in numbers}
    cells |= {n: (dims, np.full(shape, "done", object)) for n in texts}
    about = {n: ("benchmark", np.array(["neural"], object)) for n in ("kind", "metric", "data")}
    about |= {"notes": ("benchmark", np.array([""], object))}
    about |= {"chance": ("benchmark", np.array([math.nan]))}
    models = {
        "control": ("model", np.array([""], object)),
        "base": ("model", np.array([""], object)),
    }
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(attrs={"schema": 1}),
            "/cells": xr.Dataset(cells, coords=coords),
            "/benchmarks": xr.Dataset(about, coords={"benchmark": coords["benchmark"]}),
            "/models": xr.Dataset(models, coords={"model": coords["model"]}),
        }
    )


def two(tmp_path: Path) -> list[Imported]:
    worse = json.loads(json.dumps(RESULTS["results"]))
    worse["tiny_verbs"] |= {"acc,none": 0.6375, "acc_stderr,none": 0.05408546331291017}
    first = written(tmp_path / "a")
    second = written(tmp_path / "b", results=worse)
    return [
        read_lm_eval(first, "m", "none", PLACING),
        read_lm_eval(second, "m", "rtn-int2", PLACING),
    ]


def test_what_a_file_says(tmp_path: Path) -> None:
    found = read_lm_eval(written(tmp_path), "m", "none", PLACING)
    assert (found.source, found.program, found.model_sha) == ("lm-eval 0.4.12", "lm-eval", "abc")
    agreement, verbs = found.tasks
    assert (verbs.value, verbs.stderr, verbs.n, verbs.shots) == (
        0.9875,
        0.012499999999999992,
        80,
        0,
    )
    assert (verbs.category, agreement.category, verbs.chance) == ("semantics", "morphology", 0.5)
    assert verbs.version == "1.0"


def test_cells_are_marked_and_nothing_else_moves(tmp_path: Path) -> None:
    before = board()
    after = with_imported(before, two(tmp_path))
    cell = after["cells"].dataset.sel(model="m", compressor="none", benchmark="lm-eval")
    assert float(cell["value"]) == pytest.approx((0.9875 + 0.4625) / 2)
    half = 1.959964 * math.hypot(0.0125, 0.05609595644174299) / 2
    assert float(cell["high"] - cell["value"]) == pytest.approx(half, rel=1e-5)
    assert str(cell["reason"].item()) == "imported from lm-eval 0.4.12"
    said = json.loads(str(cell["provenance"].item()))
    assert said["imported"] is True
    assert said["model_sha"] == "abc"
    xr.testing.assert_identical(
        after["cells"].to_dataset().sel(benchmark=["story"])["value"],
        before["cells"].to_dataset()["value"],
    )
    again = with_imported(after, two(tmp_path))
    assert again["cells"].sizes["benchmark"] == 2


def test_answers_read_it(tmp_path: Path) -> None:
    after = with_imported(board(), two(tmp_path))
    found = profile(after)
    change = found["change"].sel(linguistic="lm-eval", model="m", compressor="rtn-int2")
    assert float(change.sel(category="semantics")) == pytest.approx(-0.35)
    assert float(change.sel(category="morphology")) == pytest.approx(0.0)
    claims = " ".join(str(c) for c in found["claim"].values) if "claim" in found else str(found)
    assert "spreads" not in claims
    gaps = str(dissociation(after).attrs)
    assert "semantics of m itself is not above" not in gaps


def test_a_perfect_score_is_not_sure(tmp_path: Path) -> None:
    perfect = json.loads(json.dumps(RESULTS["results"]))
    perfect["tiny_verbs"] |= {"acc,none": 1.0, "acc_stderr,none": 0.0}
    found = read_lm_eval(written(tmp_path, results=perfect), "m", "none", PLACING)
    detail = with_imported(board(), [found])["linguistic/lm-eval"].dataset.isel(variant=0)
    width = detail.sel(category="semantics")
    p = 82 / 84
    expected = 1.959964 * math.sqrt(p * (1 - p) / 84)
    assert float(width["category_score"] - width["category_low"]) == pytest.approx(expected, 1e-5)


def test_groups_metrics_and_folders(tmp_path: Path) -> None:
    results = {
        "suite": {"acc,none": 0.3, "alias": "suite"},
        "sub": {"acc,none": 0.3, "acc_norm,none": 0.4, "acc_norm_stderr,none": 0.01},
        "prose": {"word_perplexity,none": 12.0, "bits_per_byte,none": 0.9},
    }
    higher = {"prose": {"word_perplexity": False, "bits_per_byte": False}}
    path = written(
        tmp_path / "deep" / "er",
        results=results,
        group_subtasks={"suite": ["sub"]},
        higher_is_better=higher,
    )
    found = read_lm_eval(tmp_path, "m", "none", metric="acc_norm")
    (task,) = found.tasks
    assert (task.task, task.metric, task.value, task.category) == ("sub", "acc_norm", 0.4, "suite")
    assert list(found.skipped) == ["prose"]
    results["sub"]["acc_norm,none"] = 0.6
    path.with_name("results_later.json").write_text(
        json.dumps(RESULTS | {"results": results, "date": 2.0, "higher_is_better": higher})
    )
    (newest, *_) = read_lm_eval(tmp_path, "m", "none", metric="acc_norm").tasks
    assert newest.value == 0.6


def test_what_can_be_wrong(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    for text, message in (
        ("{", "not JSON"),
        ("[]", "no results file of lm_eval"),
        ('{"results": {"t": {"word_perplexity,none": 9.0}}}', "holds no task score"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read_lm_eval(path, "m", "none")
    with pytest.raises(DataError, match="no results at"):
        read_lm_eval(tmp_path / "gone.json", "m", "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no results\*\.json"):
        read_lm_eval(tmp_path / "empty", "m", "none")
    table = tmp_path / "t.tsv"
    table.write_text("task\tcategory\tchance\na\tsyntax\ttwo\n")
    with pytest.raises(DataError, match="line 2: chance is 'two'"):
        read_placing(table)
    table.write_text("task\n")
    with pytest.raises(DataError, match="lacks the columns"):
        read_placing(table)


def test_kept_in_the_store_and_replaced(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    keep(first, tmp_path)
    keep(second, tmp_path)
    keep(first, tmp_path)
    assert list(kept(tmp_path)) == [first, second]
    (path, _) = sorted((tmp_path / "imported").iterdir())
    path.write_text("{}")
    with pytest.raises(DataError, match="is damaged"):
        kept(tmp_path)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    from harness.cli import main

    where = written(tmp_path)
    arguments = ["import", "lm-eval", str(where), "--as", "m+rtn-int2", "--store", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["brainpress", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert "2 tasks of lm-eval 0.4.12 as m+rtn-int2" in capsys.readouterr().out
    (one,) = kept(tmp_path)
    assert (one.model, one.compressor) == ("m", "rtn-int2")
