"""Which neuroids were measured on the items of an experiment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from harness.encode.items.assembly import measured


def test_what_is_not_finite_or_stands_still_in_an_experiment_was_not_measured() -> None:
    values = np.random.default_rng(0).normal(size=(50, 5))
    values[3, 1] = np.nan
    values[:30, 2] = 0.0
    values[30:, 3] = -999.0
    data: Any = SimpleNamespace(values=values, parts=np.repeat(["a", "b"], [30, 20]))
    rows, here = measured(data, "a")
    assert rows.tolist() == list(range(30))
    assert here.tolist() == [True, False, False, True, True]
    rows, here = measured(data, "b")
    assert rows.tolist() == list(range(30, 50))
    assert here.tolist() == [True, True, True, False, True]
