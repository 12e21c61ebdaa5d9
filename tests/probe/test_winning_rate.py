"""Mean winning rate, against loops."""

import numpy as np
import pytest
import xarray as xr

from harness.errors import ScoreError
from harness.probe.winning_rate import mean_winning_rate


def scores(values):
    return xr.DataArray(
        np.asarray(values, float),
        dims=("variant", "task"),
        coords={"variant": [f"v{i}" for i in range(len(values))]},
    )


def test_by_hand():
    rate = mean_winning_rate(scores([[0.9, 0.2], [0.5, 0.2], [0.1, 0.9]]))
    np.testing.assert_allclose(rate, [(1 + 0.25) / 2, (0.5 + 0.25) / 2, (0 + 1) / 2])
    assert rate.dims == ("variant",)
    assert rate["variant"].values.tolist() == ["v0", "v1", "v2"]


def test_against_a_loop():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 5, (6, 20)).astype(float)
    values[rng.random(values.shape) < 0.2] = np.nan
    expected = []
    for i, mine in enumerate(values):
        by_task = []
        for t, score in enumerate(mine):
            others = [v for j, v in enumerate(values[:, t]) if j != i and not np.isnan(v)]
            if not np.isnan(score) and others:
                by_task.append(np.mean([1.0 * (score > v) + 0.5 * (score == v) for v in others]))
        expected.append(np.mean(by_task))
    np.testing.assert_allclose(mean_winning_rate(scores(values)), expected)
    assert float(np.nanmean(mean_winning_rate(scores(values[:2])))) == pytest.approx(0.5)


def test_the_spread_of_a_task_does_not_matter():
    values = np.random.default_rng(0).random((4, 9))
    stretched = values.copy()
    stretched[:, 3] = stretched[:, 3] * 100 - 7
    np.testing.assert_allclose(
        mean_winning_rate(scores(values)), mean_winning_rate(scores(stretched))
    )
    turned = scores(values).transpose("task", "variant")
    np.testing.assert_allclose(mean_winning_rate(turned), mean_winning_rate(scores(values)))


def test_nobody_to_beat():
    with pytest.raises(ScoreError, match="two or more variants"):
        mean_winning_rate(scores([[1.0, 2.0]]))
    alone = mean_winning_rate(scores([[1.0, np.nan], [np.nan, 2.0]]))
    assert np.isnan(alone).all()
