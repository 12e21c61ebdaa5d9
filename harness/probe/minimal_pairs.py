"""Minimal pairs: the good sentence should be more probable than its bad twin.

Whatever the pairs test and wherever they come from, they are asked for and scored in one way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import ScoreError
from harness.numeric.arrays import Doubles
from harness.probe.accuracy import CountedTask, count_accuracy
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Pool, Whole

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Pair:
    """Two sentences that differ minimally, one of them acceptable.

    Parameters
    ----------
    good, bad : str
        The sentences, or short texts.
    paradigm : str
        The task the pair belongs to; accuracy is counted within it.
    category : str
        morphology, syntax, semantics, reasoning or discourse.
    identifier : str
        Unique among the pairs of a benchmark.
    phenomenon : str
        A finer name for what is tested, where the source has one.
    """

    good: str
    bad: str
    paradigm: str
    category: str
    identifier: str
    phenomenon: str = ""


def pair_request(name: str, pairs: Sequence[Pair]) -> Request:
    """Ask for the log-probability of every sentence.

    Parameters
    ----------
    name : str
        What the stimuli are called.
    pairs : sequence of Pair

    Returns
    -------
    Request
        Its passages are good and bad in turn, two for each pair; each is read by itself, after a
        beginning-of-sequence token so that its first token counts, and its tokens are summed.
    """
    passages = tuple(
        Passage.from_sentence(f"{pair.identifier}/{side}", text)
        for pair in pairs
        for side, text in (("good", pair.good), ("bad", pair.bad))
    )
    context = Context("sentence", start=Start.BOS)
    return Request(Stimuli(name, passages), Measure.LOGPROB, context, Whole(Pool.SUM))


def score_pairs(pairs: Sequence[Pair], recording: xr.DataArray) -> xr.Dataset:
    """Turn sentence log-probabilities into accuracies.

    A pair counts 1 when the good sentence is more probable, 1/2 when the two tie (a scorer without
    an opinion is then at chance). A task's accuracy is the mean over its pairs, with Wilson's
    interval; the value is the mean over tasks, whatever their sizes, with Wilson's interval at the
    effective number of pairs. Tasks are taken as given, not as a sample of possible tasks.

    Parameters
    ----------
    pairs : sequence of Pair
        As they were given to :func:`pair_request`.
    recording : DataArray
        Dims (sample, layer, unit), (2 pairs, 1, 1): the answer to that request.

    Returns
    -------
    Dataset
        ``value``, ``low``, ``high``; over dim ``task``: ``accuracy``, ``accuracy_low``,
        ``accuracy_high``, ``pairs`` with coordinates ``task``, ``task_category``, ``phenomenon``;
        over dim ``category``: ``category_accuracy`` (mean over its tasks), ``category_low``,
        ``category_high``, ``category_tasks``, ``category_pairs``; over dim ``pair``: ``margin``
        (natural-log probability of the good sentence minus the bad one's) with coordinate
        ``pair_task``, the number of its task.

    Raises
    ------
    ScoreError
        The recording has another shape than the pairs ask for, or is not finite.
    """
    margin = _margins(pairs, recording)
    tasks: dict[str, CountedTask] = {}
    for pair in pairs:
        tasks.setdefault(pair.paradigm, CountedTask(pair.paradigm, pair.category, pair.phenomenon))
    number = {name: i for i, name in enumerate(tasks)}
    member = np.array([number[pair.paradigm] for pair in pairs])
    right = (np.sign(margin) + 1) / 2
    score = count_accuracy(tuple(tasks.values()), member, right, counted="pairs")
    return score.assign(margin=("pair", margin.astype(np.float32))).assign_coords(
        pair_task=("pair", member)
    )


def _margins(pairs: Sequence[Pair], recording: xr.DataArray) -> Doubles:
    if recording.shape != (2 * len(pairs), 1, 1):
        raise ScoreError(
            f"{len(pairs)} pairs need a recording of shape ({2 * len(pairs)}, 1, 1),"
            f" not {recording.shape}",
            "the recording answers another request: make it from the request of these pairs",
        )
    logprobs = recording.values.reshape(-1, 2).astype(np.float64)
    if not np.isfinite(logprobs).all():
        worst = pairs[int(np.argmax(~np.isfinite(logprobs).all(axis=1)))]
        raise ScoreError(
            f"pair {worst.identifier}: a log-probability is not finite",
            "record again in float32; a compressed model that gives NaN is broken",
        )
    margin: Doubles = logprobs[:, 0] - logprobs[:, 1]
    return margin
