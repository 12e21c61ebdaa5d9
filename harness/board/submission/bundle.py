"""Bundles: entries in a zip file with a manifest of checksums.

A bundle comes from somebody we do not know. It is read into memory, member by member and with a
limit on each, and never unpacked onto the disk: no path in it leads anywhere.
"""

from __future__ import annotations

import io
import json
import re
import stat
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.board.submission.detail import DETAIL_LIMIT
from harness.board.submission.entry import RECORD_LIMIT, SCHEMA, Entry, checksum, parse_json
from harness.board.submission.schema import faults
from harness.errors import SubmissionError
from harness.store.atomic import writing

MANIFEST = "manifest.json"
FILE_LIMIT = 64 * 2**20
"""Most bytes of a bundle."""
TOTAL_LIMIT = 256 * 2**20
"""Most bytes of what is in it."""
MEMBER_LIMIT = 4000
"""Most files in it."""

_MEMBER = re.compile(r"[\w%+.-]+@\d+/[\w%+.-]+@[\w%+.-]+/[0-9a-f]{16}\.(json|nc)", re.ASCII)
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LIMITS = {".json": RECORD_LIMIT, ".nc": DETAIL_LIMIT}


@dataclass(frozen=True)
class Problem:
    """Something that is wrong with a submission.

    Parameters
    ----------
    where : str
        File, entry or cell.
    what : str
        What is wrong.
    """

    where: str
    what: str


@dataclass(frozen=True)
class Opened:
    """What was found in a bundle or a folder.

    Parameters
    ----------
    entries : tuple of Entry
        Those whose record has the form it must have.
    problems : tuple of Problem
        What is wrong with the rest.
    """

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]


def write_bundle(entries: Sequence[Entry], path: Path) -> Path:
    """Write entries as a bundle; the same entries are always the same bytes.

    Raises
    ------
    SubmissionError
        An entry does not have the form that :mod:`harness.board.submission.schema` wants.
    """
    wrong = [f"{entry.name}: {fault}" for entry in entries for fault in faults(entry.record)]
    if wrong:
        raise SubmissionError("this cannot be handed in: " + "; ".join(wrong))
    members = {p: content for entry in entries for p, content in entry.files.items()}
    manifest = {
        "schema": SCHEMA,
        "submitter": entries[0].record["submitter"],
        "files": {p: checksum(content) for p, content in members.items()},
    }
    members[MANIFEST] = json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in sorted(members, key=lambda n: (n != MANIFEST, n)):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            bundle.writestr(info, members[name])
    with writing(Path(path)) as beside:
        beside.write_bytes(packed.getvalue())
    return Path(path)


def open_bundle(path: Path) -> Opened:
    """Read a bundle; whatever is wrong with it is in the answer.

    Nothing in a bundle makes this raise, but a file that cannot be opened at all does.
    """
    problems: list[Problem] = []
    try:
        members = _members(Path(path), problems)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError) as error:
        said = f"is no bundle that we read: {error}"
        if path.suffix == ".nc":
            said += f"; a board is handed in with `brainpress submit {path.name}`"
        return Opened((), (Problem(path.name, said),))
    except RuntimeError as error:  # zipfile: encrypted
        return Opened((), (Problem(path.name, f"cannot be read: {error}"),))
    _check_manifest(members, path.name, problems)
    found = open_entries(members)
    return Opened(found.entries, (*problems, *found.problems))


def _members(path: Path, problems: list[Problem]) -> dict[str, bytes]:
    size = path.stat().st_size
    if size > FILE_LIMIT:
        raise ValueError(f"it has {size:,} bytes; at most {FILE_LIMIT:,}")
    members: dict[str, bytes] = {}
    room = TOTAL_LIMIT
    # In memory a place that is none is a ValueError; on a disk it would be the system's error.
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as bundle:
        listed = bundle.infolist()
        if len(listed) > MEMBER_LIMIT:
            raise ValueError(f"it has {len(listed):,} files; at most {MEMBER_LIMIT:,}")
        for info in listed:
            if wrong := _member_fault(info, members):
                problems.append(Problem(repr(info.filename[:120]), wrong))
                continue
            limit = min(room, _LIMITS[Path(info.filename).suffix])
            with bundle.open(info) as stream:
                content = stream.read(limit + 1)  # what it says of its size is not trusted
            room = max(0, room - len(content))
            if len(content) > limit:
                problems.append(Problem(info.filename, f"unpacks to more than {limit:,} bytes"))
            else:
                members[info.filename] = content
    return members


def _member_fault(info: zipfile.ZipInfo, members: Mapping[str, bytes]) -> str:
    mode = info.external_attr >> 16
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed by a method other than deflate"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is a link, a folder or a device, not a file"
    if info.filename != MANIFEST and not _MEMBER.fullmatch(info.filename):
        return "is no path of a submission"
    if ".." in info.filename:
        return "leaves its folder"
    if info.filename in members:
        return "is there twice"
    return ""


def _check_manifest(members: dict[str, bytes], where: str, problems: list[Problem]) -> None:
    """Hold the files against their checksums, and take the manifest out."""
    content = members.pop(MANIFEST, None)
    if content is None:
        problems.append(Problem(where, f"has no {MANIFEST}"))
        return
    try:
        said: Any = parse_json(content, MANIFEST).get("files")
    except SubmissionError as error:
        problems.append(Problem(where, error.message))
        return
    listed = said if isinstance(said, dict) else {}
    for path in sorted(set(listed) | set(members)):
        if path not in members:
            problems.append(Problem(path[:200], "is in the manifest, and not in the bundle"))
        elif path not in listed:
            problems.append(Problem(path, "is in the bundle, and not in the manifest"))
        elif listed[path] != checksum(members[path]):
            problems.append(Problem(path, "is not the file that the manifest lists: it was edited"))


def open_entries(members: Mapping[str, bytes]) -> Opened:
    """Make entries of files by path."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    for path in sorted(p for p in members if p.endswith(".json")):
        try:
            record = parse_json(members[path], path)
        except SubmissionError as error:
            problems.append(Problem(path, error.message))
            continue
        wrong = list(faults(record))
        if wrong:
            problems += [Problem(path, fault) for fault in wrong]
            continue
        beside = path.removesuffix(".json") + ".nc"
        entry = Entry(record, members.get(beside, b""))
        if record["detail"] != checksum(entry.detail):
            problems.append(Problem(beside, "is not the file that its record lists: it was edited"))
        if members[path] != entry.text or path != f"{entry.folder}/{entry.id}.json":
            problems.append(Problem(path, "does not have the name of its content: it was edited"))
        entries.append(entry)
    told = {p.removesuffix(".json") for p in members if p.endswith(".json")}
    for path in sorted(p for p in members if p.endswith(".nc")):
        if path.removesuffix(".nc") not in told:
            problems.append(Problem(path, "belongs to no record"))
    return Opened(tuple(entries), tuple(problems))
