"""Files of one source, by a list of sizes and checksums."""

import hashlib
import json

import pytest

from harness.errors import ChecksumError, FetchError, OfflineError
from harness.fetch.listing import Listing

TEXT = b"one two"
SHA256 = hashlib.sha256(TEXT).hexdigest()


@pytest.fixture
def listing(tmp_path, monkeypatch):
    """A list in a package of its own; an address where nobody answers."""
    package = tmp_path / "path" / "listed_files"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    entries = {"a/one": [7, SHA256], "two": [9, "md5:" + "0" * 32], "three": [None, ""]}
    (package / "list.json").write_text(json.dumps(entries))
    monkeypatch.syspath_prepend(str(package.parent))
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BRAINPRESS_OFFLINE", "1")
    return Listing(
        "listed_files", "list.json", "http://127.0.0.1:9/x", "folder", "CC0-1.0", suffix=".txt"
    )


def test_a_file_is_its_address_place_and_checksum(listing):
    one, two, three = listing.resources()
    assert (one.name, one.address) == ("one.txt", "http://127.0.0.1:9/x/a/one.txt")
    assert (one.where, one.licence) == ("folder/a/one.txt", "CC0-1.0")
    assert (one.size, one.sha256, one.checksum) == (7, SHA256, "")
    assert (two.sha256, two.checksum) == ("", "md5:" + "0" * 32)
    assert (three.size, three.sha256, three.checksum) == (None, "", "")


def test_it_is_found_in_a_data_folder_and_checked(listing, tmp_path):
    place = tmp_path / "data" / "folder" / "a" / "one.txt"
    place.parent.mkdir(parents=True)
    place.write_bytes(TEXT)
    assert listing.path("a/one") == place
    place.write_bytes(b"one owt")
    with pytest.raises(ChecksumError, match="one"):
        listing.path("a/one")


def test_a_missing_file_names_itself(listing):
    with pytest.raises(OfflineError, match="one"):
        listing.path("a/one")


def test_a_name_that_is_not_listed(listing):
    with pytest.raises(FetchError, match=r"list\.json lists no file 'four'"):
        listing.resource("four")
