"""Controls beside whatever runs: which there are, what is compressed, what they answer."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import ModelError, SelectionError, Unsupported
from harness.lm.controls import autocorrelation
from harness.lm.source import resolve, spec_from_address
from harness.place.place import Place
from harness.record.autocorrelation import AutocorrelationSubject
from harness.record.context import Context
from harness.record.request import Measure, Request
from harness.runner.cells import NONE, Variant
from harness.runner.engine import execute
from harness.runner.options import RunOptions
from harness.runner.plan import make_plan, not_applicable
from harness.runner.select import Selection, Suite, controls_of, load_suite, select
from harness.runner.status import Status
from harness.spec.registry import registry
from harness.spec.specs import ModelSpec
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Items, Lanczos

NAME = "control:autocorrelation"


def names(specs):
    return [spec.name for spec in specs]


def test_every_model_of_a_run_has_its_controls():
    suite = Suite(models=("gpt2", "smollm2-135m"), compressors=("rtn-int4",), controls=True)
    found = select(suite, registry())
    per_model = [f"untrained:{m}#{s}" for m in ("gpt2",) for s in (0, 1, 2)] + ["static:gpt2"]
    assert set(per_model) <= found.added
    assert len(found.models) == 2 + 2 * 4 + 1
    assert names(found.models)[-1] == NAME
    assert names(found.compressors) == ["none", "rtn-int4"]  # what controls are compared with
    two = select(Suite(models=("gpt2",), controls=True), registry(), seeds=(5, 6))
    assert "untrained:gpt2#6" in two.added
    assert len(two.models) == 5


def test_controls_that_are_named_are_no_additions():
    suite = Suite(models=("gpt2", "untrained:gpt2#0", NAME), controls=True)
    found = select(suite, registry())
    assert names(found.models).count("untrained:gpt2#0") == 1
    assert not found.added & {"untrained:gpt2#0", NAME}
    assert not select(Suite(models=("gpt2",)), registry()).added


def test_what_is_added_is_not_compressed_and_runs(tiny_release, store):
    from toys import NONE as PLAIN
    from toys import ROUND, benchmark

    base = spec_from_address(f"file:{tiny_release()}")
    toys = (benchmark("Hidden"), benchmark("Logprob"))
    selection = Selection(
        (base, *controls_of([base], (0,))),
        (PLAIN, ROUND),
        toys,
        frozenset(c.name for c in controls_of([base], (0,))),
    )
    made = make_plan(selection, Place.make(device="cpu", store=store.root), RunOptions())
    cells = execute(made).cells
    by_name = {(c.variant.name, c.benchmark.name): c for c in cells}
    for (variant, _), cell in by_name.items():
        if cell.variant.model.control and not variant.endswith(f"+{PLAIN.name}"):
            assert cell.status is Status.NOT_APPLICABLE
            assert "not compressed" in cell.reason
    alone = by_name[f"{NAME}+{PLAIN.name}", toys[0].name]
    assert (alone.status, alone.reason) == (Status.DONE, "")
    assert by_name[f"{NAME}+{PLAIN.name}", toys[1].name].status is Status.NOT_APPLICABLE
    again = make_plan(selection, Place.make(device="cpu", store=store.root), RunOptions())
    assert not again.todo


def test_a_suite_says_whether_it_has_them(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('models = ["gpt2"]\ncontrols = true\n')
    assert load_suite(str(path)).controls
    path.write_text('models = ["gpt2"]\ncontrols = "yes"\n')
    with pytest.raises(SelectionError, match="true or false"):
        load_suite(str(path))
    assert load_suite("oota2026").controls


def test_the_control_without_a_network_is_made_from_no_file():
    spec = autocorrelation()
    files = resolve(spec, offline=True)
    assert (files.sha256, files.parameters, files.pinned) == ({}, 0, True)
    assert files.fingerprint == resolve(spec).fingerprint
    with pytest.raises(ModelError, match="no control is called"):
        resolve(ModelSpec("x", source="control:nothing", control="autocorrelation"))
    with pytest.raises(SelectionError, match="did you mean control:autocorrelation"):
        select(Suite(models=("control:autocorelation",)), registry())


@pytest.mark.parametrize("readout", [Items(), Lanczos(((0.5, 1.5, 2.5, 3.5, 4.5),))])
def test_it_answers_with_rows_of_the_readout(readout):
    text = Passage.from_words("p", ["one", "two", "three", "four", "five"])
    request = Request(Stimuli("s", (text,)), Measure.HIDDEN, Context.parse("prefix"), readout)
    answer = AutocorrelationSubject().record_all([request])[request.key]
    assert answer.dims == ("sample", "layer", "unit")
    assert answer.sizes["sample"] == 5
    assert list(answer["passage"].values) == ["p"] * 5
    assert np.isfinite(answer).all()


def test_it_has_no_words_and_nothing_to_compress():
    text = Stimuli("s", (Passage.from_words("p", ["one", "two"]),))
    asked = Request(text, Measure.LOGPROB, Context.parse("prefix"), Items())
    assert "no logprob" in not_applicable(Variant(autocorrelation(), NONE), [asked])
    with pytest.raises(Unsupported):
        AutocorrelationSubject().record_all([asked])
    rtn = registry().compressors.get("rtn-int4")
    assert "no layer" in not_applicable(Variant(autocorrelation(), rtn), [])
