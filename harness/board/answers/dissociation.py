"""Whether compression takes linguistic competence while it leaves alignment alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.stats
import xarray as xr

from harness.board.answers.alignment import (
    Alignment,
    alignments,
    controls,
    detail,
    resampled,
    selected,
    texts,
)
from harness.board.answers.claims import Claim, Verdict, interval, margin_text, short, with_claims
from harness.board.answers.competence import Competence, competence, compressed, probed, relative
from harness.board.answers.paired import paired
from harness.stats.bootstrap import DoubleArray
from harness.stats.fdr import holm


def dissociation(
    board: xr.DataTree,
    benchmarks: Sequence[str] | None = None,
    *,
    alpha: float = 0.05,
    draws: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """Set the change of each linguistic category against the change of alignment.

    Both are shares of the base's height above chance, so that they can be subtracted. A category
    dissociates from alignment where three tests agree, so that their largest p-value counts
    (Berger 1982), Holm over all of a pair of benchmarks: competence falls, alignment is equivalent
    to the base's within the benchmark's margin (TOST), and competence falls by a larger share.

    Parameters
    ----------
    board : DataTree
    benchmarks : sequence of str, optional
        Names and globs, neural and linguistic; all.
    alpha : float
        Level.
    draws, seed : int
        Resamples: of participants, and of pairs within tasks.

    Returns
    -------
    Dataset
        Over (benchmark, model, compressor): ``alignment_change``, ``alignment_low``,
        ``alignment_high``. Over (linguistic, category, model, compressor): ``competence_change``,
        ``competence_low``, ``competence_high``. Over all of these: ``difference`` (competence minus
        alignment), ``low``, ``high``, ``p`` (Holm), ``dissociates``. And claims.

    Raises
    ------
    SelectionError
        A pattern selects no benchmark.

    Notes
    -----
    Intervals are Student's, from the bootstrap's standard error with Welch and Satterthwaite's
    degrees of freedom: percentile intervals over a handful of participants are too short.
    """
    found, gaps = alignments(board, benchmarks)
    tested, lacking = _competences(board, benchmarks, draws, seed)
    gaps += lacking
    if not tested:
        gaps.append(
            "no linguistic benchmark with categories is selected: nothing to set alignment to"
        )
    control = controls(board)
    parts, claims = [], []
    for alignment in found:
        change, lacking = _alignment_change(alignment, control, draws, seed, alpha)
        gaps += lacking
        for language in tested:
            part, said = _pair(alignment, change, language, alpha)
            if part is None:
                gaps.append(
                    f"{alignment.benchmark} and {language.benchmark} share no compressed variant"
                )
                continue
            parts.append(part)
            claims += said
    answer = _joined(parts) if parts else xr.Dataset()
    return with_claims(answer.assign_attrs(answer="dissociation", alpha=alpha), claims, gaps)


def _joined(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Lay parts over (benchmark, linguistic) side by side; NaN where a part has nothing."""
    dims = ("benchmark", "linguistic", "category", "model", "compressor")
    labels = {
        dim: list(dict.fromkeys(str(x) for p in parts for x in p[dim].values)) for dim in dims
    }
    places = {dim: {label: i for i, label in enumerate(labels[dim])} for dim in dims}
    columns = {
        str(name): (column.dims, np.full([len(labels[str(d)]) for d in column.dims], math.nan))
        for name, column in parts[0].data_vars.items()
    }
    for part in parts:
        at = {dim: [places[dim][str(x)] for x in part[dim].values] for dim in dims}
        for name, (own, values) in columns.items():
            values[np.ix_(*(at[str(d)] for d in own))] = part[name].values
    return xr.Dataset(columns, coords={dim: texts(labels[dim]) for dim in dims})


@dataclass(frozen=True, eq=False)
class _Change:
    """Change of alignment of compressed variants; arrays of shape (n_variants,)."""

    names: list[tuple[str, str]]
    value: DoubleArray
    error: DoubleArray
    p_equivalence: DoubleArray
    refuted: npt.NDArray[np.bool_]
    n: int


def _competences(
    board: xr.DataTree, patterns: Sequence[str] | None, draws: int, seed: int
) -> tuple[list[Competence], list[str]]:
    about = board["benchmarks"].to_dataset()
    found, gaps = [], []
    for name in selected(board, patterns):
        row = about.sel(benchmark=name)
        known = detail(board, name)
        if str(row["kind"].item()) != "linguistic" or known is None:
            continue
        read = competence(known, name, float(row["chance"]), draws, seed)
        read = read or probed(known, name, draws, seed)
        if read is None:
            gaps.append(f"{name}: the board has no pairs, items or probes: no interval of a change")
        else:
            found.append(read)
    return found, gaps


def _alignment_change(
    alignment: Alignment, control: dict[str, str], draws: int, seed: int, alpha: float
) -> tuple[_Change, list[str]]:
    scores = alignment.means
    n = len(scores)
    variants, bases = compressed(alignment.names)
    kept = [k for k, i in enumerate(variants) if not control[alignment.names[i][0]]]
    variants, bases = [variants[k] for k in kept], [bases[k] for k in kept]
    mean = relative(scores.mean(axis=0), variants, bases, alignment.chance)
    drawn = relative(resampled(scores, draws, seed), variants, bases, alignment.chance)
    # A base that is at chance in some resample has no share to lose.
    unsure = np.isnan(drawn).any(axis=0)
    error = np.where(unsure, math.nan, np.std(np.nan_to_num(drawn), axis=0))
    tests = paired(scores[:, variants] - scores[:, bases], alignment.margin, alpha)
    at_chance = {alignment.names[variants[k]][0] for k in np.flatnonzero(unsure)}
    gaps = [f"{alignment.benchmark}: {m} itself is not above chance" for m in sorted(at_chance)]
    names = [alignment.names[i] for i in variants]
    # The bootstrap's variance of a mean is short by (n - 1) / n.
    error = error * math.sqrt(n / (n - 1))
    refuted = [tests.equivalence_verdict(k) is Verdict.NO for k in range(len(names))]
    return _Change(names, mean, error, tests.p_equivalence, np.array(refuted, bool), n), gaps


def _pair(
    alignment: Alignment, change: _Change, language: Competence, alpha: float
) -> tuple[xr.Dataset | None, list[Claim]]:
    variants, all_falls, drawn = language.relative_change()
    names = [language.names[i] for i in variants]
    shared = [name for name in change.names if name in names]
    if not shared:
        return None, []
    own = [change.names.index(name) for name in shared]
    other = [names.index(name) for name in shared]
    fall, error = all_falls[:, other], drawn.std(axis=0)[:, other]
    value, own_error = change.value[own], change.error[own]
    pairs = language.pairs[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        both = np.hypot(error, own_error)
        freedom = both**4 / (error**4 / (pairs - 1) + own_error**4 / (change.n - 1))
        falls = scipy.stats.norm.cdf(fall / error)
        larger = scipy.stats.t.cdf((fall - value) / both, freedom)
    half = scipy.stats.t.ppf(0.975, freedom) * both
    p = np.maximum(np.maximum(falls, larger), change.p_equivalence[own])
    # Where nothing changed in any resample (error 0) there is nothing to test.
    adjusted = holm(np.where(both > 0, p, math.nan))
    yes = adjusted < alpha
    columns = {
        "competence_change": fall,
        "competence_low": fall - 1.96 * error,
        "competence_high": fall + 1.96 * error,
        "difference": fall - value,
        "low": fall - value - half,
        "high": fall - value + half,
        "p": adjusted,
        "dissociates": yes.astype(float),
    }
    width = scipy.stats.t.ppf(0.975, change.n - 1) * own_error
    own_columns = {
        "alignment_change": value,
        "alignment_low": value - width,
        "alignment_high": value + width,
    }
    models = list(dict.fromkeys(m for m, _ in shared))
    compressors = list(dict.fromkeys(c for _, c in shared))
    at = tuple(np.array([(models.index(m), compressors.index(c)) for m, c in shared]).T)
    shape = (len(models), len(compressors))
    dims = ("benchmark", "linguistic", "category", "model", "compressor")
    part = xr.Dataset(
        {n: (dims, _spread(v, at, shape)[None, None]) for n, v in columns.items()}
        | {
            n: (dims[:2] + dims[3:], _spread(v, at, shape)[None, None])
            for n, v in own_columns.items()
        },
        coords={
            "benchmark": texts([alignment.benchmark]),
            "linguistic": texts([language.benchmark]),
            "category": texts(language.categories),
            "model": texts(models),
            "compressor": texts(compressors),
        },
    )
    # Refuted: alignment is lost, or competence falls by the smaller share.
    no = ~yes & (change.refuted[own] | (columns["low"] > 0))
    return part, _claims(alignment, language, shared, columns, own_columns, (yes, no))


def _spread(
    values: DoubleArray, at: tuple[npt.NDArray[np.intp], ...], shape: tuple[int, int]
) -> DoubleArray:
    out = np.full((*values.shape[:-1], *shape), math.nan)
    out[..., at[0], at[1]] = values
    return out


def _claims(
    alignment: Alignment,
    language: Competence,
    shared: list[tuple[str, str]],
    columns: dict[str, DoubleArray],
    own: dict[str, DoubleArray],
    outcomes: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
) -> list[Claim]:
    yes, no = outcomes
    claims = []
    for i, category in enumerate(language.categories):
        for k, (model, compressor) in enumerate(shared):
            if not math.isfinite(columns["p"][i, k]):
                continue
            verdict = Verdict.YES if yes[i, k] else Verdict.UNDECIDED
            if no[i, k]:
                verdict = Verdict.NO
            said = (
                f"{category} degrades while alignment is preserved"
                f" (equivalent within {margin_text(alignment.margin)}): {verdict}; of its height "
                f"above chance {category} changes by {short(columns['competence_change'][i, k])} "
                f"{_ends(columns, 'competence_', (i, k))}, alignment by "
                f"{short(own['alignment_change'][k])} {_ends(own, 'alignment_', (k,))}, difference "
                f"{short(columns['difference'][i, k])}, 95 % CI {_ends(columns, '', (i, k))}"
            )
            subject = f"{compressor} on {model}, {language.benchmark} and {alignment.label}"
            claims.append(Claim(subject, said, verdict))
    return claims


def _ends(columns: dict[str, DoubleArray], prefix: str, at: tuple[int, ...]) -> str:
    return interval(float(columns[f"{prefix}low"][at]), float(columns[f"{prefix}high"][at]))
