"""The rows of the page's first figure: scores against bytes, and the lines to read them by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from harness.board.answers.alignment import BASE
from harness.board.answers.front import pareto_front
from harness.report.labels import RIGHT, Box, Name, disc, placed
from harness.spec.measures import ScoreMeasure

LINE, ABOVE = "line", "above"
"""Kinds of rows that are lines to read the others by, in sight or above all, and no variants."""
SIGHT = 1.5
"""A ceiling above so many times the best is told and not drawn: it would flatten all else."""
_COLUMNS: Mapping[ScoreMeasure, tuple[str, str, str]] = {
    ScoreMeasure.VALUE: ("value", "low", "high"),
    ScoreMeasure.UNIQUE: ("unique", "unique_low", "unique_high"),
    ScoreMeasure.NORMALISED: ("normalised", "normalised_low", "normalised_high"),
}

_PANEL, _MARGIN = (480.0, 240.0), 40.0
"""Width and height of the panel that scores are drawn in, and what is free beside it, in points."""
_LETTER, _HEIGHT = 6.0, 12.0
"""Of a label, in points."""
_KEPT = (
    "variant", "model", "compressor", "family", "kind", "group", "mebibytes", "parameters",
)  # fmt: skip


def front_table(
    cells: pd.DataFrame,
    measure: ScoreMeasure,
    about: xr.Dataset,
    competence: pd.DataFrame | None,
    *,
    lower: bool,
) -> pd.DataFrame:
    """Lay out one benchmark.

    Parameters
    ----------
    cells : DataFrame
        Its rows of the ranking.
    measure : ScoreMeasure
        What it is read by.
    about : Dataset
        Its row of the board's benchmarks.
    competence : DataFrame, optional
        Rows of a linguistic benchmark's ranking, drawn below on the same axis.
    lower : bool
        Whether the lower value is the better one.

    Returns
    -------
    DataFrame
        A row a variant of a model proper: ``variant``, ``model``, ``compressor``, ``family``,
        ``kind``, ``mebibytes``, ``score`` with ``low`` and ``high``, ``front`` (1 where no variant
        as small does as well), ``base_mebibytes``, ``base_score``, ``standing``, ``label`` with the
        height ``label_score`` that keeps it off the others and ``label_left`` (1 where it stands
        left of its point), ``competence`` with ``competence_low`` and ``competence_high``.
        And rows of kind ``line`` with ``label``, ``score`` or ``competence``.
    """
    measure = measure if _COLUMNS[measure][0] in cells else ScoreMeasure.VALUE
    names = _COLUMNS[measure]
    ends = zip(("low", "high"), names[1:], strict=True)
    frame = cells[list(_KEPT)].assign(
        score=cells[names[0]],
        standing=cells.get("standing", ""),
        **{end: cells.get(column, math.nan) for end, column in ends},
    )
    frame = frame[np.isfinite(frame["score"])]
    models = frame[frame["kind"] != "control"].copy()
    if models.empty:
        return models
    sign = -1.0 if lower else 1.0
    on = pareto_front(models["mebibytes"].to_numpy(float), sign * models["score"].to_numpy(float))
    models["front"] = on.astype(int)
    bases = models[models["compressor"] == BASE].set_index("model")
    for name in ("mebibytes", "score"):
        models[f"base_{name}"] = models["model"].map(bases[name])
    named = (models["front"] == 1) | (models["compressor"] == BASE)
    short = models["compressor"].str.partition(":")[0]
    said = models["model"].where(models["compressor"] == BASE, short)
    models["label"] = said.where(named, "")
    told = list(_lines(cells, frame, measure, about, competence))
    models[["label_score", "label_left"]] = _placed(models, told)
    for column, source in (
        ("competence", "value"), ("competence_low", "low"), ("competence_high", "high"),
    ):  # fmt: skip
        known = {} if competence is None else competence.set_index("variant")[source].to_dict()
        models[column] = models["variant"].map(known).astype(float)
    lines = pd.DataFrame(told)
    if lines.empty:
        return models
    for name in models.columns.difference(lines.columns):
        lines[name] = "" if models[name].dtype == object else math.nan
    return pd.concat([models, lines], ignore_index=True)


def _placed(models: pd.DataFrame, lines: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    """Return heights of labels that keep off points and each other, and their sides.

    The sizes are those of a wide screen; a narrow one has less room.
    """
    found = pd.DataFrame({"label_score": models["score"], "label_left": 0}, models.index)
    drawn = models[np.isfinite(models["mebibytes"]) & np.isfinite(models["score"])]
    along, score = np.log(drawn["mebibytes"]), drawn["score"]
    level = [float(str(line["score"])) for line in lines if line["kind"] == LINE]
    level = [height for height in level if math.isfinite(height)]
    ends = [score, drawn["low"].dropna(), drawn["high"].dropna(), pd.Series(level, dtype=float)]
    up = pd.concat(ends)
    if drawn.empty:
        return found
    wide = _PANEL[0] / max(float(np.ptp(along)), 1e-9)
    high = _PANEL[1] / max(float(np.ptp(up)), 1e-9)
    x, y = (along - along.min()) * wide, (score - up.min()) * high
    named = drawn[drawn["label"] != ""].sort_values("mebibytes", ascending=False)
    names = [
        Name(x[at], y[at], _LETTER * len(label), _HEIGHT) for at, label in named["label"].items()
    ]
    taken = [disc(*point) for point in zip(x, y, strict=True)]
    room = Box(-_MARGIN, 0.0, _PANEL[0] + _MARGIN, _PANEL[1])
    heights = [(height - float(up.min())) * high for height in level]
    for at, spot in zip(
        named.index, placed(names, taken, room, heights, centred=False), strict=True
    ):
        found.loc[at, "label_score"] = score[at] + spot.rise / high
        found.loc[at, "label_left"] = int(spot.side == RIGHT)
    return found


def _lines(
    cells: pd.DataFrame,
    frame: pd.DataFrame,
    measure: ScoreMeasure,
    about: xr.Dataset,
    competence: pd.DataFrame | None,
) -> Iterator[dict[str, object]]:
    models = frame[frame["kind"] != "control"]
    best = float(models["score"].max())
    ceiling = float(cells["ceiling"].mean()) if "ceiling" in cells else math.nan
    if measure is ScoreMeasure.NORMALISED:
        ceiling = 1.0
    if measure is not ScoreMeasure.UNIQUE and math.isfinite(ceiling):
        seen = ceiling <= SIGHT * best
        yield _line(f"ceiling {ceiling:.3f}", ceiling, LINE if seen else ABOVE)
    if measure is ScoreMeasure.UNIQUE:
        yield _line("nuisance alone", 0.0)
    elif measure is ScoreMeasure.VALUE and "nuisance" in cells and cells["nuisance"].notna().any():
        yield _line("nuisance alone", float(cells["nuisance"].mean()))
    for kind, own in frame[frame["kind"] == "control"].groupby("group"):
        yield _line(f"{kind}, mean of {len(own)}" if len(own) > 1 else str(kind),
                    float(own["score"].mean()))  # fmt: skip
    chance = float(about["chance"]) if "chance" in about else math.nan
    if str(about["kind"].item()) == "linguistic" and math.isfinite(chance):
        yield _line("chance", chance)
    if competence is not None:
        own = competence[competence["group"] == "untrained"]["value"]
        if len(own):
            yield _line("untrained", math.nan) | {"competence": float(own.mean())}


def _line(label: str, score: float, kind: str = LINE) -> dict[str, object]:
    return {"variant": "", "label": label, "score": score, "kind": kind}


def chosen_competence(
    tables: Mapping[str, pd.DataFrame],
    kinds: Mapping[str, str],
    lower: Mapping[str, bool],
    name: str,
) -> str | None:
    """Name the linguistic benchmark that goes below: of most variants that this one has, too.

    One of which the higher value is the better one, as above.
    """
    if kinds[name] == "linguistic" or name not in tables:
        return None
    own = set(tables[name]["variant"])
    shared = {
        other: len(own & set(frame["variant"]))
        for other, frame in tables.items()
        if kinds[other] == "linguistic" and not lower[other]
    }
    best = max(shared, key=lambda other: shared[other], default=None)
    return best if best is not None and shared[best] > 1 else None
