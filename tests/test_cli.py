"""The command line as a newcomer meets it: in a process of its own."""

# ruff: noqa: F811 - fixtures come from support/command.py

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command import ENTRY, SUPPORT, brainpress, environment  # noqa: F401 - fixtures

import harness


@pytest.mark.parametrize("arguments", [["list"], ["list", "models"], ["show", "gpt2"], ["--help"]])
def test_listing_needs_neither_torch_nor_arrays(brainpress, environment, arguments):
    del environment["PYTHONPATH"]  # the toys import everything
    heavy = "{'torch', 'transformers', 'xarray', 'pandas', 'scipy', 'numpy'}"
    code = (
        "import sys\nfrom harness.cli import app\n"
        "try:\n    app()\nexcept SystemExit:\n    pass\n"
        f"loaded = {heavy} & set(sys.modules)\nassert not loaded, loaded"
    )
    done = brainpress(*arguments, code=code)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_is_light(brainpress):
    code = (
        "import sys, harness\n"
        "assert not {'torch', 'transformers', 'numpy', 'pluggy'} & set(sys.modules)\n"
        "assert 'run' in dir(harness)"
    )
    assert brainpress(code=code).returncode == 0


def test_show_tells_everything(brainpress):
    said = brainpress("show", "brennan2016-alice").stdout
    for word in ("Brennan, Stabler", "CC-BY-4.0", "s33 is all zeros", "margin", "0.02"):
        assert word in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "smollm2-135n"], ["smollm2-135n", "did you mean", "smollm2-135m"]),
        (["run", "quickstrat"], ["quickstrat", "did you mean quickstart"]),
        (["run", "-m", "gtp2"], ["gtp2", "did you mean gpt2"]),
        (["run", "-m", "x*"], ["no model matches 'x*'"]),
        (["run"], ["no model is selected", "quickstart"]),
        (["run", "-m", "gpt2", "--tag", "nonsense"], ["nonsense", "tags in use"]),
        (["run", "-m", "hf:"], ["hf:org/name@revision"]),
        (["run", "-m", "untrained:gpt2#x"], ["seed"]),
        (["run", "-m", "gpt2", "--dtype", "int3"], ["int3", "float32"]),
        (["run", "missing.toml"], ["missing.toml"]),
        (["board"], ["no board", "quickstart"]),
        (["answer", "robustnes"], ["robustnes", "did you mean robustness"]),
        (["answer", "robustness", "mine.nc"], ["--board mine.nc"]),
        (["answer", "robustness", "a"], ["takes no variants", "compare"]),
        (["answer", "compare", "a"], ["two variants"]),
    ],
)
def test_a_mistake_is_answered_with_the_way_out(brainpress, arguments, words):
    done = brainpress(*arguments)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_data_and_models_that_are_missing_offline(brainpress):
    done = brainpress("run", "-m", "gpt2", "-b", "brennan2016-alice", "--offline")
    assert done.returncode == 1
    assert "brennan2016_alice" in done.stdout
    assert "BRAINPRESS_DATA" in done.stdout
    done = brainpress("run", "-m", "gpt2", "-b", "minimal-pairs", "--offline")
    assert done.returncode == 1
    assert "openai-community/gpt2" in done.stdout


def test_a_suite_of_ones_own(brainpress, tiny_release, tmp_path):
    suite = tmp_path / "mine.toml"
    suite.write_text(f'models = ["file:{tiny_release()}"]\nbenchmarks = ["toy-*"]\n')
    done = brainpress("run", str(suite), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "2 cells to do" in done.stdout
    assert not (tmp_path / "store").exists()
    suite.write_text("modles = []\n")
    assert "modles" in brainpress("run", str(suite)).stderr


def arguments_for(folder: Path) -> list[str]:
    return ["run", "-m", f"file:{folder}", "-c", "none,rtn-int8,round", "-b", "toy-logprob"]


def test_a_run_its_board_and_its_exports(brainpress, tiny_release, tmp_path):
    arguments = arguments_for(tiny_release())
    done = brainpress(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    no_torch = ENTRY.replace(
        "main()", "\ntry:\n    main()\nfinally:\n    import sys; assert 'torch' not in sys.modules"
    )
    again = brainpress(*arguments, code=no_torch)
    assert again.returncode == 0, again.stderr
    assert "0 cells to do, 3 cached" in again.stdout
    shown = brainpress("board", "--csv", str(tmp_path / "b.csv"))
    assert "toy-logprob" in shown.stdout
    assert "round" in (tmp_path / "b.csv").read_text()
    board = harness.open_board(tmp_path / "store" / "board.nc")
    assert (board["cells"]["status"] == "done").all()
    assert "3 cached" in brainpress("status", *arguments[1:]).stdout


def test_a_killed_run_goes_on_where_it_was(brainpress, environment, tiny_release, tmp_path):
    arguments = arguments_for(tiny_release())
    command = [sys.executable, "-c", ENTRY, *arguments]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    scores = tmp_path / "store" / "scores"
    deadline = time.monotonic() + 120
    while not list(scores.glob("*/*.nc")) and time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it was killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list(scores.glob("*/*.nc")))
    assert 1 <= kept < 3
    assert f"{kept} cached" in brainpress("status", *arguments[1:]).stdout
    done = brainpress(*arguments)
    assert done.returncode == 0, done.stderr
    left = 3 - kept
    assert f"{left} cell{'s' if left > 1 else ''} to do, {kept} cached" in done.stdout


def test_two_runs_at_once_share_the_work(brainpress, environment, tiny_release, tmp_path):
    arguments = arguments_for(tiny_release())
    command = [sys.executable, "-c", ENTRY, *arguments]
    silent: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    runs = [subprocess.Popen(command, env=environment, **silent) for _ in range(2)]
    for process in runs:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    assert len(list((tmp_path / "store" / "scores").glob("*/*.nc"))) == 3
    assert "0 cells to do, 3 cached" in brainpress(*arguments).stdout


def test_a_read_only_store(brainpress, tiny_release, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    done = brainpress(
        *arguments_for(tiny_release()),
        "--store",
        str(tmp_path / "file" / "store"),
    )
    assert done.returncode == 2
    assert "--store" in done.stderr


def test_doctor_is_content_with_itself(brainpress):
    done = brainpress("doctor")
    assert done.returncode == 0, done.stdout
    for word in ("torch", "store", "brennan2016-alice", "missing", "minimal-pairs", "found"):
        assert word in done.stdout


def test_programs_are_answered_in_json(brainpress, tiny_release):
    found = json.loads(brainpress("list", "compressors", "--json").stdout)
    assert {"none", "rtn-int8", "round"} <= {spec["name"] for spec in found["compressors"]}
    (spec,) = json.loads(brainpress("show", "rtn-int8", "--json").stdout)
    assert spec["type"] == "compressor"
    assert spec["options"] == {"bits": "8", "group": "channel", "symmetric": "true"}  # as typed
    select = arguments_for(tiny_release())
    told = json.loads(brainpress("status", *select[1:], "--json").stdout)
    assert [cell["status"] for cell in told] == ["to do"] * 3
    assert brainpress(*select).returncode == 0
    told = json.loads(brainpress("status", *select[1:], "--json").stdout)
    assert [cell["status"] for cell in told] == ["done"] * 3
    said = json.loads(brainpress("answer", "robustness", "--json").stdout)
    assert said["answer"] == "robustness"
    assert {"claims", "missing"} <= set(said)
    cells = json.loads(brainpress("board", "--format", "json").stdout)
    assert [cell["compressor"] for cell in cells] == ["none", "rtn-int8", "round"]


@pytest.mark.parametrize(
    ("asked", "word"), [("--version", "brainpress 0"), ("-h", "language model")]
)
def test_what_every_program_answers(brainpress, asked, word):
    done = brainpress(asked)
    assert done.returncode == 0
    assert word in done.stdout


def test_what_libraries_log_is_shown_where_asked(brainpress):
    quiet, loud = brainpress("doctor"), brainpress("--log-level", "debug", "doctor")
    assert "DEBUG" not in quiet.stderr
    assert loud.returncode == quiet.returncode
    assert brainpress("--log-level", "chatty", "list").returncode == 2
