"""Addresses of strangers: what a guarded transfer refuses to ask."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from hub_host import COMMIT, REPO, no_code
from requests.adapters import HTTPAdapter

from harness.errors import FetchError
from harness.fetch import guarded
from harness.fetch.guarded import check_length, guarded_session
from harness.fetch.hub import snapshot
from harness.fetch.transfer import Patience, transfer
from harness.place.place import entered, here


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def found(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [
            (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port))
            for a in addresses
        ]

    monkeypatch.setattr(guarded.socket, "getaddrinfo", found)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:127.0.0.1",
        "2002:7f00:1::1",
    ],
)
def test_addresses_that_are_not_public_are_refused(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    resolving(monkeypatch, "93.184.215.14", address)
    with pytest.raises(FetchError, match="not a public address"):
        guarded_session().get("https://models.example/x.gguf", timeout=1)


def test_a_name_that_resolves_to_something_else_the_second_time_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(guarded, "refused_address", lambda host, port: "")
        with pytest.raises(FetchError, match=r"127\.0\.0\.1, which is not a public address"):
            guarded_session().get(f"https://127.0.0.1:{port}/x.gguf", timeout=1)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(1)
            assert connection.recv(1) == b""  # closed without a byte


def test_plain_http_is_refused_before_anything_is_asked(host: Any) -> None:
    with pytest.raises(FetchError, match="is not https"):
        guarded_session().get(f"{host.address}/x.gguf", timeout=1)
    assert host.asked == []


def test_a_redirect_from_https_to_http_is_refused(host: Any) -> None:
    class Redirecting(HTTPAdapter):
        def send(self, request: Any, **_: Any) -> requests.Response:
            answer = requests.Response()
            answer.status_code, answer.url, answer.request = 302, request.url, request
            answer.headers["Location"] = f"{host.address}/latest/meta-data/"
            answer.raw = type("Raw", (), {"close": lambda self: None, "release_conn": None})()
            answer._content = b""
            return answer

    session = guarded_session()
    session.mount("https://", Redirecting())
    with pytest.raises(FetchError, match="is not https"):
        session.get("https://models.example/x.gguf", timeout=1)
    assert host.asked == []


def test_a_guarded_place_guards_transfers(host: Any, tmp_path: Path) -> None:
    host.put("/x.gguf", b"GGUF")
    with (
        entered(replace(here(), most_bytes=10)),
        pytest.raises(FetchError, match="is not https"),
    ):
        transfer(f"{host.address}/x.gguf", tmp_path / "x.gguf", patience=Patience(1, 0.0))
    transfer(f"{host.address}/x.gguf", tmp_path / "x.gguf", patience=Patience(1, 0.0))
    assert (tmp_path / "x.gguf").read_bytes() == b"GGUF"


def test_too_much_or_unknown_is_not_fetched(
    host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded, "guarded_session", requests.Session)  # the host is on loopback
    host.put("/x.gguf", b"GGUF" * 10)
    patience = Patience(1, 0.0)
    with entered(replace(here(), most_bytes=40)):
        transfer(f"{host.address}/x.gguf", tmp_path / "x.gguf", patience=patience)
    with (
        entered(replace(here(), most_bytes=39)),
        pytest.raises(FetchError, match="40 bytes where 39 are allowed"),
    ):
        transfer(f"{host.address}/x.gguf", tmp_path / "y.gguf", patience=patience)
    with pytest.raises(FetchError, match="does not say how large"):
        check_length(None, 40)


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loopback host stands for a public one: addresses are tested above."""
    monkeypatch.setattr(guarded, "guarded_session", requests.Session)


def test_a_host_that_drips_is_left_in_time(host: Any, tmp_path: Path, unguarded: None) -> None:
    def drip(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        with suppress(OSError):
            for _ in range(600):
                handler.wfile.write(b"x")
                handler.wfile.flush()
                time.sleep(0.02)

    host.routes["/slow.gguf"] = drip
    start = time.monotonic()
    too_long = pytest.raises(FetchError, match=r"longer than the 0\.3 seconds allowed")
    with entered(replace(here(), most_bytes=10**6, most_seconds=0.3)), too_long:
        transfer(f"{host.address}/slow.gguf", tmp_path / "x.gguf", sha256="0" * 64)
    assert time.monotonic() - start < 8
    assert not (tmp_path / "x.gguf").exists()


def test_a_guarded_file_that_ends_short_is_asked_again(
    host: Any, tmp_path: Path, unguarded: None
) -> None:
    body = bytes(range(256)) * 500
    address = host.put("/x.gguf", body)
    whole = host.routes["/x.gguf"]
    host.put("/x.gguf", body, cut=5000)
    host.faults["/x.gguf"] = [host.routes["/x.gguf"]]
    host.routes["/x.gguf"] = whole
    with entered(replace(here(), most_bytes=10**6, most_seconds=60)):
        transfer(address, tmp_path / "x.gguf", patience=Patience(3, 0.0))
    assert (tmp_path / "x.gguf").read_bytes() == body


def test_a_hub_repository_has_limits_too(hub: Any) -> None:
    too_large = pytest.raises(FetchError, match=r"bytes where 1,000 are allowed")
    with entered(replace(here(), most_bytes=1000, most_seconds=60)), too_large:
        snapshot(REPO, COMMIT, choose=no_code)
    assert not any("/cdn/" in path for path in hub.asked())
    too_long = pytest.raises(FetchError, match="longer than the 0 seconds allowed")
    with entered(replace(here(), most_bytes=10**9, most_seconds=0.0)), too_long:
        snapshot(REPO, COMMIT, choose=no_code)
    with entered(replace(here(), most_bytes=10**9, most_seconds=60)):
        assert snapshot(REPO, COMMIT, choose=no_code).commit == COMMIT
