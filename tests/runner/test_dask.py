"""The Dask engine on workers of this machine; skipped where the extra is not installed."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from toys import NONE, benchmark, values

from harness.api import carry_out
from harness.errors import HarnessError, SelectionError
from harness.lm import controls
from harness.lm.source import spec_from_address
from harness.runner.engines.options import EngineName, EngineOptions
from harness.runner.status import Status

pytest.importorskip("distributed", reason="needs the extra `dask`")
DASK = EngineOptions(EngineName.DASK, workers=2)


@pytest.fixture
def static(tiny_release: Any) -> Any:
    """Word embeddings alone: a variant whose report takes no time."""
    return controls.static(spec_from_address(f"file:{tiny_release()}"))


def test_dask_gives_the_serial_scores_and_replaces_workers_that_die(
    planning: Any, store: Any, static: Any, tmp_path: Any
) -> None:
    toys = [benchmark("Hidden"), benchmark("Whole2"), benchmark("Fails")]
    _, one = carry_out(planning(toys, [NONE], [static]))
    for name in ("once", "always"):
        (tmp_path / name).mkdir()
        options = {"folder": str(tmp_path / name), "times": 1 if name == "once" else 99}
        spec = benchmark("Hidden", options=options)
        toys.append(replace(spec, name=name, target="deadly:Deadly"))
    other = type(store)(store.root.parent / "other")
    cells, several = carry_out(replace(planning(toys, [NONE], [static], into=other), engine=DASK))
    np.testing.assert_array_equal(values(several)[..., :2], values(one)[..., :2])
    by_name = {cell.benchmark.name: cell for cell in cells}
    assert "ZeroDivisionError" in by_name["toy-fails"].reason
    assert by_name["once"].status is Status.DONE
    assert "worker killed 3 times; last stage: scoring always" in by_name["always"].reason
    # Dask charges every task that a worker had with its death: one may be a neighbour's.
    assert 2 <= len(os.listdir(tmp_path / "always")) <= 3


def test_a_scheduler_that_does_not_answer(planning: Any, static: Any) -> None:
    options = EngineOptions(EngineName.DASK, scheduler="tcp://127.0.0.1:1")
    made = replace(planning([benchmark("Hidden")], [NONE], [static]), engine=options)
    with pytest.raises(HarnessError, match="no Dask scheduler answers"):
        carry_out(made)


def test_cards_are_given_where_workers_are_started() -> None:
    with pytest.raises(SelectionError, match="where they are started"):
        EngineOptions(EngineName.DASK, gpus=(0,))
    with pytest.raises(SelectionError, match="own workers"):
        EngineOptions(EngineName.DASK, workers=2, scheduler="tcp://127.0.0.1:1")
