"""Sizes that a list does not have are asked of the hosts, once, before anybody agrees."""

from __future__ import annotations

from places import offline

from harness.fetch.ask import asked_sizes
from harness.fetch.resource import Resource


def at(address: str) -> Resource:
    return Resource(address.rpartition("/")[2], address, "")


def test_sizes_are_of_whole_files_behind_redirects(host):
    plain = host.put("/a.hdf", b"x" * 1234, headers={"Vary": "Accept-Encoding"})
    host.put("/elsewhere/b.hdf", b"y" * 77)
    host.routes["/b.hdf"] = lambda h: h.plain(302, Location="/elsewhere/b.hdf")
    moved = host.address + "/b.hdf"
    assert asked_sizes([at(plain), at(moved)]) == {plain: 1234, moved: 77}
    assert {a.method for a in host.asked} == {"HEAD"}
    assert {a.headers["Accept-Encoding"] for a in host.asked} == {"identity"}


def test_what_a_host_does_not_tell_is_left_out(host):
    known = host.put("/a", b"x" * 9)
    host.routes["/ill"] = lambda h: h.plain(500, b"oh")
    absent = [at(host.address + "/ill"), at(host.address + "/nowhere")]
    assert asked_sizes([*absent, at(known), at("pypi:d==1:m")]) == {known: 9}


def test_nobody_is_asked_offline(host):
    with offline():
        assert asked_sizes([at(host.put("/a", b"x"))]) == {}
    assert not host.asked


def test_an_unreachable_host_is_not_asked_for_every_file(monkeypatch):
    tried = []

    def refused(*address, **_):
        tried.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr("urllib3.util.connection.create_connection", refused)
    files = [at(f"http://127.0.0.1:1/{i}") for i in range(200)]
    assert asked_sizes(files) == {}
    assert 0 < len(tried) <= 16
