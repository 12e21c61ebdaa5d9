"""Texts as other programs write them."""

from __future__ import annotations

from pathlib import Path

MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
"""Byte order marks, and what follows them."""


def read_text(path: Path) -> str:
    """Read a text: UTF-16 or UTF-8 by its mark, UTF-8 without one, else Latin-1.

    Spreadsheets save "Unicode text" as UTF-16 with a mark; older programs write one byte a letter.
    Line ends become line feeds.
    """
    raw = path.read_bytes()
    for mark, encoding in MARKS.items():
        if raw.startswith(mark):
            text = raw.decode(encoding, errors="replace")
            break
    else:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")
