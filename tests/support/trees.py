"""What hosts hold, stored: names, sizes and hashes of git trees and git-annex keys.

Each ``trees/NAME.tsv.gz`` begins with the address of the tree's root and with where the tree was
read; then ``path``, ``bytes`` and ``checksum``, a line a file: ``md5:HEX`` of a git-annex key,
``sha1:HEX`` as published, ``git:HEX`` of a git blob, or ``git`` where its hash was not kept.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("trees")


@dataclass(frozen=True)
class Entry:
    """A file of a host."""

    size: int | None
    checksum: str


@dataclass(frozen=True)
class Tree:
    """Some of what a host holds below an address."""

    root: str
    source: str
    entries: dict[str, Entry]


@cache
def trees() -> dict[str, Tree]:
    """All stored trees, by name."""
    found = {}
    for path in sorted(FOLDER.glob("*.tsv.gz")):
        root, source, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        rows = [line.split("\t") for line in lines]
        entries = {p: Entry(int(n) if n else None, c) for p, n, c in rows}
        name = path.name.removesuffix(".tsv.gz")
        found[name] = Tree(root.removeprefix("# "), source.removeprefix("# "), entries)
    return found


def entry_at(address: str) -> Entry | None:
    """What a host holds at an address; None where no stored tree has it."""
    for tree in trees().values():
        if address.startswith(f"{tree.root}/"):
            found = tree.entries.get(address.removeprefix(f"{tree.root}/"))
            if found is not None:
                return found
    return None


def blob_hash(path: Path) -> str:
    """``git:HEX`` of a file, as git names its content."""
    content = path.read_bytes()
    return "git:" + hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
