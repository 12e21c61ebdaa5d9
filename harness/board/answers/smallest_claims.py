"""What is said of the smallest model and the fewest bytes that equal the best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import xarray as xr

from harness.board.answers.alignment import BASE
from harness.board.answers.claims import (
    Claim,
    Verdict,
    could_show,
    interval,
    margin_text,
    probability,
    short,
)
from harness.board.answers.compare import compare
from harness.board.answers.standing import Standing, picked
from harness.board.answers.units import mebibytes, quantity


def equality(standing: Standing) -> Iterator[Claim]:
    """Name the smallest model and the fewest bytes that equal the best, with what shows it."""
    alignment = standing.alignment
    subject = alignment.label
    if math.isnan(alignment.margin):
        said = f"best: {_named(standing, standing.best)}; which variants equal it cannot be told"
        yield Claim(subject, f"{said}: no margin is stated", Verdict.UNDECIDED)
        return
    model, fewest = picked(standing)
    untold = {
        "smallest model": standing.untold(standing.parameters, standing.uncompressed),
        "fewest bytes": standing.untold(standing.weights, np.ones(len(standing.names), bool)),
    }
    each = [("smallest model", model), ("fewest bytes", fewest)]
    both = "smallest model and fewest bytes"
    if model == fewest and (model is not None or all(untold.values())):
        untold[both] = sorted(set().union(*untold.values()))
        each = [(both, model)]
    for what, k in each:
        best = _named(standing, standing.best)
        if k is None and untold[what]:
            said = (
                f"{what}: not told by these data: {_are(len(untold[what]))} below the best, "
                f"{best}, neither shown to equal it nor to differ{_nearest(standing, what)}"
            )
            yield Claim(subject, said, Verdict.UNDECIDED)
        elif k is None:  # of the bytes nothing is known
            said = f"{what}: nobody weighed the best, {best}"
            yield Claim(subject, said, Verdict.UNDECIDED)
        elif k == standing.best:
            said = f"{what}: the best itself, {_named(standing, k)}; none with less is shown to"
            yield Claim(subject, f"{said} equal it{_nearest(standing, what)}", Verdict.NO)
        else:
            yield Claim(subject, f"{what}: {_equals(standing, k)}", Verdict.YES)


def _are(n: int) -> str:
    return "1 variant is" if n == 1 else f"{n} variants are"


def _named(standing: Standing, k: int) -> str:
    model, compressor = standing.names[k]
    name = model if compressor == BASE else f"{model}+{compressor}"
    facts = [count(standing.parameters[k])] * (compressor == BASE)
    if math.isfinite(standing.weights[k]):
        facts.append(mebibytes(standing.weights[k]))
    return f"{name} ({', '.join(facts)})" if facts else name


def _equals(standing: Standing, k: int) -> str:
    a = standing.alignment
    tested = {name: float(column[k]) for name, column in standing.tested.items()}
    ends = tested["low90"], tested["high90"]
    best = _named(standing, standing.best)
    return (
        f"{_named(standing, k)} equals {best} within {quantity(margin_text(a.margin), a.scale)}: "
        f"difference {short(tested['difference'], a.digits)}, 90 % CI {interval(*ends, a.digits)}, "
        f"n = {a.counted(tested['n'])}{could_show(tested['detectable'], a.digits)}"
    )


def _nearest(standing: Standing, what: str) -> str:
    """Say how near the best of the smaller variants comes: nothing where there is none."""
    cost = standing.weights if what == "fewest bytes" else standing.parameters
    smaller = cost < cost[standing.best]
    if what == "smallest model":
        smaller &= standing.uncompressed
    if not smaller.any():
        return ""
    k = int(np.argmax(np.where(smaller, standing.scores, -np.inf)))
    ends = float(standing.tested["low90"][k]), float(standing.tested["high90"][k])
    digits = standing.alignment.digits
    return (
        f"; nearest: {_named(standing, k)}, difference "
        f"{short(standing.tested['difference'][k], digits)}, 90 % CI {interval(*ends, digits)}"
    )


def lost(
    board: xr.DataTree, standing: Standing, chosen: str, alpha: float, draws: int, seed: int
) -> Iterator[Claim]:
    """Set the chosen variant's language against the best one's."""
    best = standing.variant(standing.best)
    if chosen == best:
        return
    about = board["benchmarks"].to_dataset()
    kinds = zip(about["benchmark"].values, about["kind"].values, strict=True)
    language = [str(name) for name, kind in kinds if kind == "linguistic"]
    if not language:
        return
    said = compare(board, (chosen, best), language, alpha=alpha, draws=draws, seed=seed)
    subject = f"{chosen.removesuffix('+' + BASE)} on {standing.alignment.label}"
    if not said.sizes.get("benchmark"):
        text = "what it loses of language is not known: it shares no linguistic benchmark with "
        yield Claim(subject, f"{text}the best", Verdict.UNDECIDED)
        return
    tested = [n for n in said["benchmark"].values if np.isfinite(said["p_holm"].sel(benchmark=n))]
    fallen = [
        (str(name), said.sel(benchmark=name))
        for name in tested
        if float(said["p_holm"].sel(benchmark=name)) < alpha
        and _worse(about.sel(benchmark=name), said.sel(benchmark=name))
    ]
    if not fallen:
        text = f"loses language against the best: nothing is shown, of {len(tested)} benchmarks"
        yield Claim(subject, text, Verdict.UNDECIDED)
        return
    largest = max(float(row["p_holm"]) for _, row in fallen)
    each = ", ".join(
        f"{name} {short(float(row['second']))} to {short(float(row['first']))}"
        for name, row in fallen
    )
    text = f"loses language against the best on {len(fallen)} of {len(tested)} benchmarks: {each}"
    most = "largest " * (len(fallen) > 1)
    yield Claim(subject, f"{text}, {most}{probability(largest)} (Holm)", Verdict.YES)


def _worse(about: xr.Dataset, row: xr.Dataset) -> bool:
    lower = "lower_is_better" in about and bool(about["lower_is_better"])
    return bool(float(row["difference"]) > 0) is lower


def beats(said: xr.Dataset, standing: Standing, model: str) -> Iterator[Claim]:
    """Say whether a model beats its controls, from the answer ``controls``."""
    own = _own(said, standing, model)
    if own is None or "outcome" not in own:
        return
    kinds = [str(kind) for kind in own["control"].values]
    outcomes = {kind: str(own["outcome"].sel(control=kind).item()) for kind in kinds}
    known = {kind: outcome for kind, outcome in outcomes.items() if outcome}
    if known:
        each = ", ".join(f"{kind} {outcome}" for kind, outcome in known.items())
        subject = f"{model} on {standing.alignment.label}"
        yield Claim(subject, f"beats its controls: {each}", _all(known.values()))


def adds(said: xr.Dataset, standing: Standing, model: str, alpha: float) -> Iterator[Claim]:
    """Say whether a model adds anything to nuisance, from the answer ``controls``."""
    own = _own(said, standing, model)
    if own is None or "unique" not in own or not math.isfinite(float(own["unique"])):
        return
    p = float(own["unique_p_holm"])
    shown = p < alpha and float(own["unique"]) > 0
    ends = float(own["unique_low"]), float(own["unique_high"])
    text = (
        f"adds to the nuisance regressors: {'yes' if shown else 'not shown'}, unique R2 "
        f"{short(float(own['unique']), 4)}, 95 % CI {interval(*ends, 4)}, {probability(p)} (Holm)"
    )
    subject = f"{model} on {standing.alignment.label}"
    yield Claim(subject, text, Verdict.YES if shown else Verdict.UNDECIDED)


def _own(said: xr.Dataset, standing: Standing, model: str) -> xr.Dataset | None:
    if "model" not in said.dims or model not in said["model"].values:
        return None
    return said.sel(benchmark=standing.alignment.benchmark, model=model)


def _all(outcomes: Iterable[str]) -> Verdict:
    found = set(outcomes)
    if found == {str(Verdict.YES)}:
        return Verdict.YES
    return Verdict.NO if str(Verdict.NO) in found else Verdict.UNDECIDED


def lacks(standing: Standing) -> Iterator[str]:
    """Say what a board lacks to tell how small is enough."""
    name = standing.alignment.benchmark
    models = len({model for model, _ in standing.names})
    if models < 5:
        yield f"{name}: {models} model{'s' * (models > 1)}; how small is enough needs more sizes"
    unweighed = [standing.variant(k) for k in np.flatnonzero(~np.isfinite(standing.weights))]
    if unweighed:
        yield f"{name}: nobody weighed {', '.join(unweighed)}"


def count(parameters: float) -> str:
    """Write a number of parameters: ``135 M``."""
    if not math.isfinite(parameters):
        return "?"
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= unit:
            return f"{parameters / unit:.3g} {letter}"
    return f"{parameters:.0f}"
