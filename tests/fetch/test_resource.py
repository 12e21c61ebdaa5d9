"""What a resource may be."""

from __future__ import annotations

import pytest

from harness.errors import FetchError
from harness.fetch.resource import Resource

SHA256 = "0" * 64


def test_a_resource_says_what_it_is() -> None:
    resource = Resource("a.txt", "https://host.org/a.txt", SHA256, 3, where="texts/a.txt")
    assert (resource.name, resource.size, resource.where) == ("a.txt", 3, "texts/a.txt")


@pytest.mark.parametrize("name", ["", "a/b", "../a", "..", "a\\b", "/a"])
def test_a_name_has_no_folders(name: str) -> None:
    with pytest.raises(FetchError, match="plain name"):
        Resource(name, "https://host.org/a", SHA256)


@pytest.mark.parametrize("address", ["", "a.txt", "ftp://host.org/a", "file:///etc/passwd"])
def test_an_address_has_a_known_scheme(address: str) -> None:
    with pytest.raises(FetchError, match="cannot fetch from"):
        Resource("a", address, SHA256)


@pytest.mark.parametrize("sha256", ["0" * 63, "G" * 64, "A" * 64, "md5:123"])
def test_a_checksum_is_a_sha256(sha256: str) -> None:
    with pytest.raises(FetchError, match="not a sha256"):
        Resource("a", "https://host.org/a", sha256)


@pytest.mark.parametrize("checksum", ["md5:123", "sha256:" + SHA256, "sha1:" + "A" * 40, "0" * 32])
def test_another_checksum_names_its_algorithm(checksum: str) -> None:
    with pytest.raises(FetchError, match="not a checksum"):
        Resource("a", "https://host.org/a", "", checksum=checksum)
    assert Resource("a", "https://host.org/a", "", checksum="md5:" + "0" * 32).digest == (
        "md5:" + "0" * 32
    )
