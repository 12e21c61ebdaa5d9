"""Listeners whose every response is known: what drives it, and how much of it is noise.

A response is the sum of four parts of stated variance::

    y = sqrt(language) L + sqrt(individual) I + sqrt(nuisance) N + sqrt(noise) E

L is the region's mixture of linguistic drivers, the same for everybody; I is a mixture of the same
drivers that is the listener's own; N is a mixture of word rate, length and frequency; E is
autoregressive noise. L, I and N are convolved with the listener's own hemodynamic response. Within
each run and listener L and I are orthogonal to every nuisance regressor, and I to L; all four have
mean 0 and variance 1. The shares are therefore exact, the realised correlation with E apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from harness.numeric.arrays import Doubles, Ints

from .drivers import DRIVERS, NUISANCE, Feature, values
from .hemodynamics import Hemodynamics, neural, observed
from .story import LEAD_OUT, RUNS, words

if TYPE_CHECKING:
    import xarray as xr


TR = 2.0
PARTICIPANTS = 8
AUTOREGRESSION = 0.45
"""Correlation of the noise from one volume to the next."""
STRETCH = 0.08
"""Standard deviation of the log of a listener's hemodynamic time scale."""


@dataclass(frozen=True)
class Region:
    """What drives a region, and how much.

    Parameters
    ----------
    drivers : mapping
        Weight of each linguistic driver.
    language, individual, nuisance : float
        Shares of the variance; the rest is noise.
    """

    drivers: Mapping[str, float]
    language: float
    individual: float
    nuisance: float

    @property
    def noise(self) -> float:
        """Share of the variance that no account of the stimulus can explain."""
        return 1.0 - self.language - self.individual - self.nuisance


_SEMANTIC = {"social": 1.0, "concrete": -0.7, "spatial": -0.7, "sensory": 0.5}
_SYNTACTIC = {"depth": 1.0, "closure": 0.7, "predicate": 0.7}
_DISCOURSE = {"sea": 1.0, "home": -0.7, "quoted": 0.7}

#: The regions, by name.
REGIONS: Mapping[str, Region] = MappingProxyType(
    {
        "semantic": Region(_SEMANTIC, language=0.35, individual=0.05, nuisance=0.10),
        "syntactic": Region(_SYNTACTIC, language=0.30, individual=0.05, nuisance=0.20),
        "discourse": Region(_DISCOURSE, language=0.35, individual=0.05, nuisance=0.05),
        "association": Region(
            {**_SEMANTIC, **_SYNTACTIC, **_DISCOURSE}, language=0.40, individual=0.10, nuisance=0.10
        ),
        "auditory": Region({}, language=0.0, individual=0.0, nuisance=0.50),
        "silent": Region({}, language=0.0, individual=0.0, nuisance=0.0),
    }
)


@dataclass(frozen=True, eq=False)
class SimulatedData:
    """Simulated responses, and the truth about them.

    Parameters
    ----------
    responses : array (participant, sample, roi)
    signals : array (participant, sample, roi)
        The responses without their noise.
    runs : array (sample,)
        Run of each volume.
    times : tuple of tuple of float
        For each run, the times of its volumes, s.
    nuisance : mapping
        The nuisance regressors as an average brain shows them, (sample,) by name.
    truth : Dataset
        From :func:`ground_truth`.
    """

    responses: Doubles
    signals: Doubles
    runs: Ints
    times: tuple[tuple[float, ...], ...]
    nuisance: Mapping[str, Doubles]
    truth: xr.Dataset


def volume_times() -> tuple[tuple[float, ...], ...]:
    """Return the times of the volumes of each run, in s: one every TR until responses run out."""
    ends = [max(word.offset for word in words() if word.run == run) + LEAD_OUT for run in RUNS]
    return tuple(tuple(TR * i for i in range(int(end / TR) + 1)) for end in ends)


def simulate(seed: int = 0, participants: int = PARTICIPANTS) -> SimulatedData:
    """Simulate listeners.

    Parameters
    ----------
    seed : int
        Of everything that is random.
    participants : int
        Number of listeners.

    Returns
    -------
    SimulatedData
        float64; the same on every machine to rounding.
    """
    # A stream of its own for each listener: more listeners do not change the first ones.
    streams = [np.random.default_rng([seed, i]) for i in range(participants)]
    brains = [Hemodynamics(float(np.exp(STRETCH * rng.standard_normal()))) for rng in streams]
    drivers, nuisance = _courses(DRIVERS), _courses(NUISANCE)
    signals = np.stack(
        [
            _signals(_by_run(drivers, brain), _by_run(nuisance, brain), rng)
            for brain, rng in zip(brains, streams, strict=True)
        ]
    )
    runs = _run_labels()
    noise = np.stack([_noise(runs, len(REGIONS), rng) for rng in streams])
    shares = np.array([region.noise for region in REGIONS.values()])
    regressors = _by_run(nuisance, Hemodynamics())
    return SimulatedData(
        responses=signals + np.sqrt(shares) * noise,
        signals=signals,
        runs=runs,
        times=volume_times(),
        nuisance=dict(zip(NUISANCE, regressors.T, strict=True)),
        truth=ground_truth(signals, brains),
    )


def ground_truth(signals: Doubles, brains: list[Hemodynamics]) -> xr.Dataset:
    """State what is true of simulated listeners.

    Parameters
    ----------
    signals : array (participant, sample, roi)
        Responses without noise.
    brains : list of Hemodynamics
        Of the participants.

    Returns
    -------
    Dataset
        ``weight`` (roi, driver); ``language``, ``individual``, ``nuisance``, ``noise`` (roi,):
        shares of a response's variance; ``unique`` (roi,): the share that a perfect language model
        explains beyond the nuisance; ``ceiling`` (roi,): the correlation of a response with its own
        noise-free part, which no model can beat; ``ceiling_loo`` (roi,): the expected correlation
        of a participant with the mean of the others; ``reliability`` (roi,): expected split-half
        reliability (Spearman-Brown) of the mean of all participants; ``group_ceiling`` (roi,): its
        root; ``stretch`` (participant,).

    Notes
    -----
    Between participants only signals correlate, so with C the covariance of signals between
    participants, c its mean off the diagonal, v = 1 the variance of a response and n participants:
    ceiling_loo = c / sqrt(v (v + (n - 2) c) / (n - 1)) and reliability = n c / (v + (n - 1) c).
    """
    import xarray as xr

    n = signals.shape[0]
    covariance = np.einsum("psr,qsr->rpq", signals, signals) / signals.shape[1]
    between = (covariance.sum((1, 2)) - np.trace(covariance, axis1=1, axis2=2)) / (n * (n - 1))
    reliability = n * between / (1 + (n - 1) * between)
    regions = REGIONS.values()
    shares = {
        name: [getattr(region, name) for region in regions]
        for name in ("language", "individual", "nuisance", "noise")
    }
    return xr.Dataset(
        {
            "weight": (
                ("roi", "driver"),
                [[region.drivers.get(name, 0.0) for name in DRIVERS] for region in regions],
            ),
            **{name: ("roi", share) for name, share in shares.items()},
            "unique": ("roi", np.add(shares["language"], shares["individual"])),
            "ceiling": ("roi", np.sqrt(1 - np.array(shares["noise"]))),
            "ceiling_loo": ("roi", between / np.sqrt((1 + (n - 2) * between) / (n - 1))),
            "reliability": ("roi", reliability),
            "group_ceiling": ("roi", np.sqrt(reliability)),
            "stretch": ("participant", [brain.stretch for brain in brains]),
        },
        coords={"roi": list(REGIONS), "driver": list(DRIVERS)},
    )


def _run_labels() -> Ints:
    return np.repeat(RUNS, [len(times) for times in volume_times()])


def _courses(features: Mapping[str, Feature]) -> list[Doubles]:
    """Return the neural time courses of some features, an array each run."""
    courses = []
    for run, times in zip(RUNS, volume_times(), strict=True):
        spoken = tuple(word for word in words() if word.run == run)
        onsets = np.array([word.onset for word in spoken])
        offsets = np.array([word.offset for word in spoken])
        courses.append(neural(onsets, offsets, values(features, spoken), times[-1] + TR))
    return courses


def _by_run(courses: list[Doubles], brain: Hemodynamics) -> Doubles:
    """Observe the time courses of all runs, (sample, k)."""
    return np.concatenate(
        [
            observed(course, brain, np.array(times))
            for course, times in zip(courses, volume_times(), strict=True)
        ]
    )


def _signals(drivers: Doubles, nuisance: Doubles, rng: np.random.Generator) -> Doubles:
    """One listener's responses without noise, (sample, roi), from regressors (sample, k)."""
    runs = _run_labels()
    signals = np.zeros((len(runs), len(REGIONS)))
    for column, region in enumerate(REGIONS.values()):
        common = np.array([region.drivers.get(name, 0.0) for name in DRIVERS])
        # Drawn whether or not they are used, so that a change to one region leaves the others be.
        own, sensory = rng.standard_normal(len(DRIVERS)), rng.uniform(0.5, 1.0, len(NUISANCE))
        for run in RUNS:
            rows = runs == run
            signals[rows, column] = _mixture(
                _standard(drivers[rows]), _standard(nuisance[rows]), common, own, sensory, region
            )
    return signals


def _mixture(
    drivers: Doubles,
    nuisance: Doubles,
    common: Doubles,
    own: Doubles,
    sensory: Doubles,
    region: Region,
) -> Doubles:
    heard = _standard(nuisance @ sensory)
    mixed: Doubles = np.sqrt(region.nuisance) * heard
    if region.drivers:
        language = _standard(_without(drivers @ common, nuisance))
        personal = _standard(_without(drivers @ own, np.column_stack([nuisance, language])))
        mixed = mixed + np.sqrt(region.language) * language
        mixed = mixed + np.sqrt(region.individual) * personal
    return mixed


def _without(course: Doubles, regressors: Doubles) -> Doubles:
    """Take regressors out of a time course; all have mean 0."""
    weights = np.linalg.lstsq(regressors, course, rcond=None)[0]
    rest: Doubles = course - regressors @ weights
    return rest


def _standard(course: Doubles) -> Doubles:
    """Give each column mean 0 and variance 1."""
    centred = course - course.mean(axis=0)
    scaled: Doubles = centred / centred.std(axis=0)
    return scaled


def _noise(runs: Ints, regions: int, rng: np.random.Generator) -> Doubles:
    """First-order autoregressive noise, standardised within each run, (sample, roi)."""
    noise: Doubles = np.empty((len(runs), regions))
    for run in RUNS:
        rows = np.flatnonzero(runs == run)
        shocks = rng.standard_normal((len(rows), regions))
        state = shocks[0]
        for row, shock in zip(rows, shocks, strict=True):
            noise[row] = state
            state = AUTOREGRESSION * state + (1 - AUTOREGRESSION**2) ** 0.5 * shock
        noise[rows] = _standard(noise[rows])
    return noise
