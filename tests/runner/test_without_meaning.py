"""Cells whose model turns out, when it is first loaded, to have no answer: they do not fail."""

import json
from dataclasses import replace

import pytest
from toys import ROUND
from transformers import AutoModelForCausalLM

from harness.api import carry_out
from harness.lm.source import spec_from_address
from harness.place.locate import cache_folder
from harness.runner.status import Status


def of(cells):
    return {(c.variant.compressor.name, c.benchmark.name): (str(c.status), c.reason) for c in cells}


def seeing(tiny_release):
    """A Llama that attends to what follows, as its config says."""
    folder = tiny_release("llama")
    model = AutoModelForCausalLM.from_pretrained(folder)
    model.config.is_causal = False
    model.save_pretrained(folder)
    return spec_from_address(f"file:{folder}")


def test_a_model_that_sees_the_future_has_no_meaning_from_the_first_run_on(
    planning, store, tiny_release
):
    spec = seeing(tiny_release)
    cells, _ = carry_out(planning(models=(spec,)))
    first = of(cells)
    assert {status for status, _ in first.values()} == {"not applicable"}
    assert all("attends to what follows" in reason for _, reason in first.values())
    again = planning(models=(spec,))  # by now its examination is kept: nothing is loaded for it
    assert {status for status, _ in of(again.cells).values()} == {"not applicable"}
    assert all("attends to what follows" in reason for _, reason in of(again.cells).values())


def test_the_reason_is_kept_in_the_store_too(planning, store, tiny_release):
    spec = seeing(tiny_release)
    carry_out(planning(models=(spec,)))
    for kept in (cache_folder() / "examinations").glob("*.json"):
        kept.unlink()
    seen = of(planning(models=(spec,), overwrite="never").cells)
    assert {status for status, _ in seen.values()} == {"not applicable"}


def test_a_model_that_sees_is_recorded_where_asked_and_not_compressed(
    planning, store, tiny_release
):
    spec = replace(seeing(tiny_release), bidirectional=True)
    expected = {
        ("none", "toy-hidden"): "done",
        ("none", "toy-logprob"): "not applicable",
        ("round", "toy-hidden"): "not applicable",
        ("round", "toy-logprob"): "not applicable",
    }
    for _ in range(2):
        cells, _ = carry_out(planning(models=(spec,)))
        assert {key: status for key, (status, _) in of(cells).items()} == expected


def test_a_packed_release_that_has_to_be_fetched_first_is_not_compressed_again(
    planning, store, tiny_release, monkeypatch
):
    """Its config is known with its files, after the cells were planned."""
    folder = tiny_release("llama")
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4, "group_size": 32}
    (folder / "config.json").write_text(json.dumps(config))
    spec = spec_from_address(f"file:{folder}")
    plan = planning(models=(spec,), compressors=(ROUND,))
    assert {status for status, _ in of(plan.cells).values()} == {"not applicable"}
    unknown = tuple(replace(c, status=Status.TODO, reason="", key="") for c in plan.cells)
    monkeypatch.setattr("harness.lm.load.load", lambda *_, **__: pytest.fail("a model was loaded"))
    cells, _ = carry_out(replace(plan, files={}, cells=unknown))
    seen = of(cells)["round", "toy-hidden"]
    assert seen[0] == "not applicable"
    assert "packed already" in seen[1]
