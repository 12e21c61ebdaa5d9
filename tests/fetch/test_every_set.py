"""``fetch`` of every neural set, from a host that has the names of the stored trees.

Bytes are made up, so sizes and checksums are those of what is served; addresses are the product's,
moved to the loopback interface as ``/HOST/PATH``. An address that no stored tree has is a 404.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from trees import entry_at
from typer.testing import CliRunner

from harness.cli import app
from harness.errors import ChecksumError, FetchError
from harness.fetch import transfer
from harness.fetch.online import representatives
from harness.fetch.resource import Resource
from harness.runner.resources import benchmark_resources
from harness.spec.registry import registry
from harness.spec.specs import target_of

SETS = (
    "brennan2016-alice",
    "deniz2019-listening",
    "lebel2023",
    "narratives",
    "littleprince-en",
    "podcast-ecog",
    "brennan2019-alice-eeg",
    "pereira2018",
    "blank2014",
    "fedorenko2016",
    "tuckute2024",
)
MOST = 8
"""Files of a set that are served; one of each source is among them."""
Served = Callable[[str], list[Resource]]


def content(path: str) -> bytes:
    return f"made up for {path}\n".encode() * 2000


def some(name: str) -> list[Resource]:
    """Files of a set that a stored tree proves, and those of hosts whose tree is not stored."""
    resources = benchmark_resources(registry().benchmarks.specs[name])
    first = [r for r, _ in representatives({name: resources}).values()]
    return [*first, *(r for r in resources if r not in first)][:MOST]


@pytest.fixture
def served(host: Any, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Serve a set; its resources are then those of the loopback host."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(transfer.Patience, "wait", lambda *_: None)

    def serve(name: str) -> list[Resource]:
        moved = []
        for resource in some(name):
            parts = urlsplit(resource.address)
            path = f"/{parts.netloc}{parts.path}"
            body = content(path)
            known = entry_at(resource.address)
            if known is not None or parts.netloc in ("gin.g-node.org", "fcp-indi.s3.amazonaws.com"):
                host.put(path, body)
            algorithm = resource.digest.partition(":")[0]
            changed: dict[str, Any] = {"address": host.address + path, "sha256": "", "checksum": ""}
            if algorithm == "sha256":
                changed["sha256"] = hashlib.sha256(body).hexdigest()
            elif algorithm:
                changed["checksum"] = f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"
            if resource.size is not None:
                changed["size"] = len(body)
            moved.append(replace(resource, **changed))
        target = target_of(registry().benchmarks.specs[name])
        monkeypatch.setattr(target, "resources", staticmethod(lambda **_: tuple(moved)))
        return moved

    return serve


def fetched(name: str, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["fetch", name, "--yes", *arguments])


def path_of(resource: Resource) -> str:
    return urlsplit(resource.address).path


@pytest.mark.parametrize("name", SETS)
def test_files_come_under_their_names_and_not_twice(name: str, served: Served, host: Any) -> None:
    files = served(name)
    result = fetched(name)
    assert result.exit_code == 0, result.output
    assert result.output.count("here /") == len(files)
    asked = [a.path for a in host.asked if a.method == "GET"]
    assert asked == [path_of(r) for r in files]
    assert f"{len(files)} files, {len(files)} of them on" in " ".join(
        fetched(name).output.replace("1 files", f"{len(files)} files").split()
    )
    assert [a.path for a in host.asked if a.method == "GET"] == asked


@pytest.mark.parametrize("name", SETS)
def test_a_cut_transfer_goes_on(name: str, served: Served, host: Any, serve: Any) -> None:
    file = served(name)[0]
    body = content(path_of(file))
    host.faults[path_of(file)].append(serve.file(body, cut=len(body) // 2))
    if file.size is None:
        host.faults[path_of(file)].insert(0, serve.file(body))  # its size is asked for first
    result = fetched(name)
    assert result.exit_code == 0, result.output
    first, second = host.gets(path_of(file))
    assert "Range" not in first.headers
    kept = int(second.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    assert 0 < kept <= len(body) // 2  # what a cut connection can lose is less than a block


@pytest.mark.parametrize("name", SETS)
def test_other_content_is_refused_where_a_checksum_is_known(
    name: str, served: Served, host: Any, cache: Path
) -> None:
    file = next((r for r in served(name) if r.digest), None)
    if file is None:
        assert name == "narratives"  # whose host states none
        return
    body = content(path_of(file))
    host.put(path_of(file), body.replace(b"made", b"fake"))
    result = fetched(name)
    assert isinstance(result.exception, ChecksumError), result.output
    assert not list(cache.rglob(file.name))


@pytest.mark.parametrize("code", [403, 404])
@pytest.mark.parametrize("name", SETS)
def test_what_a_host_refuses_is_named(
    name: str, code: int, served: Served, host: Any, serve: Any
) -> None:
    file = served(name)[0]
    host.routes[path_of(file)] = serve.status(code)
    result = fetched(name)
    assert isinstance(result.exception, FetchError)
    assert str(code) in result.exception.message
    assert file.name in result.exception.message
    assert result.exit_code == 1


@pytest.mark.parametrize("name", SETS)
def test_a_redirect_to_another_host_is_followed(
    name: str, served: Served, host: Any, serve: Any
) -> None:
    file = served(name)[0]
    body = content(path_of(file))
    elsewhere = host.put("/content-network/0123", body).replace("127.0.0.1", "localhost")
    host.routes[path_of(file)] = serve.redirect(elsewhere)
    result = fetched(name)
    assert result.exit_code == 0, result.output
    assert host.gets("/content-network/0123")
