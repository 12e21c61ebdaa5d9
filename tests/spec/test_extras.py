"""Optional dependencies that are here, and those that are not."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

import pytest

from harness.spec import extras
from harness.spec.registry import registry


@pytest.fixture(autouse=True)
def afresh() -> Iterator[None]:
    extras.lacking.cache_clear()
    yield
    extras.lacking.cache_clear()


def test_every_extra_of_a_compressor_is_one_of_brainpress() -> None:
    offered = metadata.metadata("brainpress").get_all("Provides-Extra") or []
    assert {s.extra for s in registry().compressors.specs.values()} - {""} <= set(offered)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    assert extras.not_installed("") == ""
    monkeypatch.setattr(extras, "version", absent)
    assert extras.lacking("gptq") == ("optimum", "gptqmodel")
    assert extras.not_installed("bnb") == (
        "bitsandbytes is not installed: pip install 'bitsandbytes>=0.50'"
    )
    assert extras.install_command("gptq") == "pip install 'optimum>=2.3' 'gptqmodel>=7.6'"
    assert extras.lacking("") == ()
    assert extras.lacking("somebody-elses") == ()


def test_what_is_installed_is_not_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "version", lambda name: "1.0")
    assert extras.lacking("llmcompressor") == ()


def test_dependencies_are_those_of_the_metadata() -> None:
    needed = extras.dependencies()
    assert {"torch", "xarray", "pluggy"} <= set(needed[""])
    assert "h5py" in needed["neural"]
    offered = set(metadata.metadata("brainpress").get_all("Provides-Extra") or [])
    assert set(needed) == {""} | (offered - extras.FOR_DEVELOPERS)
