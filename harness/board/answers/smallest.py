"""How small is enough: the smallest model, and the fewest bytes, that equal the best one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from harness.board.answers.against_controls import against_controls
from harness.board.answers.alignment import alignments, texts
from harness.board.answers.claims import Claim, with_claims
from harness.board.answers.smallest_claims import adds, beats, equality, lacks, lost
from harness.board.answers.standing import TESTED, Standing, picked, standing_of
from harness.spec.measures import ScoreMeasure


def smallest(
    board: xr.DataTree,
    benchmarks: Sequence[str] | None = None,
    *,
    measure: ScoreMeasure | None = None,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> xr.Dataset:
    """Find the smallest model, and the fewest bytes, equivalent to the best model.

    The best is the uncompressed model of the highest score. Every variant of a model proper is
    held against it, participant by participant or story by story, by TOST at the benchmark's
    margin and by t. Models are tested as in ``saturation``: from the best down in size, and the
    first that is not shown to be equivalent ends the row, so that nothing is adjusted. Compressed
    variants are tested as in ``robustness``: adjusted by Holm over all of them. Each of the two
    families names too small a variant in at most ``alpha`` of boards.

    The best is chosen by the scores that it is tested with, which makes its lead too large: what
    is equivalent to it all the same is so with more reason.

    Parameters
    ----------
    board : DataTree
    benchmarks : sequence of str, optional
        Names and globs; all that have participants or stories.
    measure : ScoreMeasure, optional
        What of a score; each benchmark's headline.
    alpha : float
        Level.
    draws, seed : int
        Resamples of pairs, items or probes, of what is lost on the way.

    Returns
    -------
    Dataset
        Over benchmark: ``best``, ``smallest_model``, ``fewest_bytes`` (names of variants, empty
        where the board cannot say), ``margin`` and ``measure``. Over (benchmark, model,
        compressor): ``score``, ``difference`` from the best with ``low90`` and ``high90``,
        ``p``, ``p_equivalence``, ``detectable``, ``n``, ``bytes`` and ``standing``
        (best, equivalent, worse, undecided). And claims: on each benchmark the smallest model, the
        fewest bytes, what that variant loses of language, and whether it beats its controls and
        adds to nuisance.

    Raises
    ------
    SelectionError
        A pattern selects no benchmark.
    """
    found, gaps = alignments(board, benchmarks, measure)
    parts: list[xr.Dataset] = []
    claims: list[Claim] = []
    for alignment in found:
        standing = standing_of(board, alignment, alpha)
        if standing is None:
            gaps.append(f"{alignment.benchmark}: the smallest needs two variants to be compared")
            continue
        parts.append(_dataset(standing))
        # What stands on language and controls is about the variant of the fewest bytes.
        chosen = parts[-1]["fewest_bytes"].item() or parts[-1]["best"].item()
        claims += equality(standing)
        model = next(m for m, c in standing.names if f"{m}+{c}" == chosen)
        best, _ = standing.names[standing.best]
        known = against_controls(board, [alignment.benchmark], measure=measure, alpha=alpha)
        claims += adds(known, standing, model, alpha)
        claims += lost(board, standing, str(chosen), alpha, draws, seed)
        claims += beats(known, standing, model)
        if best != model:
            claims += adds(known, standing, best, alpha)
            claims += beats(known, standing, best)
        gaps += list(lacks(standing))
    answer = (
        xr.concat(parts, "benchmark", join="outer", fill_value=_FILL) if parts else xr.Dataset()
    )
    return with_claims(answer.assign_attrs(answer="smallest", alpha=alpha), claims, gaps)


_FILL = {"standing": "", "n": math.nan} | dict.fromkeys(("score", "bytes", *TESTED), math.nan)


def _dataset(standing: Standing) -> xr.Dataset:
    models = list(dict.fromkeys(m for m, _ in standing.names))
    compressors = list(dict.fromkeys(c for _, c in standing.names))
    at = tuple(
        np.array([(models.index(m), compressors.index(c)) for m, c in standing.names]).T
    )  # fmt: skip
    columns = standing.tested | {"score": standing.scores, "bytes": standing.weights}
    laid = {name: np.full((len(models), len(compressors)), math.nan) for name in columns}
    for name, column in columns.items():
        laid[name][at] = column
    outcome = np.full((len(models), len(compressors)), "", object)
    outcome[at] = np.array(standing.outcomes, object)
    named = [standing.variant(k) for k in (standing.best, *picked(standing))]
    chosen = dict(zip(("best", "smallest_model", "fewest_bytes"), named, strict=True))
    dims = ("model", "compressor")
    part = xr.Dataset(
        {name: (dims, column) for name, column in laid.items()}
        | {"standing": (dims, outcome), "margin": standing.alignment.margin}
        | chosen
        | {"measure": str(standing.alignment.measure)},
        coords={"model": texts(models), "compressor": texts(compressors)},
    )
    return part.expand_dims(benchmark=texts([standing.alignment.benchmark]))
