"""Files of one source, whose sizes and checksums stand in a JSON file beside a plugin."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path, PurePosixPath

from harness.errors import FetchError
from harness.fetch.resource import Resource


@dataclass(frozen=True)
class Listing:
    """Files that are fetched by name.

    Parameters
    ----------
    package : str
        The Python package that holds the list.
    file : str
        The list, a JSON object: ``{name: [size in bytes, checksum], …}``. A checksum is a sha256,
        or ``md5:…`` or ``sha1:…`` where the host publishes no better; empty, nobody knows it.
    address : str
        What the names follow, without a slash at its end.
    where : str
        Folder of the files under a data folder (``BRAINPRESS_DATA``).
    licence : str
        SPDX identifier.
    suffix : str
        What the files' names end with, where the list leaves it out.
    """

    package: str
    file: str
    address: str
    where: str
    licence: str
    suffix: str = ""

    @cached_property
    def entries(self) -> dict[str, tuple[int | None, str]]:
        """Size and checksum by name, in the order of the list."""
        text = files(self.package).joinpath(self.file).read_text(encoding="utf-8")
        return {name: (size, checksum) for name, (size, checksum) in json.loads(text).items()}

    def resource(self, name: str) -> Resource:
        """Return one of the files.

        Raises
        ------
        FetchError
            The list has no such file.
        """
        if name not in self.entries:
            raise FetchError(f"{self.file} lists no file {name!r}")
        size, checksum = self.entries[name]
        weak = ":" in checksum
        return Resource(
            name=PurePosixPath(name).name + self.suffix,
            address=f"{self.address}/{name}{self.suffix}",
            sha256="" if weak else checksum,
            size=size,
            licence=self.licence,
            where=f"{self.where}/{name}{self.suffix}",
            checksum=checksum if weak else "",
        )

    def resources(self) -> tuple[Resource, ...]:
        """Return all files, in the order of the list."""
        return tuple(self.resource(name) for name in self.entries)

    def path(self, name: str) -> Path:
        """Return a file on this machine, fetched if it has to be.

        Raises
        ------
        FetchError
            It cannot be had, see :func:`harness.fetch.download.fetch`.
        """
        from harness.fetch.download import fetch

        return fetch(self.resource(name))

    def here(self, name: str, benchmark: str) -> Path:
        """Return where a large file is on this machine; never use the network.

        Raises
        ------
        OfflineError
            It is not here; the message names the benchmark to fetch.
        """
        from harness.fetch.present import present

        return present(self.resource(name), benchmark)
