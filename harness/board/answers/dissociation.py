"""Whether compression takes linguistic competence while it leaves alignment alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.stats
import xarray as xr

from harness.board.answers.alignment import Alignment, alignments, detail, selected, texts
from harness.board.answers.claims import (
    Claim,
    Verdict,
    could_show,
    interval,
    margin_text,
    short,
    with_claims,
)
from harness.board.answers.competence import Competence, competence, probed
from harness.board.answers.floors import (
    Heights,
    alignment_heights,
    competence_heights,
    controls_of,
)
from harness.board.answers.paired import Paired, paired
from harness.board.answers.shares import Side, compare_shares
from harness.board.answers.units import quantity
from harness.numeric.arrays import Doubles, Positions
from harness.spec.measures import ScoreMeasure
from harness.stats.fdr import holm


def dissociation(
    board: xr.DataTree,
    benchmarks: Sequence[str] | None = None,
    *,
    measure: ScoreMeasure | None = None,
    alpha: float = 0.05,
    draws: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """Set the change of each linguistic category against the change of alignment.

    Both are shares of the base's height above the best floor on their side: static embeddings,
    nuisance regressors, an untrained network or chance for alignment; layer 0, an untrained
    network or chance for competence (:mod:`harness.board.answers.floors`). A category dissociates
    from alignment where three tests agree, so that their largest p-value counts (Berger 1982):
    competence falls, alignment is equivalent to the base's within the benchmark's margin (TOST),
    and competence falls by the larger share. That it does not is shown where it falls by the
    smaller share, or alignment changes by more than the margin. All these tests of a pair of
    benchmarks are one family (Holm).

    Parameters
    ----------
    board : DataTree
    benchmarks : sequence of str, optional
        Names and globs, neural and linguistic; all.
    measure : ScoreMeasure, optional
        What of a neural score is its alignment; each benchmark's headline.
    alpha : float
        Level.
    draws, seed : int
        Resamples of pairs, items or documents.

    Returns
    -------
    Dataset
        Over (benchmark, linguistic, model, compressor): ``alignment_change`` with
        ``alignment_low``, ``alignment_high``, the share of ``alignment_height``, which is above
        ``alignment_floor``. Over these and category: the same of ``competence``; ``difference``
        (competence minus alignment), ``low``, ``high``; ``p`` (of no dissociation) and ``p_no``
        (of one), both after Holm; ``dissociates``. And claims. Shares are NaN where a height is
        not above 0.

    Raises
    ------
    SelectionError
        A pattern selects no benchmark.
    """
    found, gaps = alignments(board, benchmarks, measure)
    tested, lacking = _competences(board, benchmarks, draws, seed)
    gaps += lacking
    if not tested:
        gaps.append(
            "no linguistic benchmark with categories is selected: nothing to set alignment to"
        )
    controls = controls_of(board)
    languages = [(language, competence_heights(language, controls)) for language in tested]
    for language, heights in languages:
        gaps += list(_low_competence(language, heights, alpha))
    parts, claims = [], []
    for alignment in found:
        own = alignment_heights(alignment, controls)
        gaps += list(_low_alignment(alignment, own, alpha))
        for language, heights in languages:
            pair = _paired_sides(alignment, own, language, heights, alpha)
            if pair is None:
                gaps.append(
                    f"{alignment.benchmark} and {language.benchmark} share no compressed variant"
                )
                continue
            parts.append(pair.dataset())
            claims += list(pair.claims())
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


def _low_alignment(alignment: Alignment, heights: Heights, alpha: float) -> Iterator[str]:
    low = np.isnan(heights.side.above_floor(alpha))
    for k in np.flatnonzero(low):
        model, label = heights.names[k][0], heights.labels[k]
        yield f"{alignment.benchmark}: {model} itself is not above {label}"


def _low_competence(language: Competence, heights: Heights, alpha: float) -> Iterator[str]:
    low = np.isnan(heights.side.above_floor(alpha))
    for i, k in zip(*np.nonzero(low), strict=True):
        model, label = heights.names[k][0], heights.labels[i, k]
        category = language.categories[i]
        yield f"{language.benchmark}: {category} of {model} itself is not above {label}"


def _taken(side: Side, at: list[int]) -> Side:
    """Take some variants, the last axis of every array."""
    columns = (side.change, side.height, side.change_variance, side.height_variance)
    freedom = np.broadcast_to(side.freedom, np.shape(side.change))[..., at]
    change, height, varied, unsure = (c[..., at] for c in columns)
    return Side(change, height, varied, unsure, side.covariance[..., at], freedom)


def _paired_sides(
    alignment: Alignment, own: Heights, language: Competence, other: Heights, alpha: float
) -> _Pair | None:
    shared = [name for name in own.names if name in other.names]
    if not shared:
        return None
    mine = [own.names.index(name) for name in shared]
    theirs = [other.names.index(name) for name in shared]
    at = {name: i for i, name in enumerate(alignment.names)}
    bases = [at[own.names[k][0], "none"] for k in mine]
    scores = alignment.sampled
    changes = scores[..., [at[name] for name in shared]] - scores[..., bases]
    return _Pair(
        alignment,
        language,
        shared,
        (_taken(other.side, theirs), _taken(own.side, mine)),
        (other.floor[:, theirs], own.floor[mine]),
        (other.labels[:, theirs], own.labels[mine]),
        paired(changes, alignment.margin, alpha, alignment.factors),
        alpha,
    )


@dataclass(frozen=True, eq=False)
class _Pair:
    """One neural and one linguistic benchmark on the variants that both have.

    ``sides``, ``floors`` and ``labels`` are of competence (n_categories, n_variants), then of
    alignment (n_variants,).
    """

    alignment: Alignment
    language: Competence
    names: list[tuple[str, str]]
    sides: tuple[Side, Side]
    floors: tuple[Doubles, Doubles]
    labels: tuple[npt.NDArray[np.str_], npt.NDArray[np.str_]]
    tests: Paired
    alpha: float

    @cached_property
    def columns(self) -> tuple[dict[str, Doubles], dict[str, Doubles]]:
        """The answer's numbers by category and variant, and those by variant."""
        fall, own = self.sides
        known, known_own = fall.above_floor(self.alpha), own.above_floor(self.alpha)
        both = known * known_own
        shares = compare_shares(fall, own)
        yes = np.maximum(np.maximum(fall.falls(), shares.p_smaller), self.tests.p_equivalence)
        parts = (both * yes, both * shares.p_larger, self._lost())
        adjusted = holm(np.concatenate([np.ravel(part) for part in parts]))
        size = both.size
        p = adjusted[:size].reshape(both.shape)
        smaller, lost = adjusted[size : 2 * size].reshape(both.shape), adjusted[2 * size :]
        columns = {
            **_share("competence", fall, known, self.floors[0]),
            "difference": both * shares.difference,
            "low": both * shares.low,
            "high": both * shares.high,
            "p": p,
            "p_no": np.where(np.isfinite(p), np.fmin(smaller, lost), math.nan),
            "dissociates": np.where(np.isfinite(p), p < self.alpha, math.nan),
        }
        return columns, _share("alignment", own, known_own, self.floors[1])

    def _lost(self) -> Doubles:
        """P-value, by variant, of a change of alignment within the margin."""
        change, error = self.sides[1].change, np.sqrt(self.sides[1].change_variance)
        with np.errstate(invalid="ignore", divide="ignore"):
            statistic = (np.abs(change) - self.alignment.margin) / error
        # Beyond either end: twice the one-sided tail.
        return np.asarray(np.minimum(2 * scipy.stats.t.sf(statistic, self.sides[1].freedom), 1.0))

    def dataset(self) -> xr.Dataset:
        """Lay the numbers over models and compressors."""
        models = list(dict.fromkeys(m for m, _ in self.names))
        compressors = list(dict.fromkeys(c for _, c in self.names))
        at = tuple(np.array([(models.index(m), compressors.index(c)) for m, c in self.names]).T)
        shape = (len(models), len(compressors))
        dims = ("benchmark", "linguistic", "category", "model", "compressor")
        columns, own = self.columns
        return xr.Dataset(
            {n: (dims, _spread(v, at, shape)[None, None]) for n, v in columns.items()}
            | {n: (dims[:2] + dims[3:], _spread(v, at, shape)[None, None]) for n, v in own.items()},
            coords={
                "benchmark": texts([self.alignment.benchmark]),
                "linguistic": texts([self.language.benchmark]),
                "category": texts(self.language.categories),
                "model": texts(models),
                "compressor": texts(compressors),
            },
        )

    def _raw_change(self, k: int) -> str:
        """Write a variant's change of alignment in its own unit, beside the margin."""
        tests, own = self.tests, self.alignment
        ends = interval(float(tests.low90[k]), float(tests.high90[k]), own.digits)
        return (
            f"alignment changes by {quantity(short(tests.difference[k], own.digits), own.scale)},"
            f" 90 % CI {ends}, margin {margin_text(own.margin)}"
        )

    def claims(self) -> Iterator[Claim]:
        """Say of every category and variant with a height whether it dissociates."""
        columns, own = self.columns
        label = self.alignment.label
        for i, category in enumerate(self.language.categories):
            for k, (model, compressor) in enumerate(self.names):
                if not math.isfinite(columns["p"][i, k]):
                    continue
                verdict = Verdict.UNDECIDED
                if columns["p"][i, k] < self.alpha:
                    verdict = Verdict.YES
                elif columns["p_no"][i, k] < self.alpha:
                    verdict = Verdict.NO
                sentence = (
                    f"{category} degrades while alignment is preserved: {verdict}, "
                    f"{category} changes by {_ended(columns, 'competence', (i, k))} of its height"
                    f" above {self.labels[0][i, k]}, alignment by {_ended(own, 'alignment', (k,))}"
                    f" of its height above {self.labels[1][k]}, "
                    f"n = {self.alignment.counted(self.tests.n[k])}; difference of these shares "
                    f"{_percent(columns['difference'][i, k])}, 95 % CI "
                    f"{_percents(columns['low'][i, k], columns['high'][i, k])}; "
                    f"{self._raw_change(k)}"
                )
                if verdict is not Verdict.NO:
                    least = float(self.tests.detectable[k])
                    sentence += could_show(least, self.alignment.digits)
                subject = f"{compressor} on {model}, {self.language.benchmark} and {label}"
                yield Claim(subject, sentence, verdict)


def _share(name: str, side: Side, known: Doubles, floor: Doubles) -> dict[str, Doubles]:
    """Columns of one side; a share only where the height is above 0."""
    share, low, high = side.share()
    return {
        f"{name}_change": known * share,
        f"{name}_low": known * low,
        f"{name}_high": known * high,
        f"{name}_height": side.height,
        f"{name}_floor": floor,
    }


def _spread(values: Doubles, at: tuple[Positions, ...], shape: tuple[int, int]) -> Doubles:
    out = np.full((*values.shape[:-1], *shape), math.nan)
    out[..., at[0], at[1]] = values
    return out


def _ended(columns: dict[str, Doubles], name: str, at: tuple[int, ...]) -> str:
    low, high = float(columns[f"{name}_low"][at]), float(columns[f"{name}_high"][at])
    return f"{_percent(float(columns[f'{name}_change'][at]))} {_percents(low, high)}"


def _percent(share: float) -> str:
    return f"{_whole(share)} %"


def _percents(low: float, high: float) -> str:
    return f"[{_whole(low)}, {_whole(high)}]"


def _whole(share: float) -> str:
    return f"{round(100 * share)}" if math.isfinite(share) else "?"
