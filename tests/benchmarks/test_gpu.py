"""The script for one card, in small on the CPU: every section gives numbers; faults are told."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"
SMALL = ["--small", "--device", "cpu"]


@pytest.fixture(scope="module")
def script() -> Iterator[Any]:
    before = list(sys.path)
    sys.path.insert(0, str(FOLDER))
    spec = importlib.util.spec_from_file_location("gpu_script", FOLDER / "gpu.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_script"] = module
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = before
    del sys.modules["gpu_script"]


def test_every_section_gives_its_numbers(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main([*SMALL, "--budget", "5", "--json", str(tmp_path / "card.json")]) == 0
    found = json.loads((tmp_path / "card.json").read_text())
    sections = found["sections"]
    assert list(sections) == list(script.SECTIONS)
    assert found["about"]["small"]
    for name, section in sections.items():
        assert not section["fault"], name
        assert not section["left_out"], name
        for row in (row for table in section["tables"].values() for row in table):
            numbers = [v for v in row.values() if isinstance(v, float)]
            assert all(map(math.isfinite, numbers)), (name, row)
            assert not str(row.get("note", "")).startswith(("out of", "does not")), row

    (states,) = sections["hidden"]["tables"].values()
    assert {row["shape"] for row in states} == {"135M", "1.5B", "7B"}
    # 256 words in windows of 32, one every 16: 15 windows.
    assert {row["tokens"] for row in states} == {15 * 32}
    for row in states:
        assert row["body s"] > 0
        assert row["readout s"] > 0
        total = row["body s"] + row["readout s"]
        assert row["tokens/s"] == pytest.approx(row["tokens"] / total)

    (read,) = sections["logprob"]["tables"].values()
    plain, tree = ({r["tokens read"] for r in read if r["trees"] == t} for t in ("no", "yes"))
    assert plain == {48 * 13}  # a start and 12 words
    assert max(tree) < 0.5 * min(plain)
    single = [r for r in read if r["arithmetic"] == "float32"]
    assert max(r["largest difference, nats a sentence"] for r in single) < 1e-3

    (moved,) = sections["arithmetic"]["tables"].values()
    assert all(r["features, relative error"] == 0 for r in moved if r["arithmetic"] == "float32")
    rough = [r["features, relative error"] for r in moved if r["arithmetic"] == "bfloat16"]
    assert 1e-4 < min(rough) < max(rough) < 0.05

    ridge = sections["ridge"]["tables"]["Ridge with a penalty a voxel"]
    assert "same penalty 100.00%" in ridge[-1]["note"]

    (pruned,) = sections["compression"]["tables"].values()
    error = {row["method"]: row["output error"] for row in pruned}
    assert error["sparsegpt, half"] < error["wanda, half"]
    assert 0 < error["gptq, 4 bits"] < error["awq, 4 bits"]

    runs = sections["whole"]["tables"]["A whole run"]
    assert [row["cells"] for row in runs] == ["1 done", "1 done"]
    out = capsys.readouterr().out
    assert all(f"## {name} (" in out for name in script.SECTIONS)
    assert "FAILED" not in out


def test_resident_responses_score_as_any(script: Any) -> None:
    fitting = sys.modules["on_card.fitting"]
    setting = script.Setting(torch.device("cpu"), small=True)
    data = fitting.made(120, 40, 64, 33)
    kernel = data.kernel()
    spectrum = fitting.kernel_spectrum(kernel[:120, :120], kernel[120:, :120])
    scan = fitting.plan_scan(spectrum, data.folds, data.penalties)
    block = data.y[:120]
    own = fitting.resident(scan, fitting.placed(block, "resident", setting))
    np.testing.assert_array_equal(own, scan.inner(fitting.placed(block, "pageable", setting)))


def test_a_fault_is_told_and_the_others_go_on(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = script.Row

    def breaks(_: Any) -> Iterator[Any]:
        yield row("T", {"a": 1})
        raise ZeroDivisionError("by nothing")

    def lasts(_: Any) -> Iterator[Any]:
        for i in range(100):
            time.sleep(0.03)
            yield row("T", {"a": i})

    def hangs(_: Any) -> Iterator[Any]:
        try:
            time.sleep(60)
        except Exception:
            time.sleep(60)  # what takes every error for its own
        yield row("T", {"a": 1})

    def parts(_: Any) -> Iterator[Any]:
        yield row("T", {"agrees": "NO"})

    def works(_: Any) -> Iterator[Any]:
        yield row("T", {"a": 0.00012, "note": "", "b": 12345.6, "c": None})

    sections = {
        "breaks": (breaks, 9),
        "lasts": (lasts, 0.1),
        "hangs": (hangs, 0.1),
        "works": (works, 9),
    }
    monkeypatch.setattr(script, "SECTIONS", sections)
    assert script.main([*SMALL, "--json", str(tmp_path / "card.json")]) == 1
    found = json.loads((tmp_path / "card.json").read_text())["sections"]
    assert found["breaks"]["fault"].startswith("ZeroDivisionError in test_gpu.py:")
    assert found["breaks"]["tables"] == {"T": [{"a": 1}]}
    assert found["lasts"]["left_out"] == "its budget of 0 s was spent"
    assert 1 <= len(found["lasts"]["tables"]["T"]) < 10
    assert found["hangs"]["left_out"].startswith("broken off")
    out = capsys.readouterr().out
    assert "FAILED: ZeroDivisionError" in out
    assert "| a | b |\n|---|---|\n| 1.2e-04 | 12,346 |" in out

    monkeypatch.setattr(script, "SECTIONS", {"works": (works, 9)})
    assert script.main(SMALL) == 0
    monkeypatch.setattr(script, "SECTIONS", {"parts": (parts, 9)})
    assert script.main(SMALL) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*SMALL, "--only", "gemm,scan"], "no section scan; there are gemm, hidden"),
        (["--device", "cpu"], "add --small"),
        ([*SMALL, "--budget", "0"], "leaves no time"),
    ],
)
def test_what_cannot_be_is_refused(
    script: Any, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        script.main(arguments)
    assert said in " ".join(capsys.readouterr().err.split())


def test_utilisation_is_the_mean_since_a_time(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["on_card.utilisation"]
    says = iter([100.0, 100.0, None])
    monkeypatch.setattr(module, "EVERY", 0.001)
    monkeypatch.setattr(module, "driver", lambda _: lambda: next(says, 40.0))
    with module.watching(torch.device("cuda:0")) as found:
        while found.since(0) is None or found.since(0) > 90:
            time.sleep(0.002)
        start = time.perf_counter()
        while found.since(start) is None:
            time.sleep(0.002)
    assert found.since(start) == 40
    assert found.since(time.perf_counter()) is None
    monkeypatch.undo()
    with module.watching(torch.device("cpu")) as found:
        assert found.since(0) is None
    assert module.driver(torch.device("cuda"), "libnothing.so.1") is None
