"""From what probes of every task, layer and seed reached to a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from harness.numeric.arrays import Bools, Doubles
from harness.probe.agreement import Counts
from harness.probe.chance import resampled
from harness.probe.labelled import Labelled, all_groups
from harness.probe.layer import LayerResult, majority, plain, score
from harness.probe.lexical import Baseline
from harness.probe.options import ProbeOptions
from harness.probe.tasks import Part

if TYPE_CHECKING:
    import xarray as xr

TAILS = (0.025, 0.975)
FEWEST_SEEN = 20
"""Test items of a type seen in training; with fewer there is no selectivity."""
MAJORITY, FIRST_LAYER = "majority", "layer 0"
CUE, GRAMS = "cue", "n-grams"


@dataclass
class Judge:
    """Scores of all tasks, layers and seeds as they come in.

    Parameters
    ----------
    tasks : list of Labelled
    layers : array (n_layers,)
        Numbers of the layers; only one whose number is 0 is the lexical layer.
    options : ProbeOptions
    """

    tasks: list[Labelled]
    layers: npt.NDArray[Any]
    options: ProbeOptions
    curves: dict[str, Doubles] = field(init=False)
    draws: dict[str, Doubles] = field(init=False)

    def __post_init__(self) -> None:
        shape = (len(self.tasks), len(self.layers), self.options.seeds)
        names = ("score", "dev", "plain", "seen", "control", "bits", "f1_weighted")
        self.curves = {name: np.full(shape, np.nan) for name in names}
        self.curves["penalty"] = np.full(shape[:2], np.nan)
        resamples = (*shape[:2], self.options.draws)
        self.draws = {name: np.full(resamples, np.nan) for name in ("score", "selectivity")}
        self._beside: list[dict[str, tuple[float, float, Doubles]]] = [{} for _ in self.tasks]
        names_of_groups = all_groups(self.tasks)
        column = {name: i for i, name in enumerate(names_of_groups)}
        weights = resampled(names_of_groups, self.options.draws)
        # One draw takes the same documents and seeds for all tasks, whose errors go together.
        self._weights = [weights[:, [column[n] for n in t.group_names]] for t in self.tasks]
        seeds = [str(s) for s in range(self.options.seeds)]
        self._seeds = resampled(seeds, self.options.draws, seed=1) / len(seeds)

    def compare(self, i: int, found: Sequence[Baseline]) -> None:
        """Take what a task's labels can be told from without a model."""
        once = np.ones((1, len(self.tasks[i].group_names)))
        for one in found:
            drawn = (score(one.test, self._weights[i]) * self._seeds).sum(axis=1)
            self._beside[i][one.name] = (one.dev, float(score(one.test, once).mean()), drawn)

    def put(self, i: int, layer: int, result: LayerResult) -> None:
        """Take what the probes of a task reached on a layer."""
        once = np.ones((1, len(self.tasks[i].group_names)))
        at = (i, layer)
        self.curves["score"][at] = score(result.test, once)[0]
        self.curves["dev"][at] = result.dev
        self.curves["plain"][at] = plain(result.test, once)[0]
        self.curves["bits"][at] = result.bits
        if isinstance(result.test, Counts):
            self.curves["f1_weighted"][at] = result.test.weighted_f1(once)[0]
        self.curves["penalty"][at] = result.penalty
        weights = self._weights[i]
        self.draws["score"][at] = (score(result.test, weights) * self._seeds).sum(axis=1)
        if self.tasks[i].seen.sum() >= FEWEST_SEEN:
            self.curves["seen"][at] = plain(result.seen, once)[0]
            self.curves["control"][at] = plain(result.control, once)[0]
            gained = plain(result.seen, weights) - plain(result.control, weights)
            self.draws["selectivity"][at] = (gained * self._seeds).sum(axis=1)

    def dataset(self) -> xr.Dataset:
        """Return the score, see :func:`harness.probe.score.score_probes`."""
        import xarray as xr

        best = np.array([_best(dev) for dev in self.curves["dev"].mean(axis=2)])
        at = (np.arange(len(self.tasks)), best)
        lexical = self._lexical()
        values: dict[str, Any] = self._summary(at, lexical) | self._by_task(at, lexical)
        values |= self._by_layer()
        tasks = [t.task for t in self.tasks]
        coords: dict[str, Any] = {
            "task": [t.name for t in tasks],
            "task_category": ("task", [t.category for t in tasks]),
            "phenomenon": ("task", [t.phenomenon for t in tasks]),
            "target": ("task", [str(t.target) for t in tasks]),
            "aside": ("task", [t.aside for t in tasks]),
            "layer": self.layers,
            "seed": np.arange(self.options.seeds),
        }
        return xr.Dataset(values, coords=coords).merge(self._by_category(at, lexical))

    @property
    def _counts(self) -> Bools:
        """Which tasks count; all, where none would."""
        counts = np.array([not t.task.aside for t in self.tasks])
        return counts if counts.any() else ~counts

    def _lexical(self) -> _Lexical:
        """Take the best baseline of each task by its dev part."""
        by_name: list[dict[str, float]] = []
        names, scores, draws = [], [], []
        for i, task in enumerate(self.tasks):
            common = majority(task)
            beside = {
                MAJORITY: (majority(task, Part.DEV), common, np.full(self.options.draws, common))
            } | self._beside[i]
            if self.layers[0] == 0:
                dev, first = (float(self.curves[name][i, 0].mean()) for name in ("dev", "score"))
                beside[FIRST_LAYER] = (dev, first, self.draws["score"][i, 0])
            best = max(beside, key=lambda name: beside[name][0])
            names.append(best)
            scores.append(beside[best][1])
            draws.append(beside[best][2])
            by_name.append({name: found[1] for name, found in beside.items()})
        return _Lexical(names, np.array(scores), np.stack(draws), by_name)

    def _summary(self, at: Any, lexical: _Lexical) -> dict[str, Any]:
        gained = self.curves["score"][at].mean(axis=1) - lexical.score
        drawn = self.draws["score"][at] - lexical.draws
        low, high = np.quantile(drawn[self._counts].mean(axis=0), TAILS)
        value = gained[self._counts].mean()
        # A bootstrap of few groups can miss the value itself by rounding.
        return {"value": value, "low": min(low, value), "high": max(high, value)}

    def _by_task(self, at: Any, lexical: _Lexical) -> dict[str, Any]:
        seeds, draws = self.curves["score"][at], self.draws["score"][at]
        uniform = np.array([_uniform_bits(t) for t in self.tasks])
        low, high = np.quantile(draws, TAILS, axis=1)
        gain = seeds.mean(axis=1) - lexical.score
        gain_low, gain_high = np.quantile(draws - lexical.draws, TAILS, axis=1)
        picky = self.curves["seen"] - self.curves["control"]
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
            "majority": lexical.of(MAJORITY),
            "cue": lexical.of(CUE),
            "ngrams": lexical.of(GRAMS),
            "layer_0": lexical.of(FIRST_LAYER),
            "lexical": lexical.score,
            "lexical_kind": np.array(lexical.names, np.str_),
            "over_lexical": gain,
            "over_lexical_low": gain_low,
            "over_lexical_high": gain_high,
            "counted_gain": np.where(self._counts, gain, np.nan),
            "selectivity": picky[at].mean(axis=1),
            "selectivity_low": picky_low,
            "selectivity_high": picky_high,
            "seen_items": np.array([int(t.seen.sum()) for t in self.tasks]),
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
            "selectivity": (self.curves["seen"] - self.curves["control"]).mean(axis=2),
            "bits": bits,
            "compression": uniform[:, None] / bits,
            "penalty": self.curves["penalty"],
        }
        return {f"layer_{name}": (("task", "layer"), c) for name, c in curves.items()}

    def _by_category(self, at: Any, lexical: _Lexical) -> xr.Dataset:
        import xarray as xr

        of_task = np.array([t.task.category for t in self.tasks])
        names = tuple(dict.fromkeys(of_task[self._counts].tolist()))
        seeds, draws = self.curves["score"][at], self.draws["score"][at]
        picky = (self.curves["seen"] - self.curves["control"])[at].mean(axis=1)
        rows, curves, resamples, floors = [], [], [], []
        for name in names:
            inside = (of_task == name) & self._counts
            resamples.append(draws[inside].mean(axis=0))
            floors.append(lexical.draws[inside].mean(axis=0))
            value, floor = seeds[inside].mean(), lexical.score[inside].mean()
            low, high = np.quantile(resamples[-1], TAILS)
            gain_low, gain_high = np.quantile(resamples[-1] - floors[-1], TAILS)
            rows.append(
                {
                    "score": value,
                    "low": low,
                    "high": high,
                    "sd": float(_sd(seeds[inside].mean(axis=0))),
                    "lexical": floor,
                    "gain": value - floor,
                    "gain_low": gain_low,
                    "gain_high": gain_high,
                    "majority": lexical.of(MAJORITY)[inside].mean(),
                    "selectivity": _mean_known(picky[inside]),
                    "tasks": int(inside.sum()),
                }
            )
            curves.append(self.curves["score"][inside].mean(axis=(0, 2)))
        values: dict[str, Any] = {
            f"category_{head}": ("category", [row[head] for row in rows]) for head in rows[0]
        }
        values["category_layer_score"] = (("category", "layer"), np.stack(curves))
        for name, kept in (("category_draws", resamples), ("category_lexical_draws", floors)):
            values[name] = (("category", "draw"), np.stack(kept).astype(np.float32))
        return xr.Dataset(values, coords={"category": list(names), "layer": self.layers})


@dataclass(frozen=True, eq=False)
class _Lexical:
    """The lexical baseline of each task.

    Parameters
    ----------
    names : list of str
        Which it is.
    score : array (n_tasks,)
    draws : array (n_tasks, n_draws)
    every : list of dict
        Scores of all baselines, by name.
    """

    names: list[str]
    score: Doubles
    draws: Doubles
    every: list[dict[str, float]]

    def of(self, name: str) -> Doubles:
        """Scores of one baseline, NaN where there is none, (n_tasks,)."""
        return np.array([scores.get(name, np.nan) for scores in self.every])


def _mean_known(values: Doubles) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


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
