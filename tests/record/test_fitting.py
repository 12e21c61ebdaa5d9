"""How many tokens are read at once where memory is short."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.place import memory
from harness.place.memory import NotEnoughMemory, Room
from harness.record.request import Measure
from harness.record.size import fitting, pass_bytes

CONFIG = SimpleNamespace(hidden_size=576, intermediate_size=1536, vocab_size=49_152)
MEASURE = Measure.LOGPROB


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(size: int) -> None:
        monkeypatch.setattr(memory, "available", lambda *_: Room(size, size, "cgroup"))

    return put


def test_a_pass_of_smollm2_is_what_was_measured() -> None:
    """1,365 tokens took 589 MiB, 512 took 220: the estimate is over both, by a quarter at most."""
    for tokens, mebibytes in ((1365, 589), (512, 220)):
        assert 1 <= pass_bytes(tokens, CONFIG, MEASURE) / (mebibytes * 2**20) <= 1.4


def test_batches_are_halved_until_they_fit(left: Any) -> None:
    left(2**34)
    assert fitting(1365, 20, CONFIG, MEASURE) == 1365
    left(2**28)
    found = fitting(1365, 20, CONFIG, MEASURE)
    assert found == 341
    assert pass_bytes(found, CONFIG, MEASURE) <= memory.SHARE * 2**28
    assert pass_bytes(2 * found, CONFIG, MEASURE) > memory.SHARE * 2**28
    assert fitting(1365, 300, CONFIG, Measure.HIDDEN) == 1365


def test_what_cannot_be_parted_is_refused(left: Any) -> None:
    left(2**27)
    with pytest.raises(NotEnoughMemory, match="reading 400 tokens at once needs about"):
        fitting(1365, 400, CONFIG, MEASURE)


def test_short_memory_changes_no_recording(left: Any, speaker: Any) -> None:
    from harness.record.context import Context
    from harness.record.request import Request
    from harness.record.subject import LanguageSubject
    from harness.stimuli.passages import Passage, Stimuli
    from harness.stimuli.readouts import Items

    passages = tuple(Passage.from_words(f"p{i}", ["on", "a", "thorn"] * (3 + i)) for i in range(6))
    request = Request(
        Stimuli("toy", passages), MEASURE, Context.parse("sentence", start="bos"), Items()
    )
    model = speaker()
    whole = LanguageSubject(model).record(request)
    needed = pass_bytes(64, model.model.config, MEASURE)
    left(int(needed / memory.SHARE) + 1)
    parted = LanguageSubject(model).record(request)
    np.testing.assert_allclose(parted.values, whole.values, rtol=2e-5)
