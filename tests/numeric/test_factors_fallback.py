"""Where a device has no room for factors, the CPU makes them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.numeric.factors import inverse_cholesky


def test_factors_that_do_not_fit_the_device_are_made_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = torch.randn(40, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = rows.T @ rows
    full: Any = SimpleNamespace(device=torch.device("cuda"), cpu=lambda: matrix)

    def no_room(_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.linalg, "cholesky_ex", no_room)
    found = inverse_cholesky(full)
    assert found is not None
    torch.testing.assert_close(found @ matrix @ found.T, torch.eye(9, dtype=torch.float64))
