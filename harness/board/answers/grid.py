"""Pairs of a compressed variant and its base, and the draws of each, on one benchmark."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from harness.board.answers.alignment import BASE, Alignment, controls, mean_present
from harness.board.answers.paired import Paired, joined, moments, with_tests
from harness.compress.report.summary import COVERED
from harness.numeric.arrays import Doubles
from harness.spec.direction import CALIBRATED
from harness.spec.names import drawn_from


@dataclass(frozen=True, eq=False)
class Grid:
    """Pairs of variant and base, and where they are on the grid of models and compressors."""

    models: list[str]
    compressors: list[str]
    rows: list[tuple[int, int]]
    changes: list[Doubles]
    """Of each pair, (n_replicates, [n_parts,] n_draws): draws of a compressor."""
    factors: int
    """Leading axes of changes that were drawn: replicates, and parts of the stimulus."""

    @property
    def means(self) -> Doubles:
        """Changes over draws of a compressor, (n_replicates, [n_parts,] n_pairs)."""
        return np.stack([mean_present(change, axis=-1) for change in self.changes], axis=-1)

    def tested(self, margin: float, alpha: float) -> Paired:
        """Test the mean change of every pair; draws of a compressor are drawn, too."""
        each = [moments(change, self.factors + 1) for change in self.changes]
        return with_tests(joined(each), margin, alpha)

    def spread(self, values: Doubles, fill: float = math.nan) -> Doubles:
        """Put values of pairs (last axis) on the grid: (..., n_models, n_compressors)."""
        shape = (*values.shape[:-1], len(self.models), len(self.compressors))
        out = np.full(shape, fill)
        for k, (i, j) in enumerate(self.rows):
            out[..., i, j] = values[..., k]
        return out


def make_grid(board: xr.DataTree, alignment: Alignment, *, partly: bool) -> tuple[Grid, list[str]]:
    """Pair every compressed variant with its base; say what cannot be.

    Draws of a compressor are one pair. ``partly``: whether variants count of which less than 90 %
    of the blocks' weights were compressed.
    """
    control = controls(board)
    columns = {name: i for i, name in enumerate(alignment.names)}
    lacking, pairs = [], []
    same = _same_draws(board, list(columns))
    for (model, compressor), column in columns.items():
        if compressor == BASE or control[model] or (model, compressor) in same:
            continue
        if (model, BASE) not in columns:
            lacking.append(f"{model} has no base (compressor {BASE}) to be compared with")
            continue
        share = _coverage(board, model, compressor)
        if share < COVERED and not partly:
            lacking.append(
                f"{model}+{compressor} is left out: {share:.0%} of its blocks' weights are "
                "compressed (--partly takes it in)"
            )
            continue
        pairs.append((model, compressor, column, columns[model, BASE]))
    if not pairs and not lacking:
        lacking.append("no compressed model is on the board")
    grouped: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for model, compressor, column, base in pairs:
        grouped.setdefault((model, drawn_from(compressor)), []).append((column, base))
    lacking += list(_single_draws(board, alignment, grouped))
    models = list(dict.fromkeys(model for model, _ in grouped))
    compressors = list(dict.fromkeys(compressor for _, compressor in grouped))
    rows = [(models.index(m), compressors.index(c)) for m, c in grouped]
    scores = alignment.sampled
    changes = [
        np.stack([scores[..., v] - scores[..., b] for v, b in columns], axis=-1)
        for columns in grouped.values()
    ]
    return Grid(models, compressors, rows, changes, alignment.factors), lacking


def _same_draws(board: xr.DataTree, names: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """Variants that are one of the numbered draws beside them: ``NAME``, where it is ``NAME#0``."""
    known = board["compressors"].to_dataset()["options"]
    options = {c: str(known.sel(compressor=c).item()) for c in {c for _, c in names}}
    drawn = {(m, drawn_from(c), options[c]) for m, c in names if drawn_from(c) != c}
    return {(m, c) for m, c in names if (m, c, options[c]) in drawn}


def _single_draws(
    board: xr.DataTree, alignment: Alignment, grouped: Mapping[tuple[str, str], list[Any]]
) -> Iterator[str]:
    """Name calibrated compressors of which one draw is known: its scatter is in no interval."""
    known = board["compressors"].to_dataset()
    if CALIBRATED not in known:
        return
    calibrated = {str(c) for c in known["compressor"].values[known[CALIBRATED].values == 1]}
    single = {c for (_, c), draws in grouped.items() if len(draws) == 1 and c in calibrated}
    if single:
        yield (
            f"one draw of the calibration text: {', '.join(sorted(single))}; what another text"
            " would do is in no interval (-c 'NAME#0-4' makes five draws)"
        )


def _coverage(board: xr.DataTree, model: str, compressor: str) -> float:
    """Return the share of the blocks' weights that was compressed; nan where nobody counted."""
    known = board["compression"].to_dataset()
    if "coverage" not in known:
        return math.nan
    return float(known["coverage"].sel(model=model, compressor=compressor).item())


def coverages(board: xr.DataTree, grid: Grid) -> Doubles:
    """Shares of the blocks' weights that were compressed, (n_models, n_compressors)."""
    shares = [[_coverage(board, m, c) for c in on_board(board, grid)] for m in grid.models]
    return np.asarray(shares, np.float64)


def methods_of(board: xr.DataTree, grid: Grid) -> list[str]:
    """Name the method of every compressor, whatever library it is from."""
    method = board["compressors"].to_dataset()["method"]
    named = [str(method.sel(compressor=c).item()) or c for c in on_board(board, grid)]
    return [name.split("@")[0] for name in named]


def on_board(board: xr.DataTree, grid: Grid) -> list[str]:
    """Names under which a board has the compressors: of several draws, the first."""
    known = [str(name) for name in board["compressors"].to_dataset()["compressor"].values]
    return [next(name for name in known if drawn_from(name) == c) for c in grid.compressors]
