"""Pairs and contrasts whose hosts publish no checksum, from a host on the loopback interface."""

from __future__ import annotations

import json
from typing import Any

import pytest
from brainpress_plugins.benchmarks.linguistic import comps, multiblimp

from harness.errors import FetchError
from harness.runner.resources import unpinned_content
from harness.spec.registry import registry

TABLE = "\tsen\twrong_sen\tphenomenon\n0\tThe dogs run.\tThe dogs runs.\tSV-#\n"
LINE = json.dumps(
    {
        "prefix_acceptable": "A dog",
        "prefix_unacceptable": "A cat",
        "property_phrase": "can bark.",
        "negative_sample_type": "taxonomic",
    }
)


@pytest.fixture(autouse=True)
def loopback(host: Any, cache: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAINPRESS_DATA", "")
    monkeypatch.setattr(multiblimp, "ADDRESS", f"{host.address}/multiblimp")
    monkeypatch.setattr(comps, "ADDRESS", f"{host.address}/comps")


def test_languages_come_from_their_folders(host: Any) -> None:
    host.put("/multiblimp/eng/data.tsv", TABLE.encode())
    host.put("/multiblimp/deu/data.tsv", TABLE.replace("dogs", "Hunde").encode())
    pairs = multiblimp.MultiBlimp(languages=("eng", "deu")).pairs
    assert [p.good for p in pairs] == ["The dogs run.", "The Hunde run."]
    multiblimp.MultiBlimp(languages=("eng",))
    assert len(host.gets("/multiblimp/eng/data.tsv")) == 1, "once, then from the cache"


def test_other_content_is_another_score(host: Any, cache: Any) -> None:
    spec = registry().benchmarks.specs["multiblimp-eng"]
    host.put("/multiblimp/eng/data.tsv", TABLE.encode())
    multiblimp.MultiBlimp(languages=("eng",))
    first = unpinned_content(spec)
    assert len(first) == 64
    (path,) = cache.rglob("data.tsv")
    path.write_text(TABLE.replace("dogs", "cats"))
    assert unpinned_content(spec) not in ("", first)


def test_files_of_comps(host: Any) -> None:
    for name in comps.FILES:
        host.put(f"/comps/{name}.jsonl", f"{LINE}\n".encode())
    assert len(comps.Comps().contrasts) == 4


def test_what_is_not_there_is_named(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FetchError, match=r"data\.tsv|eng"):
        multiblimp.MultiBlimp(languages=("eng",))
