"""Block permutation against a loop, and its false positives."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import scipy.stats

from harness.errors import ScoreError
from harness.stats.permutation import block_permutation, fold_permutation

RNG = np.random.default_rng(17)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test the same numbers, whichever tests run before it."""
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(17))


def smooth(n: int, targets: int, seed: int = 0, rho: float = 0.7) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(n + 100, targets))
    return scipy.signal.lfilter([1], [1, -rho], noise, axis=0)[100:]


@pytest.mark.parametrize("dense", [0, 48])
def test_it_is_a_loop_over_permutations(dense: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.stats.permutation.DENSE", dense)
    y, x = smooth(170, 5, 1), smooth(170, 5, 2)
    x += 0.3 * y
    got = block_permutation(y, x, np.zeros(170), n=200, seed=5)
    assert (got.n_blocks, got.block_length, len(got.rows)) == (8, 20, 160)
    order = np.argsort(np.random.default_rng(5).random((200, 8)), axis=1)
    y, x = y[:160], x[:160]
    observed = [scipy.stats.pearsonr(y[:, v], x[:, v])[0] for v in range(5)]
    np.testing.assert_allclose(got.r, observed)
    blocks = x.reshape(8, 20, 5)
    for v in range(5):
        null = [np.corrcoef(y[:, v], blocks[o, :, v].ravel())[0, 1] for o in order]
        assert got.p[v] == pytest.approx((np.sum(null >= got.r[v]) + 1) / 201)


def test_blocks_do_not_straddle_runs() -> None:
    runs = np.repeat([0, 1, 2], [55, 70, 61])
    got = block_permutation(smooth(186, 1), smooth(186, 1, 2), runs, n=10)
    starts = got.rows[::20]
    np.testing.assert_array_equal(starts, [0, 20, 55, 75, 95, 125, 145, 165])
    assert all((runs[got.rows.reshape(-1, 20)] == runs[starts][:, None]).all(axis=1))


def test_a_perfect_prediction_has_the_smallest_p() -> None:
    y = smooth(200, 3)
    got = block_permutation(y, 2 * y + 5, np.zeros(200), n=500)
    np.testing.assert_allclose(got.r, 1)
    assert (got.p <= 2 / 501).all()


def test_targets_do_not_affect_each_other_and_constants_are_nan() -> None:
    y, x = smooth(200, 4, 1), smooth(200, 4, 2)
    all_at_once = block_permutation(y, x, np.zeros(200), n=100)
    alone = block_permutation(y[:, 2:3], x[:, 2:3], np.zeros(200), n=100)
    assert all_at_once.p[2] == alone.p[0]
    y[:, 1] = 0.1
    x[:, 3] = 7.0
    got = block_permutation(y, x, np.zeros(200), n=100)
    assert np.isnan(got.p[[1, 3]]).all()
    np.testing.assert_array_equal(got.p[[0, 2]], all_at_once.p[[0, 2]])


def test_false_positives_of_smooth_noise_stay_near_their_rate() -> None:
    """Guard 2 of the design: under .07 at .05."""
    y, x = smooth(360, 3000, 3), smooth(360, 3000, 4)
    p = block_permutation(y, x, np.zeros(360), n=400).p
    assert 0.035 < (p < 0.05).mean() < 0.07


def test_ten_row_blocks_are_refused() -> None:
    with pytest.raises(ScoreError, match="10 rows"):
        block_permutation(smooth(200, 1), smooth(200, 1), np.zeros(200), block_length=10)
    with pytest.raises(ScoreError, match="5 blocks"):
        block_permutation(smooth(119, 1), smooth(119, 1), np.zeros(119))


def test_permuted_folds_are_scored_anew() -> None:
    """Against a loop that moves blocks and correlates within each fold."""
    runs = np.repeat([0, 1], [95, 110])
    tests = [np.arange(0, 45), np.arange(95, 160), np.r_[45:95, 160:205]]
    rows = np.concatenate(tests)
    y, x = smooth(205, 3, 5)[rows], smooth(205, 3, 6)[rows] + 3.0
    got = fold_permutation(y, x, runs, tests, n=50, seed=9)
    starts = [0, 20, 45, 65, 85, 110, 130, 160, 180]
    folds = [0, 0, 1, 1, 1, 2, 2, 2, 2]
    assert got.n_blocks == 9
    order = np.argsort(np.random.default_rng(9).random((50, 9)), axis=1)
    for target in range(3):

        def score(permuted: np.ndarray, target: int = target) -> float:
            each = []
            for fold in range(3):
                here = [i for i in range(9) if folds[i] == fold]
                a = np.concatenate([y[starts[i] : starts[i] + 20, target] for i in here])
                moved = [starts[permuted[i]] for i in here]
                b = np.concatenate([x[start : start + 20, target] for start in moved])
                each.append(np.corrcoef(a, b)[0, 1])
            return float(np.mean(each))

        observed = score(np.arange(9))
        assert got.r[target] == pytest.approx(observed)
        null = np.array([score(permuted) for permuted in order])
        # Cross-validated scores spread wider than permuted ones.
        exceeding = (null.mean() + np.sqrt(2) * (null - null.mean()) >= observed).sum()
        assert got.p[target] == pytest.approx((exceeding + 1) / 51)


def test_one_fold_is_block_permutation() -> None:
    y, x = smooth(140, 4, 1), smooth(140, 4, 2)
    x[:, 2] = 1.0
    one = fold_permutation(y, x, np.zeros(140), [np.arange(140)], n=100)
    other = block_permutation(y, x, np.zeros(140), n=100)
    np.testing.assert_allclose(one.r, other.r)
    np.testing.assert_allclose(one.p, other.p)
    assert np.isnan(one.p[2])


def test_folds_must_be_those_of_the_rows() -> None:
    with pytest.raises(ScoreError, match="not the 100 held-out rows of 2 folds"):
        fold_permutation(
            smooth(99, 1), smooth(99, 1), np.zeros(100), [np.arange(50), np.arange(50, 100)]
        )


def test_no_block_straddles_two_folds_that_follow_each_other() -> None:
    """130 rows hold six blocks of 20, twice; 260 rows would hold thirteen."""
    rng = np.random.default_rng(0)
    tests = [np.arange(0, 130), np.arange(130, 260)]
    y, x = rng.normal(size=(2, 260, 1))
    found = fold_permutation(y, x, np.zeros(260), tests, n=50)
    assert found.n_blocks == 12
    assert found.rows.tolist() == [*range(120), *range(130, 250)]
