"""Whether a model adds anything to the nuisance regressors."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from harness.board.answers.alignment import BASE, alignments, controls, texts
from harness.board.answers.claims import (
    Claim,
    Verdict,
    could_show,
    interval,
    margin_text,
    probability,
    short,
)
from harness.board.answers.paired import Paired, paired
from harness.spec.measures import ScoreMeasure


def beyond_nuisance(
    board: xr.DataTree, benchmark: str, alpha: float
) -> tuple[xr.Dataset, list[Claim]] | None:
    """Test the unique part of every uncompressed model against 0.

    A model whose unique part is not above 0 has shown nothing on a benchmark, however high its
    value: the regressors that need no language model account for it.

    Parameters
    ----------
    board : DataTree
    benchmark : str
    alpha : float
        Level, over the models of the benchmark (Holm).

    Returns
    -------
    Dataset, list of Claim, or None
        Over dim model: ``unique`` with ``unique_low``, ``unique_high`` (95 %), ``unique_p`` and
        ``unique_p_holm``. None where the board has no unique part by participant.
    """
    found, _ = alignments(board, [benchmark], ScoreMeasure.UNIQUE)
    if not found:
        return None
    alignment, control = found[0], controls(board)
    kept = [i for i, (m, c) in enumerate(alignment.names) if c == BASE and not control[m]]
    if not kept:
        return None
    tests = paired(alignment.sampled[..., kept], alignment.margin, alpha, alignment.factors)
    models = [alignment.names[i][0] for i in kept]
    claims = []
    for k, model in enumerate(models):
        verdict = _verdict(tests, k)
        shown = "" if verdict is Verdict.YES else ": nothing is shown of it here"
        digits = alignment.digits
        said = (
            f"adds to the nuisance regressors: {verdict}{shown}, unique R2 "
            f"{short(tests.difference[k], digits)}, 95 % CI "
            f"{interval(float(tests.low[k]), float(tests.high[k]), digits)}, "
            f"{probability(tests.p_holm[k])} (Holm), n = {alignment.counted(tests.n[k])}"
        )
        if verdict is not Verdict.YES:
            if tests.p_equivalence_holm[k] < alpha:
                said += f"; nothing within {margin_text(alignment.margin)}"
            said += could_show(float(tests.detectable[k]), digits)
        claims.append(Claim(f"{model} on {alignment.label}", said, verdict))
    columns = {
        "unique": tests.difference,
        "unique_low": tests.low,
        "unique_high": tests.high,
        "unique_p": tests.p,
        "unique_p_holm": tests.p_holm,
    }
    part = xr.Dataset(
        {name: ("model", np.asarray(values)) for name, values in columns.items()},
        coords={"model": texts(models)},
    )
    return part, claims


def _verdict(tests: Paired, k: int) -> Verdict:
    if tests.p_holm[k] < tests.alpha:
        return Verdict.YES if tests.difference[k] > 0 else Verdict.NO
    same = not math.isnan(tests.margin) and tests.p_equivalence_holm[k] < tests.alpha
    return Verdict.NO if same else Verdict.UNDECIDED
