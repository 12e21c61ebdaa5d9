"""A data folder, then the cache, then the network."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ChecksumError, FetchError, OfflineError, StoreError
from harness.fetch.download import cached_path, fetch, located
from harness.fetch.resource import Resource
from harness.fetch.transfer import Patience

BODY = b"Alice was beginning to get very tired\n" * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def resource(host: Any) -> Resource:
    address = host.put("/alice.txt", BODY)
    return Resource("alice.txt", address, SHA256, len(BODY), where="texts/alice.txt")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    (folder / "texts").mkdir(parents=True)
    monkeypatch.setenv("BRAINPRESS_DATA", f"{tmp_path / 'absent'}{os.pathsep}{folder}")
    return folder


def test_downloaded_once(host: Any, resource: Resource, impatient: Patience, cache: Path) -> None:
    first = fetch(resource, patience=impatient)
    assert first.read_bytes() == BODY
    assert first.name == "alice.txt"
    assert first.is_relative_to(cache)
    assert fetch(resource, patience=impatient) == first
    assert fetch(resource, offline=True) == first
    assert len(host.gets("/alice.txt")) == 1


def test_a_data_folder_comes_first(host: Any, resource: Resource, data: Path) -> None:
    (data / "texts" / "alice.txt").write_bytes(BODY)
    assert fetch(resource) == data / "texts" / "alice.txt"
    assert fetch(resource, offline=True) == data / "texts" / "alice.txt"
    assert host.asked == []


def test_another_file_in_a_data_folder_is_an_error_and_stays(
    host: Any, resource: Resource, data: Path
) -> None:
    path = data / "texts" / "alice.txt"
    path.write_bytes(b"Through the looking-glass")
    with pytest.raises(ChecksumError, match=f"{hashlib.sha256(path.read_bytes()).hexdigest()} wh"):
        fetch(resource)
    assert path.exists()
    assert host.asked == []


def test_offline_says_where_it_looked_and_what_to_do(
    resource: Resource, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(OfflineError) as caught:
        fetch(resource, offline=True)
    message = str(caught.value)
    assert "alice.txt" in message
    for place in (
        tmp_path / "absent" / "texts" / "alice.txt",
        data / "texts" / "alice.txt",
        cached_path(resource),
    ):
        assert str(place) in message
    assert "BRAINPRESS_DATA" in caught.value.hint
    assert resource.address in caught.value.hint


def test_the_variable_keeps_the_network_off(
    host: Any, resource: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAINPRESS_OFFLINE", "1")
    with pytest.raises(OfflineError):
        fetch(resource)
    assert host.asked == []


def test_a_decayed_cached_file_is_fetched_again(
    host: Any, resource: Resource, impatient: Patience
) -> None:
    path = fetch(resource, patience=impatient)
    path.write_bytes(BODY[:-1] + b"?")
    assert fetch(resource, patience=impatient).read_bytes() == BODY
    assert len(host.gets("/alice.txt")) == 2


def test_a_decayed_cached_file_is_not_taken_offline(
    resource: Resource, impatient: Patience
) -> None:
    fetch(resource, patience=impatient).write_bytes(b"short")
    with pytest.raises(OfflineError):
        fetch(resource, offline=True)


def test_without_a_checksum_whatever_comes_is_kept_by_address(
    host: Any, impatient: Patience
) -> None:
    one = Resource("a.txt", host.put("/one", b"one"), "")
    two = Resource("a.txt", host.put("/two", b"two"), "")
    assert fetch(one, patience=impatient).read_bytes() == b"one"
    assert fetch(two, patience=impatient).read_bytes() == b"two"
    assert located(one) != located(two)


def test_two_at_once_download_once(host: Any, resource: Resource, impatient: Patience) -> None:
    serve_it = host.routes["/alice.txt"]

    def slowly(handler: Any) -> None:
        time.sleep(0.2)
        serve_it(handler)

    host.routes["/alice.txt"] = slowly
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(fetch(resource, patience=impatient)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 4
    assert len(set(paths)) == 1
    assert len(host.gets("/alice.txt")) == 1


def test_the_lock_is_let_go_after_a_failure(host: Any, resource: Resource) -> None:
    del host.routes["/alice.txt"]
    with pytest.raises(FetchError):
        fetch(resource)
    host.put("/alice.txt", BODY)
    assert fetch(resource).read_bytes() == BODY


def test_a_cache_that_cannot_be_written_is_named(
    resource: Resource, cache: Path, impatient: Patience
) -> None:
    cache.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=str(cache)) as caught:
        fetch(resource, patience=impatient)
    assert "BRAINPRESS_CACHE" in caught.value.hint


@pytest.mark.parametrize("algorithm", ["sha1", "md5"])
def test_a_file_known_by_another_checksum_is_checked(
    host: Any, data: Path, cache: Path, impatient: Patience, algorithm: str
) -> None:
    address = host.put("/alice.txt", BODY)
    right = f"{algorithm}:{hashlib.new(algorithm, BODY).hexdigest()}"
    resource = Resource("a.txt", address, "", where="texts/a.txt", checksum=right)
    path = fetch(resource, patience=impatient)
    assert path.read_bytes() == BODY
    path.write_bytes(BODY[:-1])  # damage in the cache is mended
    assert fetch(resource, patience=impatient).read_bytes() == BODY
    (data / "texts" / "a.txt").write_bytes(BODY[:-1])
    with pytest.raises(ChecksumError, match=algorithm):
        fetch(resource)
    host.put("/b.txt", BODY[1:])
    wrong = Resource("b.txt", address.replace("alice", "b"), "", checksum=right)
    with pytest.raises(ChecksumError, match=f"{algorithm} .* is expected"):
        fetch(wrong, patience=impatient)
    assert not cached_path(wrong).exists()
