"""Suites of parts: each a matrix of its own, and what is chosen of them together."""

from __future__ import annotations

import numpy as np
import pytest

import harness
from harness.board.assemble import assemble, read_scores
from harness.errors import SelectionError
from harness.place.place import Place
from harness.runner.engine import execute
from harness.runner.options import RunOptions
from harness.runner.plan import make_plan
from harness.runner.select import Selection, Suite, load_suite, select
from harness.runner.status import Status
from harness.spec.registry import registry

TWO = """
description = "a small one by two methods, a large one by none"
[[part]]
models = ["gpt2"]
compressors = ["none", "rtn-int4"]
benchmarks = ["minimal-pairs"]
controls = true
[[part]]
models = ["gpt2", "gpt2-large"]
benchmarks = ["bits-per-byte"]
"""


@pytest.fixture
def two(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(TWO)
    return load_suite(str(path))


def cells(selection):
    return {(m.name, c.name, b.name) for m, c, b in selection.cells()}


def test_a_suite_is_its_parts_and_no_more(two):
    found = cells(select(two, registry()))
    pairs = {cell for cell in found if cell[2] == "minimal-pairs"}
    assert pairs == {
        ("gpt2", "none", "minimal-pairs"),
        ("gpt2", "rtn-int4", "minimal-pairs"),
        *((f"untrained:gpt2#{seed}", "none", "minimal-pairs") for seed in (0, 1, 2)),
        ("static:gpt2", "none", "minimal-pairs"),
        ("control:autocorrelation", "none", "minimal-pairs"),
    }
    assert found - pairs == {(m, "none", "bits-per-byte") for m in ("gpt2", "gpt2-large")}


def test_axes_choose_of_a_suite_that_has_parts(two):
    from dataclasses import replace

    chosen = select(replace(two, models=("gpt2*",), compressors=("none",)), registry())
    assert cells(chosen) == {
        ("gpt2", "none", "minimal-pairs"),
        ("gpt2", "none", "bits-per-byte"),
        ("gpt2-large", "none", "bits-per-byte"),
    }
    with pytest.raises(SelectionError, match="has the model pythia-70m"):
        select(replace(two, models=("pythia-70m",)), registry())
    with pytest.raises(SelectionError, match="has the benchmark blimp"):
        select(replace(two, benchmarks=("blimp",)), registry())


def test_no_controls_is_said_to_every_part(tmp_path):
    path = tmp_path / "two.toml"
    path.write_text(TWO)
    made = harness.plan(str(path), controls=False, offline=True, store=tmp_path, fetch=False)
    assert {cell.variant.model.name for cell in made.cells} == {"gpt2", "gpt2-large"}
    assert len(made.cells) == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('models = ["gpt2"]\n[[part]]\nmodels = ["gpt2"]', r"has parts, and says \['models'\]"),
        ('part = "gpt2"', "a part is a table"),
        ('[[part]]\nmodels = ["gpt2"]\n[[part]]\nmodel = ["gpt2"]', r"part 2 says \['model'\]"),
        ('[[part]]\nmodels = "gpt2"', "part 1: models must be a list"),
        ("[[part]]\n[[part.part]]\n", r"part 1 says \['part'\]"),
    ],
)
def test_what_is_no_part_is_told(tmp_path, text, told):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SelectionError, match=told):
        load_suite(str(path))


def test_a_board_of_parts_leaves_the_other_cells_empty(tiny_release, store):
    from toys import NONE, ROUND, benchmark

    from harness.lm.source import spec_from_address

    small, large = (spec_from_address(f"file:{tiny_release()}") for _ in range(2))
    first, second = benchmark("Hidden"), benchmark("Logprob")
    only = {(small.name, NONE.name, first.name), (small.name, ROUND.name, second.name)}
    only |= {(large.name, NONE.name, second.name)}
    models = (small,) if small.name == large.name else (small, large)
    selection = Selection(models, (NONE, ROUND), (first, second), only=frozenset(only))
    made = make_plan(selection, Place.make(device="cpu", store=store.root), RunOptions())
    done = execute(made)
    assert {c.status for c in done.cells} == {Status.DONE}
    assert len(done.cells) == len(only)
    cells, scores = read_scores(made, done.cells, store)
    board = assemble(made, cells, store, scores)["cells"].to_dataset()
    for at in np.ndindex(board["status"].shape):
        cell = board.isel(dict(zip(board["status"].dims, at, strict=True)))
        asked = tuple(str(cell[axis].item()) for axis in ("model", "compressor", "benchmark"))
        status, value = Status.read(str(cell["status"].item())), float(cell["value"])
        assert status is (Status.DONE if asked in only else Status.TODO)
        assert np.isfinite(value) == (asked in only)


def test_the_suites_that_come_along_are_read():
    study = load_suite("study")
    assert isinstance(study, Suite)
    assert len(study.parts) > 4
    chosen = cells(select(study, registry()))
    models = {model for model, _, _ in chosen}
    assert {"stories260k", "qwen2.5-coder-1.5b", "control:autocorrelation"} <= models
    assert ("qwen2.5-coder-1.5b", "none", "brennan2016-alice:projected=64") in chosen
    assert ("smollm2-135m", "gptq-int3:samples=32#2", "gum-probes") in chosen


def test_quickstart_compresses_no_control():
    chosen = cells(select(load_suite("quickstart"), registry()))
    benchmarks = ("simulated-listening", "minimal-pairs:each=12")
    assert chosen == {
        (model, compressor, benchmark)
        for model, compressors in {
            "smollm2-135m": ("none", "rtn-int4", "magnitude-50"),
            "untrained:smollm2-135m#0": ("none",),
            "static:smollm2-135m": ("none",),
        }.items()
        for compressor in compressors
        for benchmark in benchmarks
    }


class TestPrecision:
    """A suite may say in which precision its models are read; ``--dtype`` goes before it."""

    HALF = 'dtype = "bfloat16"\nmodels = ["stories260k"]\nbenchmarks = ["bits-per-byte"]\n'

    @pytest.mark.parametrize(
        ("given", "read"), [(None, "bfloat16"), ("float32", "float32"), ("float16", "float16")]
    )
    def test_a_run_reads_as_the_suite_says_or_as_it_is_told(self, tmp_path, given, read):
        path = tmp_path / "half.toml"
        path.write_text(self.HALF)
        plan = harness.plan(str(path), dtype=given, fetch=False, store=tmp_path / "store")
        assert plan.options.dtype == read

    def test_without_a_word_it_is_float32(self, tmp_path):
        plan = harness.plan(
            models="stories260k", benchmarks="bits-per-byte", fetch=False, store=tmp_path
        )
        assert plan.options.dtype == "float32"

    def test_the_same_cells_as_by_the_option_are_found(self, tmp_path):
        path = tmp_path / "half.toml"
        path.write_text(self.HALF)
        of_suite = harness.plan(str(path), fetch=False, store=tmp_path)
        told = harness.plan(
            models="stories260k",
            benchmarks="bits-per-byte",
            dtype="bfloat16",
            fetch=False,
            store=tmp_path,
        )
        assert [cell.key for cell in of_suite.cells] == [cell.key for cell in told.cells]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('dtype = "half"', "no dtype 'half'"),
            ("dtype = 16", "no dtype 16"),
            ('[[part]]\nmodels = ["gpt2"]\ndtype = "bfloat16"', "a part says dtype"),
        ],
    )
    def test_what_is_no_precision_is_refused(self, tmp_path, text, message):
        path = tmp_path / "wrong.toml"
        path.write_text(text)
        with pytest.raises(SelectionError, match=message):
            load_suite(str(path))

    def test_the_study_says_it_of_the_whole(self):
        assert load_suite("study").dtype == "bfloat16"
