"""Files of archives: found by name, read where they lie; what is wrong with an archive is said."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from harness.errors import FetchError
from harness.fetch.archive import members, open_member, read_member

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "eeg.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.mkdir("eeg")
        zipped.writestr("eeg/S01/S01-raw.fif", CONTENT)
        zipped.writestr("eeg/S02/S02-raw.fif", b"two")
        zipped.writestr("../../outside.txt", b"a name is a name")
        zipped.writestr("/etc/shadow", b"and nothing else")
        zipped.writestr("eeg/odd[1]*.txt", b"odd")
    return path


def test_files_are_listed_with_their_sizes_and_folders_are_none(archive: Path) -> None:
    assert members(archive) == {
        "eeg/S01/S01-raw.fif": len(CONTENT),
        "eeg/S02/S02-raw.fif": 3,
        "../../outside.txt": 16,
        "/etc/shadow": 16,
        "eeg/odd[1]*.txt": 3,
    }


def test_a_file_is_read_where_it_lies(archive: Path) -> None:
    """Names that lead out of a folder are read as any other: none of them becomes a path."""
    before = {path: path.stat().st_mtime_ns for path in archive.parent.rglob("*")}
    assert read_member(archive, "eeg/S01/S01-raw.fif") == CONTENT
    assert read_member(archive, "../../outside.txt") == b"a name is a name"
    assert read_member(archive, "/etc/shadow") == b"and nothing else"
    assert {path: path.stat().st_mtime_ns for path in archive.parent.rglob("*")} == before
    with open_member(archive, "eeg/S02/*.fif") as stream:
        assert stream.read(2) + stream.read() == b"two"


def test_a_name_is_no_pattern(archive: Path) -> None:
    assert read_member(archive, "eeg/odd[1]*.txt") == b"odd"
    with pytest.raises(FetchError, match=r"0 files like eeg/S0\[\*\]"):
        read_member(archive, "eeg/S0*/S01-raw.fif")


@pytest.mark.parametrize(("pattern", "said"), [("eeg/S03/*", "0 .*none"), ("eeg/S0*", "2 files")])
def test_not_exactly_one(archive: Path, pattern: str, said: str) -> None:
    with pytest.raises(FetchError, match=f"eeg.zip has {said}"), open_member(archive, pattern):
        pass


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_an_archive_cut_short(archive: Path, share: float) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content[: int(share * len(content))])
    with pytest.raises(FetchError, match=r"eeg\.zip is not a whole zip file") as caught:
        members(archive)
    assert "fetch it again" in caught.value.hint


def test_a_flipped_byte_is_found_while_reading(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[content.index(b"S01-raw.fif") + 200] ^= 255
    archive.write_bytes(content)
    with pytest.raises(FetchError, match="not a whole zip file"):
        read_member(archive, "eeg/S01/S01-raw.fif")


def test_an_encrypted_file(archive: Path) -> None:
    content = bytearray(archive.read_bytes())
    at = content.index(b"PK\x01\x02")  # the first entry of the directory; bit 0 says encrypted
    while b"S02" not in content[at + 46 : at + 66]:
        at = content.index(b"PK\x01\x02", at + 1)
    content[at + 8] |= 1
    local = content.index(b"eeg/S02/S02-raw.fif") - 30
    content[local + 6] |= 1
    archive.write_bytes(content)
    with pytest.raises(FetchError, match=r"S02-raw\.fif, which cannot be read: .*encrypted"):
        read_member(archive, "eeg/S02/S02-raw.fif")


def test_what_says_that_it_is_very_long_is_not_read(archive: Path) -> None:
    with pytest.raises(FetchError, match=r"has 1,024,000 bytes; at most 1,000 are read"):
        read_member(archive, "eeg/S01/S01-raw.fif", most=1000)
