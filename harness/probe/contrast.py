"""Contrasts of contexts: a text should be more probable after the context that it fits.

Tests of what a model knows of the world (COMPS, EWoK) keep the text that is scored, so that neither
its length nor the frequency of its words can tell the right context from the wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import ScoreError, StimulusError
from harness.probe.accuracy import CountedTask, count_accuracy
from harness.probe.choice import continued
from harness.probe.regions import Regions
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.stimuli.passages import Stimuli

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Contrast:
    """A text after two contexts, one of which it fits.

    Parameters
    ----------
    text : str
        What is scored.
    good, bad : str
        What stands before it, without white space at its end.
    paradigm : str
        The task the contrast belongs to; accuracy is counted within it.
    category : str
        morphology, syntax, semantics, reasoning or discourse.
    identifier : str
        Unique among the contrasts of a benchmark.
    phenomenon : str
        A finer name for what is tested, where the source has one.

    Raises
    ------
    StimulusError
        A part is empty or has white space at its ends, or both contexts are the same.
    """

    text: str
    good: str
    bad: str
    paradigm: str
    category: str
    identifier: str
    phenomenon: str = ""

    def __post_init__(self) -> None:
        for part in (self.text, self.good, self.bad):
            if part != part.strip() or not part:
                raise StimulusError(
                    f"contrast {self.identifier!r}: {part!r} is empty or has white space at its"
                    " ends"
                )
        if self.good == self.bad:
            raise StimulusError(f"contrast {self.identifier!r}: both contexts are {self.good!r}")


def contrast_request(name: str, contrasts: Sequence[Contrast]) -> Request:
    """Ask for the log-probability of every text after either context.

    Parameters
    ----------
    name : str
        What the stimuli are called.
    contrasts : sequence of Contrast

    Returns
    -------
    Request
        Its passages are good and bad in turn, two for each contrast: a context, a space and the
        text. Each yields two rows, context and text; the space belongs to the text.
    """
    passages = tuple(
        continued(f"{contrast.identifier}/{side}", context, contrast.text)
        for contrast in contrasts
        for side, context in (("good", contrast.good), ("bad", contrast.bad))
    )
    context = Context("prefix", start=Start.BOS)
    return Request(Stimuli(name, passages), Measure.LOGPROB, context, Regions())


def score_contrasts(contrasts: Sequence[Contrast], recording: xr.DataArray) -> xr.Dataset:
    """Turn log-probabilities of texts into accuracies.

    A contrast counts 1 when the text is more probable after the good context, 1/2 when it is as
    probable after both.

    Parameters
    ----------
    contrasts : sequence of Contrast
        As they were given to :func:`contrast_request`.
    recording : DataArray
        Dims (sample, layer, unit), (4 contrasts, 1, 1): the answer to that request.

    Returns
    -------
    Dataset
        As of :func:`harness.probe.accuracy.count_accuracy`; over dim ``pair`` ``margin`` (of the
        text's natural-log probability, after the good context minus after the bad one) with
        coordinate ``pair_task``, the number of its task, and ``unigram_right``, the floor: 1/2,
        since both sides have the same words.

    Raises
    ------
    ScoreError
        The recording has another shape than the contrasts ask for, or is not finite.
    """
    rows = 4 * len(contrasts)
    if recording.shape != (rows, 1, 1):
        raise ScoreError(
            f"{len(contrasts)} contrasts need a recording of shape ({rows}, 1, 1),"
            f" not {recording.shape}",
            "the recording answers another request: make it from the request of these contrasts",
        )
    logprobs = recording.values.reshape(-1, 2, 2)[:, :, 1].astype(np.float64)
    if not np.isfinite(logprobs).all():
        worst = contrasts[int(np.argmax(~np.isfinite(logprobs).all(axis=1)))]
        raise ScoreError(
            f"contrast {worst.identifier}: a log-probability is not finite",
            "record again in float32; a compressed model that gives NaN is broken",
        )
    margin = logprobs[:, 0] - logprobs[:, 1]
    tasks: dict[str, CountedTask] = {}
    for c in contrasts:
        tasks.setdefault(c.paradigm, CountedTask(c.paradigm, c.category, c.phenomenon))
    number = {name: i for i, name in enumerate(tasks)}
    member = np.array([number[contrast.paradigm] for contrast in contrasts])
    right = (np.sign(margin) + 1) / 2
    score = count_accuracy(tuple(tasks.values()), member, right, counted="pairs")
    return score.assign(
        margin=("pair", margin.astype(np.float32)),
        unigram_right=("pair", np.full(len(contrasts), 0.5, np.float32)),
    ).assign_coords(pair_task=("pair", member))
