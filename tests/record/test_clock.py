from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
import torch

from harness.record import clock
from harness.record.clock import Clock


class Card:
    """Stands for a card and the time of day: asked for work, it does it when it is waited for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.queue = 100.0, 0.0
        monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: self.now))
        monkeypatch.setattr(torch.cuda, "synchronize", self.wait)

    def wait(self, device: torch.device) -> None:
        assert device == torch.device("cuda:1")
        self.now, self.queue = self.now + self.queue, 0.0


def test_what_a_card_has_still_to_do_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card(monkeypatch)
    passes = Clock(torch.device("cuda:1"))
    card.now += 7  # before the first pass
    for _ in range(3):
        with passes.running():
            card.now += 0.25
            card.queue += 5
        card.now += 0.5  # the next batch is laid out while the card works
    assert passes.seconds() == pytest.approx(3 * 0.75 + 15)


def test_on_a_processor_passes_count_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    now = Card(monkeypatch)
    passes = Clock(torch.device("cpu"))
    for _ in range(3):
        with passes.running():
            now.now += 0.25
        now.now += 0.5
    assert passes.seconds() == pytest.approx(0.75)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_no_pass_takes_no_time(device: str) -> None:
    start = time.perf_counter()
    assert Clock(torch.device(device)).seconds() == 0
    assert time.perf_counter() - start < 5
