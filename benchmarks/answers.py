"""How often do answers claim what is not so, and find what is? 200 simulated boards each.

``python benchmarks/answers.py [BOARDS] [--first N]`` prints a table. "at most" rows are error rates
that the level bounds (.05); an interval should hold the truth in "at least" .95 of boards; "power"
rows have no bound. Beside each rate stands its exact 95 % interval (Clopper & Pearson 1934), and
"off" where that interval lies wholly on the wrong side of the bound.

``python benchmarks/answers.py [BOARDS] --shares`` prints what ``dissociation`` says of boards whose
compressor takes the same share of every height, above a floor: any yes or no is false. The margin
is so wide that shares alone decide. BOARDS for each loss, floor, noise and number of participants.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.stats import binomtest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from simulated_boards import CATEGORIES, Truth, simulate

import harness

SIZES = {"a-1": 1e8, "a-2": 3e8, "a-3": 1e9, "a-4": 3e9, "a-5": 1e10, "a-6": 3e10, "a-7": 1e11}
METHODS = ("rtn-int4", "gptq-int4", "awq-int4", "nf4-b", "gptq@other-int4")
Measure = Callable[[xr.Dataset], Mapping[str, float]]


def models(alignment: Callable[[float], float]) -> dict[str, tuple[str, float, float]]:
    """A family of seven sizes, whose alignment is a function of log10 parameters."""
    return {n: ("a", size, alignment(float(np.log10(size)))) for n, size in SIZES.items()}


def plateau(x: float) -> float:
    """Grow by .1 a decade up to 1e9 parameters, then not at all."""
    return 0.3 + 0.1 * (min(x, 9.0) - 9.0)


def line(x: float) -> float:
    """Grow by .03 a decade throughout."""
    return 0.3 + 0.03 * (x - 9.0)


def no_better(said: xr.Dataset) -> dict[str, float]:
    return {
        "no better than controls: any said to be (at most .05)": float(
            (said["outcome"] == "yes").any()
        )
    }


def better(said: xr.Dataset) -> dict[str, float]:
    return {
        "better than controls by .02: said to be (power)": float((said["outcome"] == "yes").all())
    }


def saturated(said: xr.Dataset) -> dict[str, float]:
    """The truth is a-3: a-2 is .05 below."""
    row = said.sel(family="a", roi="mean").isel(benchmark=0)
    size = SIZES["a-3"]
    found = float(row["point"])
    return {
        "saturation: claimed too small (at most .05)": float(found < size),
        "saturation: found exactly (power)": float(found == size),
        "saturation: interval holds the truth (at least .95)": float(
            float(row["point_low"]) <= size <= float(row["point_high"])
        ),
        "plateau found (power)": float(row["curve_p"].sel(curve="plateau") < 0.05),
        "broken stick found (power)": float(row["curve_p"].sel(curve="broken stick") < 0.05),
    }


def straight(said: xr.Dataset) -> dict[str, float]:
    row = said.sel(family="a", roi="mean").isel(benchmark=0)
    p = row["curve_p"]
    return {
        "line: plateau claimed (at most .05)": float(p.sel(curve="plateau") < 0.05),
        "line: broken stick claimed (at most .05)": float(p.sel(curve="broken stick") < 0.05),
    }


def at_margin(said: xr.Dataset) -> dict[str, float]:
    return {
        "loss = margin: any equivalence claimed (at most .05)": float(
            (said["outcome"] == "equivalent").any()
        )
    }


def without_effect(said: xr.Dataset) -> dict[str, float]:
    outcome = said["outcome"]
    return {
        "no loss: any difference claimed (at most .05)": float((said["p_holm"] < 0.05).any()),
        "no loss: any exception claimed (at most .05)": float(said["exception"].any()),
        "no loss: equivalent, of pairs (power)": float((outcome == "equivalent").mean()),
    }


def with_exception(said: xr.Dataset) -> dict[str, float]:
    flags = said["exception"].isel(benchmark=0)
    both = [c for c in METHODS if "gptq" in c]
    true = flags.sel(compressor=both).all()
    return {
        "exception: found in both implementations (power)": float(true),
        "exception: a sound method accused (at most .05)": float(
            flags.drop_sel(compressor=both).any()
        ),
    }


def dissociated(said: xr.Dataset) -> dict[str, float]:
    found = said["dissociates"].isel(benchmark=0, linguistic=0)
    found = found.transpose("category", "model", "compressor")
    hit = found.sel(category="syntax", compressor="rtn-int4")
    rest = float(found.sum()) - float(hit.sum())
    return {
        "dissociation: found where it is (power)": float(hit.mean()),
        "dissociation: any claimed elsewhere (at most .05)": float(rest > 0),
    }


def undissociated(said: xr.Dataset) -> dict[str, float]:
    return {
        "no dissociation: any yes or no (at most .05)": _said_either(said),
    }


def equal_shares(said: xr.Dataset) -> dict[str, float]:
    return {"equal shares lost: any yes or no (at most .05)": _said_either(said)}


def _said_either(said: xr.Dataset) -> float:
    return float(bool({"yes", "no"} & set(said["verdict"].values.tolist())))


FEW = {"a-1": ("a", 1e8, 0.25), "a-2": ("a", 1e9, 0.28)}
SCENES: tuple[tuple[str, Truth, Measure], ...] = (
    ("controls", Truth({"a-1": ("a", 1e8, 0.0)}), no_better),
    ("controls", Truth({"a-1": ("a", 1e8, 0.02)}), better),
    ("saturation", Truth(models(plateau)), saturated),
    ("saturation", Truth(models(line), noise=0.06), straight),
    ("robustness", Truth(FEW, dict.fromkeys(METHODS, 0.02)), at_margin),
    ("robustness", Truth(FEW, dict.fromkeys(METHODS, 0.0)), without_effect),
    (
        "robustness",
        Truth(FEW, {m: 0.05 if "gptq" in m else 0.005 for m in METHODS}),
        with_exception,
    ),
    (
        "dissociation",
        Truth(
            FEW,
            dict.fromkeys(METHODS[:3], 0.0),
            falls={"rtn-int4": {"syntax": 0.15}},
            noise=0.01,
            linguistic=1,
        ),
        dissociated,
    ),
    (
        "dissociation",
        Truth(FEW, dict.fromkeys(METHODS[:3], 0.0), linguistic=1),
        undissociated,
    ),
    (
        "dissociation",
        Truth(
            {"a-1": ("a", 1e8, 0.1)},
            {"rtn-int4": 0.01},
            falls={"rtn-int4": dict.fromkeys(CATEGORIES, 0.035)},
            linguistic=1,
        ),
        equal_shares,
    ),
)


def outcomes(first: int, boards: int, only: str = "") -> dict[str, list[float]]:
    """Return what each measure found on the simulated boards, numbered from ``first``."""
    found: dict[str, list[float]] = {}
    for question, truth, measure in SCENES:
        if only not in ("", question):
            continue
        for seed in range(first, first + boards):
            said = harness.answer(simulate(truth, 10_000 + seed), question, draws=400, seed=seed)
            for name, value in measure(said).items():
                found.setdefault(name, []).append(value)
    return found


def row(name: str, values: list[float]) -> str:
    """Format a rate; boards that are a share of several pairs have no binomial interval."""
    rate = float(np.mean(values))
    if not all(value in (0.0, 1.0) for value in values):
        return f"| {name} | {rate:.3f} | | |"
    found = binomtest(int(sum(values)), len(values)).proportion_ci(0.95)
    off = found.low > 0.05 if "at most" in name else "at least" in name and found.high < 0.95
    return f"| {name} | {rate:.3f} | {found.low:.3f} .. {found.high:.3f} | {'off' * off} |"


ALIGNMENT, ACCURACY, GUESS = 0.135, 0.85, 0.5
LOSSES, FLOORS = (0.1, 0.3, 0.5), (0, 0.2, 0.4, 0.6, 0.8)
NOISES, PEOPLE = (0.005, 0.015, 0.03), (6, 20, 60)


def equal_loss(loss: float, floor: float, noise: float, people: int) -> Truth:
    """A board whose one compressor takes the same share of alignment and of every category.

    ``floor`` is the share of alignment that static embeddings reach.
    """
    height = ALIGNMENT * (1 - floor)
    return Truth(
        {"a-1": ("a", 1e8, ALIGNMENT)},
        {"rtn-int4": loss * height},
        falls={"rtn-int4": dict.fromkeys(CATEGORIES, loss * (ACCURACY - GUESS))},
        competence=ACCURACY,
        noise=noise,
        participants=people,
        linguistic=1,
        margin=1.0,
        floor=ALIGNMENT * floor,
    )


def print_shares(first: int, boards: int) -> None:
    """Print rates of false verdicts by participants, noise and floor."""
    print(
        "| participants | noise | floor | boards | any yes | any no | 95 % interval of either | |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for people, noise, floor in product(PEOPLE, NOISES, FLOORS):
        said = [
            set(
                harness.answer(
                    simulate(equal_loss(loss, floor, noise, people), 10_000 + seed),
                    "dissociation",
                    draws=300,
                    seed=seed,
                )["verdict"].values.tolist()
            )
            for loss in LOSSES
            for seed in range(first, first + boards)
        ]
        yes, no = (np.mean([word in one for one in said]) for word in ("yes", "no"))
        wrong = sum(bool(one & {"yes", "no"}) for one in said)
        ends = binomtest(wrong, len(said)).proportion_ci(0.95)
        print(
            f"| {people} | {noise} | {floor} | {len(said)} | {yes:.3f} | {no:.3f} |"
            f" {ends.low:.3f} .. {ends.high:.3f} | {'off' * (ends.low > 0.05)} |",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("boards", nargs="?", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="number of the first board")
    parser.add_argument("--only", default="", help="one question: dissociation, …")
    parser.add_argument("--shares", action="store_true", help="equal shares lost, by floor")
    given = parser.parse_args()
    if given.shares:
        print_shares(given.first, given.boards)
        sys.exit()
    last = given.first + given.boards - 1
    print(f"| over simulated boards {given.first} .. {last} | rate | 95 % interval | |")
    print("|---|---|---|---|")
    for name, values in outcomes(given.first, given.boards, given.only).items():
        print(row(name, values), flush=True)
