"""One file somewhere else, and how to know that it is the right one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.errors import FetchError

SCHEMES = ("https://", "http://", "pypi:")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CHECKSUM = re.compile(r"md5:[0-9a-f]{32}|sha1:[0-9a-f]{40}")


@dataclass(frozen=True)
class Resource:
    """A file with an address and a checksum.

    Parameters
    ----------
    name : str
        The name it gets on disk, without folders.
    address : str
        ``https://…``, or ``pypi:dist==version:member`` for a file inside a wheel (see
        :mod:`harness.fetch.wheel`).
    sha256 : str
        Of the whole file, 64 hexadecimal digits. Empty: not pinned, and then whatever the address
        gives is taken.
    size : int, optional
        In bytes.
    licence : str
        SPDX identifier, or the name of the licence.
    where : str
        Where the file is under a data folder (``BRAINPRESS_DATA``), as a relative path with ``/``.
    checksum : str
        ``md5:…`` or ``sha1:…``, for hosts that publish no sha256. It tells a damaged file from a
        whole one; it does not keep a forged one out.

    Raises
    ------
    FetchError
        A field is not what it should be.
    """

    name: str
    address: str
    sha256: str
    size: int | None = None
    licence: str = ""
    where: str = ""
    checksum: str = ""

    def __post_init__(self) -> None:
        if self.name in {"", ".", ".."} or "\\" in self.name or "/" in self.name:
            raise FetchError(f"{self.name!r} is not the plain name of a file")
        if not self.address.startswith(SCHEMES):
            raise FetchError(
                f"{self.name}: cannot fetch from {self.address!r}",
                f"an address starts with one of: {', '.join(SCHEMES)}",
            )
        if self.sha256 and not _SHA256.fullmatch(self.sha256):
            raise FetchError(
                f"{self.name}: {self.sha256!r} is not a sha256 (64 lower-case hex digits)"
            )
        if self.checksum and not _CHECKSUM.fullmatch(self.checksum):
            raise FetchError(
                f"{self.name}: {self.checksum!r} is not a checksum", "md5:HEX or sha1:HEX"
            )

    @property
    def digest(self) -> str:
        """``algorithm:hex`` of the whole file: the sha256 where there is one; empty: not pinned."""
        return f"sha256:{self.sha256}" if self.sha256 else self.checksum
