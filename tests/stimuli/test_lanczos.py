import numpy as np
import pytest

from harness.errors import StimulusError
from harness.stimuli.lanczos import lanczos_matrix


def dense_lanczos(events, times, lobes):
    """The filter as the field writes it (Huth et al. 2016), one number at a time."""
    cutoff = 1 / np.mean(np.diff(times))
    out = np.zeros((len(times), len(events)))
    for i, t in enumerate(times):
        for j, e in enumerate(events):
            x = (t - e) * cutoff
            if x == 0:
                out[i, j] = 1
            elif abs(x) <= lobes:
                out[i, j] = (
                    lobes * np.sin(np.pi * x) * np.sin(np.pi * x / lobes) / (np.pi**2 * x**2)
                )
    return out


@pytest.mark.parametrize("lobes", [1, 3])
def test_agrees_with_the_dense_form(lobes):
    rng = np.random.default_rng(0)
    times = 20 + 2.0 * np.arange(40)
    events = np.sort(rng.uniform(10, 110, 150))
    events[7] = times[3]
    sparse = lanczos_matrix(events, times, lobes=lobes)
    np.testing.assert_allclose(sparse.toarray(), dense_lanczos(events, times, lobes), atol=1e-12)
    assert sparse.nnz < 0.2 * sparse.shape[0] * sparse.shape[1]


def test_order_of_events_does_not_matter():
    rng = np.random.default_rng(1)
    times, events = np.arange(20.0), rng.uniform(0, 20, 50)
    order = rng.permutation(50)
    np.testing.assert_allclose(
        lanczos_matrix(events[order], times).toarray(),
        lanczos_matrix(events, times).toarray()[:, order],
    )


def test_events_outside_the_run_weigh_nothing():
    matrix = lanczos_matrix(np.array([-100.0, 500.0]), np.arange(10.0))
    assert matrix.nnz == 0
    assert matrix.shape == (10, 2)


@pytest.mark.parametrize("times", [[1.0], [1.0, 1.0], [2.0, 1.0]])
def test_volume_times_must_increase(times):
    with pytest.raises(StimulusError, match="increase"):
        lanczos_matrix(np.array([1.0]), np.array(times))
