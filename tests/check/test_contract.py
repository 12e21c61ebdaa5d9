"""Each way to break the contract is found."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from harness.check import runs as contract_runs
from harness.check.contract import check_plugin
from harness.check.rule import Outcome, attempt
from harness.check.specs import hook_findings, spec_findings
from harness.errors import SelectionError
from harness.scaffold.package import write_package
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec

HERE = Path(__file__).parents[1]


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
