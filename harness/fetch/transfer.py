"""One file over HTTP: resumed, retried, checked, and whole under its name or not there at all."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from harness.errors import ChecksumError, FetchError, GatedError, StoreError
from harness.fetch.allowance import Allowance
from harness.fetch.checksum import sha256_of
from harness.place.place import here
from harness.store.atomic import explained

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int | None], None]
"""Called with the bytes done and, where it is known, the bytes in all."""

_BLOCK = 1 << 15  # bytes; what a cut connection can lose of what it brought
_TIMEOUT = (20.0, 60.0)  # seconds: to connect, between two pieces of the answer
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT = 60.0


@dataclass(frozen=True)
class Patience:
    """How long to try.

    Parameters
    ----------
    attempts : int
        Attempts in a row that bring nothing. One that brings bytes starts the count again.
    first_wait : float
        Seconds before the second attempt; doubled after each that brings nothing.
    """

    attempts: int = 5
    first_wait: float = 1.0

    def wait(self, failures: int, asked: float | None = None) -> None:
        """Sleep after so many failures in a row, or as long as the server asked."""
        seconds = self.first_wait * 2 ** (failures - 1) if asked is None else asked
        time.sleep(min(seconds, _LONGEST_WAIT))


def transfer(
    address: str,
    target: Path,
    *,
    sha256: str = "",
    size: int | None = None,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> None:
    """Bring one file from an address to a path.

    The bytes go to ``<target>.part``, which a later call takes up where it was cut; only a whole,
    checked file is given its name. The caller holds a lock on ``target``.

    Parameters
    ----------
    address : str
        ``https://…``
    target : Path
        Where the file goes; its folder is made.
    sha256 : str
        Expected checksum; empty, any is taken.
    size : int, optional
        Expected bytes.
    progress : callable, optional
        Called with bytes done and bytes in all.
    patience : Patience, optional
        How often to try again when the connection is cut or the server is unwell.

    Raises
    ------
    FetchError
        The address has no such file, or the server stays unwell.
    GatedError
        The server wants a licence accepted, or a token.
    ChecksumError
        The bytes are not the expected ones; nothing is kept of them.
    StoreError
        The folder is read-only or full.
    """
    part = _Part(target)
    with explained(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        resumed = part.done > 0
        _download(address, part, size, progress, patience or Patience())
        problem = _problem(part.path, sha256, size)
        if problem and resumed:
            # The first half may be of an older file at the same address: once more, from the start.
            part.clear()
            _download(address, part, size, progress, patience or Patience())
            problem = _problem(part.path, sha256, size)
        if problem:
            part.clear()
            raise ChecksumError(
                f"{shown(address)} gave {problem}",
                "the file at this address has changed, or something on the way rewrites it",
            )
        part.finish(target)


def shown(address: str) -> str:
    """Return an address without user name, password and query, fit for a message."""
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


class _Part:
    """The unfinished file, and the mark (ETag or date) of what it is a part of."""

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._mark = target.with_name(f"{target.name}.part.mark")

    @property
    def done(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    @property
    def mark(self) -> str:
        try:
            return self._mark.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def begin(self, mark: str) -> None:
        self.path.write_bytes(b"")
        self._mark.write_text(mark, encoding="utf-8")

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        self.path.replace(target)
        self._mark.unlink(missing_ok=True)


def _download(
    address: str, part: _Part, size: int | None, progress: Progress | None, patience: Patience
) -> None:
    """Fill the part, over as many connections as it takes."""
    import requests

    from harness.fetch.guarded import guarded_session

    failures = 0
    furthest = part.done
    guarded, allowance = here().most_bytes is not None, Allowance.here()
    with guarded_session() if guarded else requests.Session() as session:
        while True:
            asked = None
            try:
                _one_answer(session, address, part, size, progress, allowance)
                return
            except _Unwell as error:
                reason, asked = str(error), error.asked
            except requests.exceptions.SSLError as error:
                raise FetchError(
                    f"cannot fetch {shown(address)}: its certificate is not trusted",
                    "behind a proxy with its own certificate, set REQUESTS_CA_BUNDLE to its file",
                ) from error
            except (
                requests.exceptions.ConnectionError,
                requests.exceptions.ChunkedEncodingError,
                requests.exceptions.Timeout,
            ) as error:
                reason = f"{type(error).__name__}: the connection failed or was cut"
            except requests.exceptions.RequestException as error:
                raise FetchError(
                    f"cannot fetch {shown(address)}: {type(error).__name__}"
                ) from error
            failures = 1 if part.done > furthest else failures + 1
            furthest = max(furthest, part.done)
            if failures >= patience.attempts:
                raise FetchError(
                    f"cannot fetch {shown(address)}: {reason} ({failures} times in a row)",
                    "check the network and run the same command again: it goes on where it stopped",
                )
            patience.wait(failures, asked)


class _Unwell(Exception):
    """The server is unwell for the moment."""

    def __init__(self, message: str, asked: float | None = None) -> None:
        super().__init__(message)
        self.asked = asked


def _one_answer(
    session: requests.Session,
    address: str,
    part: _Part,
    size: int | None,
    progress: Progress | None,
    allowance: Allowance,
) -> None:
    """Ask once for what is missing, and append it."""
    done = part.done
    # Bytes must be those of the file: a compressed answer cannot be cut into ranges.
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
        if part.mark:
            headers["If-Range"] = part.mark
    with session.get(address, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
        if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and done:
            if _range_total(answer) == done:
                return
            part.clear()
            raise _Unwell("the server's file is shorter than the part that is here")
        _refuse_failures(answer, address)
        encoded = answer.headers.get("Content-Encoding", "identity").lower() != "identity"
        if answer.status_code != HTTPStatus.PARTIAL_CONTENT or _range_start(answer) != done:
            if answer.status_code == HTTPStatus.PARTIAL_CONTENT:
                part.clear()
                raise _Unwell("the server sent another range than the one asked for")
            done = 0
            part.begin("" if encoded else _mark(answer))
        length = None if encoded else answer.headers.get("Content-Length")
        total = done + int(length) if length and length.isdigit() else size
        if (most := here().most_bytes) is not None:
            from harness.fetch.guarded import check_length

            check_length(total if length else None, most)
        # What has come is looked at as it comes: a host may send a byte a minute.
        blocks = answer.iter_content(_BLOCK) if most is None else _as_they_come(answer)
        with part.path.open("ab") as stream:
            for block in blocks:
                stream.write(block)
                done += len(block)
                allowance.check(done)
                if progress is not None:
                    progress(done, total)
                if size is not None and done > size:
                    break  # more than there should be: the check says so


def _as_they_come(answer: requests.Response) -> Iterator[bytes]:
    import requests
    import urllib3

    try:
        while block := answer.raw.read1(_BLOCK):
            yield block
    except urllib3.exceptions.HTTPError as error:  # as requests calls it itself
        raise requests.exceptions.ConnectionError(error) from error


def _refuse_failures(answer: requests.Response, address: str) -> None:
    status = answer.status_code
    where = shown(address)
    if status in _TRANSIENT:
        asked = answer.headers.get("Retry-After", "")
        raise _Unwell(f"the server answers {status}", float(asked) if asked.isdigit() else None)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise GatedError(
            f"{where} wants a licence accepted or a token (HTTP {status})",
            "accept the licence at its host, or download the file by hand into a data folder",
        )
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise FetchError(
            f"there is no file at {where} (HTTP {status})",
            "it may have moved: look for a newer version of the plugin that names it",
        )
    if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise FetchError(f"cannot fetch {where}: HTTP {status} {answer.reason}")


def _mark(answer: requests.Response) -> str:
    """Return what If-Range may carry: a strong ETag, else the date of the last change."""
    etag = answer.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    return answer.headers.get("Last-Modified", "")


def _range_start(answer: requests.Response) -> int | None:
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found.group(1)) if found else None


def _range_total(answer: requests.Response) -> int | None:
    found = re.search(r"/(\d+)$", answer.headers.get("Content-Range", ""))
    return int(found.group(1)) if found else None


def _problem(path: Path, sha256: str, size: int | None) -> str:
    """Say what is wrong with the bytes; empty when nothing is."""
    found_size = path.stat().st_size
    if size is not None and found_size != size:
        return f"{found_size:,} bytes where {size:,} are expected"
    if sha256 and (found := sha256_of(path)) != sha256:
        return f"a file with sha256 {found} where {sha256} is expected"
    return ""


def room_for(folder: Path, size: int | None, variable: str = "BRAINPRESS_CACHE") -> None:
    """Fail before writing what cannot fit.

    Parameters
    ----------
    folder : Path
        Where it would go, there or not.
    size : int, optional
        Its bytes; None, nothing is known and nothing is checked.
    variable : str
        What the user sets to choose another folder.

    Raises
    ------
    StoreError
        Less is free on the folder's disk than the file needs.
    """
    if size is None:
        return
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if free < size:
        raise StoreError(
            f"{folder} has {free:,} bytes free where {size:,} are needed",
            f"free some space, or choose another folder with {variable}",
        )
