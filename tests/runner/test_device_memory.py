"""A device without memory: half as much once, then one cell fails, with the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from toys import NONE, Hidden, benchmark, values

from harness.api import carry_out
from harness.place.place import here
from harness.record.subject import BATCH_TOKENS, LanguageSubject
from harness.runner.device_memory import DeviceMemoryError, halved
from harness.runner.status import Status

FULL = "CUDA out of memory. Tried to allocate 20.00 GiB.\nSee documentation"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A device that holds so many tokens of stimuli: ``small(name, tokens)``; gives the batches."""

    def make(name: str, tokens: int) -> list[int]:
        tried: list[int] = []
        original = LanguageSubject.record_all

        def limited(self: Any, requests: Any) -> Any:
            if requests[0].stimuli.name == name:
                tried.append(self.batch_tokens)
                if self.batch_tokens > tokens:
                    raise torch.OutOfMemoryError(FULL)
            return original(self, requests)

        monkeypatch.setattr(LanguageSubject, "record_all", limited)
        return tried

    return make


def test_half_a_batch_is_tried_once(planning: Any, store: Any, small: Any) -> None:
    _, whole = carry_out(planning(compressors=[NONE]))
    tried = small("toy", BATCH_TOKENS // 2)
    other = type(store)(store.root.parent / "other")
    cells, board = carry_out(planning(compressors=[NONE], into=other))
    assert tried == [BATCH_TOKENS, BATCH_TOKENS // 2]
    assert all(cell.status is Status.DONE for cell in cells)
    np.testing.assert_allclose(values(board), values(whole), rtol=1e-6)


def test_a_cell_fails_alone_with_the_numbers(planning: Any, small: Any) -> None:
    tried = small("toy", 100)
    cells, _ = carry_out(planning([benchmark("Hidden"), benchmark("Logprob")], [NONE]))
    by_name = {cell.benchmark.name: cell for cell in cells}
    assert by_name["toy-logprob"].status is Status.DONE
    assert by_name["toy-hidden"].status is Status.FAILED
    reason = by_name["toy-hidden"].reason
    assert "ran out of memory while recording toy" in reason
    assert "Tried to allocate 20.00 GiB" in reason
    assert "See documentation" not in reason
    # The plan is carried out once more where cells failed to be read back; never four halvings.
    assert tried == [BATCH_TOKENS, BATCH_TOKENS // 2]


def test_scoring_takes_half_the_memory(planning: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    had: list[int] = []
    original = Hidden.score

    def score(self: Any, recordings: Any) -> Any:
        had.append(here().memory)
        if len(had) == 1:
            raise torch.OutOfMemoryError(FULL)
        return original(self, recordings)

    monkeypatch.setattr(Hidden, "score", score)
    made = planning([benchmark("Hidden")], [NONE], memory="1GiB")
    cells, _ = carry_out(made)
    assert had == [2**30, 2**29]
    assert cells[0].status is Status.DONE


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(ZeroDivisionError):
        halved(lambda part: part // 0, "cpu", "dividing")

    def full(part: int) -> None:
        raise torch.OutOfMemoryError(FULL)

    with pytest.raises(DeviceMemoryError, match="while dividing, also with half as much"):
        halved(full, "cpu", "dividing")
