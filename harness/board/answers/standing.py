"""Where every variant of a benchmark stands against the best model as it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import xarray as xr

from harness.board.answers.alignment import BASE, Alignment, controls, mean_present
from harness.board.answers.paired import Paired, paired
from harness.board.answers.weighed import bytes_of
from harness.numeric.arrays import Bools, Doubles

TESTED = ("difference", "low90", "high90", "p", "p_equivalence", "detectable", "n")
"""Columns of the tests of every variant against the best model, adjusted as is said there."""
BEST = "best"


@dataclass(frozen=True, eq=False)
class Standing:
    """The models' variants of one benchmark, each held against the best model as it is."""

    alignment: Alignment
    names: list[tuple[str, str]]
    scores: Doubles
    best: int
    tested: dict[str, Doubles]
    outcomes: list[str]
    parameters: Doubles
    weights: Doubles

    @property
    def uncompressed(self) -> Bools:
        """Which variants are models as they are."""
        return np.array([compressor == BASE for _, compressor in self.names])

    def smallest(self, cost: Doubles, among: Bools) -> int | None:
        """Return the cheapest variant among some that equals the best; of ties the first."""
        equal = np.array([outcome in (BEST, "equivalent") for outcome in self.outcomes])
        possible = equal & among & np.isfinite(cost)
        return int(np.argmin(np.where(possible, cost, np.inf))) if possible.any() else None

    def untold(self, cost: Doubles, among: Bools) -> list[int]:
        """Return what is cheaper than the best, and neither shown to equal it nor to differ.

        A model below one that is shown to be worse is not among them: no row leads to it.
        """
        undecided = np.array([outcome == "undecided" for outcome in self.outcomes])
        worse = np.array([outcome == "worse" for outcome in self.outcomes]) & self.uncompressed
        below = self.parameters < np.max(self.parameters, where=worse, initial=-np.inf)
        open_ = among & undecided & ~(self.uncompressed & below) & (cost < cost[self.best])
        return [int(k) for k in np.flatnonzero(open_)]

    def variant(self, k: int | None) -> str:
        """Return the name of a variant; empty for none."""
        return "" if k is None else "+".join(self.names[k])


def standing_of(board: xr.DataTree, alignment: Alignment, alpha: float) -> Standing | None:
    """Hold every variant of the models proper against the best one that is not compressed.

    None where there are no two of them, or no uncompressed one.
    """
    control = controls(board)
    scored = np.flatnonzero(np.isfinite(alignment.means).any(axis=0))
    kept = [k for k, (model, _) in enumerate(alignment.names) if not control[model] and k in scored]
    names = [alignment.names[k] for k in kept]
    bases = [k for k, (_, compressor) in enumerate(names) if compressor == BASE]
    if len(kept) < 2 or not bases:
        return None
    means = mean_present(alignment.means[:, kept], axis=0)
    best = max(bases, key=lambda k: means[k])
    about = board["models"].to_dataset()["parameters"]
    parameters = np.array([float(about.sel(model=model)) for model, _ in names])
    weights = np.array([bytes_of(board, *name) for name in names])
    sampled = alignment.sampled[..., kept]
    tested: dict[str, Doubles] = {name: np.full(len(names), math.nan) for name in TESTED}
    outcomes = [BEST if k == best else "" for k in range(len(names))]
    # Larger models stand behind the smaller ones, whose row they cannot end.
    smaller = sorted(
        (k for k in bases if k != best),
        key=lambda k: (parameters[k] > parameters[best], -parameters[k]),
    )
    compressed = [k for k in range(len(names)) if k not in bases]
    for family, adjusted in ((smaller, ""), (compressed, "_holm")):
        if not family:
            continue
        tests = paired(
            sampled[..., family] - sampled[..., [best]], alignment.margin, alpha, alignment.factors
        )
        for name in TESTED:
            column = f"{name}{adjusted}" if name in ("p", "p_equivalence") else name
            tested[name][family] = getattr(tests, column)
        broken = False
        for place, k in enumerate(family):
            outcome = tests.outcome(place) if adjusted else _outcome(tests, place)
            if not adjusted and parameters[k] <= parameters[best]:
                if broken and outcome == "equivalent":
                    outcome = "undecided"  # a larger one was not shown to be equivalent
                broken = broken or outcome != "equivalent"
            outcomes[k] = outcome
    return Standing(alignment, names, means, best, tested, outcomes, parameters, weights)


def _outcome(tests: Paired, k: int) -> str:
    """Name the outcome of one test without adjustment, as :meth:`Paired.outcome` does with it."""
    if tests.p_equivalence[k] < tests.alpha:
        return "equivalent"
    if tests.p[k] < tests.alpha:
        return "worse" if tests.difference[k] < 0 else "better"
    return "undecided"


def picked(standing: Standing) -> tuple[int | None, int | None]:
    """Return the smallest model as it is, and the variant of the fewest bytes; None without.

    There is none, either, where nothing but the best equals it and of smaller ones it is not told.
    """
    if math.isnan(standing.alignment.margin):
        return None, None
    every = np.ones(len(standing.names), bool)
    found: list[int | None] = []
    for cost, among in (
        (standing.parameters, standing.uncompressed),
        (standing.weights, every),
    ):
        k = standing.smallest(cost, among)
        untold = k == standing.best and standing.untold(cost, among)
        found.append(None if untold else k)
    return found[0], found[1]
