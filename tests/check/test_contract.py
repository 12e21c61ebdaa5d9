"""New packages pass the contract; each way to break it is found."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from harness.check import runs as contract_runs
from harness.check.contract import check_plugin
from harness.check.mocks import write_mock_model
from harness.check.rule import Outcome, attempt
from harness.check.specs import hook_findings, spec_findings
from harness.errors import SelectionError
from harness.scaffold.next_steps import after_check, after_new
from harness.scaffold.package import write_package
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec

HERE = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def path_as_it_was(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0].startswith(("my_", "crooked")):
            del sys.modules[name]


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


def test_the_sample_plugin_passes():
    findings = check_plugin(HERE / "sample_plugin")
    failed = [f for f in findings if f.outcome is Outcome.FAILED]
    # Its model is a folder that the tests make elsewhere.
    assert {f.subject for f in failed} <= {"sample-model"}
    assert {"sample-halve", "sample-lengths"} <= {f.subject for f in findings}


def test_a_broken_package_is_told_all_its_faults():
    findings = check_plugin(HERE / "broken_plugin")
    details = " / ".join(f.detail for f in findings if f.outcome is Outcome.FAILED)
    for fault in ("a_package_that_is_not_installed", "ZeroDivisionError", "not a ModelSpec"):
        assert fault in details


def test_what_is_no_plugin(tmp_path):
    with pytest.raises(SelectionError, match="names no plugin"):
        check_plugin(tmp_path)
    with pytest.raises(SelectionError):
        check_plugin("no-such-plugin")


CROOKED = """
import torch
from harness.compress.layers.rewrite import rewrite_layers
from harness.compress.compressor import Compressed

class Random:
    calibration = None
    def compress(self, model, calibration=None, workspace=None):
        return rewrite_layers(model, self.shake, workspace)
    def shake(self, weight):
        return Compressed(weight + torch.rand_like(weight), 4 * weight.numel())

class Lies(Random):
    def shake(self, weight):
        return Compressed(weight / 2, 99 * weight.numel())

class Embeds(Random):
    def compress(self, model, calibration=None, workspace=None):
        model.get_input_embeddings().weight.data.zero_()
        return rewrite_layers(model, lambda w: Compressed(w / 2, 4 * w.numel()), workspace)

class Nothing:
    pass

from harness.check.mocks import MockListening
import itertools
_counter = itertools.count()

class Shifting(MockListening):
    def requests(self):
        return super().requests() if next(_counter) % 2 else ()

class Rolling(MockListening):
    def score(self, recordings):
        return super().score(recordings) + next(_counter)

class Vandal(MockListening):
    def score(self, recordings):
        for recording in recordings.values():
            recording.values[:] = 0.5
        import xarray as xr
        return xr.Dataset({"value": 0.0, "low": 0.0, "high": 0.0})

class Bare(MockListening):
    def score(self, recordings):
        import xarray as xr
        return xr.Dataset({"value": 0.1})

class Scored(MockListening):
    more = {}
    def score(self, recordings):
        import xarray as xr
        return xr.Dataset({"value": 0.2, "low": 0.1, "high": 0.3} | self.more)

class Misnamed(Scored):
    more = {"r_by_participant": ("participant", [0.1, 0.3])}

class OtherGain(Scored):
    more = {"gain": ("story", [0.1, 0.9])}

class OverSubjects(Scored):
    more = {"r_best": (("subject", "roi"), [[0.1, 0.3]])}

class Pairs(Scored):
    more = {"margin": ("pair", [1.0, -1.0])}

class Halves(Scored):
    more = {"r_best": (("participant", "roi"), [[0.1, float("nan")], [0.2, 0.4]])}

class NamesPaths(MockListening):
    @staticmethod
    def resources(**options):
        return ["data.csv"]

class Endless(MockListening):
    def score(self, recordings):
        import xarray as xr
        return xr.Dataset({"value": 0.2, "low": float("nan"), "high": float("nan")})

class Outside(MockListening):
    def score(self, recordings):
        import xarray as xr
        return xr.Dataset({"value": 0.9, "low": 0.1, "high": 0.2})
"""


@pytest.fixture
def crooked(tmp_path):
    (tmp_path / "crooked.py").write_text(CROOKED)
    sys.path.insert(0, str(tmp_path))
    importlib.invalidate_caches()


def failures(findings):
    return " / ".join(f.detail for f in findings if f.outcome is Outcome.FAILED)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Random", "other weights"),
        ("Lies", "99 bits a weight"),
        ("Embeds", "input embedding"),
        ("Nothing", "no compress and no calibration"),
    ],
)
def test_crooked_compressors(crooked, name, said):
    spec = CompressorSpec("crooked", target=f"crooked:{name}", method="crooked")
    assert said in failures(contract_runs.compressor_findings(spec))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Shifting", "asks for nothing|different things"),
        ("Rolling", "another result"),
        ("Vandal", "changes the recordings"),
        ("Bare", "no single number 'low'"),
        ("Outside", "does not contain its value"),
        ("NamesPaths", "resources() holds a str, not a Resource"),
        ("Endless", "does not contain its value"),
        ("Misnamed", "no answer would find its scores: r_by_participant"),
        ("OtherGain", "its value 0.2 is not the mean of gain, 0.5"),
        ("OverSubjects", "r_best is over (subject, roi), not over (participant"),
        ("Nothing", "no requests and no score"),
    ],
)
def test_crooked_benchmarks(crooked, name, said):
    spec = BenchmarkSpec("crooked", target=f"crooked:{name}", kind="neural")
    found = failures(contract_runs.benchmark_findings(spec))
    assert any(part in found for part in said.split("|")), found


def test_pairs_without_tasks_are_found_by_no_answer(crooked):
    spec = BenchmarkSpec("crooked", target="crooked:Pairs", kind="linguistic")
    assert "no answer would find its scores" in failures(contract_runs.benchmark_findings(spec))


def test_a_value_is_the_mean_over_participants_of_means_over_regions(crooked):
    spec = BenchmarkSpec("crooked", target="crooked:Halves", kind="neural")
    findings = contract_runs.benchmark_findings(spec)
    assert not failures(findings)
    (scored,) = [f for f in findings if f.rule == "it scores, the same twice"]
    assert scored.detail == "value 0.200, differences are tested on r_best"


def test_a_plugin_that_imports_torch_is_told(crooked):
    (rule, _) = hook_findings(EntryPoint("crooked", "crooked", "brainpress"))
    assert rule.outcome is Outcome.FAILED
    assert "torch" in rule.detail


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (ModelSpec("a b", "hf:x/y"), "letters, digits"),
        (ModelSpec("a", "ftp:x"), "starts with none"),
        (CompressorSpec("a", target="x:y", options={"f": print}), "canonical"),
        (BenchmarkSpec("a", target="x:y", kind="eeg", metric="r"), "kind is 'eeg'"),
        (BenchmarkSpec("a", target="x:y", kind="neural"), "metric is empty"),
    ],
)
def test_crooked_specs(spec, said):
    assert said in failures(spec_findings(spec))


def test_what_a_reader_will_miss_is_noted():
    notes = [f.rule for f in spec_findings(BenchmarkSpec("a", target="x:y", kind="neural"))]
    assert {"it has a licence", "it has a margin"} <= set(notes)


def test_what_is_not_here_is_skipped():
    from harness.errors import OfflineError

    def trial() -> str:
        raise OfflineError("the data are elsewhere", "look there")

    found = attempt("a", "b", trial)
    assert (found.outcome, found.hint) == (Outcome.SKIPPED, "look there")


def test_one_is_no_plural(crooked, tmp_path):
    write_package("model", "my-single", tmp_path)
    sys.path.insert(0, str(tmp_path / "my-single"))
    (_, rule) = hook_findings(EntryPoint("my_single", "my_single", "brainpress"))
    assert rule.detail == "1 spec"


def test_a_benchmark_names_the_stages_that_it_uses(tmp_path, monkeypatch):
    (tmp_path / "staged.py").write_text("def score():\n    import harness.encode.design\n")
    monkeypatch.syspath_prepend(tmp_path)
    spec = BenchmarkSpec("a", target="staged:A", kind="linguistic", metric="r")
    (failed,) = [f for f in spec_findings(spec) if f.outcome is Outcome.FAILED]
    assert "stages=('encode', 'probe')" in failed.detail
    said = replace(spec, stages=("encode", "probe"))
    assert not [f for f in spec_findings(said) if f.outcome is Outcome.FAILED]
