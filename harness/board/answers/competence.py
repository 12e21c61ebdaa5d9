"""What variants can do in each category of linguistic competence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from harness.board.answers.alignment import BASE
from harness.numeric.arrays import Doubles, Positions
from harness.spec.layout import (
    COUNTED,
    PROBED,
    PROBED_CHANCE,
    PROBED_DRAWS,
    PROBED_LEXICAL,
    PROBED_LEXICAL_DRAWS,
    TASK_CATEGORY,
    UNIGRAM,
)

_BLOCK = 2**24
"""Numbers a temporary array may hold."""
_NORMAL_975 = 1.959964


@dataclass(frozen=True, eq=False)
class Competence:
    """Accuracy of variants in each category, with resamples over pairs.

    Parameters
    ----------
    benchmark : str
    categories : tuple of str
    names : list of (model, compressor)
    accuracy : array, shape (n_categories, n_variants)
        Mean over the category's tasks.
    draws : array, shape (n_draws, n_categories, n_variants)
        The same from pairs drawn with replacement within each task; the same pairs for all
        variants.
    pairs : array, shape (n_categories,)
        Number of pairs.
    chance : float or array, shape (n_categories, 1)
        Accuracy of a guess.
    unit : str
        What is counted: ``pairs``, ``items``, ``questions`` or ``probes``.
    lexical, lexical_draws : array, optional
        Of probes, the score of the lexical baseline, of pairs the accuracy of words' frequencies,
        shaped as ``accuracy`` and ``draws``.
    """

    benchmark: str
    categories: tuple[str, ...]
    names: list[tuple[str, str]]
    accuracy: Doubles
    draws: Doubles
    pairs: Doubles
    chance: float | Doubles
    unit: str = "pairs"
    lexical: Doubles | None = None
    lexical_draws: Doubles | None = None


def compressed(names: list[tuple[str, str]]) -> tuple[list[int], list[int]]:
    """Return where compressed variants are, and where their bases are."""
    at = {name: i for i, name in enumerate(names)}
    found = [
        (i, at[model, BASE])
        for i, (model, compressor) in enumerate(names)
        if compressor != BASE and (model, BASE) in at
    ]
    return [i for i, _ in found], [j for _, j in found]


def competence(
    known: xr.Dataset, benchmark: str, chance: float, draws: int, seed: int
) -> Competence | None:
    """Read a benchmark of minimal pairs, or of items that pass or fail, from a board.

    Parameters
    ----------
    known : Dataset
        The board's detail: ``margin`` (variant, pair) and ``pair_task``, or ``passed`` (variant,
        item) and ``item_task``; and ``task_category``.
    benchmark : str
    chance : float
    draws, seed : int
        Resamples of pairs within tasks.

    Returns
    -------
    Competence or None
        None where the board has neither.
    """
    found = outcomes(known)
    if found is None:
        return None
    unit, right, task = found
    of_task = [str(c) for c in known[TASK_CATEGORY].values]
    categories = tuple(dict.fromkeys(of_task))
    member = np.array([categories.index(c) for c in of_task])[task]
    n_variants = right.shape[0]
    accuracy = np.empty((len(categories), n_variants))
    resampled = np.empty((draws, len(categories), n_variants))
    floor = _unigram(known)
    lexical = None if floor is None else np.empty_like(accuracy)
    lexical_draws = None if floor is None else np.empty_like(resampled)
    pairs = np.bincount(member, minlength=len(categories)).astype(np.float64)
    rng = np.random.default_rng(seed)
    for i in range(len(categories)):
        inside = np.flatnonzero(member == i)
        inside = inside[np.argsort(task[inside], kind="stable")]
        counts = np.unique(task[inside], return_counts=True)[1]
        outcome = right[:, inside].T
        # Every task weighs the same, whatever its number of pairs.
        accuracy[i] = np.repeat(1 / counts / len(counts), counts) @ outcome
        if floor is not None and lexical is not None:
            lexical[i] = np.repeat(1 / counts / len(counts), counts) @ floor[:, inside].T
        at = 0
        for weights in _weights(rng, counts, draws):
            stop = at + len(weights)
            resampled[at:stop, i] = weights @ outcome
            if floor is not None and lexical_draws is not None:
                lexical_draws[at:stop, i] = weights @ floor[:, inside].T
            at = stop
    return Competence(
        benchmark,
        categories,
        variants_of(known),
        accuracy,
        resampled,
        pairs,
        chance,
        f"{unit}s",
        lexical,
        lexical_draws,
    )


def _unigram(known: xr.Dataset) -> Doubles | None:
    """Read what the frequencies of words get right, (n_variants, n_pairs); None: it is not known.

    One variant's are every variant's; of a board with scores from before they were kept, they are
    taken from those that have them.
    """
    if UNIGRAM not in known:
        return None
    right = known[UNIGRAM].transpose("variant", "pair").values.astype(np.float64)
    there = np.isfinite(right).all(axis=1)
    return right[[int(np.argmax(there))] * len(right)] if there.any() else None


def outcomes(known: xr.Dataset) -> tuple[str, Doubles, Positions] | None:
    """Read how right each answer was.

    Returns
    -------
    unit : str
        ``pair``, ``item`` or ``question``.
    right : array, shape (n_variants, n_items)
        1 and 0; a tie of a pair counts one half, as in the score.
    task : array, shape (n_items,)
        Number of each item's task.
    Or None, where the board has no items with categories (:data:`harness.spec.layout.COUNTED`).
    """
    for counted in COUNTED:
        if counted.fits(known):
            answers = known[counted.variable].transpose("variant", counted.unit).values
            right = (np.sign(answers) + 1) / 2 if counted.signed else answers.astype(np.float64)
            return counted.unit, right, known[counted.task].values.astype(np.intp)
    return None


def probed(known: xr.Dataset, benchmark: str, draws: int, seed: int) -> Competence | None:
    """Read a benchmark of probes from a board.

    Scores keep their resamples, drawn from the same test documents and seeds for every variant.
    Of a variant without them a board has the interval alone: it is drawn independently, although
    its items are the same, so intervals of its change are too wide rather than too short.

    Parameters
    ----------
    known : Dataset
        The board's detail: ``category_score``, ``category_low``, ``category_high``,
        ``category_majority`` and ``category_tasks``, all (variant, category); and, where they are
        kept, ``category_draws`` (variant, category, draw).
    benchmark : str
    draws, seed : int

    Returns
    -------
    Competence or None
        None where the board has no probes. Chance is the majority's score, by category; what is
        counted are tasks times seeds.
    """
    needed = [*PROBED, *PROBED_CHANCE]
    if not set(needed) <= set(known.variables):
        return None
    score, low, high, majority, tasks = (
        known[name].transpose("category", "variant").values.astype(np.float64) for name in needed
    )
    rng = np.random.default_rng(seed)
    error = (high - low) / (2 * _NORMAL_975)
    drawn = score + error * rng.standard_normal((draws, *score.shape))
    drawn = _together(drawn, score, kept_draws(known))
    lexical, lexical_draws = None, None
    if PROBED_LEXICAL in known.variables:
        lexical = known[PROBED_LEXICAL].transpose("category", "variant").values.astype(np.float64)
        # As unsure as the score, and on its own: too unsure rather than too sure.
        lexical_draws = lexical + error * rng.standard_normal((draws, *score.shape))
        kept = kept_draws(known, PROBED_LEXICAL_DRAWS)
        lexical_draws = _together(lexical_draws, lexical, kept)
    categories = tuple(str(c) for c in known["category"].values)
    counted = np.nanmax(tasks, axis=1) * known.sizes.get("seed", 1)
    # The majority of the training items is that of every variant.
    chance = np.nanmean(majority, axis=1, keepdims=True)
    return Competence(
        benchmark,
        categories,
        variants_of(known),
        score,
        drawn,
        counted,
        chance,
        "probes",
        lexical,
        lexical_draws,
    )


def _together(drawn: Doubles, score: Doubles, deviations: Doubles | None) -> Doubles:
    """Take resamples that were kept in the place of drawn ones, where there are any.

    The same draw of documents for all categories and variants; in turn, if more are wanted.
    """
    if deviations is None:
        return drawn
    together = score + deviations[np.arange(len(drawn)) % len(deviations)]
    return np.asarray(np.where(np.isfinite(together), together, drawn))


def kept_draws(known: xr.Dataset, name: str = PROBED_DRAWS) -> Doubles | None:
    """Read the resamples of probed categories, as deviations from their mean.

    Returns
    -------
    array, shape (n_draws, n_categories, n_variants)
        NaN for variants whose score kept none. Or None, where no score kept any.
    """
    if name not in known.variables:
        return None
    kept = known[name].transpose("draw", "category", "variant")
    values = kept.values.astype(np.float64)
    return np.asarray(values - values.mean(axis=0))


def variants_of(known: xr.Dataset) -> list[tuple[str, str]]:
    """Model and compressor of every variant."""
    models, compressors = known["model"].values, known["compressor"].values
    return [(str(m), str(c)) for m, c in zip(models, compressors, strict=True)]


def _weights(rng: np.random.Generator, counts: Positions, draws: int) -> Iterator[Doubles]:
    """Weights of pairs in resamples, some draws at a time."""
    width = max(1, _BLOCK // int(counts.sum()))
    for start in range(0, draws, width):
        size = min(width, draws - start)
        parts = [
            rng.multinomial(n, np.full(n, 1 / n), size=size) / (n * len(counts)) for n in counts
        ]
        yield np.concatenate(parts, axis=1)
