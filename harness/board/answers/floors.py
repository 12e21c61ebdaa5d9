"""What a height is measured from: the best score that takes no model, no training or no context.

Alignment and competence are only comparable above floors of the same kind. Chance is none: input
embeddings and word rate reach most of what a network reaches on a brain, and a probe of layer 0
most of what it reaches on a task.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats
import xarray as xr

from harness.board.answers.alignment import BASE, Alignment, mean_present
from harness.board.answers.competence import Competence, compressed
from harness.board.answers.shares import Side
from harness.lm.controls import SPEECH
from harness.numeric.arrays import Doubles
from harness.spec.measures import ScoreMeasure
from harness.stats.crossed import crossed_covariance
from harness.stats.random_effects import random_mean

LEVEL = 0.01
"""One-sided level at which a floor has to be above chance to count.

The highest of several scores that are all at chance is above it by luck, heights above it are too
small, and the shares lost of them too large.
"""
CHANCE = "chance"
NUISANCE = "the nuisance regressors"
LEXICAL = "the lexical baseline"
KINDS = {
    "static": "static embeddings",
    "untrained": "the untrained network",
    "autocorrelation": "autocorrelation alone",
}
"""Controls by what a sentence calls them."""

Controls = Mapping[str, Mapping[str, Sequence[str]]]
"""By model, then by kind of control, the names of its controls."""


def controls_of(board: xr.DataTree) -> Controls:
    """Read which controls a board has of each model."""
    models = board["models"].to_dataset()
    rows = zip(*(models[name].values for name in ("model", "control", "base")), strict=True)
    found: dict[str, dict[str, list[str]]] = {}
    for model, control, base in rows:
        if control:
            kind = called(str(control), str(model))
            found.setdefault(str(base), {}).setdefault(kind, []).append(str(model))
    return found


def called(kind: str, name: str) -> str:
    """Return what a control is grouped by: seeds of one network are one, speech models are not."""
    return name if kind == SPEECH else kind


@dataclass(frozen=True, eq=False)
class Heights:
    """Changes of compressed variants, and the heights of their bases above a floor.

    Parameters
    ----------
    names : list of (model, compressor)
        The compressed variants whose base is there.
    side : Side
        Arrays of shape (n_variants,), or (n_categories, n_variants).
    floor : array
        Of that shape.
    labels : array of str
        Of that shape: what the floor is of.
    """

    names: list[tuple[str, str]]
    side: Side
    floor: Doubles
    labels: np.ndarray[tuple[int, ...], np.dtype[np.str_]]


def alignment_heights(alignment: Alignment, controls: Controls) -> Heights:
    """Measure alignment above the best of its floors, replicate by replicate.

    A floor is chosen by its mean; its own error is that of replicates, who have a score on it
    each, and of parts of the stimulus where scores by part are known. Models of controls are left
    out.
    """
    is_control = {name for kinds in controls.values() for names in kinds.values() for name in names}
    pairs = zip(*compressed(alignment.names), strict=True)
    kept = [(v, b) for v, b in pairs if alignment.names[v][0] not in is_control]
    scores, factors = alignment.sampled, alignment.factors
    rows, floors, labels = [], [], []
    for variant, base in kept:
        candidates = dict(_alignment_floors(alignment, base, controls))
        label = _highest(
            {name: float(np.nanmean(values)) for name, values in candidates.items()},
            {name: _error(values) for name, values in candidates.items()},
            len(scores) - 1,
        )
        change = scores[..., variant] - scores[..., base]
        rows.append(_joint_moments(change, scores[..., base] - candidates[label], factors))
        floors.append(float(np.nanmean(candidates[label])))
        # The unique part is what is above the nuisance regressors: so is 0.
        beyond = label == CHANCE and alignment.measure is ScoreMeasure.UNIQUE
        labels.append(NUISANCE if beyond else label)
    columns = np.array(rows, np.float64).reshape(-1, 6).T
    names = [alignment.names[variant] for variant, _ in kept]
    return Heights(names, Side(*columns), np.array(floors), np.array(labels, np.str_))


def _joint_moments(
    change: Doubles, height: Doubles, factors: int
) -> tuple[float, float, float, float, float, float]:
    """Means of changes and heights, their variances and covariance, and the degrees of freedom.

    Parameters
    ----------
    change, height : array, shape (n_replicates,) or (n_replicates, n_parts)
    factors : int
        Number of axes.
    """
    present = (np.isfinite(change) & np.isfinite(height)).reshape(len(change), -1).all(axis=1)
    change, height = change[present], height[present]
    n = len(change)
    if n < 2:
        return (np.nan,) * 6
    if factors == 1:
        cov = np.cov(change, height) / n
        return change.mean(), height.mean(), cov[0, 0], cov[1, 1], cov[0, 1], n - 1
    first, second = random_mean(change, 2), random_mean(height, 2)
    varied, unsure = float(first.error**2), float(second.error**2)
    most = math.sqrt(varied * unsure)  # variances may be one-way, where these are larger
    shared = float(np.clip(crossed_covariance(change, height), -most, most))
    freedom = float(min(first.freedom, second.freedom))
    return float(first.estimate), float(second.estimate), varied, unsure, shared, freedom


def _highest(means: Mapping[str, float], errors: Mapping[str, float], freedom: float) -> str:
    """Choose the highest floor of those that are above chance; chance where none is."""
    least = scipy.stats.t.ppf(1 - LEVEL, freedom)
    shown = {n: m for n, m in means.items() if m - means[CHANCE] > least * errors[n]}
    return max(shown, key=lambda name: shown[name]) if shown else CHANCE


def _error(values: Doubles) -> float:
    """Return the standard error of the mean over replicates of what is not NaN."""
    values = mean_present(values.reshape(len(values), -1), axis=1)
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1) / np.sqrt(len(known))) if len(known) > 1 else np.inf


def _alignment_floors(
    alignment: Alignment, base: int, controls: Controls
) -> Iterator[tuple[str, Doubles]]:
    scores, names = alignment.sampled, alignment.names
    yield CHANCE, np.full(scores.shape[:-1], alignment.chance)
    if alignment.nuisance is not None:
        values = alignment.nuisance.transpose("replicate", "variant").values[:, base]
        if np.isfinite(values).any():
            # By part of the stimulus it is not on a board: what parts share with the base is not
            # taken out of the height's error, which is too large rather than too small.
            values = values.reshape(-1, *(1,) * (alignment.factors - 1))
            yield NUISANCE, np.broadcast_to(values, scores.shape[:-1])
    for kind, members in _kinds_of(names[base][0], controls):
        columns = [names.index((m, BASE)) for m in members if (m, BASE) in names]
        values = mean_present(scores[..., columns], axis=-1)
        if columns and np.isfinite(values).any():
            yield KINDS.get(kind, kind), values


def _kinds_of(model: str, controls: Controls) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield a model's controls by kind, and those that are made from no model."""
    yield from controls.get(model, {}).items()
    yield from controls.get("", {}).items()


def competence_heights(language: Competence, controls: Controls) -> Heights:
    """Measure competence above the best of its floors, category by category.

    The floor is drawn with the same items as the base: what is easy for both is no error of the
    height.
    """
    is_control = {name for kinds in controls.values() for names in kinds.values() for name in names}
    pairs = zip(*compressed(language.names), strict=True)
    kept = [(v, b) for v, b in pairs if language.names[v][0] not in is_control]
    shape = (len(language.categories), len(kept))
    columns = np.full((5, *shape), np.nan)
    floor, labels = np.full(shape, np.nan), np.full(shape, "", dtype="<U40")
    for k, (variant, base) in enumerate(kept):
        change = language.draws[..., variant] - language.draws[..., base]
        candidates = dict(_competence_floors(language, base, controls))
        for i in range(shape[0]):
            label = _highest(
                {name: float(values[i]) for name, (values, _) in candidates.items()},
                {name: float(drawn[:, i].std()) for name, (_, drawn) in candidates.items()},
                max(float(language.pairs[i]) - 1, 1),
            )
            value, drawn = candidates[label]
            height = language.draws[:, i, base] - drawn[:, i]
            cov = np.cov(change[:, i], height)
            score = language.accuracy[i]
            means = score[variant] - score[base], score[base] - value[i]
            columns[:, i, k] = (*means, cov[0, 0], cov[1, 1], cov[0, 1])
            floor[i, k], labels[i, k] = value[i], label
    names = [language.names[variant] for variant, _ in kept]
    change_, height_, varied, unsure, shared = columns
    freedom = language.pairs[:, None] - 1
    return Heights(names, Side(change_, height_, varied, unsure, shared, freedom), floor, labels)


def _competence_floors(
    language: Competence, base: int, controls: Controls
) -> Iterator[tuple[str, tuple[Doubles, Doubles]]]:
    """Value by category (n_categories,), and its draws (n_draws, n_categories)."""
    n = len(language.categories)
    chance = np.broadcast_to(np.asarray(language.chance, np.float64).reshape(-1), n)
    yield CHANCE, (chance, np.broadcast_to(chance, language.draws.shape[:2]))
    if language.lexical is not None and language.lexical_draws is not None:
        yield LEXICAL, (language.lexical[:, base], language.lexical_draws[..., base])
    for kind, members in _kinds_of(language.names[base][0], controls):
        columns = [language.names.index((m, BASE)) for m in members if (m, BASE) in language.names]
        if columns:
            mean = language.accuracy[:, columns].mean(axis=1)
            yield KINDS.get(kind, kind), (mean, language.draws[..., columns].mean(axis=2))
