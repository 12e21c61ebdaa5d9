"""Threads of OpenBLAS while blocks are compressed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from threadpoolctl import ThreadpoolController
from torch import Tensor, nn

from harness.compress.compressor import Compressed
from harness.compress.layers.observe import SharedInput
from harness.compress.layers.walk import walk
from harness.numeric import narrow as threads


@pytest.mark.parametrize(("large", "expected"), [(2048, {1}), (16, {2})])
def test_narrow_matrices_are_left_to_one_thread_and_wide_ones_are_not(
    tiny_model: Callable[..., nn.Module],
    random_calibration: Any,
    monkeypatch: pytest.MonkeyPatch,
    large: int,
    expected: set[int],
) -> None:
    monkeypatch.setattr(threads, "LARGE", large)
    openblas = ThreadpoolController().select(internal_api="openblas")
    if not openblas.info():
        pytest.skip("NumPy and SciPy have another BLAS here")
    seen: set[int] = set()

    def look(weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
        del shared
        seen.update(library["num_threads"] for library in openblas.info())
        return [Compressed(weight / 2, weight.numel()) for weight in weights]

    with openblas.limit(limits=2):
        walk(tiny_model("llama"), random_calibration, look)
        assert {library["num_threads"] for library in openblas.info()} == {2}
    assert seen == expected
