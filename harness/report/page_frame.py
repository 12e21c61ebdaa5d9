"""The frame of a page: what stands above, around and below its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import xarray as xr

from harness.board.answers.alignment import BASE
from harness.board.submission.records import Records
from harness.report.page_links import bibtex, harness_version
from harness.report.page_sections import SIMULATED

SIZES = {"1e9": "1 B", "2e9": "2 B", "4e9": "4 B", "8e9": "8 B", "16e9": "16 B"}
HEADS = {
    "model": "model",
    "compressor": "compressor",
    "mebibytes": "MiB",
    "value": "value",
    "": "95 % interval and ceiling",
    "change": "change from base",
    "unique": "unique R²",
    "nuisance": "nuisance r",
    "normalised": "of ceiling",
    "parameters": "parameters",
    "bits": "bits/weight",
    "coverage": "covered",
    "perplexity": "perplexity",
    "verified": "verified",
}
QUESTION = "How small, and how compressed, can a language model be and still predict the brain?"
RECENT = 60
"""Accepted entries that the page names; the feed has more."""


@dataclass(frozen=True)
class Page:
    """What a page is made of, besides the board.

    Parameters
    ----------
    title : str
    maps : mapping
        PNG files of brain maps by benchmark.
    notice : str
        Stands above everything else: what whoever keeps the board has to say of all of it.
    records : Records
        What a leaderboard keeps beside its board.
    beside : mapping
        Files that lie beside the page, by what they are: ``feed``, ``picture``, ``board``,
        ``how to hand in``.
    """

    title: str = "brainpress leaderboard"
    maps: Mapping[str, Sequence[Path]] | None = None
    notice: str = ""
    records: Records = field(default_factory=Records)
    beside: Mapping[str, str] = field(default_factory=dict)


def head_html(page: Page) -> str:
    """Write what a head says besides styles: title, description, picture, feed."""
    title, beside = escape(page.title, quote=True), page.beside
    said = [
        f"<title>{escape(page.title)}</title>",
        f'<meta name="description" content="{escape(QUESTION)}">',
        '<meta name="color-scheme" content="light dark">',
        f'<meta property="og:title" content="{title}">',
        f'<meta property="og:description" content="{escape(QUESTION)}">',
        '<meta property="og:type" content="website">',
    ]
    if "picture" in beside:
        said.append(f'<meta property="og:image" content="{escape(beside["picture"])}">')
        said.append('<meta name="twitter:card" content="summary_large_image">')
    if "feed" in beside:
        link = escape(beside["feed"])
        said.append(
            f'<link rel="alternate" type="application/atom+xml" title="{title}" href="{link}">'
        )
    return "\n".join(said)


def top_html(page: Page, about: Mapping[str, Any], answer: str, figure: str) -> str:
    """Write the title, the filters, and the answer beside its figure."""
    notice = f'<p class="notice" role="note">{escape(page.notice)}</p>' if page.notice else ""
    sections = {
        "table": "table",
        "matrix": "all benchmarks",
        "figures-start": "figures",
        "answers": "what the board says",
        "benchmarks": "benchmarks",
        "models": "models",
    }
    if page.records.entries:
        sections["changes"] = "what is new"
    sections["cite"] = "cite"
    links = "".join(f'<a href="#{name}">{text}</a>' for name, text in sections.items())
    options = "".join(f'<option value="{v}">{text}</option>' for v, text in SIZES.items())
    return f"""
<a class="skip" href="#table">to the table</a><header><h1>{escape(page.title)}</h1></header>
<main>{notice}<p>{QUESTION}
{_count(about["models"], "model")} and {_count(about["controls"], "control")},
{_count(len(set(about["compressors"]) - {BASE}), "compressor")},
{_count(len(about["benchmarks"]), "benchmark")}.</p>
<nav aria-label="sections">{links}</nav><div class="follow">
<div class="filters" role="group" aria-label="filters">
<label>benchmark<select id="benchmark"></select></label>
<label>family<select id="family"><option value="">all</option></select></label>
<label>compressor<select id="compressor"><option value="">all</option></select></label>
<label>up to<select id="size"><option value="">any size</option>{options}</select></label>
<label>controls<select id="controls"><option value="yes">shown</option>
<option value="no">hidden</option><option value="only">alone</option></select></label></div>
<noscript><p>The table and the figures need JavaScript, which is in this file; what
the board says stands below without it.</p></noscript>
<h2 id="answer">How small, how compressed, at what loss?
<span data-simulated hidden>{SIMULATED}</span></h2>
<div class="first"><div>{answer}</div>{figure}</div>"""


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def table_html(about: Mapping[str, Any]) -> str:
    """Write the table's frame, that of all benchmarks, and the drawer; the script fills them."""
    heads = "".join(
        f'<th scope="col" data-key="{key}"><button type="button">{text}</button></th>'
        if key
        else f'<th scope="col">{text}</th>'
        for key, text in HEADS.items()
        if about["verified"] or key != "verified"
    )
    return f"""
<h2 id="table">All variants <span data-simulated hidden>{SIMULATED}</span></h2>
<p id="count" aria-live="polite"></p>
<p>Groups are what tests against the best uncompressed model tell apart; within a group the smaller
stands first, because the order of equals by value is noise. A row opens: how to have it again, and
who handed it in.</p>
<button type="button" class="download" id="grouped" hidden>back to groups</button>
<button type="button" class="download" data-download="table">download as CSV</button>
<div class="scroll" tabindex="0" role="region" aria-label="table of variants">
<table id="ranking"><caption>Variants on the chosen benchmark. Shaded: equal to the best within the
margin. = equal to its base, ▼ worse, ▲ better, ? undecided (after Holm). Filled circle:
uncompressed; open: compressed; cross: control. Line: 95 % interval; dashed: ceiling.</caption>
<thead><tr>{heads}</tr></thead><tbody></tbody></table></div>
<details id="matrix"><summary><h3>All benchmarks at once</h3></summary>
<div class="scroll" tabindex="0" role="region" aria-label="all benchmarks at once">
<table id="matrix-table"><caption>Value of every variant that the filters leave, on every benchmark;
beside it what compression changed: = equal to its base, ▼ worse, ▲ better, ? undecided (after
Holm). Empty: not on the board.</caption></table></div></details>
<dialog id="drawer" aria-labelledby="drawer-title"><header><h2 id="drawer-title"></h2>
<button type="button" id="drawer-close" class="download">close</button></header>
<div id="drawer-body"></div></dialog>
<h2 id="figures-start">Figures</h2>
<p>They follow the filters above. <span id="undrawn"></span></p>"""


def end_html(page: Page, board: xr.DataTree, names: Sequence[str]) -> str:
    """Write what was accepted of late, how to cite, and the footer."""
    about = board["benchmarks"].to_dataset()
    citations = [(n, str(about["citation"].sel(benchmark=n).item())) for n in names]
    cite = escape(bibtex(page.title, page.records.latest, citations))
    return (
        f"{''.join(_changes(page))}"
        f'<h2 id="cite">Cite</h2><details open><summary><h3>BibTeX</h3></summary>'
        f'<pre tabindex="0">{cite}</pre></details></main><footer>{"".join(_footer(page))}</footer>'
    )


def _changes(page: Page) -> Iterator[str]:
    records = page.records
    if not records.entries:
        return
    entries = sorted(records.entries, key=lambda e: (e.name, e.id))
    entries.sort(key=lambda e: records.days.get(e.id, ""), reverse=True)
    yield '<h2 id="changes">What is new</h2>'
    yield '<div class="scroll" tabindex="0" role="region" aria-label="accepted entries"><table>'
    yield "<caption>Accepted entries, the latest first.</caption><thead><tr>"
    heads = ("accepted", "entry", "cells", "handed in by", "revision and note")
    yield "".join(f'<th scope="col">{text}</th>' for text in heads) + "</tr></thead><tbody>"
    for entry in entries[:RECENT]:
        said = entry.record
        cells = (
            records.days.get(entry.id, "before days were kept"),
            str(len(said["cells"])),
            said["submitter"]["name"],
            " ".join(filter(None, (str(said["revision"]), said["note"]))),
        )
        day, count, who, note = map(escape, map(str, cells))
        yield f'<tr><td>{day}</td><th scope="row">{escape(entry.name)}</th><td>{count}</td>'
        yield f"<td>{who}</td><td>{note}</td></tr>"
    yield "</tbody></table></div>"
    if len(entries) > RECENT:
        yield f"<p>{len(entries) - RECENT:,} more.</p>"


def _footer(page: Page) -> Iterator[str]:
    beside, latest = page.beside, page.records.latest
    if latest:
        yield f'<p>Last entry accepted on <time datetime="{latest}">{latest}</time>.</p>'
    yield f"<p>Made by brainpress {escape(harness_version())} (BSD-3-Clause). Data and weights "
    yield "have the licences that stand in their sections.</p>"
    yield "<p>Hand in results: "
    yield "<code>brainpress submit --as NAME --contact ADDRESS -o mine.zip</code>"
    if "how to hand in" in beside:
        yield f', <a href="{escape(beside["how to hand in"])}">how it is checked</a>'
    yield ".</p>"
    links = [(beside[what], text) for what, text in _FILES.items() if what in beside]
    if links:
        listed = ", ".join(f'<a href="{escape(where)}">{text}</a>' for where, text in links)
        yield f"<p>Files: {listed}.</p>"


_FILES = {"board": "the board (netCDF)", "feed": "feed of accepted entries (Atom)"}
