"""``doctor --online``: one file of each source is asked for, and what hosts answer is told."""

from __future__ import annotations

from typing import Any

from harness.fetch.online import ask_hosts, representatives
from harness.fetch.resource import Resource


def resource(address: str, size: int | None = None) -> Resource:
    return Resource(address.rpartition("/")[2], address, "", size=size)


def test_one_file_of_each_source_is_chosen() -> None:
    raw = "https://host.example/owner/stimuli/commit"
    sets = {
        "one": [resource(f"{raw}/a.txt"), resource(f"{raw}/b.txt", 5), resource(f"{raw}/c.txt", 6)],
        "two": [resource(f"{raw}/a.txt"), resource(f"{raw}/b.txt", 5)],
        "three": [resource(f"{raw}/deep/d.txt"), resource("https://other.example/x/y/w.nc")],
    }
    chosen = representatives(sets)
    assert [(r.name, users) for r, users in chosen.values()] == [
        ("b.txt", ("one", "two")),
        ("d.txt", ("three",)),
        ("w.nc", ("three",)),
    ]


def test_answers_are_told(host: Any, serve: Any) -> None:
    here = resource(host.put("/a/b/here.txt", b"12345"), 5)
    grown = resource(host.put("/e/b/grown.txt", b"123456"), 5)
    lost = resource(f"{host.address}/f/b/lost.txt", 5)
    barred = resource(f"{host.address}/g/b/barred.txt", 5)
    host.routes["/g/b/barred.txt"] = serve.status(403)
    gone = resource("http://127.0.0.1:9/h/b/gone.txt", 5)
    found = ask_hosts({"set": [here, grown, lost, barred, gone]})
    faults = {head.address.rpartition("/")[2]: head.fault for head in found}
    assert faults["here.txt"] == ""
    assert faults["grown.txt"] == "6 bytes where 5 are listed"
    assert faults["lost.txt"].startswith("HTTP 404")
    assert faults["barred.txt"].startswith("HTTP 403")
    assert faults["gone.txt"].startswith("no answer")
    assert not [asked for asked in host.asked if asked.method != "HEAD"]


def test_a_file_that_moved_to_another_host_is_found(host: Any, serve: Any) -> None:
    stored = host.put("/elsewhere/file", b"12345").replace("127.0.0.1", "localhost")
    host.routes["/a/b/moved.txt"] = serve.redirect(stored)
    (found,) = ask_hosts({"set": [resource(f"{host.address}/a/b/moved.txt", 5)]})
    assert found.fault == ""
    assert found.size == 5
    assert found.moved.startswith("localhost")


def test_what_no_listing_proves_is_said(host: Any) -> None:
    known = resource(host.put("/a/b/known.txt", b"12345"), 5)
    unknown = resource(host.put("/c/d/unknown.txt", b"12345"))
    summed = Resource("s.txt", host.put("/e/f/s.txt", b"1"), "", checksum=f"md5:{'0' * 32}")
    found = ask_hosts({"set": [known, unknown, summed]})
    proved = {head.address.rpartition("/")[2]: head.proved for head in found}
    assert proved == {"known.txt": True, "unknown.txt": False, "s.txt": True}
