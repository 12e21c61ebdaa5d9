"""Extrapolating to infinitely many participants, with guards."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.optimize

from harness.encode.ceilings.estimates import CeilingKind, leave_one_out
from harness.encode.ceilings.extrapolation import extrapolated, fit_saturation
from harness.encode.design.options import EncodingOptions
from harness.errors import DataError
from harness.numeric.arrays import Doubles

RNG = np.random.default_rng(2)
SIZES = np.array([1, 2, 3, 5, 8, 13])
OPTIONS = EncodingOptions(n_outer=3, n_inner=3, gap=2, penalties=8)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test the same numbers, whichever tests run before it."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(2))


def test_a_curve_is_recovered() -> None:
    height, scale = RNG.uniform(0.1, 0.9, 50), RNG.uniform(0.8, 10, 50)
    scores = height * (1 - np.exp(-SIZES[:, None] / scale))
    got = fit_saturation(SIZES, scores)
    np.testing.assert_allclose(got.asymptote, height, rtol=5e-4)
    np.testing.assert_allclose(got.scale, scale, rtol=1e-3)


def test_noisy_curves_are_fitted_as_scipy_fits_them() -> None:
    scores = 0.5 * (1 - np.exp(-SIZES[:, None] / 3)) + RNG.normal(0, 0.02, (6, 20))
    got = fit_saturation(SIZES, scores)
    for v in range(20):
        (height, scale), _ = scipy.optimize.curve_fit(
            lambda x, a, b: a * (1 - np.exp(-x / b)), SIZES, scores[:, v], p0=(0.5, 3)
        )
        assert got.asymptote[v] == pytest.approx(height, abs=1e-4)
        assert got.scale[v] == pytest.approx(scale, rel=1e-3)


def test_what_cannot_be_extrapolated_is_refused() -> None:
    bad = {
        "still growing": 0.01 * SIZES,
        "negative": -0.3 * (1 - np.exp(-SIZES / 2)),
        "above one": 1.4 * (1 - np.exp(-SIZES / 2)),
        "missing": np.where(SIZES == 3, np.nan, 0.4),
    }
    got = fit_saturation(SIZES, np.stack(list(bad.values()), axis=1))
    assert dict(zip(bad, np.isnan(got.asymptote), strict=True)) == dict.fromkeys(bad, True)
    flat = fit_saturation(SIZES, np.full((6, 1), 0.4))
    assert flat.asymptote[0] == pytest.approx(0.4, abs=0.01)


@pytest.mark.parametrize("sizes", [[1, 2], [1, 1, 2], [0, 1, 2]])
def test_too_few_sizes_are_refused(sizes: list[int]) -> None:
    with pytest.raises(DataError, match="extrapolated"):
        fit_saturation(sizes, np.ones((len(sizes), 1)))


def simulated(
    seed: int, n: int = 8, rows: int = 300, each: int = 20
) -> tuple[Doubles, Doubles, Doubles]:
    """Targets that mix three causes, with noise of their own; whose they are; what is knowable."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(rows, 3)) @ rng.normal(size=(3, n * each))
    noise = rng.uniform(0.5, 1.5, n * each)
    y = signal / signal.std(axis=0) + noise * rng.normal(size=signal.shape)
    return y, np.repeat(np.arange(n), each), 1 / np.sqrt(1 + noise**2)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_known_ceiling_comes_back(seed: int) -> None:
    y, owner, truth = simulated(seed)
    got = extrapolated(y, owner, np.zeros(len(y)), options=OPTIONS, seed=seed)
    assert got.kind is CeilingKind.EXTRAPOLATED
    assert got.n == 8
    assert got.low is not None
    assert got.high is not None
    assert got.excluded is not None
    assert np.isfinite(got.value).all()
    # Over targets: within its interval, on the low side.
    assert got.low.mean() < truth.mean() < got.high.mean()
    assert -0.05 < (got.value - truth).mean() < 0.0
    assert np.corrcoef(got.value, truth)[0, 1] > 0.9
    assert ((got.low <= got.value) & (got.value <= got.high)).all()


def test_a_signal_held_in_different_targets_is_found() -> None:
    """Each participant holds it in another target and with another sign."""
    signal = RNG.normal(size=(400, 3))
    held = [(-1) ** p * np.roll(signal, p, axis=1) for p in range(7)]
    y = np.concatenate(held, axis=1) + 0.5 * RNG.normal(size=(400, 21))
    got = extrapolated(y, np.repeat(np.arange(7), 3), np.zeros(400), options=OPTIONS)
    assert (leave_one_out(np.stack(np.split(y, 7, axis=1))).value < 0.2).all()
    by_target = np.median(got.value.reshape(7, 3), axis=0)
    np.testing.assert_allclose(by_target, 1 / np.sqrt(1.25), atol=0.05)


def test_noise_has_no_ceiling() -> None:
    y, owner = RNG.normal(size=(300, 60)), np.repeat(np.arange(6), 10)
    got = extrapolated(y, owner, np.zeros(300), options=OPTIONS)
    assert got.excluded is not None
    assert np.isnan(got.value).mean() > 0.4
    assert np.nanmax(got.value) < 0.25


def test_targets_and_participants_may_come_in_any_order() -> None:
    y, owner, _ = simulated(3, n=5, rows=150, each=3)
    got = extrapolated(y, owner, np.zeros(150), options=OPTIONS, n_bootstraps=20)
    order = RNG.permutation(15)
    mixed = extrapolated(y[:, order], owner[order], np.zeros(150), options=OPTIONS, n_bootstraps=20)
    np.testing.assert_allclose(mixed.value, got.value[order], atol=1e-9)


def test_scores_of_pools_are_those_of_the_encoding_model() -> None:
    from harness.encode.items.pools import score_pools
    from harness.encode.solve.layers import encode_layers

    y, owner, _ = simulated(4, n=4, rows=150, each=3)
    (found,) = score_pools(y, owner, np.zeros(150), options=OPTIONS, sizes=(2,))
    for pool, r in zip(found.pools, found.r, strict=True):
        inside = pool[owner]
        one_by_one = encode_layers(
            y[:, None, inside], y[:, ~inside], np.zeros(150), options=replace(OPTIONS, delays=(0,))
        )
        np.testing.assert_allclose(r[:, ~inside], one_by_one.fold_r[:, 0], atol=1e-9)
        assert np.isnan(r[:, inside]).all()


@pytest.mark.parametrize(("n", "size"), [(4, 1), (5, 4), (10, 6), (26, 13)])
def test_pools_leave_everybody_out(n: int, size: int) -> None:
    from harness.encode.items.pools import draw_pools

    pools = draw_pools(n, size, 3, np.random.default_rng(0))
    assert (pools.sum(axis=1) == size).all()
    assert len(np.unique(pools, axis=0)) == len(pools)
    assert (~pools).sum(axis=0).min() >= min(3, math.comb(n - 1, size))


def test_default_sizes_reach_all_others_and_three_participants_are_too_few() -> None:
    from harness.encode.items.pools import pool_sizes

    assert pool_sizes(3) == (1, 2, 3)
    assert pool_sizes(9) == (1, 2, 3, 4, 6, 9)
    assert pool_sizes(26)[-1] == 26
    with pytest.raises(DataError, match="3 participants are too few"):
        extrapolated(RNG.normal(size=(200, 3)), [0, 1, 2], np.zeros(200), options=OPTIONS)
    with pytest.raises(DataError, match="with 2 owners"):
        extrapolated(RNG.normal(size=(200, 3)), [0, 1], np.zeros(200), options=OPTIONS)
