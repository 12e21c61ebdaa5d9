"""Bytes in words."""

from __future__ import annotations


def size_text(count: int) -> str:
    """Say a number of bytes in the unit that fits: ``1.2 GiB``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
