"""Score probing tasks on a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.probe.tasks import ProbeTask
from harness.record.request import Request

if TYPE_CHECKING:
    import xarray as xr


class Probe(StrEnum):
    """What is fitted to the states of a layer."""

    LINEAR = "linear"
    HIDDEN = "hidden"
    """One hidden layer."""


@dataclass(frozen=True)
class ProbeOptions:
    """How probes are fitted and judged.

    Parameters
    ----------
    probe : Probe
    seeds : int
        Fits of each probe. A seed draws the training groups (four fifths of them), the labels of
        the control task and the order of the online code.
    penalties : tuple of float
        L2 penalties to choose from by validation, a training item: the fit minimises the mean loss
        of the training items + penalty / 2 * |weights|^2, of standardised features.
    draws : int
        Bootstrap draws of test groups and seeds for the intervals.
    """

    probe: Probe = Probe.LINEAR
    seeds: int = 5
    penalties: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    draws: int = 1000


def score_probes(
    tasks: Sequence[ProbeTask],
    request: Request,
    recording: xr.DataArray,
    options: ProbeOptions | None = None,
) -> xr.Dataset:
    """Fit probes of every task, layer and seed, and score them on the test parts.

    Parameters
    ----------
    tasks : sequence of ProbeTask
    request : Request
        From :func:`harness.probe.tasks.probe_request` with these tasks (others may be in it).
    recording : DataArray
        Dims (sample, layer, unit): the answer to that request.
    options : ProbeOptions, optional

    Returns
    -------
    Dataset
        ``value``, ``low``, ``high``: mean over tasks of macro-F1 (Pearson r for numbers) at each
        task's best layer, chosen on its dev part.
        Over dim ``task``: ``score``, ``score_low``, ``score_high``, ``score_sd`` (over seeds),
        ``accuracy``, ``majority`` (the score of the most frequent class), ``lexical`` (the score
        of layer 0), ``over_lexical`` with ``_low`` and ``_high``, ``selectivity`` (accuracy minus
        that of the control task), ``bits`` and ``compression`` of the online code, ``best_layer``;
        over (task, layer): the same curves, named ``layer_score``, …; over (task, seed):
        ``seed_score``; over ``category``: ``category_score``, ``category_low``, ``category_high``,
        ``category_sd``, ``category_tasks``; over (category, layer): ``category_layer_score``.
        Coordinates ``task_category``, ``phenomenon``, ``layer``.

    Raises
    ------
    ScoreError
        The recording is not an answer to the request.
    """
    raise NotImplementedError
