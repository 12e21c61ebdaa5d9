"""A plan of thousands of cells takes time in proportion to them."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from toys import NONE, benchmark

from harness.runner.engines.options import EngineOptions, Shard
from harness.runner.plan import Plan


def large(made: Plan, variants: int) -> Plan:
    """Return a plan of the same cells for so many models."""
    models = [replace(made.cells[0].variant.model, name=f"model-{i}") for i in range(variants)]
    cells = [
        replace(cell, variant=replace(cell.variant, model=model))
        for model in models
        for cell in made.cells
    ]
    return replace(made, cells=tuple(cells))


def seconds(plan: Plan) -> float:
    """Return the CPU seconds of dealing out jobs, the least of three."""
    spent = []
    for _ in range(3):
        start = time.process_time()
        plan.jobs()
        spent.append(time.process_time() - start)
    return min(spent)


def test_dealing_out_jobs_is_linear(planning: Any) -> None:
    made = planning([benchmark("Hidden"), benchmark("Logprob")], [NONE])
    few, many = large(made, 250), large(made, 4000)
    assert len(many.jobs()) == 4000
    # Sixteen times the cells: a quadratic loop takes 256 times as long.
    assert seconds(many) < 64 * seconds(few)


def test_every_shard_of_a_large_plan(planning: Any) -> None:
    made = large(planning([benchmark("Hidden")], [NONE]), 10)
    parts = [replace(made, engine=EngineOptions(shard=Shard(i, 3))) for i in (1, 2, 3)]
    dealt = [[v.model.name for v in part.shard()] for part in parts]
    assert dealt[0] == ["model-0", "model-3", "model-6", "model-9"]
    names = [name for part in dealt for name in part]
    assert sorted(names) == sorted(v.model.name for v in made.variants)
