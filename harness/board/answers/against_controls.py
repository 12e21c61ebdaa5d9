"""Whether models do better than their controls: untrained networks, and embeddings alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from harness.board.answers.alignment import BASE, Alignment, alignments, texts
from harness.board.answers.beyond_nuisance import beyond_nuisance
from harness.board.answers.claims import (
    Claim,
    Verdict,
    could_show,
    interval,
    margin_text,
    probability,
    short,
    with_claims,
)
from harness.board.answers.floors import called
from harness.board.answers.paired import Paired, paired
from harness.board.answers.units import quantity
from harness.lm.controls import AUTOCORRELATION, SPEECH
from harness.spec.measures import ScoreMeasure
from harness.stats.contrasts import paired_contrast
from harness.stats.fdr import holm

TESTED = ("difference", "low", "high", "dz", "p", "p_holm", "p_equivalence_holm", "detectable", "n")
"""Columns of the tests of one model and control."""
EVERY = (AUTOCORRELATION, SPEECH)
"""Kinds of control that are made from no text model, and thus are every model's."""


@dataclass(frozen=True)
class _Control:
    """A model's controls of one kind, and the columns of their scores: the seeds."""

    model: str
    kind: str
    columns: list[int]


def against_controls(
    board: xr.DataTree,
    benchmarks: Sequence[str] | None = None,
    *,
    measure: ScoreMeasure | None = None,
    alpha: float = 0.05,
) -> xr.Dataset:
    """Contrast every model, uncompressed, with its controls, participant by participant or story.

    Seeds of an untrained network are draws from one distribution: a replicate's score is their
    mean, so that more seeds make a better control and not a larger family of tests. Where
    nuisance regressors were fitted jointly, every model's unique part is tested against 0, too: it
    is the control that needs no network.

    Parameters
    ----------
    board : DataTree
    benchmarks : sequence of str, optional
        Names and globs; all that have participants or stories.
    measure : ScoreMeasure, optional
        What of a score; each benchmark's headline.
    alpha : float
        Level, over all models and controls of a benchmark (Holm).

    Returns
    -------
    Dataset
        Over (benchmark, model, control), a control being ``untrained``, ``static``,
        ``autocorrelation`` or the name of a speech model: ``difference``, model minus control, its
        95 % interval ``low``, ``high``, ``dz``, ``p`` and ``wilcoxon_p`` (over participants alone),
        each also adjusted as ``…_holm``, ``p_equivalence_holm``, ``detectable``, ``n``, ``seeds``
        and ``outcome``, whether the model beats its control (yes, no, undecided). Over (benchmark,
        model): ``unique``, its ``unique_low``, ``unique_high``, ``unique_p`` and
        ``unique_p_holm``. And
        claims.

    Raises
    ------
    SelectionError
        A pattern selects no benchmark.
    """
    found, gaps = alignments(board, benchmarks, measure)
    parts, claims = [], []
    for alignment in found:
        found_here, lacking = _controls(board, alignment)
        gaps += [f"{alignment.benchmark}: {text}" for text in lacking]
        beyond = beyond_nuisance(board, alignment.benchmark, alpha)
        if found_here:
            part, said = _contrasts(alignment, found_here, alpha)
            parts.append(part.expand_dims(benchmark=texts([alignment.benchmark])))
            claims += said
        if beyond is not None:
            part, said = beyond
            parts.append(part.expand_dims(benchmark=texts([alignment.benchmark])))
            claims += said
    answer = _joined(parts) if parts else xr.Dataset()
    return with_claims(answer.assign_attrs(answer="controls", alpha=alpha), claims, gaps)


def _joined(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Put parts side by side; where there is no contrast there is no outcome."""
    joined = xr.merge(parts, join="outer", compat="no_conflicts")
    if "outcome" in joined:
        joined["outcome"] = joined["outcome"].where(joined["outcome"].notnull(), "")
    return joined


def _uncompressed(alignment: Alignment) -> dict[str, int]:
    """Column of every model that is not compressed."""
    return {model: i for i, (model, c) in enumerate(alignment.names) if c == BASE}


def _controls(board: xr.DataTree, alignment: Alignment) -> tuple[list[_Control], list[str]]:
    about = board["models"].to_dataset()
    models = [str(name) for name in about["model"].values]
    kind = dict(zip(models, map(str, about["control"].values), strict=True))
    base = dict(zip(models, map(str, about["base"].values), strict=True))
    column = _uncompressed(alignment)
    found: list[_Control] = []
    lacking = []
    if not any(not kind[model] for model in column):
        bases = sorted({base[model] for model in column} - {""})
        lacking.append(
            "only controls are there" + (f": run `-m {','.join(bases)}`" if bases else "")
        )
    for model in (m for m in column if not kind[m]):
        own: dict[str, list[int]] = {}
        for control in (m for m in column if kind[m]):
            if base[control] == model or kind[control] in EVERY:
                own.setdefault(called(kind[control], control), []).append(column[control])
        if not any(base[control] == model for control in column if kind[control]):
            lacking.append(f"{model} has no control: run `-m untrained:{model}`")
        found += [_Control(model, name, columns) for name, columns in own.items()]
    return found, lacking


def _contrasts(
    alignment: Alignment, found: Sequence[_Control], alpha: float
) -> tuple[xr.Dataset, list[Claim]]:
    scores, column = alignment.sampled, _uncompressed(alignment)
    pairs = [(scores[..., column[c.model]], scores[..., c.columns].mean(axis=-1)) for c in found]
    first, second = (np.stack(side, axis=-1) for side in zip(*pairs, strict=True))
    tests = paired(first - second, alignment.margin, alpha, alignment.factors)
    if alignment.factors > 1:
        first, second = first.mean(axis=1), second.mean(axis=1)
    wilcoxon_p = paired_contrast(first, second).wilcoxon_p
    columns = {name: np.asarray(getattr(tests, name)) for name in TESTED}
    columns |= {"wilcoxon_p": wilcoxon_p, "wilcoxon_p_holm": holm(wilcoxon_p)}
    verdicts = [_verdict(tests, k) for k in range(len(found))]
    table = pd.DataFrame(
        columns
        | {
            "model": [c.model for c in found],
            "control": [c.kind for c in found],
            "seeds": [len(c.columns) for c in found],
            "outcome": [str(v) for v in verdicts],
        }
    )
    claims = [
        _claim(alignment, each, tests, k, float(columns["wilcoxon_p_holm"][k]))
        for k, each in enumerate(found)
    ]
    part: xr.Dataset = table.set_index(["model", "control"]).to_xarray()
    return part, claims


def _verdict(tests: Paired, k: int) -> Verdict:
    # A difference within the margin that is significantly above 0 is one all the same.
    if tests.p_holm[k] < tests.alpha:
        return Verdict.YES if tests.difference[k] > 0 else Verdict.NO
    return Verdict.NO if tests.p_equivalence_holm[k] < tests.alpha else Verdict.UNDECIDED


def _claim(alignment: Alignment, each: _Control, tests: Paired, k: int, wilcoxon_p: float) -> Claim:
    seeds = f" (mean of {len(each.columns)} seeds)" if len(each.columns) > 1 else ""
    verdict, digits = _verdict(tests, k), alignment.digits
    said = (
        f"beats its {each.kind} control{seeds}: {verdict}, "
        f"difference {quantity(short(tests.difference[k], digits), alignment.scale)}, "
        f"95 % CI {interval(float(tests.low[k]), float(tests.high[k]), digits)}, "
        f"{_tests_said(alignment.unit, float(tests.p_holm[k]), wilcoxon_p, tests.alpha)}, "
        f"n = {alignment.counted(tests.n[k])}; d_z {short(tests.dz[k], 2)}"
    )
    same = tests.p_equivalence_holm[k] < tests.alpha
    if same:
        said += f"; equivalent within {quantity(margin_text(alignment.margin), alignment.scale)}"
    if same or verdict is Verdict.UNDECIDED:
        said += could_show(float(tests.detectable[k]), digits)
    return Claim(f"{each.model} on {alignment.label}", said, verdict)


def _tests_said(unit: str, p: float, wilcoxon_p: float, alpha: float) -> str:
    """Write both tests of a contrast; where only one is significant, say which decides.

    t decides: it is of everything that was drawn, parts of the stimulus as well, and Wilcoxon's
    test of participants alone.
    """
    ranks = f"{probability(wilcoxon_p)} by Wilcoxon over {unit}"
    if (p < alpha) == (wilcoxon_p < alpha):
        return f"{probability(p)} by t, {ranks} (Holm)"
    denied = "does not show it" if p < alpha else "would show it"
    return f"{probability(p)} by t, which decides; {ranks} {denied} (Holm)"
