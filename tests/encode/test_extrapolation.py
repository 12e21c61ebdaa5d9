"""Extrapolating to infinitely many participants, with guards."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.optimize

from harness.encode.ceilings import CeilingKind, leave_one_out
from harness.encode.extrapolation import extrapolated, fit_saturation
from harness.encode.result import EncodingOptions
from harness.errors import DataError

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


def test_the_ceiling_is_near_the_truth_and_conservative() -> None:
    y = RNG.normal(size=(450, 1)) + RNG.normal(size=(7, 450, 1))
    got = extrapolated(y, np.zeros(450), options=OPTIONS, sizes=(1, 2, 3, 6), n_draws=1)
    truth = 1 / np.sqrt(2)  # what the true signal reaches in one participant
    assert got.kind is CeilingKind.EXTRAPOLATED
    assert truth - 0.1 < got.value[0] < truth + 0.02
    assert got.excluded is not None
    assert got.excluded[0] < 0.3
    assert got.per_participant is not None
    np.testing.assert_allclose(got.value, np.nanmedian(got.per_participant, axis=0))


def test_a_signal_held_in_different_targets_is_found() -> None:
    signal = RNG.normal(size=(400, 3))
    # Alternate participants hold it with the opposite sign, and each in another target.
    held = np.stack([(-1) ** p * np.roll(signal, p, axis=1) for p in range(7)])
    y = held + 0.5 * RNG.normal(size=held.shape)
    got = extrapolated(y, np.zeros(400), options=OPTIONS, sizes=(1, 2, 3, 6), n_draws=1)
    assert (leave_one_out(y).value < 0.2).all()
    np.testing.assert_allclose(got.value, 1 / np.sqrt(1.25), atol=0.05)


def test_noise_has_no_ceiling() -> None:
    y = RNG.normal(size=(6, 200, 3))
    got = extrapolated(y, np.zeros(200), options=OPTIONS, sizes=(1, 2, 3, 5), n_draws=1)
    assert got.excluded is not None
    assert got.excluded.mean() > 0.4
    assert not (got.value > 0.25).any()


def test_default_sizes_reach_all_others_and_three_participants_are_too_few() -> None:
    from harness.encode.extrapolation import _sizes

    assert _sizes(3) == (1, 2, 3)
    assert _sizes(26)[0] == 1
    assert _sizes(26)[-1] == 26
    with pytest.raises(DataError, match="at least four participants"):
        extrapolated(RNG.normal(size=(3, 200, 1)), np.zeros(200), options=OPTIONS)
