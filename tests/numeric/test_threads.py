"""Work is spread without changing what comes out, and BLAS gets its threads back."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from harness.encode.design.options import EncodingOptions
from harness.encode.solve.layers import encode_layers
from harness.numeric.threads import LARGE, spread


def blas_threads() -> set[int]:
    controller = ThreadpoolController().select(user_api="blas")
    return {info["num_threads"] for info in controller.info()}


def test_small_work_holds_blas_to_one_thread_for_its_time_only() -> None:
    with ThreadpoolController().select(user_api="blas").limit(limits=2):
        before = blas_threads()
        with spread(100) as each:
            seen: list[tuple[int, set[int]]] = []
            each(lambda item: seen.append((item, blas_threads())), range(6))
        assert sorted(item for item, _ in seen) == list(range(6))
        assert all(threads == {1} for _, threads in seen)
        assert blas_threads() == before


def test_large_work_leaves_blas_alone() -> None:
    before = blas_threads()
    with spread(LARGE) as each:
        seen: list[set[int]] = []
        each(lambda _: seen.append(blas_threads()), range(2))
    assert seen == [before, before]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_in_one_piece_is_raised(threads: int) -> None:
    def work(item: int) -> None:
        if item == 1:
            raise ValueError("piece 1")

    with ThreadpoolController().select(user_api="blas").limit(limits=threads):
        with pytest.raises(ValueError, match="piece 1"), spread(100) as each:
            each(work, range(3))
        assert blas_threads() == {threads}


def test_scores_do_not_depend_on_the_number_of_threads() -> None:
    rng = np.random.default_rng(0)
    features, y = rng.normal(size=(120, 3, 50)), rng.normal(size=(120, 9))
    options = EncodingOptions(n_outer=3, n_inner=2, gap=2, penalties=5)
    found = []
    for threads in (1, 2):
        with ThreadpoolController().select(user_api="blas").limit(limits=threads):
            found.append(encode_layers(features, y, np.zeros(120), options=options))
    np.testing.assert_allclose(found[0].fold_r, found[1].fold_r, atol=1e-12)
    np.testing.assert_array_equal(found[0].chosen, found[1].chosen)
