"""Keys are made of what a thing is, and of the stages that it went through."""

from dataclasses import replace

import pytest

from harness.check.rooms import stages_reached
from harness.record.context import Context
from harness.record.request import Measure, Request
from harness.runner.cells import NONE, Variant
from harness.runner.keys import Keys, failure_key, keys_of, stages_of
from harness.spec.registry import registry
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Whole
from harness.store import stages

ROUND = CompressorSpec("rtn-int4", "here:Round", {"bits": 4}, method="rtn", identity="lab/rtn")
ALICE = BenchmarkSpec("alice", "here:Alice", "neural", identity="lab/alice")
PAIRS = BenchmarkSpec("pairs", "here:Pairs", "linguistic", identity="lab/pairs")


@pytest.fixture
def request_():
    stimuli = Stimuli("s", (Passage("p", "on a mat", ((0, 2),)),))
    return Request(stimuli, Measure.HIDDEN, Context.parse("prefix"), Whole())


def made(spec, request, compressor=ROUND):
    """Return all keys of a cell."""
    keys = Keys("f" * 64, compressor, "float32")
    variant = Variant(ModelSpec("m", "file:m"), compressor)
    score = keys.score(spec, [request])
    return keys.variant, keys.recording(request), score, failure_key(variant, spec)


def test_a_renamed_module_leaves_all_keys_alone(request_):
    before = made(ALICE, request_)
    moved = replace(ROUND, target="elsewhere.rounding:Rounding")
    assert made(replace(ALICE, target="elsewhere:Wonderland"), request_, moved) == before


@pytest.mark.parametrize(
    ("spec", "stage", "changes"),
    [
        (ALICE, "ENCODE", True),
        (ALICE, "PROBE", False),
        (PAIRS, "ENCODE", False),
        (PAIRS, "PROBE", True),
        (replace(PAIRS, stages=("encode",)), "ENCODE", True),
    ],
)
def test_a_new_version_of_a_stage_is_in_the_key_of_what_went_through_it(
    request_, monkeypatch, spec, stage, changes
):
    before = made(spec, request_)
    monkeypatch.setattr(stages, stage, getattr(stages, stage) + 1)
    after = made(spec, request_)
    assert (before[2] != after[2]) is changes
    assert before[:2] == after[:2]


def test_a_new_recording_or_compression_is_another_score(request_, monkeypatch):
    before, bare = made(ALICE, request_), made(ALICE, request_, NONE)
    monkeypatch.setattr(stages, "COMPRESS", stages.COMPRESS + 1)
    assert made(ALICE, request_)[2] != before[2]
    assert made(ALICE, request_, NONE) == bare
    monkeypatch.setattr(stages, "RECORD", stages.RECORD + 1)
    assert made(ALICE, request_, NONE)[1:3] != bare[1:3]


@pytest.mark.parametrize(
    "change", [{"identity": "other/alice"}, {"version": 2}, {"options": {"n": 1}}]
)
def test_what_a_benchmark_is(request_, change):
    assert made(replace(ALICE, **change), request_)[2] != made(ALICE, request_)[2]


@pytest.mark.parametrize(
    "change",
    [{"identity": "other/rtn"}, {"version": 2}, {"options": {"bits": 3}}, {"seed": 1}],
)
def test_what_a_compressor_is(request_, change):
    other = made(ALICE, request_, replace(ROUND, **change))
    assert not set(other[:3]) & set(made(ALICE, request_)[:3])


def test_an_option_in_a_file_is_what_the_file_says(request_):
    class Folder:
        def __init__(self, path, content):
            self.path, self.content = path, content

        def fingerprint(self):
            return self.content

    def score(path, content):
        return made(replace(ALICE, options={"data": Folder(path, content)}), request_)[2]

    assert score("here", "1") == score("there", "1") != score("here", "2")


def test_keys_are_made_again_from_their_parts(request_):
    keys = Keys("f" * 64, ROUND, "float32")
    parts = keys.parts(ALICE, [request_], "c")
    assert keys_of(parts) == (
        [keys.recording(request_)],
        keys.score(ALICE, [request_], "c"),
    )
    through = {"record": stages.RECORD, "encode": stages.ENCODE, "compress": stages.COMPRESS}
    assert stages_of(parts) == through


def test_every_plugin_has_an_identity_of_its_own():
    found = registry()
    for shelf in (found.compressors, found.benchmarks):
        targets = {}
        for spec in shelf.specs.values():
            assert "/" in spec.identity
            assert targets.setdefault(spec.identity, spec.target) == spec.target
    assert found.compressors.get("gptq-int4").identity == "brainpress/gptq"
    assert found.compressors.get("gptq-int4:bits=3").identity == "brainpress/gptq"
    assert found.benchmarks.get("blimp").identity == "brainpress/blimp"


@pytest.mark.parametrize(
    "spec",
    [s for s in registry().benchmarks.specs.values() if s.target.startswith("brainpress_plugins")],
    ids=lambda s: s.name,
)
def test_benchmarks_say_the_stages_that_their_code_reaches(spec):
    assert stages_reached(spec.target.partition(":")[0]) == set(spec.scored_by)


def test_own_data_is_scored_by_the_encoding_stage():
    assert stages_reached("harness.own_data.benchmark") == {"encode"}


def test_stages_are_read_through_a_package(tmp_path, monkeypatch):
    package = tmp_path / "lab_stages"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "task.py").write_text("def score():\n    from . import deep\n")
    (package / "deep.py").write_text("from harness.probe.score import score_probes\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert stages_reached("lab_stages.task") == {"probe"}
    assert stages_reached("lab_stages") == set()
