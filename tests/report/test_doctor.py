"""What ``doctor`` says of plugins and data that are missing or that fail."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from harness.place.place import Place
from harness.report import doctor
from harness.spec.extras import dependencies
from harness.spec.registry import Registry, Shelf, registry
from harness.spec.specs import BenchmarkSpec


class Failing:
    """A benchmark whose constructor raises what no harness error is."""

    def __init__(self) -> None:
        raise ValueError("a fault of my own")


def examined(monkeypatch: pytest.MonkeyPatch, found: Registry, root: Path) -> tuple[bool, str]:
    text = io.StringIO()
    monkeypatch.setattr(doctor, "registry", lambda: found)
    healthy = doctor.examine(Console(file=text, width=200), Place.make(store=root))
    return healthy, text.getvalue()


def only(spec: BenchmarkSpec) -> Registry:
    shelf = Shelf("benchmark", {spec.name: spec}, {spec.name: "a-stranger 1.0"})
    return Registry(Shelf("model"), Shelf("compressor"), shelf)


def test_a_benchmark_that_cannot_be_made_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = registry().benchmarks.specs["minimal-pairs"]
    spec = replace(known, name="failing", target=f"{__name__}:Failing")
    monkeypatch.setattr(doctor, "load_target", lambda spec: Failing())
    monkeypatch.setattr("harness.runner.resources.names_files", lambda spec: False)
    _, text = examined(monkeypatch, only(spec), tmp_path)
    assert "broken: ValueError: a fault of my own" in text


def test_missing_files_are_counted_and_the_first_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    spec = registry().benchmarks.specs["blimp"]
    _, text = examined(monkeypatch, only(spec), tmp_path)
    assert "missing: 67 of 67 files, the first blimp/adjunct_island.jsonl" in text


def test_a_file_of_another_size_is_not_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from harness.runner.resources import benchmark_resources

    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    spec = registry().benchmarks.specs["naturalstories"]
    (resource,) = benchmark_resources(spec)
    assert resource.size
    file = tmp_path / resource.where
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(resource.size - 1))
    assert "missing: 1 of 1 files" in examined(monkeypatch, only(spec), tmp_path)[1]
    file.write_bytes(bytes(resource.size))
    assert "found: 1 file" in examined(monkeypatch, only(spec), tmp_path)[1]


def test_every_dependency_and_extra_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    healthy, text = examined(
        monkeypatch, only(registry().benchmarks.specs["minimal-pairs"]), tmp_path
    )
    assert healthy
    for extra, packages in dependencies().items():
        assert f"extra {extra}" in text or not extra
        assert extra or all(package in text for package in packages)
