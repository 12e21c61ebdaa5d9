"""A compressed model that left, scored by lm-evaluation-harness: the numbers are ours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from harness.check.mocks import write_mock_model
from harness.compress.text.calibration import CalibrationSpec
from harness.place.place import Place, entered
from harness.runner.cells import Variant
from harness.runner.options import RunOptions
from harness.runner.progress import Silent
from harness.runner.session import Session
from harness.runner.weights import write_weights
from harness.spec.registry import registry
from harness.store.store import Store

lm_eval = pytest.importorskip("lm_eval", reason="lm_eval not installed")

ITEMS = (
    ("the dog that chased the cats", (" runs", " run")),
    ("the boys near the river", (" sleep", " sleeps")),
    ("a letter from her sisters", (" was late", " were late")),
)
TASK = """
task: brainpress_agreement
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{context}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: 0
target_delimiter: ""
metric_list: [{{metric: acc}}]
"""


def test_lm_eval_scores_what_was_scored_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lm_eval.tasks import TaskManager

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "datasets"))
    place = Place(cache=tmp_path / "cache", store=tmp_path / "store", offline=True, device="cpu")
    spec = registry().compressors.specs["gptq-int3"]
    text = CalibrationSpec("self", samples=8, length=32)
    spec = replace(spec, options={**spec.options, "calibration": text})
    variant = Variant(write_mock_model(tmp_path / "mock"), spec)
    folder = write_weights(variant, tmp_path / "out", place)

    data = tmp_path / "items.jsonl"
    lines = [json.dumps({"context": context, "choices": choices}) for context, choices in ITEMS]
    data.write_text("\n".join(lines))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "agreement.yaml").write_text(TASK.format(data=data))
    found: Any = lm_eval.simple_evaluate(
        model="hf",
        model_args={"pretrained": str(folder), "dtype": "float32"},
        tasks=["brainpress_agreement"],
        device="cpu",
        batch_size=1,
        bootstrap_iters=0,
        log_samples=True,
        task_manager=TaskManager(include_path=str(tmp_path / "tasks"), include_defaults=False),
    )
    samples = found["samples"]["brainpress_agreement"]
    theirs = [[float(r[0]) for r in s["filtered_resps"]] for s in samples]

    opened = Session(variant, Store(place.store), place, RunOptions(), Silent())
    with entered(place):
        model = opened.model()
        ours = [[logprob(model, context, c) for c in choices] for context, choices in ITEMS]
    torch.testing.assert_close(torch.tensor(theirs), torch.tensor(ours), atol=1e-4, rtol=1e-5)
    right = sum(first > second for first, second in ours) / len(ITEMS)
    assert found["results"]["brainpress_agreement"]["acc,none"] == pytest.approx(right)


def logprob(model: Any, context: str, choice: str) -> float:
    """Sum the log-probabilities of a continuation's tokens, in nats."""
    before = model.tokenizer(context)["input_ids"]
    whole = model.tokenizer(context + choice)["input_ids"]
    with torch.no_grad():
        logits = model.model(input_ids=torch.tensor([whole])).logits[0].log_softmax(-1)
    return sum(float(logits[i - 1, whole[i]]) for i in range(len(before), len(whole)))
