"""What the statistics do where the truth is known: guards that every score rests on.

Each guard simulates, measures a rate and holds it to a limit. Seeded, so that everybody gets the
same figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.signal
import scipy.stats

from harness.encode.ceilings.estimates import explainable_variance, leave_one_out, split_half
from harness.encode.design.options import EncodingOptions, Precision
from harness.encode.design.splits import Fold, contiguous_folds, held_out_pieces, held_out_run
from harness.encode.score.responses import prepare
from harness.encode.solve.layers import encode_layers
from harness.numeric.arrays import Doubles, Positions
from harness.stats.bootstrap import bootstrap_interval
from harness.stats.equivalence import tost
from harness.stats.permutation import block_permutation, fold_permutation
from harness.stimuli.neighbours import rows_in_order

SCORE_LIMIT = 0.02
"""Guard 1: largest mean |r| of noise."""
FALSE_POSITIVES = 0.07
"""Guard 2: at .05, with blocks of 20 rows."""
COVERAGE = 0.85
"""Guard 4: least share of 95 % intervals that hold the truth; bootstraps of few participants are
known to fall a little short."""

_OPTIONS = EncodingOptions(
    delays=(1, 2), n_outer=5, n_inner=3, penalties=8, precision=Precision.SINGLE
)
_LAYOUTS = {
    "blocks of one run": np.zeros(320, np.intp),
    "blocks of three runs": np.repeat([0, 1, 2], [120, 100, 100]),
    "whole runs": np.repeat(np.arange(8), 40),
    "a held-out run": np.repeat(np.arange(4), 120),
}


@dataclass(frozen=True)
class Rate:
    """A rate that was measured, and what it should be.

    Parameters
    ----------
    guard : int
        Number of the guard.
    what : str
        What was simulated and measured.
    value : float
        The rate or score.
    low, high : float
        Limits that it has to lie between, ends included.
    """

    guard: int
    what: str
    value: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether the guard holds; False for NaN."""
        return self.low <= self.value <= self.high


def findings(seed: int = 0) -> Iterator[Rate]:
    """Simulate guards 1 to 4 and 8, one finding after another.

    Parameters
    ----------
    seed : int
        Of all simulations.

    Yields
    ------
    Rate
    """
    yield from noise_scores(seed)
    yield from order_scores(seed)
    yield from permutation_rates(seed)
    yield from equivalence_rates(seed)
    yield from recovery(seed)
    yield from confounded(seed)


def smooth_noise(rng: np.random.Generator, runs: Positions, *shape: int) -> Doubles:
    """Noise with the autocorrelation of fMRI, .8 from one volume to the next; runs independent.

    Parameters
    ----------
    rng : Generator
    runs : array, shape (n_samples,)
    *shape : int
        What follows the samples.

    Returns
    -------
    array, shape (n_samples, ...)
    """
    parts = []
    for run in np.unique(runs):
        white = rng.normal(size=(int((runs == run).sum()) + 60, *shape))
        parts.append(scipy.signal.lfilter([0.6], [1, -0.8], white, axis=0)[60:])
    return np.concatenate(parts)


def noise_scores(seed: int = 0, draws: int = 100) -> Iterator[Rate]:
    """Guards 1 and 2: noise predicted from noise scores nothing, and is as seldom significant.

    Targets of a draw share features, so that one draw scores up to .03 above or below 0: hence many
    draws.
    """
    rates = {}
    for name, runs in _LAYOUTS.items():
        folds: tuple[Fold, ...] | None = held_out_run(runs, 3) if name == "a held-out run" else None
        scores, significant = [], []
        for draw in range(draws):
            rng = np.random.default_rng([seed, 1, draw])
            x, y = smooth_noise(rng, runs, 2, 20), smooth_noise(rng, runs, 60)
            found = encode_layers(x, y, runs, options=_OPTIONS, folds=folds)
            scores.append(found.r_best.mean())
            tests = [fold.test for fold in found.folds]
            rows = np.concatenate(tests)
            p = fold_permutation(y[rows], found.predictions, runs, tests, n=400, seed=draw).p
            significant.append((p < 0.05).mean())
        rates[name] = float(np.mean(significant))
        mean = float(np.mean(scores))
        yield Rate(1, f"mean r of smooth noise, {name}", mean, -SCORE_LIMIT, SCORE_LIMIT)
    for name, rate in rates.items():
        yield Rate(2, f"scores of noise with p < .05, {name}", rate, 0, FALSE_POSITIVES)


def order_scores(seed: int = 0, targets: int = 1000) -> Iterator[Rate]:
    """Guard 1 of the control without a network: the order of rows predicts nothing of noise.

    Each row has a unit of its own, smoothed over its neighbours; responses are as smooth as those
    of fMRI. Where held-out rows had neighbours among the training rows, it would predict them.
    Features are the same for all, so that many targets are needed to tell the mean from 0.
    """
    for name, runs in _LAYOUTS.items():
        folds: tuple[Fold, ...] | None = held_out_run(runs, 3) if name == "a held-out run" else None
        counts = np.unique(runs, return_counts=True)[1].tolist()
        y = smooth_noise(np.random.default_rng([seed, 5]), runs, targets)
        found = encode_layers(rows_in_order(counts), y, runs, options=_OPTIONS, folds=folds)
        mean = float(np.mean(found.r_best))
        yield Rate(1, f"mean r of order alone, {name}", mean, -SCORE_LIMIT, SCORE_LIMIT)


def permutation_rates(seed: int = 0) -> Iterator[Rate]:
    """Guard 2: false positives of block permutation between unrelated smooth series."""
    rng = np.random.default_rng([seed, 2])
    runs = np.zeros(360, np.intp)
    y, x = smooth_noise(rng, runs, 4000), smooth_noise(rng, runs, 4000)
    p = block_permutation(y, x, runs, n=400, seed=seed).p
    yield Rate(
        2,
        "unrelated smooth series with p < .05",
        float((p < 0.05).mean()),
        0.0,
        FALSE_POSITIVES,
    )


def equivalence_rates(seed: int = 0, n: int = 27, draws: int = 20_000) -> Iterator[Rate]:
    """Guard 3: TOST accepts what is equal and rejects what is not, at its nominal rates."""
    margin, sd = 0.02, 0.03
    noise = np.random.default_rng([seed, 3]).normal(0, sd, size=(n, draws))
    zero = np.zeros((n, draws))
    # Both sides, far from each other: the noncentral t gives the power.
    critical = scipy.stats.t.ppf(0.95, n - 1)
    power = 2 * scipy.stats.nct.sf(critical, n - 1, margin / (sd / np.sqrt(n))) - 1

    def accepted(difference: float) -> float:
        return float(tost(noise + difference, zero, margin).equivalent.mean())

    yield Rate(3, "a difference of the margin is taken for none", accepted(margin), 0, 0.055)
    far = accepted(1.5 * margin)
    yield Rate(3, "a difference of 1.5 margins is taken for none", far, 0, 0.001)
    yield Rate(
        3,
        f"no difference is found to be none (theory: {power:.3f})",
        accepted(0.0),
        power - 0.01,
        power + 0.01,
    )


def recovery(seed: int = 0, draws: int = 30) -> Iterator[Rate]:
    """Guard 4: layer, explained share and ceilings of simulated participants come back.

    Participants differ, as real ones do: the share of their variance that the layer explains is
    drawn from .25 to .55.
    """
    layer, n, low, high = 1, 12, 0.25, 0.55
    runs = np.repeat(np.arange(8), 180)
    layers, shares, errors, bounds, truths = [], [], [], [], []
    for draw in range(draws):
        rng = np.random.default_rng([seed, 4, draw])
        x = rng.normal(size=(len(runs), 3, 6))
        driver = np.roll(x[:, layer], 1, axis=0) @ rng.normal(size=6)
        driver /= driver.std()
        explained = rng.uniform(low, high, n)
        y = np.sqrt(explained) * driver[:, None]
        y += np.sqrt(1 - explained) * rng.normal(size=y.shape)
        found = encode_layers(x, y, runs, options=_OPTIONS)
        layers.append(float((found.chosen == layer).mean()))
        interval = bootstrap_interval(found.r2_best, n=1000, seed=draw)
        shares.append(interval.low <= (low + high) / 2 <= interval.high)
        people = y.T[:, :, None]
        signal, noise = np.sqrt(explained).mean() ** 2, (1 - explained).mean()
        reliability = signal / (signal + noise / n)
        for ceiling in (split_half(people, 200, seed=draw), explainable_variance(people)):
            assert ceiling.reliability is not None
            errors.append(abs(float(ceiling.reliability[0]) - reliability))
        others = leave_one_out(people).per_participant
        assert others is not None
        each = bootstrap_interval(others[:, 0], n=1000, seed=draw)
        bounds.append((float(each.low), float(each.high)))
        amplitude = (np.sqrt(explained).sum() - np.sqrt(explained)) / (n - 1)
        rest = ((1 - explained).sum() - (1 - explained)) / (n - 1) ** 2
        truths.append((np.sqrt(explained) * amplitude / np.sqrt(amplitude**2 + rest)).mean())
    ceiling_loo = float(np.mean(truths))
    loo = [a <= ceiling_loo <= b for a, b in bounds]
    yield Rate(4, "folds in which the true layer is chosen", float(np.mean(layers)), 0.99, 1)
    yield Rate(4, "intervals that hold the explained share", float(np.mean(shares)), COVERAGE, 1)
    yield Rate(
        4, "largest error of a reliability of mean responses", float(np.max(errors)), 0, 0.02
    )
    yield Rate(4, "intervals that hold the leave-one-out ceiling", float(np.mean(loo)), COVERAGE, 1)


def confounded(seed: int = 0, draws: int = 12) -> Iterator[Rate]:
    """Guard 8: drift and motion, taken out of both sides, change no score and make none.

    Features are slow, motion follows one of them, and folds cut the run. White noise in more units
    than rows must score nothing: it does score where a projection joins held-out to training rows.
    """
    runs = np.zeros(320, np.intp)
    slow = np.arange(len(runs)) / len(runs)
    changes, moved, nothing = [], [], []
    for draw in range(draws):
        rng = np.random.default_rng([seed, 8, draw])
        x = smooth_noise(rng, runs, 1, 12) + np.cumsum(rng.normal(size=(len(runs), 1, 12)), 0) / 4
        noise = rng.normal(size=(len(runs), 1, 400))
        motion = x[:, 0, :1] + np.cumsum(rng.normal(size=(len(runs), 4)), axis=0)
        driven = np.roll(x[:, 0], 1, axis=0) @ rng.normal(size=(12, 20))
        y = driven / driven.std(axis=0) + smooth_noise(rng, runs, 20)
        phase, size = rng.uniform(0, 6, 20), rng.normal(0, 3, (2, 20))
        drift = size[0] * slow[:, None] + size[1] * np.sin(5 * slow[:, None] + phase)
        plain = _cleaned_r(x, y, motion, runs)
        changes.append(_cleaned_r(x, y + drift, motion, runs) - plain)
        moved.append(_cleaned_r(x, y + 2 * motion @ rng.normal(size=(4, 20)), motion, runs) - plain)
        nothing.append(_cleaned_r(noise, y + drift, motion, runs))
    limit = SCORE_LIMIT
    yield Rate(8, "change of r by drift in responses", float(np.mean(changes)), -limit, limit)
    yield Rate(
        8, "change of r by motion that follows features", float(np.mean(moved)), -limit, limit
    )
    yield Rate(
        8, "mean r of noise in 400 units, cleaned", float(np.mean(nothing)), -2 * limit, 2 * limit
    )


def _cleaned_r(x: Doubles, y: Doubles, motion: Doubles, runs: Positions) -> float:
    """Mean r with drift and motion taken out of responses and features."""
    data = prepare(
        {"one": y},
        tuple(map(str, range(y.shape[1]))),
        runs,
        tr=2.0,
        cutoff=128.0,
        confounds={"one": motion},
    )
    folds = contiguous_folds(runs, _OPTIONS.n_outer, _OPTIONS.gap)
    clean = data.cleaned(held_out_pieces(runs, folds))
    found = encode_layers(
        x, clean.values[0], runs, options=_OPTIONS, folds=folds, confounds=clean.confounds
    )
    return float(found.r_best.mean())
