"""A store, a plan and a spy for tests of runs."""

from __future__ import annotations

from typing import Any

import pytest
from toys import NONE, ROUND, benchmark

from harness.lm.source import spec_from_address
from harness.place.place import Place
from harness.runner.options import RunOptions
from harness.runner.plan import make_plan
from harness.runner.select import Selection
from harness.store.store import Store


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """A cache of one test's own."""
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def store(tmp_path: Any) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def planning(tiny_release: Any, store: Store) -> Any:
    """Plan a matrix: ``planning(benchmarks=[...], compressors=[...], models=[...], **options)``."""
    release = f"file:{tiny_release()}"

    def make(
        benchmarks: Any = None,
        compressors: Any = (NONE, ROUND),
        models: Any = None,
        into: Any = None,
        memory: Any = None,
        offline: bool = False,
        device: str = "cpu",
        **options: Any,
    ) -> Any:
        chosen = models or (spec_from_address(release),)
        toys = tuple(benchmarks or (benchmark("Hidden"), benchmark("Logprob")))
        selection = Selection(tuple(chosen), tuple(compressors), toys)
        place = Place.make(
            device=device, store=(into or store).root, memory=memory, offline=offline
        )
        return make_plan(selection, place, RunOptions(**options))

    return make


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was recorded, stimuli by stimuli."""
    from harness.record.subject import LanguageSubject

    names: list[str] = []
    original = LanguageSubject.record_all

    def spy(self: Any, requests: Any) -> Any:
        names.append(requests[0].stimuli.name)
        return original(self, requests)

    monkeypatch.setattr(LanguageSubject, "record_all", spy)
    return names
