"""A host on the loopback interface that answers as real hosts do, faults included."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hub_host import Hub

from harness.fetch.transfer import Patience

IMPATIENT = Patience(attempts=3, first_wait=0.0)


@dataclass
class Asked:
    """A request as the host got it."""

    method: str
    path: str
    headers: dict[str, str]


Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    host: Host

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        self.host.asked.append(Asked(self.command, path, dict(self.headers)))
        faults = self.host.faults[path]
        answer = faults.pop(0) if faults else self.host.routes.get(path)
        if answer is None:
            self.plain(404, b"not here")
        else:
            answer(self)

    def plain(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer with a status, headers (``_`` stands for ``-``) and a body."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing on stderr."""


@dataclass
class Host:
    """What the host has, what it does wrong, and what it was asked."""

    address: str
    routes: dict[str, Answer] = field(default_factory=dict)
    faults: dict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    asked: list[Asked] = field(default_factory=list)

    def put(self, path: str, body: bytes, **options: Any) -> str:
        """Offer a file; return its address."""
        self.routes[path] = file_of(body, **options)
        return self.address + path

    def gets(self, path: str) -> list[Asked]:
        """The GET requests for a path."""
        return [a for a in self.asked if a.path == path and a.method == "GET"]


def file_of(
    body: bytes,
    *,
    etag: str | None = None,
    ranges: bool = True,
    cut: int | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """A file as a static host serves it: ETag, Range and If-Range.

    With ``cut``, the connection ends after so many bytes of the body.
    """
    mark = f'"{hashlib.md5(body).hexdigest()}"' if etag is None else etag

    def answer(handler: Handler) -> None:
        start, status = 0, 200
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        condition = handler.headers.get("If-Range")
        if asked and ranges and condition in (None, mark):
            start = int(asked.group(1))
            status = 206 if start < len(body) else 416
        handler.send_response(status)
        if mark:
            handler.send_header("ETag", mark)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        if status == 206:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if status == 416:
            handler.send_header("Content-Range", f"bytes */{len(body)}")
            start = len(body)
        rest = body[start:]
        handler.send_header("Content-Length", str(len(rest)))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        handler.wfile.write(rest if cut is None else rest[:cut])
        if cut is not None:
            handler.close_connection = True

    return answer


def status_of(code: int, **headers: str) -> Answer:
    """A failure."""
    return lambda handler: handler.plain(code, b"no", **headers)


def redirect_to(location: str) -> Answer:
    """What a host answers that keeps its files on a content network."""
    return lambda handler: handler.plain(302, Location=location)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is no error here."""


@pytest.fixture
def host() -> Iterator[Host]:
    """A host of one test's own."""
    made = Host("")
    server = Server(("127.0.0.1", 0), type("_Handler", (Handler,), {"host": made}))
    made.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one test's own, and no data folders."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BRAINPRESS_CACHE", str(folder))
    monkeypatch.delenv("BRAINPRESS_DATA", raising=False)
    for name in ("BRAINPRESS_OFFLINE", "PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def impatient() -> Patience:
    """Three attempts in a row that bring nothing, without waiting."""
    return IMPATIENT


@pytest.fixture
def serve() -> Any:
    """The ways to answer, by name (test files cannot import from here)."""

    class Serve:
        file = staticmethod(file_of)
        status = staticmethod(status_of)
        redirect = staticmethod(redirect_to)

    return Serve


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The hub's cache, which other programs share."""
    return tmp_path / "hf" / "hub"


@pytest.fixture
def hub(host: Any, serve: Any, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    from huggingface_hub import constants

    monkeypatch.setenv("HF_ENDPOINT", host.address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(shared))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", "")
    made = Hub(host, serve)
    made.publish()
    return made
