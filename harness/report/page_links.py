"""Addresses in what a board says, and how to cite it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from importlib.metadata import PackageNotFoundError, version

_ADDRESS = re.compile(
    r"https?://[^\s<>\"'{}|\\^`]+|\bdoi:\s?10\.\d{4,9}/[^\s<>\"',;]+|\b10\.\d{4,9}/[^\s<>\"',;]+"
    r"|\barXiv[: ]\d{4}\.\d{4,5}",
    re.I,
)
_END = ".,;:)]"


def linked(text: str) -> str:
    """Write text as HTML, escaped, with web addresses, DOIs and arXiv numbers as links."""
    parts, at = [], 0
    for found in _ADDRESS.finditer(text):
        said = found[0].rstrip(_END)
        parts.append(escape(text[at : found.start()]))
        parts.append(
            f'<a href="{escape(_target(said), quote=True)}" '
            f'rel="nofollow noopener noreferrer">{escape(said)}</a>'
        )
        at = found.start() + len(said)
    return "".join(parts) + escape(text[at:])


def _target(said: str) -> str:
    low = said.lower()
    if low.startswith("http"):
        return said
    if low.startswith("arxiv"):
        return f"https://arxiv.org/abs/{said[6:].strip()}"
    return f"https://doi.org/{re.sub('^doi: ?', '', said, flags=re.I)}"


def harness_version() -> str:
    """Return the version that makes the page; empty where it is not installed."""
    try:
        return version("brainpress")
    except PackageNotFoundError:
        return ""


def bibtex(title: str, day: str, citations: Iterable[tuple[str, str]]) -> str:
    """Write how to cite the page, and what it rests on.

    Parameters
    ----------
    title : str
    day : str
        Of the last entry, ISO 8601; empty where it is not known.
    citations : iterable of (str, str)
        Name and citation of each benchmark; the citation goes into ``note``.
    """
    year = f"\n  year = {{{day[:4]}}}," if day else ""
    noted = f"version {harness_version()}" + (f", entries up to {day}" if day else "")
    found = [
        f"@misc{{brainpress,\n  title = {{{_braced(title)}}},\n"
        f"  author = {{{{The brainpress authors}}}},{year}\n  note = {{{_braced(noted)}}}\n}}"
    ]
    for name, citation in citations:
        if citation.strip():
            key = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
            found.append(f"@misc{{{key},\n  note = {{{_braced(citation)}}}\n}}")
    return "\n".join(found) + "\n"


def _braced(text: str) -> str:
    """Write text within braces: those of its own, and what TeX acts on, escaped."""
    return re.sub(r"([{}\\%$#&_])", lambda f: _TEX.get(f[0], "\\" + f[0]), " ".join(text.split()))


_TEX = {"\\": r"\textbackslash{}"}
