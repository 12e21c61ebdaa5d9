"""An entry: the results of one model on one benchmark, as one submitter hands them in."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

import xarray as xr

from harness.board.submission.detail import pack_detail, unpack_detail
from harness.errors import SubmissionError

SCHEMA = 1
"""Version of the layout of entries and bundles."""

RECORD_LIMIT = 16 * 2**20
"""Most bytes of an entry's JSON."""

_ID = 16


@dataclass(frozen=True)
class Entry:
    """One model on one benchmark: a JSON record, and a netCDF file with the detail behind it.

    An entry is named by its content, so a file that was edited no longer has its name, and an
    accepted entry is never written again: a correction is another entry with a higher ``revision``.

    Parameters
    ----------
    record : mapping
        See :mod:`harness.board.submission.schema`.
    detail : bytes
        Scores by participant, region, layer or task, as classic netCDF; empty where there are none.
    """

    record: Mapping[str, Any]
    detail: bytes = b""

    @classmethod
    def make(cls, said: Mapping[str, Any], detail: xr.Dataset | None) -> Entry:
        """Make an entry of what is said and the dataset behind it."""
        packed = b"" if detail is None else pack_detail(detail)
        return cls({**said, "schema": SCHEMA, "detail": checksum(packed)}, packed)

    @cached_property
    def text(self) -> bytes:
        """The record as it is written."""
        said = json.dumps(self.record, indent=1, sort_keys=True, ensure_ascii=False)
        return said.encode() + b"\n"

    @property
    def id(self) -> str:
        """Start of the sha256 of the record, which holds the sha256 of the detail."""
        return hashlib.sha256(self.text).hexdigest()[:_ID]

    @property
    def folder(self) -> str:
        """``benchmark@version/model@revision``, safe as a path."""
        benchmark, model = self.record["benchmark"], self.record["model"]
        return "/".join(
            (
                f"{_safe(benchmark['name'])}@{benchmark['version']}",
                f"{_safe(model['name'])}@{_safe(model['revision'])[:12] or 'unpinned'}",
            )
        )

    @property
    def files(self) -> dict[str, bytes]:
        """The entry's files by path."""
        stem = f"{self.folder}/{self.id}"
        return {f"{stem}.json": self.text} | ({f"{stem}.nc": self.detail} if self.detail else {})

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.record['model']['name']} on {self.record['benchmark']['name']}"

    def dataset(self) -> xr.Dataset | None:
        """Read the detail; dims (variant, …), coordinate ``compressor`` by variant.

        Raises
        ------
        SubmissionError
            It does not read back.
        """
        return unpack_detail(self.detail) if self.detail else None


def checksum(content: bytes) -> dict[str, Any] | None:
    """Return size and sha256 of a file; None for no file."""
    if not content:
        return None
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _safe(name: str) -> str:
    return re.sub(r"^\.+", "", quote(str(name), safe="-_.+"))


def parse_json(content: bytes, where: str) -> dict[str, Any]:
    """Read a JSON object from somebody we do not know.

    Raises
    ------
    SubmissionError
        It is too long or too deep, no JSON object, says something twice, or holds NaN.
    """
    if len(content) > RECORD_LIMIT:
        raise SubmissionError(f"{where} has {len(content):,} bytes; at most {RECORD_LIMIT:,}")
    try:
        said = json.loads(content, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"{where} is no JSON that we read: {error}") from error
    if not isinstance(said, dict):
        raise SubmissionError(f"{where} is no JSON object")
    return said


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
