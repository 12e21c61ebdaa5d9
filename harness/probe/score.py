"""Score probing tasks on a recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import ScoreError
from harness.numeric.arrays import Floats
from harness.numeric.threads import spread
from harness.probe.labelled import Labelled
from harness.probe.layer import probe_layer
from harness.probe.lexical import baselines
from harness.probe.options import Probe, ProbeOptions
from harness.probe.summary import Judge
from harness.probe.tasks import ProbeTask, item_rows
from harness.record.request import Request

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Probe", "ProbeOptions", "score_probes"]


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
        Dims (sample, layer, unit): the answer to that request. Read one layer at a time.
    options : ProbeOptions, optional

    Returns
    -------
    Dataset
        ``value``, ``low``, ``high``: mean over tasks of the gain over the lexical baseline, in
        macro-F1 (Pearson r for numbers), at each task's best layer, chosen on its dev part.
        Intervals resample test groups and seeds. Tasks that stand aside count neither here nor in
        their category; all are listed.
        Over dim ``task``, at that layer: ``score``, ``score_low``, ``score_high``, ``score_sd``
        (over seeds), ``accuracy``, ``f1_weighted``; the scores of what knows no context:
        ``majority`` (the most frequent class), ``cue`` (one word), ``ngrams``
        (:mod:`harness.probe.lexical`), ``layer_0``; ``lexical``, that of the best of these on the
        dev part, and ``lexical_kind``, which it is; ``over_lexical`` (the difference) with
        ``_low`` and ``_high``, and ``counted_gain``, the same, NaN where the task stands aside;
        ``selectivity`` (accuracy, or r, minus that of the control task, on the test items whose
        type occurs in training) with ``_low`` and ``_high``, ``seen_items`` (how many these are),
        ``bits`` and ``compression`` of the online code, ``best_layer``, ``train_items``,
        ``dev_items``, ``test_items``, ``classes``, ``aside`` (why a task stands aside, or empty).
        Over (task, layer): ``layer_score``, ``layer_low``, ``layer_high``, ``layer_sd``,
        ``layer_dev``, ``layer_selectivity``, ``layer_bits``, ``layer_compression``,
        ``layer_penalty``. Over (task, seed): ``seed_score``.
        Over ``category``, all over the tasks that count: ``category_score``, ``category_low``,
        ``category_high``, ``category_sd`` (over seeds), ``category_lexical``, ``category_gain``
        with ``_low`` and ``_high``, ``category_majority``, ``category_selectivity``,
        ``category_tasks``; over (category, layer): ``category_layer_score``; over (category,
        draw): ``category_draws``, the score in every resample of test groups and seeds, and
        ``category_lexical_draws``, that of the lexical baseline. Draws are the same for every
        recording, so that those of two variants can be subtracted.
        Coordinates ``task_category``, ``phenomenon``, ``target``, ``layer``, ``seed``.

    Raises
    ------
    ScoreError
        The recording is not an answer to the request, is not finite, or there is no task.
    StimulusError
        The request does not read a task's places.
    """
    options = options or ProbeOptions()
    if not tasks:
        raise ScoreError("there is no task to score")
    labelled = [Labelled.of(t, item_rows(request, t), options.seeds) for t in tasks]
    n_rows = sum(len(p.spans) for p in request.stimuli.passages)
    if recording.ndim != 3 or recording.sizes["sample"] != n_rows:
        raise ScoreError(
            f"a recording of shape {recording.shape} does not answer a request of {n_rows} places",
            "make the recording from the request of these tasks",
        )
    judged = Judge(labelled, recording["layer"].values, options)
    texts = {passage.name: passage.text for passage in request.stimuli.passages}
    with spread(0) as each:

        def without_model(i: int) -> None:
            judged.compare(i, baselines(labelled[i], texts, options))

        each(without_model, range(len(labelled)))
        for layer in range(recording.sizes["layer"]):
            states = np.asarray(recording.isel(layer=layer).values)
            if not np.isfinite(states).all():
                raise ScoreError(
                    f"layer {recording['layer'].values[layer]} of the recording is not finite",
                    "record again in float32; a compressed model that gives NaN is broken",
                )

            def work(i: int, states: Floats = states, layer: int = layer) -> None:
                judged.put(i, layer, probe_layer(labelled[i], states, options))

            each(work, range(len(labelled)))
    return judged.dataset()
