"""Ceilings of voxels in a shared space: each participant against the mean of the others."""

from __future__ import annotations

import numpy as np
import pytest
from brainpress_plugins.benchmarks.neural.mni_listening import voxel_ceilings

from harness.encode.design.sources import array_responses

RUNS = np.repeat([0, 1], [50, 40])


def people(n: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    shared = rng.normal(size=(90, 6))
    return {f"p{i}": shared + rng.normal(size=(90, 6)) for i in range(n)}


def by_hand(values: dict[str, np.ndarray], person: str, voxel: int) -> float:
    def z(column: np.ndarray) -> np.ndarray:
        parts = [column[run == RUNS] for run in (0, 1)]
        return np.concatenate([(p - p.mean()) / p.std() for p in parts])

    others = [z(v[:, voxel]) for name, v in values.items() if name != person]
    return float(np.corrcoef(z(values[person][:, voxel]), np.mean(others, axis=0))[0, 1])


def test_ceilings_are_correlations_with_the_others() -> None:
    values = people()
    found = voxel_ceilings(array_responses(values, RUNS))
    for name in values:
        expected = [by_hand(values, name, voxel) for voxel in range(6)]
        np.testing.assert_allclose(found[name], expected, atol=1e-9)


@pytest.mark.parametrize("fill", [0.0, -9999.0, np.nan])
def test_a_missing_run_is_in_nobodys_ceiling(fill: float) -> None:
    values = people()
    values["p3"][RUNS == 1, 2] = fill
    found = voxel_ceilings(array_responses(values, RUNS))
    assert np.isnan(found["p3"][2])
    whole = {name: v for name, v in values.items() if name != "p3"}
    assert found["p0"][2] == pytest.approx(by_hand(whole, "p0", 2), abs=1e-9)
    assert found["p0"][3] == pytest.approx(by_hand(values, "p0", 3), abs=1e-9)
