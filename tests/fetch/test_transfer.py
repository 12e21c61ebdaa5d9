"""One file over HTTP, from a host that fails in every way hosts fail."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ChecksumError, FetchError, GatedError, StoreError
from harness.fetch.transfer import Patience, room_for, shown, transfer

BODY = bytes(range(256)) * 4096  # 1 MiB: several blocks
SHA256 = hashlib.sha256(BODY).hexdigest()
BLOCK = 1 << 15  # what is written at a time


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "here" / "file.bin"


def leftovers(target: Path) -> list[str]:
    return sorted(p.name for p in target.parent.iterdir() if p != target)


def test_arrives_whole_with_progress(host: Any, target: Path, impatient: Patience) -> None:
    seen: list[tuple[int, int | None]] = []
    address = host.put("/file.bin", BODY)
    transfer(
        address,
        target,
        sha256=SHA256,
        size=len(BODY),
        progress=lambda done, total: seen.append((done, total)),
        patience=impatient,
    )
    assert target.read_bytes() == BODY
    assert leftovers(target) == []
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (len(BODY), len(BODY))


def test_follows_redirects_to_a_content_network(
    host: Any, serve: Any, target: Path, impatient: Patience
) -> None:
    host.put("/cdn/blob", BODY)
    host.routes["/file.bin"] = serve.redirect("/hop")
    host.routes["/hop"] = serve.redirect(host.address + "/cdn/blob")
    transfer(host.address + "/file.bin", target, sha256=SHA256, patience=impatient)
    assert target.read_bytes() == BODY


def test_absent_file_is_asked_for_once_and_named(
    host: Any, target: Path, impatient: Patience
) -> None:
    with pytest.raises(FetchError, match=r"no file at http://127\.0\.0\.1:\d+/gone\.bin"):
        transfer(host.address + "/gone.bin", target, patience=impatient)
    assert len(host.gets("/gone.bin")) == 1
    assert not target.exists()


def test_unwell_server_is_asked_again(
    host: Any, serve: Any, target: Path, impatient: Patience
) -> None:
    address = host.put("/file.bin", BODY)
    host.faults["/file.bin"] = [serve.status(500), serve.status(503)]
    transfer(address, target, sha256=SHA256, patience=impatient)
    assert target.read_bytes() == BODY
    assert len(host.gets("/file.bin")) == 3


def test_server_that_stays_unwell_is_given_up(
    host: Any, serve: Any, target: Path, impatient: Patience
) -> None:
    host.routes["/file.bin"] = serve.status(502)
    with pytest.raises(FetchError, match="answers 502"):
        transfer(host.address + "/file.bin", target, patience=impatient)
    assert len(host.gets("/file.bin")) == impatient.attempts


def test_waits_as_long_as_the_server_asks(
    host: Any, serve: Any, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("harness.fetch.transfer.time.sleep", waits.append)
    address = host.put("/file.bin", BODY)
    host.faults["/file.bin"] = [
        serve.status(429, Retry_After="7"),
        serve.status(500),
        serve.status(503, Retry_After="86400"),
    ]
    transfer(address, target, sha256=SHA256, patience=Patience(attempts=9, first_wait=0.5))
    assert waits == [7.0, 1.0, 60.0]


def test_cut_connection_is_resumed_where_it_stopped(
    host: Any, serve: Any, target: Path, impatient: Patience
) -> None:
    address = host.put("/file.bin", BODY)
    host.faults["/file.bin"] = [serve.file(BODY, cut=9 * BLOCK), serve.file(BODY, cut=9 * BLOCK)]
    transfer(address, target, sha256=SHA256, patience=impatient)
    assert target.read_bytes() == BODY
    first, second, third = host.gets("/file.bin")
    assert "Range" not in first.headers
    assert second.headers["Range"] == f"bytes={9 * BLOCK}-"
    assert third.headers["Range"] == f"bytes={18 * BLOCK}-"
    assert second.headers["If-Range"] == f'"{hashlib.md5(BODY).hexdigest()}"'


def test_many_cuts_are_survived_as_long_as_bytes_come(
    host: Any, serve: Any, target: Path, impatient: Patience
) -> None:
    address = host.put("/file.bin", BODY)
    host.faults["/file.bin"] = [serve.file(BODY, cut=3 * BLOCK)] * 8
    transfer(address, target, sha256=SHA256, patience=impatient)
    assert target.read_bytes() == BODY


def test_server_that_cuts_before_the_first_byte_is_given_up(
    host: Any, serve: Any, target: Path, impatient: Patience
) -> None:
    host.routes["/file.bin"] = serve.file(BODY, cut=0)
    with pytest.raises(FetchError, match="failed or was cut"):
        transfer(host.address + "/file.bin", target, patience=impatient)


def test_server_without_ranges_sends_all_again(
    host: Any, serve: Any, target: Path, impatient: Patience
) -> None:
    address = host.put("/file.bin", BODY, ranges=False)
    host.faults["/file.bin"] = [serve.file(BODY, ranges=False, cut=500_000)]
    transfer(address, target, sha256=SHA256, patience=impatient)
    assert target.read_bytes() == BODY


def test_server_without_ranges_that_always_cuts_is_given_up(
    host: Any, serve: Any, target: Path, impatient: Patience
) -> None:
    host.routes["/file.bin"] = serve.file(BODY, ranges=False, cut=500_000)
    with pytest.raises(FetchError, match="failed or was cut"):
        transfer(host.address + "/file.bin", target, patience=impatient)
    assert len(host.gets("/file.bin")) <= impatient.attempts + 1


def test_takes_up_what_an_earlier_run_left(
    host: Any, serve: Any, target: Path, impatient: Patience
) -> None:
    address = host.put("/file.bin", BODY)
    host.faults["/file.bin"] = [serve.file(BODY, cut=21 * BLOCK + 99), serve.status(500)]
    with pytest.raises(FetchError):
        transfer(address, target, sha256=SHA256, patience=Patience(attempts=1, first_wait=0))
    assert leftovers(target) == ["file.bin.part", "file.bin.part.mark"]
    host.faults["/file.bin"].clear()
    transfer(address, target, sha256=SHA256, patience=impatient)
    assert host.gets("/file.bin")[-1].headers["Range"] == f"bytes={21 * BLOCK}-"
    assert target.read_bytes() == BODY
    assert leftovers(target) == []


def test_file_that_changed_since_the_earlier_run_is_sent_whole(
    host: Any, serve: Any, target: Path, impatient: Patience
) -> None:
    older = b"x" * len(BODY)
    address = host.put("/file.bin", BODY)
    host.faults["/file.bin"] = [serve.file(older, cut=400_000)]
    with pytest.raises(FetchError):
        transfer(address, target, patience=Patience(attempts=1, first_wait=0))
    transfer(address, target, sha256=SHA256, patience=impatient)
    assert target.read_bytes() == BODY
    assert len(host.gets("/file.bin")) == 2  # If-Range did it, without a wrong checksum first


def test_stale_part_without_a_mark_is_noticed_by_its_checksum(
    host: Any, target: Path, impatient: Patience
) -> None:
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(b"from another file")
    transfer(host.put("/file.bin", BODY), target, sha256=SHA256, patience=impatient)
    assert target.read_bytes() == BODY


def test_complete_part_needs_no_more_bytes(host: Any, target: Path, impatient: Patience) -> None:
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(BODY)
    transfer(host.put("/file.bin", BODY), target, sha256=SHA256, patience=impatient)
    assert target.read_bytes() == BODY
    assert [a.headers["Range"] for a in host.gets("/file.bin")] == [f"bytes={len(BODY)}-"]


def test_part_longer_than_the_file_is_dropped(host: Any, target: Path, impatient: Patience) -> None:
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(BODY + b"tail")
    transfer(host.put("/file.bin", BODY), target, sha256=SHA256, patience=impatient)
    assert target.read_bytes() == BODY


def test_range_other_than_the_one_asked_for_is_not_appended(
    host: Any, serve: Any, target: Path, impatient: Patience
) -> None:
    address = host.put("/file.bin", BODY)
    wrong = serve.file(BODY, ranges=False, headers={})

    def other_range(handler: Any) -> None:
        handler.plain(206, BODY[10:20], Content_Range=f"bytes 10-19/{len(BODY)}")

    host.faults["/file.bin"] = [serve.file(BODY, cut=5_000), other_range, wrong]
    transfer(address, target, sha256=SHA256, patience=impatient)
    assert target.read_bytes() == BODY


def test_wrong_bytes_name_both_checksums_and_are_not_kept(
    host: Any, target: Path, impatient: Patience
) -> None:
    wrong = BODY[:-1] + b"!"
    found = hashlib.sha256(wrong).hexdigest()
    with pytest.raises(ChecksumError, match=f"{found} where {SHA256}"):
        transfer(host.put("/file.bin", wrong), target, sha256=SHA256, patience=impatient)
    assert not target.exists()
    assert leftovers(target) == []


@pytest.mark.parametrize("given", [BODY[:-1], BODY + b"more" * 100_000])
def test_wrong_size_is_not_kept(host: Any, target: Path, impatient: Patience, given: bytes) -> None:
    with pytest.raises(ChecksumError, match="bytes where 1,048,576 are expected"):
        transfer(host.put("/file.bin", given), target, size=len(BODY), patience=impatient)
    assert leftovers(target) == []


def test_more_bytes_than_expected_are_not_waited_for(
    host: Any, target: Path, impatient: Patience
) -> None:
    sent = []

    def endless(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        try:
            for _ in range(1_000):  # 1 GB
                handler.wfile.write(BODY)
                sent.append(len(BODY))
        except OSError:
            handler.close_connection = True

    host.routes["/file.bin"] = endless
    with pytest.raises(ChecksumError):
        transfer(host.address + "/file.bin", target, size=1000, patience=impatient)
    assert sum(sent) < 100 * len(BODY)


@pytest.mark.parametrize("status", [401, 403])
def test_closed_door_says_what_to_do(
    host: Any, serve: Any, target: Path, impatient: Patience, status: int
) -> None:
    host.routes["/file.bin"] = serve.status(status)
    with pytest.raises(GatedError, match="licence") as caught:
        transfer(host.address + "/file.bin", target, patience=impatient)
    assert "data folder" in caught.value.hint
    assert len(host.gets("/file.bin")) == 1


def test_compressed_answer_is_the_file_and_not_its_compression(
    host: Any, target: Path, impatient: Patience
) -> None:
    packed = gzip.compress(BODY)
    host.put("/file.bin", packed, headers={"Content-Encoding": "gzip"})
    transfer(host.address + "/file.bin", target, sha256=SHA256, patience=impatient)
    assert target.read_bytes() == BODY
    assert host.gets("/file.bin")[0].headers["Accept-Encoding"] == "identity"


def test_nobody_listens(target: Path, host: Any, impatient: Patience) -> None:
    import socket

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(FetchError, match="ConnectionError") as caught:
        transfer(f"http://127.0.0.1:{port}/file.bin", target, patience=impatient)
    assert "network" in caught.value.hint


def test_full_disk_names_the_folder(host: Any, target: Path, impatient: Patience) -> None:
    target.parent.mkdir()
    target.with_name("file.bin.part").symlink_to("/dev/full")  # every write: no space left
    with pytest.raises(StoreError, match=f"{target.parent}: no space is left"):
        transfer(host.put("/file.bin", BODY), target, sha256=SHA256, patience=impatient)


def test_folder_that_is_a_file_is_named(host: Any, tmp_path: Path, impatient: Patience) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match="taken"):
        transfer(host.put("/file.bin", BODY), tmp_path / "taken" / "file.bin", patience=impatient)


def test_too_little_room_is_said_before_the_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type(shutil.disk_usage(tmp_path))(100, 90, 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StoreError, match="10 bytes free where 11 are needed"):
        room_for(tmp_path / "not" / "yet" / "there", 11)
    room_for(tmp_path, 10)
    room_for(tmp_path, None)


def test_messages_carry_no_password() -> None:
    assert shown("https://me:secret@host.org:8443/a/b?sig=123#x") == "https://host.org:8443/a/b"
