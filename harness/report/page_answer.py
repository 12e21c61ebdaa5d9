"""The top of the page: what the board answers, one panel a benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np
import xarray as xr

from harness.board.answers.alignment import detail
from harness.board.answers.units import mebibytes
from harness.report.answers_view import MARKS
from harness.report.page_data import PageData
from harness.stats.replicates import replicate_of

MOST = 6
"""Claims that a panel shows at once."""


def answers_html(board: xr.DataTree, data: PageData) -> str:
    """Write a panel for every benchmark; the script shows the one that is selected.

    The sentences are those of ``brainpress answer smallest``, word for word.
    """
    return "".join(
        f'<section class="answer" data-answer="{i}"{" hidden" * (i > 0)}>'
        f"{''.join(_panel(board, data, name))}</section>"
        for i, name in enumerate(data.benchmarks)
    )


def _panel(board: xr.DataTree, data: PageData, name: str) -> Iterator[str]:
    said = data.answers["smallest"]
    known = "benchmark" in said.dims and name in said["benchmark"].values
    if known:
        own = said.sel(benchmark=name)
        facts = [
            ("smallest model", own["smallest_model"].item()),
            ("fewest bytes", own["fewest_bytes"].item()),
        ]
        shown = [
            (what, _plain(str(variant)), _bytes(own, str(variant)))
            for what, variant in facts
            if variant
        ]
        if shown:
            tiles = "".join(
                f"<div><dt>{what}</dt><dd>{escape(variant)}</dd><dd>{weight}</dd></div>"
                for what, variant, weight in shown
            )
            yield f'<dl class="tiles">{tiles}</dl>'
    rows = [row for row in _claims(said) if _about(row[0], name)]
    if rows:
        items = [
            f'<li><span class="mark {verdict}" title="{verdict}">{MARKS[verdict]}</span>'
            f"<b>{escape(_rest(subject, name))}</b>{escape(sentence)}</li>"
            for subject, sentence, verdict in rows
        ]
        yield f'<ul class="claims">{"".join(items[:MOST])}</ul>'
        if len(items) > MOST:
            yield f"<details><summary>{len(items) - MOST} more</summary>"
            yield f'<ul class="claims">{"".join(items[MOST:])}</ul></details>'
    elif data.kinds[name] == "linguistic":
        yield "<p>A test of language: it says what a model can, and nothing about brains. Choose a "
        yield "brain or reading benchmark for how small is enough.</p>"
    yield f"<p>{escape(_basis(board, data, name))}</p>"
    gaps = [str(g) for g in said["missing"].values if str(g).startswith(f"{name}: ")]
    if not rows and data.kinds[name] != "linguistic":
        yield "<p>The board cannot say how small is enough here.</p>"
    if gaps:
        listed = "".join(f"<li>{escape(g.removeprefix(f'{name}: '))}</li>" for g in gaps)
        yield f"<p>What the board cannot say:</p><ul>{listed}</ul>"


def _claims(said: xr.Dataset) -> Iterator[tuple[str, str, str]]:
    names = ("subject", "sentence", "verdict")
    for subject, sentence, verdict in zip(*(said[n].values for n in names), strict=True):
        yield str(subject), str(sentence), str(verdict)


def _about(subject: str, benchmark: str) -> bool:
    end = subject.rpartition(" on ")[2]
    return end == benchmark or end.startswith(f"{benchmark} (")


def _rest(subject: str, benchmark: str) -> str:
    variant, on, end = subject.rpartition(" on ")
    if not on:
        return ""
    return f"{variant}{end.removeprefix(benchmark)}: "


def _plain(variant: str) -> str:
    return variant.removesuffix("+none")


def _bytes(own: xr.Dataset, variant: str) -> str:
    model, _, compressor = variant.rpartition("+")
    weight = float(own["bytes"].sel(model=model, compressor=compressor))
    return mebibytes(weight) if np.isfinite(weight) else ""


def _basis(board: xr.DataTree, data: PageData, name: str) -> str:
    """Say from how much: models, controls, variants, people or stories, and which text."""
    frame = data.tables["cells"].get(name)
    if frame is None:
        return "No cell is done."
    models = frame[frame["kind"] != "control"]
    parts = [
        _count(models["model"].nunique(), "model"),
        _count(int((models["kind"] == "compressed").sum()), "compressed variant"),
        _count(int((frame["kind"] == "control").sum()), "control"),
    ]
    known = detail(board, name)
    replicate = replicate_of(known) if known is not None else None
    if known is not None and replicate is not None:
        n = known.sizes[replicate.dim]
        parts.append(f"{n} {replicate.plural if n != 1 else replicate.dim}")
    about = board["benchmarks"].to_dataset().sel(benchmark=name)
    text = str(about["data"].item()) if "data" in about else ""
    said = f"From {', '.join(parts)}"
    return f"{said}. Data: {text}." if text else f"{said}."


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
