"""Unique variance of streamed voxels: the same as of targets in memory, however they stream."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from encode_oracles.layers import encode_layers

from harness.encode.design.features import zscore_by_run
from harness.encode.design.options import EncodingOptions, Metric, Precision, Solver
from harness.encode.design.sources import array_responses
from harness.encode.design.splits import held_out_run
from harness.encode.voxels import checkpoint
from harness.encode.voxels.stream import PenaltyScope, StreamOptions, stream_layers
from harness.errors import DataError, ScoreError

RUNS = np.repeat(np.arange(5), [60, 70, 50, 60, 60])
OPTIONS = EncodingOptions(
    delays=(1, 2),
    n_outer=3,
    n_inner=3,
    penalties=7,
    nuisance_penalties=4,
    precision=Precision.SINGLE,
)
DOUBLE = dataclasses.replace(OPTIONS, precision=Precision.DOUBLE)
FIELDS = {
    "nuisance_r": "r",
    "nuisance_r2": "r2",
    "joint_r": "joint_r",
    "joint_r2": "joint_r2",
    "unique_r2": "unique_r2",
    "split_r2": "split_r2",
    "with_model": "with_model",
}
N_VOXELS = 32


def simulated(n_units: int = 12) -> tuple[xr.DataArray, np.ndarray, np.ndarray]:
    """Layers that hold some of the nuisance; voxels of model, nuisance, both, noise."""
    rng = np.random.default_rng(7)
    nuisance = rng.normal(size=(len(RUNS), 3))
    own = rng.normal(size=(len(RUNS), 3, 4))
    mixing = rng.normal(size=(7, n_units))
    layers = np.concatenate([own, np.repeat(nuisance[:, None], 3, axis=1)], axis=2) @ mixing
    layers += 0.5 * rng.normal(size=layers.shape)
    model = np.roll(own[:, 1], 1, axis=0) @ rng.normal(size=(4, N_VOXELS))
    heard = np.roll(nuisance, 2, axis=0) @ rng.normal(size=(3, N_VOXELS))
    kind = np.arange(N_VOXELS) % 4
    y = np.where(kind % 2 == 0, model, 0) + np.where((kind == 1) | (kind == 2), heard, 0)
    y += 1.5 * rng.normal(size=y.shape)
    recording = xr.DataArray(
        layers.astype(np.float32), dims=("sample", "layer", "unit"), coords={"layer": [0, 5, 9]}
    )
    return recording, y, nuisance


@pytest.mark.parametrize("metric", [m for m in Metric if not m.compares])
@pytest.mark.parametrize("n_units", [12, 200], ids=["primal", "kernel"])
def test_the_same_as_in_memory(n_units: int, metric: Metric) -> None:
    x, y, nuisance = simulated(n_units)
    options = dataclasses.replace(DOUBLE, metric=metric)
    found = stream_layers(x, array_responses({"a": y}, RUNS), options=options, nuisance=nuisance)
    result = encode_layers(
        x.values, zscore_by_run(y, RUNS), RUNS, options=options, nuisance=nuisance
    )
    assert result.nuisance is not None
    for ours, theirs in FIELDS.items():
        np.testing.assert_allclose(
            found["a"][ours], getattr(result.nuisance, theirs), atol=1e-6, err_msg=ours
        )
    with_model = found["a"]["with_model"].values
    assert with_model.min() < 1
    assert (with_model[::4] == 1).all()
    left_out = with_model == 0
    np.testing.assert_array_equal(found["a"]["unique_r2"].values[left_out], 0)
    if metric is not Metric.R2:
        return  # correlation is blind to the scale of a prediction, and R2 is not
    kind = np.arange(N_VOXELS) % 4
    unique = [float(found["a"]["unique_r2"].values[kind == k].mean()) for k in range(4)]
    assert min(unique[0], unique[2]) > 0.2
    assert max(abs(unique[1]), abs(unique[3])) < 0.05


def test_what_the_model_scores_is_the_same_with_and_without() -> None:
    x, y, nuisance = simulated()
    source = array_responses({"a": y}, RUNS)
    without = stream_layers(x, source, options=OPTIONS)["a"]
    beside = stream_layers(x, source, options=OPTIONS, nuisance=nuisance)["a"]
    assert not set(FIELDS) & set(without)
    xr.testing.assert_identical(without, beside[list(without)])


def test_single_precision_blocks_and_participants() -> None:
    x, y, nuisance = simulated()
    both = {"a": y, "b": y[:, :9]}
    whole = stream_layers(x, array_responses(both, RUNS), options=DOUBLE, nuisance=nuisance)
    n, columns = len(RUNS), 6
    memory = 8 * (8 * n * 24 + 2 * n * 12) + 8 * 7 * (2 * n * columns * 6 + (n // 3) ** 2)
    memory += 7 * 48 * n
    blocks = stream_layers(
        x,
        array_responses(both, RUNS),
        options=DOUBLE,
        nuisance=nuisance,
        stream=StreamOptions(memory=memory),
    )
    single = stream_layers(x, array_responses(both, RUNS), options=OPTIONS, nuisance=nuisance)
    for name in "ab":
        xr.testing.assert_allclose(blocks[name], whole[name], atol=1e-6)
    same = (single["a"]["layer_best"] == whole["a"]["layer_best"]).all("fold")
    same &= single["a"]["with_model"] == whole["a"]["with_model"]
    assert same.mean() > 0.8
    difference = abs(single["a"]["unique_r2"] - whole["a"]["unique_r2"])[same]
    assert float(difference.median()) < 1e-5
    np.testing.assert_allclose(whole["a"]["unique_r2"][:9], whole["b"]["unique_r2"], atol=1e-6)


def test_unusable_voxels_have_none() -> None:
    x, y, nuisance = simulated()
    y[3, 1] = np.nan
    found = stream_layers(
        x,
        array_responses({"a": y}, RUNS),
        options=OPTIONS,
        nuisance=nuisance,
        folds=held_out_run(RUNS, 4),
    )["a"]
    bad = np.arange(N_VOXELS) == 1
    for name in FIELDS:
        values = np.atleast_2d(found[name].values)
        np.testing.assert_array_equal(np.isnan(values).any(axis=0), bad, err_msg=name)


class _Pulled:
    """A source whose disk is pulled out after some reads."""

    def __init__(self, source: object, left: float) -> None:
        self._source, self._left = source, left

    def __getattr__(self, name: str) -> object:
        return getattr(self._source, name)

    def block(self, participant: str, start: int, stop: int) -> np.ndarray:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return self._source.block(participant, start, stop)  # type: ignore[attr-defined]


# Fingerprint and first look take 4 reads; 3 folds of nuisance, 9 of layers, 2 participants each.
@pytest.mark.parametrize("reads", [4, 7, 10, 11, 20, 27])
def test_after_a_kill_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: int
) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    x, y, nuisance = simulated()
    source = array_responses({"a": y, "b": y[:, ::2]}, RUNS)
    wanted = stream_layers(x, source, options=OPTIONS, nuisance=nuisance)
    kept = StreamOptions(folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        stream_layers(x, _Pulled(source, reads), options=OPTIONS, nuisance=nuisance, stream=kept)
    said: list[str] = []
    found = stream_layers(
        x, source, options=OPTIONS, nuisance=nuisance, stream=kept, progress=said.append
    )
    for name in wanted:
        xr.testing.assert_identical(found[name], wanted[name])
    again = sum("nuisance" in what for what in said)
    assert again == 3 - max(0, min(3, (reads - 4) // 2))
    # Other regressors are another analysis, and so are none.
    stream_layers(x, source, options=OPTIONS, nuisance=nuisance + 1e-3, stream=kept)
    stream_layers(x, source, options=OPTIONS, stream=kept)
    assert len(list(tmp_path.iterdir())) == 3


def test_what_cannot_be_had_is_refused() -> None:
    x, y, nuisance = simulated()
    source = array_responses({"a": y}, RUNS)
    himalaya = dataclasses.replace(OPTIONS, solver=Solver.HIMALAYA)
    shared = StreamOptions(scope=PenaltyScope.PARTICIPANT)
    with pytest.raises(ScoreError, match="by voxel, not by participant"):
        stream_layers(x, source, options=OPTIONS, nuisance=nuisance, stream=shared)
    with pytest.raises(ScoreError, match="himalaya chooses penalties by voxel"):
        stream_layers(x, source, options=himalaya, stream=shared)
    nuisance[5, 1] = np.nan
    with pytest.raises(DataError, match="nuisance: run 0: column 1"):
        stream_layers(x, source, options=OPTIONS, nuisance=nuisance)
