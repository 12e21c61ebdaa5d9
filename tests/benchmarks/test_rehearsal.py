"""The rehearsal in small: simulated, written, streamed, and the truth comes back."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.encode.design.options import EncodingOptions
from harness.encode.voxels.stream import StreamOptions

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "rehearsal.py"


def test_truth_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location("rehearsal", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    rehearsal = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "rehearsal", rehearsal)
    spec.loader.exec_module(rehearsal)

    options = EncodingOptions(permutations=200)
    # 80 rows of a test story are 4 blocks, too few to permute: give it more.
    stage = rehearsal.made_up_stage(0, n_runs=5, length=130)
    scores, truths, cost = rehearsal.rehearse(
        stage, tmp_path, 2, 50, [0, 1, 2, 3], StreamOptions(), nuisance=True, options=options
    )
    for name, truth in truths.items():
        found = scores[name]
        driven = truth["layer"].values >= 0
        assert (found["layer_best"].values[0] == truth["layer"].values)[driven].mean() > 0.8
        r, oracle = found["r_best"].values, truth["oracle"].values
        assert np.corrcoef(r[driven], oracle[driven])[0, 1] > 0.5
        assert 0.5 * oracle[driven].mean() < r[driven].mean() < oracle[driven].mean() + 0.02
        silent = truth["region"].values == 4
        assert abs(r[silent].mean()) < 0.1
        assert found["ceiling"].notnull().mean() > 0.6
        unique = found["unique_r2"].values
        assert unique[driven].mean() > 0.05
        # What is driven by words alone has nothing of the model's.
        auditory = truth["region"].values == 3
        assert abs(unique[auditory].mean()) < 0.03
        assert found["nuisance_r2"].values[auditory].mean() > 0.2
    assert cost["responses on disk, GiB"] > 0
    table = rehearsal.compared(scores, truths)
    assert len(table.splitlines()) == 2 + len(rehearsal.REGIONS)
