"""Contrasts of a board's variants, against SciPy one by one."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import xarray as xr

from harness.errors import ScoreError
from harness.stats.contrast_table import contrast_table

RNG = np.random.default_rng(0)
SCORES = xr.DataArray(
    RNG.normal(0.1, 0.03, (4, 12)) + np.array([0.1, 0, 0.099, 0.05])[:, None],
    dims=("variant", "participant"),
    coords={"variant": ["a+none", "u+none", "a+int8", "a+half"]},
)


def test_a_row_is_what_scipy_says() -> None:
    pairs = [("a+none", "u+none"), ("a+none", "a+int8"), ("a+none", "a+half")]
    table = contrast_table(SCORES, pairs, margin=0.05)
    for (first, second), row in zip(pairs, table.itertuples(), strict=True):
        x, y = SCORES.sel(variant=first).values, SCORES.sel(variant=second).values
        t = scipy.stats.ttest_rel(x, y)
        assert row.t == pytest.approx(t.statistic)
        assert row.t_p == pytest.approx(t.pvalue)
        assert (row.low, row.high) == pytest.approx(tuple(t.confidence_interval()))
        assert row.wilcoxon_p == pytest.approx(scipy.stats.wilcoxon(x - y).pvalue)
        assert row.dz == pytest.approx((x - y).mean() / (x - y).std(ddof=1))
        one_sided = [
            scipy.stats.ttest_1samp(x - y, -0.05, alternative="greater").pvalue,
            scipy.stats.ttest_1samp(x - y, 0.05, alternative="less").pvalue,
        ]
        assert row.tost_p == pytest.approx(max(one_sided))
    smallest = table["t_p"].idxmin()
    assert table["t_holm"][smallest] == pytest.approx(3 * table["t_p"][smallest])
    assert (table["t_holm"] >= table["t_p"]).all()


def test_a_participant_without_one_score_is_left_out() -> None:
    scores = SCORES.copy()
    scores[1, 3] = np.nan
    table = contrast_table(scores, [("a+none", "u+none")], margin=0.02)
    assert table["n"][0] == 11
    without = SCORES.drop_isel(participant=3)
    other = contrast_table(without, [("a+none", "u+none")], margin=0.02)
    for name in ("difference", "t_p", "wilcoxon_p", "tost_p"):
        assert table[name][0] == pytest.approx(other[name][0])


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ScoreError, match="no scores of b"):
        contrast_table(SCORES, [("a+none", "b")], margin=0.02)
    assert contrast_table(SCORES, [], margin=0.02).empty
