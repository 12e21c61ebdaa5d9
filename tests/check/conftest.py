"""A search path and modules that are after a test what they were before it."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def path_as_it_was(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.partition(".")[0].startswith(("my_", "crooked")):
            del sys.modules[name]
