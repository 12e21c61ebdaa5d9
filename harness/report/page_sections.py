"""The parts of a page that are text: claims, models, benchmarks."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path

import pandas as pd
import xarray as xr

from harness.board.answers.alignment import BASE, Alignment, alignments, detail, margin_on
from harness.board.answers.paired import paired
from harness.report.answers_view import MARKS
from harness.report.page_data import PageData
from harness.report.page_links import linked
from harness.report.page_origin import cut_paths
from harness.report.terminal import size
from harness.report.unique_tables import unique_tables
from harness.spec.measures import WHY, ScoreMeasure, headline_of

FIRST_CLAIMS, MOST_CLAIMS = 12, 150
"""Claims of a question that are seen at once, and that a click shows; the command line has all."""

QUESTIONS = {
    "smallest": "How small is enough, and at what loss?",
    "controls": "Do models beat their controls?",
    "saturation": "Where does size stop to matter?",
    "robustness": "What does compression cost?",
    "profile": "Which linguistic competence goes?",
    "dissociation": "Does competence go before alignment?",
}
_HEAD = '<th scope="col">{}</th>'
SIMULATED = '<span class="tag simulated">simulated data</span>'


def claims_html(data: PageData) -> str:
    """Write the claims of every question, the decided first, and what the board lacks."""
    parts = []
    for name, said in data.answers.items():
        rows = list(
            zip(
                said["verdict"].values,
                said["subject"].values,
                said["sentence"].values,
                strict=True,
            )
        )
        rows.sort(key=lambda row: ("yes", "no", "undecided").index(str(row[0])))
        items = [
            f'<li><span class="mark {verdict}" title="{verdict}">{MARKS[str(verdict)]}</span>'
            f"<b>{escape(str(subject))}</b>: {escape(str(sentence))}</li>"
            for verdict, subject, sentence in rows[:MOST_CLAIMS]
        ]
        more = ""
        if len(rows) > MOST_CLAIMS:
            more = (
                f"<p>{len(rows) - MOST_CLAIMS:,} more: "
                f"<code>brainpress answer {name}</code> prints them all.</p>"
            )
        gaps = "".join(f"<li>{escape(str(g))}</li>" for g in said["missing"].values[:MOST_CLAIMS])
        gaps = f"<details><summary>what is missing</summary><ul>{gaps}</ul></details>" * bool(gaps)
        rest = items[FIRST_CLAIMS:]
        if rest:
            more = f"<details><summary>{len(rest)} more</summary>{_claims(rest)}{more}</details>"
        shown = f"{_claims(items[:FIRST_CLAIMS])}{more}" if items else "<p>Cannot be told.</p>"
        parts.append(
            f'<details open><summary><h3 id="answer-{name}">{QUESTIONS[name]}</h3></summary>'
            f"{shown}{gaps}</details>"
        )
    return "".join(parts)


def _claims(items: Sequence[str]) -> str:
    return f'<ul class="claims">{"".join(items)}</ul>'


def models_html(board: xr.DataTree, data: PageData) -> str:
    """Write a section for each model: what it is, and where it stands."""
    about = board["models"].to_dataset()
    cells = data.tables["cells"]
    together = pd.concat([f.assign(benchmark=n) for n, f in cells.items()]) if cells else None
    rows: dict[str, pd.DataFrame] = {}
    if together is not None:
        rows = dict(iter(together[together["compressor"] == BASE].groupby("model")))
    texts = ("family", "control", "base", "source", "revision", "licence", "citation", "notes")
    return "".join(
        _section(
            "model",
            str(name),
            '<span class="tag">control</span>' if str(about["control"].values[i]) else "",
            {"parameters": size(float(about["parameters"].values[i]))}
            | {t: cut_paths(str(about[t].values[i])) for t in texts},
            _standing(rows.get(str(name))),
        )
        for i, name in enumerate(about["model"].values)
    )


def _standing(rows: pd.DataFrame | None) -> str:
    if rows is None:
        return ""
    body = "".join(
        f'<tr><th scope="row">{escape(row.benchmark)}</th><td>{row.value:.3f}</td>'
        f"<td>{_ends(row.low, row.high)}</td><td>{escape(row.standing)}</td></tr>"
        for row in rows.itertuples()
    )
    heads = ("benchmark", "value", "95 % interval", "against the best")
    head = f"<tr>{''.join(_HEAD.format(text) for text in heads)}</tr>"
    return f"<table><thead>{head}</thead><tbody>{body}</tbody></table>"


def _ends(low: float, high: float) -> str:
    return f"{low:.3f} to {high:.3f}" if math.isfinite(low) else ""


def benchmarks_html(board: xr.DataTree, data: PageData, maps: Mapping[str, Sequence[Path]]) -> str:
    """Write a section for each benchmark: what it is, what is wrong with it, its brain maps."""
    about = board["benchmarks"].to_dataset()
    warned = dict(_control_warnings(board, data))
    parts = []
    for name in data.benchmarks:
        row = about.sel(benchmark=name)
        facts = {
            t: cut_paths(str(row[t].item()))
            for t in ("kind", "metric", "data", "licence", "citation")
        }
        chance = float(row["chance"])
        facts |= {
            "read by": _read_by(row),
            "version": str(int(row["version"])),
            "chance": f"{chance:g}",
            "equivalence margin": _margins(row),
            "notes": cut_paths(str(row["notes"].item())),
            "controls": warned.get(name, ""),
        }
        tag = SIMULATED if int(row["simulated"]) else ""
        rest = unique_tables(detail(board, name)) + _images(name, maps.get(name, ()))
        parts.append(_section("benchmark", name, tag, facts, rest))
    return "".join(parts)


def _read_by(row: xr.Dataset) -> str:
    """Say which measure a benchmark is read by, and why."""
    said = f"its {headline_of(row).named}"
    reason = str(row[WHY].item()) if WHY in row else ""
    return f"{said}: {reason}" if reason else said


def _margins(row: xr.Dataset) -> str:
    """Write the margins of all measures that have one."""
    each = [(measure, margin_on(row, measure)) for measure in ScoreMeasure]
    said = [f"{margin:g} of the {m.named}" for m, margin in each if math.isfinite(margin)]
    return ", ".join(said) or "none stated"


def _images(name: str, paths: Sequence[Path]) -> str:
    figures = []
    for path in paths:
        coded = base64.b64encode(Path(path).read_bytes()).decode("ascii")
        label = escape(Path(path).stem.replace("-", " ").replace("_", " "))
        figures.append(
            f'<figure><img loading="lazy" alt="brain map: {label}, {escape(name)}" '
            f'src="data:image/png;base64,{coded}"><figcaption>{label}</figcaption></figure>'
        )
    return f'<div class="maps">{"".join(figures)}</div>' if figures else ""


def _section(kind: str, name: str, tag: str, facts: Mapping[str, str], rest: str) -> str:
    pairs = "".join(
        f"<dt>{escape(k)}</dt><dd>{linked(v)}</dd>" for k, v in facts.items() if v.strip()
    )
    return (
        f'<details class="about" id="{kind}-{escape(name, quote=True)}">'
        f"<summary><h3>{escape(name)}</h3> {tag}</summary><dl>{pairs}</dl>{rest}</details>"
    )


def _control_warnings(board: xr.DataTree, data: PageData) -> Iterator[tuple[str, str]]:
    """Say of the value and of the headline whether the best control reaches the best model."""
    found = {
        measure: {a.benchmark: a for a in alignments(board, data.benchmarks, measure)[0]}
        for measure in ScoreMeasure
    }
    for name, frame in data.tables["cells"].items():
        controls, models = frame[frame["kind"] == "control"], frame[frame["kind"] != "control"]
        if not len(controls):
            yield name, "none on the board: what the values owe to language is not known"
            continue
        if not len(models):
            continue
        said = [_reach(name, models, controls, data, found[ScoreMeasure.VALUE].get(name))]
        headline = data.headlines[name]
        if headline is not ScoreMeasure.VALUE and name in found[headline]:
            said.append(_reach(name, models, controls, data, found[headline][name]))
        yield name, "; ".join(said)


def _reach(
    name: str,
    models: pd.DataFrame,
    controls: pd.DataFrame,
    data: PageData,
    alignment: Alignment | None,
) -> str:
    """Set the best control against the best model, over what was drawn where that is known."""
    sign, column, digits, of = -1 if data.lower[name] else 1, "value", 3, ""
    if alignment is not None and alignment.measure is not ScoreMeasure.VALUE:
        sign, digits, of = 1, alignment.measure.digits, f" of {alignment.measure.label}"
        column = "score"
        means = dict(zip(alignment.names, alignment.means.mean(axis=0), strict=True))
        models, controls = (
            side.assign(score=[means[pair] for pair in _pairs(side)])
            .sort_values("score", ascending=False, kind="stable")
            for side in (models, controls)
        )  # fmt: skip
    best, control = models.iloc[0], controls.iloc[0]
    reaches = sign * (best[column] - control[column]) <= 0
    if alignment is not None:
        pair = [alignment.names.index((row["model"], row["compressor"])) for row in (best, control)]
        scores = alignment.sampled
        ahead = sign * (scores[..., pair[0]] - scores[..., pair[1]])
        reaches = paired(ahead[..., None], math.nan, factors=alignment.factors).low[0] <= 0
    said = f"{control['variant']} scores {control[column]:.{digits}f}{of}, "
    said += f"the best model, {best['variant']}, {best[column]:.{digits}f}"
    return f"A CONTROL REACHES THE MODELS: {said}" if reaches else said


def _pairs(side: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(side["model"], side["compressor"], strict=True))
