"""Noise in, nothing out; and what was put in comes back (guards 1 and 4 of the design).

Guards 2 and 3, the rates of the permutation and the equivalence test, are in ``tests/stats``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import scipy.signal

from harness.encode.ceilings.estimates import explainable_variance, leave_one_out, split_half
from harness.encode.design.options import EncodingOptions, Metric, Precision
from harness.encode.design.splits import Fold
from harness.encode.solve.layers import encode_layers
from harness.stats.bootstrap import bootstrap_interval

OPTIONS = EncodingOptions(
    delays=(1, 2), n_outer=5, n_inner=3, penalties=8, precision=Precision.SINGLE
)
RUNS = {
    "blocks of one run": np.zeros(320),
    "blocks of three runs": np.repeat([0, 1, 2], [120, 100, 100]),
    "whole runs": np.repeat(np.arange(8), 40),
}


def smooth(rng: np.random.Generator, runs: np.ndarray, *shape: int) -> np.ndarray:
    """Noise with the autocorrelation of fMRI, .8 at one TR; runs are independent."""
    parts = []
    for run in np.unique(runs):
        length = int((runs == run).sum())
        white = rng.normal(size=(length + 60, *shape))
        parts.append(scipy.signal.lfilter([0.6], [1, -0.8], white, axis=0)[60:])
    return np.concatenate(parts)


def noise_score(
    runs: np.ndarray, options: EncodingOptions, folds: Sequence[Fold] | None = None
) -> float:
    """Mean score of noise predicted from noise.

    Targets share features, so that one draw of features scores .01 above or below 0: hence several.
    """
    scores = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        features, responses = smooth(rng, runs, 2, 20), smooth(rng, runs, 60)
        found = encode_layers(features, responses, runs, options=options, folds=folds)
        scores.append(found.r_best.mean())
    return float(np.mean(scores))


@pytest.mark.parametrize("metric", [m for m in Metric if not m.compares])
@pytest.mark.parametrize("layout", RUNS)
def test_autocorrelated_noise_scores_nothing_under_every_splitter(
    layout: str, metric: Metric
) -> None:
    options = dataclasses.replace(OPTIONS, metric=metric)
    assert abs(noise_score(RUNS[layout], options)) < 0.02


def test_shuffled_rows_would_score_on_the_same_noise() -> None:
    """What the guard above guards against: it fails with the folds that no splitter makes."""
    order = np.random.default_rng(0).permutation(320)
    shuffled = [
        Fold(np.setdiff1d(np.arange(320), part), np.sort(part)) for part in np.array_split(order, 5)
    ]
    assert noise_score(RUNS["blocks of one run"], OPTIONS, shuffled) > 0.2


@dataclasses.dataclass(frozen=True)
class Truth:
    layer: int = 1
    explained: float = 0.4
    participants: int = 12


def participants(truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """One region in many participants, driven by one layer at a lag of a TR."""
    rng = np.random.default_rng(19)
    features = rng.normal(size=(900, 3, 6))
    driver = np.roll(features[:, truth.layer], 1, axis=0) @ rng.normal(size=6)
    driver /= driver.std()
    noise = rng.normal(size=(900, truth.participants))
    mixed = np.sqrt(truth.explained) * driver[:, None] + np.sqrt(1 - truth.explained) * noise
    return features, mixed


def test_layer_and_explained_variance_come_back() -> None:
    truth = Truth()
    features, y = participants(truth)
    options = dataclasses.replace(OPTIONS, precision=Precision.DOUBLE)
    result = encode_layers(features, y, np.repeat(np.arange(6), 150), options=options)
    assert (result.chosen == truth.layer).all()
    r = bootstrap_interval(result.r_best, n=2000)
    r2 = bootstrap_interval(result.r2_best, n=2000)
    assert r.low < np.sqrt(truth.explained) < r.high
    assert r2.low < truth.explained < r2.high
    assert r.high - r.low < 0.06
    assert r2.high - r2.low < 0.06


def test_ceilings_come_back() -> None:
    truth = Truth()
    _, y = participants(truth)
    repeated = y.T[:, :, None]
    n, v = truth.participants, truth.explained
    of_mean = v / (v + (1 - v) / n)
    assert split_half(repeated, 300).reliability == pytest.approx(of_mean, abs=0.03)
    assert explainable_variance(repeated).reliability == pytest.approx(of_mean, abs=0.03)
    others = leave_one_out(repeated)
    assert others.per_participant is not None
    interval = bootstrap_interval(others.per_participant[:, 0], n=2000)
    assert interval.low < np.sqrt(v * v / (v + (1 - v) / (n - 1))) < interval.high
