"""Score probing tasks on a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.errors import ScoreError
from harness.numeric.arrays import Doubles, Floats
from harness.numeric.threads import spread
from harness.probe.agreement import Counts
from harness.probe.chance import resampled
from harness.probe.layer import (
    Labelled,
    LayerResult,
    all_groups,
    majority,
    plain,
    probe_layer,
    score,
)
from harness.probe.options import Probe, ProbeOptions
from harness.probe.tasks import ProbeTask, item_rows
from harness.record.request import Request

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Probe", "ProbeOptions", "score_probes"]


TAILS = (0.025, 0.975)


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
        ``value``, ``low``, ``high``: mean over tasks of macro-F1 (Pearson r for numbers) at each
        task's best layer, chosen on its dev part. Intervals resample test groups and seeds.
        Over dim ``task``, at that layer: ``score``, ``score_low``, ``score_high``, ``score_sd``
        (over seeds), ``accuracy``, ``f1_weighted``, ``majority`` (the score of the most frequent
        class), ``lexical`` (the score of layer 0), ``over_lexical`` (the difference) with
        ``_low`` and ``_high``, ``selectivity`` (accuracy, or r, minus that of the control task)
        with ``_low`` and ``_high``, ``bits`` and ``compression`` of the online code,
        ``best_layer``, ``train_items``, ``dev_items``, ``test_items``, ``classes``.
        Over (task, layer): ``layer_score``, ``layer_low``, ``layer_high``, ``layer_sd``,
        ``layer_dev``, ``layer_selectivity``, ``layer_bits``, ``layer_compression``,
        ``layer_penalty``. Over (task, seed): ``seed_score``.
        Over ``category``: ``category_score``, ``category_low``, ``category_high``,
        ``category_sd`` (over seeds), ``category_lexical``, ``category_majority``,
        ``category_selectivity``, ``category_tasks``; over (category, layer):
        ``category_layer_score``; over (category, draw): ``category_draws``, the score in every
        resample of test groups and seeds, and ``category_lexical_draws``, that of layer 0. Draws
        are the same for every recording, so that those of two variants can be subtracted.
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
    judged = _Judge(labelled, recording["layer"].values, options)
    with spread(0) as each:
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


@dataclass
class _Judge:
    """Scores of all tasks, layers and seeds as they come in."""

    tasks: list[Labelled]
    layers: npt.NDArray[Any]
    options: ProbeOptions
    curves: dict[str, Doubles] = field(init=False)
    draws: dict[str, Doubles] = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(self.tasks), len(self.layers), self.options.seeds)
        names = ("score", "dev", "plain", "control", "bits", "f1_weighted")
        self.curves = {name: np.full(shape, np.nan) for name in names}
        self.curves["penalty"] = np.full(shape[:2], np.nan)
        resamples = (*shape[:2], self.options.draws)
        self.draws = {name: np.full(resamples, np.nan) for name in ("score", "selectivity")}
        names_of_groups = all_groups(self.tasks)
        column = {name: i for i, name in enumerate(names_of_groups)}
        weights = resampled(names_of_groups, self.options.draws)
        # One draw takes the same documents and seeds for all tasks, whose errors go together.
        self._weights = [weights[:, [column[n] for n in t.group_names]] for t in self.tasks]
        seeds = [str(s) for s in range(self.options.seeds)]
        self._seeds = resampled(seeds, self.options.draws, seed=1) / len(seeds)

    def put(self, i: int, layer: int, result: LayerResult) -> None:
        once = np.ones((1, len(self.tasks[i].group_names)))
        at = (i, layer)
        self.curves["score"][at] = score(result.test, once)[0]
        self.curves["dev"][at] = result.dev
        self.curves["plain"][at] = plain(result.test, once)[0]
        self.curves["control"][at] = plain(result.control, once)[0]
        self.curves["bits"][at] = result.bits
        if isinstance(result.test, Counts):
            self.curves["f1_weighted"][at] = result.test.weighted_f1(once)[0]
        self.curves["penalty"][at] = result.penalty
        weights = self._weights[i]
        gained = plain(result.test, weights) - plain(result.control, weights)
        self.draws["score"][at] = (score(result.test, weights) * self._seeds).sum(axis=1)
        self.draws["selectivity"][at] = (gained * self._seeds).sum(axis=1)

    def dataset(self) -> xr.Dataset:
        import xarray as xr

        best = np.array([_best(dev) for dev in self.curves["dev"].mean(axis=2)])
        at = (np.arange(len(self.tasks)), best)
        values: dict[str, Any] = self._summary(at) | self._by_task(at) | self._by_layer()
        tasks = [t.task for t in self.tasks]
        coords: dict[str, Any] = {
            "task": [t.name for t in tasks],
            "task_category": ("task", [t.category for t in tasks]),
            "phenomenon": ("task", [t.phenomenon for t in tasks]),
            "target": ("task", [str(t.target) for t in tasks]),
            "layer": self.layers,
            "seed": np.arange(self.options.seeds),
        }
        return xr.Dataset(values, coords=coords).merge(self._by_category(at))

    def _summary(self, at: Any) -> dict[str, Any]:
        low, high = np.quantile(self.draws["score"][at].mean(axis=0), TAILS)
        return {"value": self.curves["score"][at].mean(), "low": low, "high": high}

    def _by_task(self, at: Any) -> dict[str, Any]:
        seeds, draws = self.curves["score"][at], self.draws["score"]
        lexical = self.curves["score"][:, 0].mean(axis=1)
        uniform = np.array([_uniform_bits(t) for t in self.tasks])
        low, high = np.quantile(draws[at], TAILS, axis=1)
        gain_low, gain_high = np.quantile(draws[at] - draws[:, 0], TAILS, axis=1)
        picky = self.curves["plain"] - self.curves["control"]
        picky_low, picky_high = np.quantile(self.draws["selectivity"][at], TAILS, axis=1)
        bits = self.curves["bits"][at].mean(axis=1)
        is_class = np.array([t.is_class for t in self.tasks])
        columns = {
            "score": seeds.mean(axis=1),
            "score_low": low,
            "score_high": high,
            "score_sd": _sd(seeds),
            "accuracy": np.where(is_class, self.curves["plain"][at].mean(axis=1), np.nan),
            "f1_weighted": self.curves["f1_weighted"][at].mean(axis=1),
            "majority": np.array([majority(t) for t in self.tasks]),
            "lexical": lexical,
            "over_lexical": seeds.mean(axis=1) - lexical,
            "over_lexical_low": gain_low,
            "over_lexical_high": gain_high,
            "selectivity": picky[at].mean(axis=1),
            "selectivity_low": picky_low,
            "selectivity_high": picky_high,
            "bits": bits,
            "compression": uniform / bits,
            "best_layer": self.layers[at[1]],
            "train_items": np.array([len(t.train) for t in self.tasks]),
            "dev_items": np.array([len(t.dev) for t in self.tasks]),
            "test_items": np.array([len(t.test) for t in self.tasks]),
            "classes": np.array([len(t.task.classes) for t in self.tasks]),
        }
        return {name: ("task", column) for name, column in columns.items()} | {
            "seed_score": (("task", "seed"), seeds)
        }

    def _by_layer(self) -> dict[str, Any]:
        seeds = self.curves["score"]
        low, high = np.quantile(self.draws["score"], TAILS, axis=2)
        uniform = np.array([_uniform_bits(t) for t in self.tasks])
        bits = self.curves["bits"].mean(axis=2)
        curves = {
            "score": seeds.mean(axis=2),
            "low": low,
            "high": high,
            "sd": _sd(seeds),
            "dev": self.curves["dev"].mean(axis=2),
            "selectivity": (self.curves["plain"] - self.curves["control"]).mean(axis=2),
            "bits": bits,
            "compression": uniform[:, None] / bits,
            "penalty": self.curves["penalty"],
        }
        return {f"layer_{name}": (("task", "layer"), c) for name, c in curves.items()}

    def _by_category(self, at: Any) -> xr.Dataset:
        import xarray as xr

        of_task = np.array([t.task.category for t in self.tasks])
        names = tuple(dict.fromkeys(of_task.tolist()))
        seeds, draws = self.curves["score"][at], self.draws["score"][at]
        picky = (self.curves["plain"] - self.curves["control"])[at].mean(axis=1)
        common = np.array([majority(t) for t in self.tasks])
        rows, curves, resamples, lexical = [], [], [], []
        first = self.draws["score"][:, 0]
        for name in names:
            inside = of_task == name
            resamples.append(draws[inside].mean(axis=0))
            lexical.append(first[inside].mean(axis=0))
            low, high = np.quantile(resamples[-1], TAILS)
            rows.append(
                (
                    seeds[inside].mean(),
                    low,
                    high,
                    float(_sd(seeds[inside].mean(axis=0))),
                    self.curves["score"][inside, 0].mean(),
                    common[inside].mean(),
                    picky[inside].mean(),
                    int(inside.sum()),
                )
            )
            curves.append(self.curves["score"][inside].mean(axis=(0, 2)))
        heads = ("score", "low", "high", "sd", "lexical", "majority", "selectivity", "tasks")
        columns = zip(heads, zip(*rows, strict=True), strict=True)
        values: dict[str, Any] = {f"category_{h}": ("category", list(c)) for h, c in columns}
        values["category_layer_score"] = (("category", "layer"), np.stack(curves))
        for name, kept in (("category_draws", resamples), ("category_lexical_draws", lexical)):
            values[name] = (("category", "draw"), np.stack(kept).astype(np.float32))
        return xr.Dataset(values, coords={"category": list(names), "layer": self.layers})


def _best(dev: Doubles) -> int:
    """Layer with the best dev score; the first of those that tie to rounding."""
    return int(np.argmax(dev >= dev.max() - 1e-12))


def _sd(seeds: Doubles) -> Doubles:
    """Take the standard deviation over the last axis; NaN of one seed."""
    if seeds.shape[-1] < 2:
        return np.full(seeds.shape[:-1], np.nan)
    return np.asarray(seeds.std(axis=-1, ddof=1))


def _uniform_bits(task: Labelled) -> float:
    """Bits of the training labels without a model; NaN for numbers."""
    return len(task.train) * float(np.log2(task.n_classes)) if task.is_class else np.nan
