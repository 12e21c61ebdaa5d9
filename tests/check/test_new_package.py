"""New packages pass the contract, and are told what comes next."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.check.contract import check_plugin
from harness.check.mocks import write_mock_model
from harness.check.rule import Outcome
from harness.errors import SelectionError
from harness.scaffold.next_steps import after_check, after_new
from harness.scaffold.package import write_package

HERE = Path(__file__).parents[1]


@pytest.mark.parametrize("kind", ["compressor", "benchmark"])
def test_a_new_package_passes(tmp_path, kind):
    write_package(kind, f"my-{kind}", tmp_path)
    findings = check_plugin(tmp_path / f"my-{kind}")
    assert {f.outcome for f in findings} <= {Outcome.PASSED, Outcome.NOTE}, findings
    assert any(f.rule == "it runs" for f in findings)


def test_a_new_model_is_skipped_until_its_weights_are_there(tmp_path):
    write_package("model", "my-model", tmp_path)
    folder = tmp_path / "my-model"
    found = {f.rule: f for f in check_plugin(folder)}
    files = found["its files are whole, and those the spec pins"]
    assert files.outcome is Outcome.SKIPPED
    assert "safetensors" in files.hint
    (folder / "weights").mkdir()
    found = {f.rule: f.outcome for f in check_plugin(folder)}
    assert found["its files are whole, and those the spec pins"] is Outcome.FAILED
    write_mock_model(folder / "weights")
    found = {f.rule: f.outcome for f in check_plugin(folder)}
    assert found["it runs"] == found["it records the same twice"] == Outcome.PASSED


@pytest.mark.parametrize("name", ["My-Model", "", "../x", "my model", "1st", "class"])
def test_a_name_of_a_package(tmp_path, name):
    with pytest.raises(SelectionError, match="no name"):
        write_package("model", name, tmp_path)


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("blah", "hf:org/name, file:FOLDER"),
        ("org/name", "did you mean hf:org/name?"),
        ("http://x/y.gguf", "did you mean https://x/y.gguf?"),
        ("hf:", "hf:org/name, file:FOLDER|did you mean hf:"),
        ("here", "did you mean file:here?"),
    ],
)
def test_a_source_that_is_none(tmp_path, monkeypatch, source, hint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    with pytest.raises(SelectionError, match="not the source of a model") as caught:
        write_package("model", "my-model", tmp_path, source)
    assert any(part in caught.value.hint for part in hint.split("|"))
    assert not (tmp_path / "my-model").exists()


@pytest.mark.parametrize(
    ("source", "address", "revision"),
    [
        ("hf:org/name@c0ffee", "hf:org/name", "c0ffee"),
        ("hf:org/name", "hf:org/name", ""),
        ("https://x/y.gguf#sha256=abc", "https://x/y.gguf", "abc"),
        ('file:it\'s "here"', 'file:{0}/it\'s "here"', ""),
    ],
)
def test_a_source_is_written_with_its_revision(tmp_path, monkeypatch, source, address, revision):
    monkeypatch.chdir(tmp_path)
    write_package("model", "my-sourced", tmp_path, source)
    monkeypatch.syspath_prepend(tmp_path / "my-sourced")
    (spec,) = importlib.import_module("my_sourced").brainpress_models()
    assert (spec.source, spec.revision) == (address.format(tmp_path), revision)


def test_only_models_have_a_source(tmp_path):
    with pytest.raises(SelectionError, match="a compressor has no source"):
        write_package("compressor", "my-compressor", tmp_path, "hf:org/name")


@pytest.mark.parametrize("kind", ["model", "compressor", "benchmark"])
def test_what_to_do_next(tmp_path, kind):
    write_package(kind, "my-next", tmp_path)
    folder = tmp_path / "my-next"
    steps = after_new(kind, "my-next", folder)
    named = [line.split()[1].rstrip(":") for line in steps if line.startswith("edit ")]
    assert named
    assert all(Path(path).is_file() for path in named)
    assert any("weights" in line for line in steps) == (kind == "model")
    assert steps[-2:] == [f"pip install -e {folder}", "brainpress check my-next"]
    install, run, submit = after_check(str(folder))
    assert install == steps[-2]
    models = run.split()[3].split(",")
    assert [m.partition(":")[0] for m in models[1:]] == ["untrained", "static"]
    assert run.startswith("brainpress run -m my-next," if kind == "model" else "brainpress run -m")
    assert submit.startswith("brainpress submit")


def test_a_model_that_is_not_pinned_is_told_how(tmp_path):
    write_package("model", "my-pinned", tmp_path)
    folder = tmp_path / "my-pinned"
    write_mock_model(folder / "weights")
    (pin,) = [line for line in after_check(str(folder)) if line.startswith("to pin")]
    path = folder / "my_pinned/__init__.py"
    path.write_text(path.read_text().replace('revision=""', pin.split()[5]))
    del sys.modules["my_pinned"]
    found = {f.rule: f.outcome for f in check_plugin(folder)}
    assert found["its files are whole, and those the spec pins"] is Outcome.PASSED
    assert not any(line.startswith("to pin") for line in after_check(str(folder)))


def test_what_is_installed_is_not_installed_again():
    assert after_check("rtn-int4:group=32")[0].endswith(" -c none,rtn-int4:group=32")


def test_options_behind_a_name_are_checked():
    findings = check_plugin("rtn-int4:group=32")
    assert {f.outcome for f in findings} <= {Outcome.PASSED, Outcome.NOTE}, findings
    assert {f.subject for f in findings} == {"rtn-int4:group=32"}
    with pytest.raises(SelectionError, match="no option 'grup'"):
        check_plugin("rtn-int4:grup=32")


def test_nothing_is_written_over(tmp_path):
    write_package("model", "my-model", tmp_path)
    with pytest.raises(SelectionError, match="there already"):
        write_package("compressor", "my-model", tmp_path)


def test_from_nothing_to_a_board(tmp_path):
    """``new``, ``pip install``, ``pytest``, ``run``: each in a process of its own."""
    site = tmp_path / "site"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(site), str(HERE.parent)]),
        "BRAINPRESS_CACHE": str(tmp_path / "cache"),
        "BRAINPRESS_OFFLINE": "1",
        "COLUMNS": "150",
    }

    def call(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    entry = "from harness.cli import main; main()"
    call("-c", entry, "new", "compressor", "my-rounding")
    pip = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(site)]
    call(*pip, "./my-rounding")
    call("-m", "pytest", "-q", "-p", "no:cacheprovider", "my-rounding")
    write_mock_model(tmp_path / "model")
    said = call(
        *("-c", entry, "run", "-m", "file:model", "-c", "none,my-rounding-int4"),
        *("-b", "minimal-pairs", "--store", "store"),
    )
    assert "my-rounding-int4" in said
    assert "failed" not in said
