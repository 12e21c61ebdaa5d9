"""Fill ``docs/compression-study.template`` from the board: tables, values and claims.

Prose is written by hand in the template; whatever is a number stands there as a mark in double
braces, and an unknown mark, variant or claim is an error:

``value MODEL[+COMPRESSOR] BENCHMARK [COLUMN]``
    A number of the ranking (``value``; ``unique``, ``nuisance``, ``perplexity``, …).
``interval MODEL[+COMPRESSOR] BENCHMARK [COLUMN]``
    Its ends: ``low`` and ``high``, or ``COLUMN_low`` and ``COLUMN_high``.
``sizes BENCHMARK...``
    A table: models that are not compressed, and controls, by size.
``models BENCHMARK...``
    A table: models that are not compressed, without controls.
``compression MODEL BENCHMARK...``
    A table: variants of a model; changes are those of the first benchmark.
``claims KIND BENCHMARK [N]``
    The first N claims of an answer (5), as a list.
``count KIND BENCHMARK VERDICT``
    How many claims of an answer have a verdict.
``outcomes BENCHMARK [OUTCOME...]``
    How many compressed variants are ``equivalent``, ``worse``, ``better``, ``undecided``.
``said KIND BENCHMARK WORDS``
    The claim about what these words begin (``smollm2-135m+gptq-int4 …``), up to the first
    semicolon; of several the first. ``said:N`` the N-th (from 1).
``compare VARIANT VARIANT BENCHMARK``
    Which of two is better, by how much, and whether that is shown.
``detectable VARIANT VARIANT BENCHMARK``
    The smallest difference of two that the data could have shown.
``ranks MODEL BENCHMARK...``
    A table: rank correlations over the compressed variants of a model, with 95 % intervals.
A benchmark of an answer may be followed by what of its score is asked: ``brennan2016-alice@value``.

``tally WHAT``
    How many ``cells``, ``variants``, ``models``, ``compressors``, ``verified`` cells it has.
``cost WHAT``
    Hours of ``recording``, ``scoring``, ``compression`` or ``all``; ``memory``: the peak in GiB.
"""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "docs" / "compression-study.template"
PAGE = ROOT / "docs" / "compression-study.md"
_MARK = re.compile(r"\{\{([^{}]+)\}\}")
_WIDTH = 110


class Study:
    """A board, and what the marks of a template ask of it.

    Parameters
    ----------
    board : Path
        A netCDF file.
    """

    def __init__(self, board: Path) -> None:
        import harness
        from harness.report.page_data import page_data

        self.board = harness.open_board(board)
        self.data = page_data(self.board)
        self.said: dict[tuple[str, ...], Any] = {}
        self.verbs: dict[str, Callable[..., str]] = {
            "value": self.value,
            "interval": self.interval,
            "sizes": self.sizes,
            "models": self.models,
            "compression": self.compression,
            "claims": self.claims,
            "count": self.count,
            "outcomes": self.outcomes,
            "said": self.claim,
            "compare": self.compare,
            "detectable": self.detectable,
            "ranks": self.ranks,
            "tally": self.tally,
            "cost": self.cost,
        }

    def fill(self, template: str) -> str:
        """Put text in the place of every mark.

        Raises
        ------
        KeyError
            The board has not what a mark asks for.
        """

        def filled(mark: re.Match[str]) -> str:
            verb, *words = mark.group(1).split()
            try:
                return self.verbs[verb](*words)
            except (KeyError, StopIteration, TypeError) as error:
                raise KeyError(f"{mark.group(0)}: {error}") from error

        return _MARK.sub(filled, template)

    def row(self, variant: str, benchmark: str) -> pd.Series[Any]:
        """Return what the ranking of a benchmark has of a variant."""
        name = variant if "+" in variant else f"{variant}+none"
        frame = self.data.tables["cells"][benchmark]
        return next(row for _, row in frame.iterrows() if row["variant"] == name)

    def value(self, variant: str, benchmark: str, column: str = "value") -> str:
        return number(float(self.row(variant, benchmark)[column]))

    def interval(self, variant: str, benchmark: str, column: str = "") -> str:
        row, head = self.row(variant, benchmark), f"{column}_" if column else ""
        return f"{number(float(row[head + 'low']))} to {number(float(row[head + 'high']))}"

    def sizes(self, *benchmarks: str) -> str:
        """Lay out what is not compressed: models by parameters, then controls."""
        about = self.board["models"].to_dataset()
        plain = {
            str(row["model"]): (row["kind"] == "control", float(row["parameters"]))
            for name in benchmarks
            for _, row in self.data.tables["cells"][name].iterrows()
            if row["compressor"] == "none" and math.isfinite(row["value"])
        }
        order = sorted(plain, key=lambda name: (*plain[name], name))
        rows = []
        for model in order:
            size = float(about["parameters"].sel(model=model))
            rows.append([f"`{model}`", parameters(size)])
            rows[-1] += [self._cell(f"{model}+none", name) for name in benchmarks]
        return table(["", "parameters", *(f"`{name}`" for name in benchmarks)], rows)

    def models(self, *benchmarks: str) -> str:
        """Lay out the models proper by parameters; the unique part where a benchmark has it."""
        about = self.board["models"].to_dataset()
        proper = [
            str(m) for m in about["model"].values if not str(about["control"].sel(model=m).item())
        ]
        order = sorted(proper, key=lambda name: float(about["parameters"].sel(model=name)))
        parts = {name: ["", *(["unique"] if self._has_unique(name) else [])] for name in benchmarks}
        head = [
            f"`{name}`{', unique R2' * bool(part)}" for name in benchmarks for part in parts[name]
        ]
        rows = [
            [
                f"`{model}`",
                *(self._cell(model, n, part) or "not run" for n in benchmarks for part in parts[n]),
            ]
            for model in order
        ]
        return table(["", *head], rows)

    def _has_unique(self, benchmark: str) -> bool:
        frame = self.data.tables["cells"][benchmark]
        return "unique_low" in frame and bool(frame["unique_low"].notna().any())

    def compression(self, model: str, *benchmarks: str) -> str:
        """Lay out the variants of a model by bytes, with the change of the first benchmark."""
        from harness.spec.measures import ScoreMeasure

        first = self.data.tables["cells"][benchmarks[0]]
        about = self.board["benchmarks"].to_dataset().sel(benchmark=benchmarks[0])
        measure = ScoreMeasure(str(about["headline"].item()))
        digits = measure.digits
        chosen = first[(first["model"] == model) & first["value"].notna()]
        rows = []
        for _, row in chosen.sort_values(["mebibytes", "compressor"]).iterrows():
            change = standing = ""
            if row["compressor"] != "none" and math.isfinite(row.get("change", math.nan)):
                ends = " to ".join(number(row[f"change_{end}"], digits) for end in ("low", "high"))
                change = f"{number(row['change'], digits)} ({ends})"
                standing = str(row["outcome"])
            rows.append(
                [
                    f"`{row['compressor']}`",
                    figures(row["bits"]),
                    figures(row["mebibytes"]),
                    figures(row["perplexity"]),
                    number(row["value"]),
                    change,
                    standing,
                    *(self._value(str(row["variant"]), name) for name in benchmarks[1:]),
                ]
            )
        head = ["", "bits/weight", "MiB", "perplexity", f"`{benchmarks[0]}`"]
        of = f" of {measure.named}" if measure is not ScoreMeasure.VALUE else ""
        head += [f"change{of}, 90 % interval", "", *(f"`{name}`" for name in benchmarks[1:])]
        return table(head, rows)

    def claims(self, kind: str, benchmark: str, most: str = "5") -> str:
        """List claims of an answer, in its order, up to the first semicolon."""
        said = self._answer(kind, benchmark)
        rows = zip(
            said["subject"].values, said["sentence"].values, said["verdict"].values, strict=True
        )
        lines = []
        for subject, sentence, verdict in list(rows)[: int(most)]:
            text = f"- **{verdict}**: {subject}: {str(sentence).partition('; ')[0]}"
            lines += textwrap.wrap(text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        return "\n".join(lines)

    def count(self, kind: str, benchmark: str, verdict: str) -> str:
        return str(sum(str(v) == verdict for v in self._answer(kind, benchmark)["verdict"].values))

    def outcomes(self, benchmark: str, *which: str) -> str:
        """Count compressed variants with some outcome of the equivalence test; all without one."""
        found = self._answer("robustness", benchmark)["outcome"].values.ravel()
        known = [str(outcome) for outcome in found if str(outcome)]
        return str(sum(outcome in which for outcome in known) if which else len(known))

    def claim(self, kind: str, benchmark: str, *words: str) -> str:
        """Quote one claim."""
        kind, _, which = kind.partition(":")
        said, about = self._answer(kind, benchmark), " ".join(words)
        found = [
            str(sentence).partition("; ")[0]
            for subject, sentence in zip(
                said["subject"].values, said["sentence"].values, strict=True
            )
            if f"{subject}: {sentence}".startswith(about)
        ]
        if not found:
            raise KeyError(f"no claim begins with {about!r}")
        return found[int(which or 1) - 1]

    def compare(self, first: str, second: str, benchmark: str) -> str:
        """Say which of two variants is better."""
        said = self._answer("compare", benchmark, first, second)
        return str(said["sentence"].values[0]).partition("; ")[0]

    def detectable(self, first: str, second: str, benchmark: str) -> str:
        """Say what difference of two variants the data could have shown."""
        said = self._answer("compare", benchmark, first, second)
        found = re.search(
            r"smallest detectable difference ([\d.]*\d)", "; ".join(said["sentence"].values)
        )
        if found is None:
            raise KeyError("the difference is shown")
        return found[1]

    def ranks(self, model: str, *benchmarks: str) -> str:
        """Lay out rank correlations of benchmarks over compressed variants."""
        values = self.board["cells"].to_dataset()["value"].sel(model=model)
        frame = values.drop_sel(compressor="none").to_pandas()[list(benchmarks)]
        rows = []
        for first, name in enumerate(benchmarks[:-1]):
            row = [f"`{name}`", *[""] * first]
            for other in benchmarks[first + 1 :]:
                both = frame[[name, other]].dropna()
                r, low, high = spearman(both[name].to_numpy(), both[other].to_numpy())
                row.append(f"{number(r)} ({number(low)} to {number(high)}), n = {len(both)}")
            rows.append(row)
        return table(["", *(f"`{name}`" for name in benchmarks[1:])], rows)

    def tally(self, what: str) -> str:
        cells = self.board["cells"].to_dataset()
        done = cells["value"].notnull()
        if what == "verified":
            return str(int((cells["verified"] == "verified").sum()))
        if what == "cells":
            return str(int(done.sum()))
        axes = {"variants": ("model", "compressor"), "models": ("model",)}
        kept = axes.get(what, (what.removesuffix("s"),))
        over = [axis for axis in done.dims if axis not in kept]
        found = done.any(over)
        if what == "models":
            found = found & (self.board["models"].to_dataset()["control"] == "")
        return str(int(found.sum()))

    def cost(self, what: str) -> str:
        """Sum hours over what was computed: a recording counts once, whatever it was read for."""
        cells = self.board["cells"].to_dataset()
        recorded: dict[str, float] = {}
        for made, seconds in zip(
            cells["provenance"].values.flat, cells["record_seconds"].values.flat, strict=True
        ):
            if made and math.isfinite(seconds):
                recorded[json.loads(str(made))["recordings"]] = float(seconds)
        hours = {
            "recording": sum(recorded.values()) / 3600,
            "scoring": float(cells["score_seconds"].sum()) / 3600,
            "compression": float(self.board["compression"].to_dataset()["seconds"].sum()) / 3600,
        }
        if what == "memory":
            return f"{float(cells['peak_memory'].max()) / 2**30:.1f}"
        return f"{sum(hours.values()) if what == 'all' else hours[what]:.1f}"

    def _answer(self, kind: str, benchmark: str, *variants: str) -> Any:
        import harness

        name, _, measure = benchmark.partition("@")
        key = (kind, benchmark, *variants)
        if key not in self.said:
            self.said[key] = harness.answer(
                self.board, kind, *variants, benchmarks=name, measure=measure or None
            )
        return self.said[key]

    def _cell(self, variant: str, benchmark: str, part: str = "") -> str:
        try:
            row = self.row(variant, benchmark)
        except StopIteration:
            return ""
        if not math.isfinite(row[part or "value"]):
            return ""
        low, high = (number(row[f"{part}_{end}" if part else end]) for end in ("low", "high"))
        return f"{number(row[part or 'value'])} ({low} to {high})"

    def _value(self, variant: str, benchmark: str) -> str:
        try:
            return number(float(self.row(variant, benchmark)["value"]))
        except StopIteration:
            return ""


def spearman(first: Any, second: Any) -> tuple[float, float, float]:
    """Return a rank correlation and its 95 % interval (Bonett & Wright 2000)."""
    from scipy.stats import spearmanr

    r = float(spearmanr(first, second).statistic)
    if len(first) < 5 or abs(r) >= 1:
        return r, math.nan, math.nan
    error = 1.959964 * math.sqrt((1 + r**2 / 2) / (len(first) - 3))
    return r, math.tanh(math.atanh(r) - error), math.tanh(math.atanh(r) + error)


def number(value: float, digits: int = 3) -> str:
    """``.117``, ``-.004``, ``1.19``; nothing where there is none."""
    if not math.isfinite(value):
        return ""
    text = f"{value:.{digits}f}" if abs(value) < 10 else f"{value:.1f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return re.sub(r"^(-?)0\.", r"\1.", text)


def figures(value: float) -> str:
    """Three figures."""
    return (
        f"{value:.3g}"
        if math.isfinite(value) and abs(value) < 1000
        else (f"{value:,.0f}" if math.isfinite(value) else "")
    )


def parameters(value: float) -> str:
    """``135 M``."""
    from harness.report.terminal import size

    return size(value)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(board: Path) -> str:
    """Return the page as the board has it."""
    return Study(board).fill(TEMPLATE.read_text(encoding="utf-8"))
