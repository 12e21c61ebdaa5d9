"""From events in seconds to a blood-oxygen response at the times of volumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from harness.numeric.arrays import Doubles

STEP = 0.1
"""Resolution of neural time courses, s."""
LENGTH = 32.0
"""How long a response is followed, s."""


@dataclass(frozen=True)
class Hemodynamics:
    """A canonical double-gamma response, stretched in time.

    Parameters
    ----------
    stretch : float
        Factor on time: 1 peaks at 5 s, with an undershoot at 15 s.
    undershoot : float
        Height of the undershoot's gamma density relative to the peak's.

    References
    ----------
    Friston et al. (1998), NeuroImage 7, 30-40; parameters as in SPM: gamma densities of shape 6 and
    16, scale 1 s, ratio 1/6.
    """

    stretch: float = 1.0
    undershoot: float = 1 / 6

    def response(self) -> Doubles:
        """Sample the response at ``STEP``, (LENGTH / STEP,); it sums to 1."""
        time: Doubles = np.arange(0.0, LENGTH, STEP, dtype=np.float64) / self.stretch
        shape = _gamma_density(time, 6.0) - self.undershoot * _gamma_density(time, 16.0)
        normalised: Doubles = shape / shape.sum()
        return normalised


def _gamma_density(time: Doubles, shape: float) -> Doubles:
    with np.errstate(divide="ignore"):
        density: Doubles = np.exp((shape - 1) * np.log(time) - time - gammaln(shape))
    return density


def neural(onsets: Doubles, offsets: Doubles, values: Doubles, duration: float) -> Doubles:
    """Time courses that hold each event's values while it lasts.

    Parameters
    ----------
    onsets, offsets : array (events,)
        In s.
    values : array (events, k)
    duration : float
        Of the run, s.

    Returns
    -------
    array (duration / STEP, k)
        A step that an event fills in part holds that part of its values.
    """
    edges = STEP * np.arange(round(duration / STEP) + 1)
    overlap = np.minimum(offsets, edges[1:, None]) - np.maximum(onsets, edges[:-1, None])
    course: Doubles = np.clip(overlap, 0.0, None) @ values / STEP
    return course


def observed(course: Doubles, hemodynamics: Hemodynamics, times: Doubles) -> Doubles:
    """Convolve time courses with a response and read them at the times of volumes.

    Parameters
    ----------
    course : array (steps, k)
        From :func:`neural`.
    hemodynamics : Hemodynamics
    times : array (volumes,)
        In s, whole steps.

    Returns
    -------
    array (volumes, k)
    """
    kernel = hemodynamics.response()
    full = np.stack([np.convolve(column, kernel)[: len(column)] for column in course.T], axis=1)
    sampled: Doubles = full[np.rint(times / STEP).astype(int)]
    return sampled
