"""Holmes and FlashHolmes: what can be read off a model's states (Waldis et al. 2024)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.errors import DataError, SelectionError
from harness.place.locate import DATA_VARIABLE, find_folder
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.record.request import Recordings, Request

    from .holmes_format import FolderTask

Z = 1.959963984540054
"""Standard deviations in half of a 95 % interval."""


class Profile(StrEnum):
    """Which protocol."""

    STRICT = "strict"
    """Every layer, the best chosen on the dev part; the whole layer curve."""
    WALDIS2024 = "waldis2024"
    """The last layer alone, as in the paper."""


@dataclass(frozen=True)
class Holmes:
    """Probing tasks in a folder, each in a folder of its own.

    Parameters
    ----------
    folder : str
        Path of the folder, or its name in a data folder (``BRAINPRESS_DATA``).
    profile : str
        ``strict`` or ``waldis2024``. Both: linear probe, macro-F1 (Pearson r for numbers), five
        seeds, arithmetic in float32 or better.
    tasks : tuple of str
        Names or globs of the tasks wanted; empty: all.
    seeds : int
        Fits of each probe.

    Raises
    ------
    DataError
        The folder is not there, holds no task, or a task cannot be used.
    SelectionError
        No task has a wanted name.
    """

    folder: str = "holmes"
    profile: str = "strict"
    tasks: tuple[str, ...] = ()
    seeds: int = 5

    def __post_init__(self) -> None:
        if self.profile not in list(Profile):
            raise DataError(f"no profile {self.profile!r}", f"one of {', '.join(Profile)}")
        _ = self._read  # data that is missing is found when the run is planned

    def requests(self) -> tuple[Request, ...]:
        """Ask for hidden states, one request a task, so that no two tasks are in memory at once."""
        return self._requests

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Probe each task, then join the scores, see :func:`join_tasks`."""
        from harness.probe.score import Probe, ProbeOptions, score_probes

        published = self.profile == Profile.WALDIS2024
        probe = Probe.ADAM if published else Probe.LINEAR
        options = ProbeOptions(probe=probe, seeds=self.seeds)
        scores = []
        for read, request in zip(self._read, self._requests, strict=True):
            recording = recordings[request]
            if self.profile == Profile.WALDIS2024:
                recording = recording.isel(layer=[-1])
            score = score_probes([read.task], request, recording, options)
            if self.profile == Profile.WALDIS2024:
                # "Lexical" is the score of the first layer, and the only one here is the last.
                score = score.drop_vars([v for v in score.data_vars if "lexical" in str(v)])
            scores.append(score)
        joined = join_tasks(scores)
        return joined.assign(
            left_out=("task", [read.left_out for read in self._read]),
            shared_texts=("task", [read.shared_texts for read in self._read]),
        )

    @cached_property
    def _read(self) -> tuple[FolderTask, ...]:
        from .holmes_format import read_task, task_folders

        found = task_folders(find_folder(self.folder, _HINT))
        wanted = [
            path
            for path in found
            if not self.tasks or any(fnmatchcase(path.name, pattern) for pattern in self.tasks)
        ]
        if not wanted:
            raise SelectionError(
                f"no task of {self.folder} is named {' or '.join(self.tasks)}",
                f"there are {', '.join(path.name for path in found[:8])}, …",
            )
        return tuple(read_task(path) for path in wanted)

    @cached_property
    def _requests(self) -> tuple[Request, ...]:
        from harness.probe.tasks import probe_request

        return tuple(
            probe_request(f"holmes/{read.task.name}", read.texts, [read.task])
            for read in self._read
        )


_HINT = (
    "download Holmes (https://github.com/Holmes-Benchmark/holmes-evaluation), unpack it and put the"
    f" folder that holds its tasks in a folder of {DATA_VARIABLE}"
)


def join_tasks(scores: Sequence[xr.Dataset]) -> xr.Dataset:
    """Join the scores of tasks that were probed one by one.

    Parameters
    ----------
    scores : sequence of Dataset
        From :func:`harness.probe.score.score_probes`, of one task each.

    Returns
    -------
    Dataset
        Everything over ``task`` (and layer, seed) side by side; ``value`` (the mean of the scores,
        as published, not of their gains) and over ``category`` ``category_score``, means over
        tasks, with ``low``, ``high`` from the tasks' intervals taken as normal and independent,
        and ``category_sd`` over seeds; ``category_tasks``, ``category_majority``, and, over
        (category, draw), ``category_draws``; where there is a lexical baseline,
        ``category_lexical`` and ``category_lexical_draws``.
    """
    import numpy as np
    import xarray as xr

    parts = []
    for score in scores:
        whole = [name for name in score.data_vars if "task" not in score[name].dims]
        whole += [name for name in ("counted_gain",) if name in score]
        parts.append(score.drop_vars(whole).drop_dims("category", errors="ignore"))
    joined = xr.concat(parts, dim="task", join="outer")
    category = joined["task_category"].values
    means = {"value": _mean(joined, np.ones(len(category), bool))}
    columns = {str(name): _mean(joined, category == name) for name in dict.fromkeys(category)}
    value = means["value"]
    names = list(columns)
    kept = {
        name: np.stack([_own_order(score)(score[name].values[0]) for score in scores])
        for name in ("category_draws", "category_lexical_draws")
        if all(name in score for score in scores)
    }
    draws = {
        name: (("category", "draw"), np.stack([drawn[category == n].mean(axis=0) for n in names]))
        for name, drawn in kept.items()
    }
    floors = {
        f"category_{name}": (
            "category",
            [float(joined[name].values[category == n].mean()) for n in names],
        )
        for name in ("majority", "lexical")
        if name in joined
    }
    beside: dict[str, Any] = {**draws, **floors}
    return (
        joined.assign(beside)
        .assign(
            value=value[0],
            low=value[1],
            high=value[2],
            category_score=("category", [columns[n][0] for n in names]),
            category_low=("category", [columns[n][1] for n in names]),
            category_high=("category", [columns[n][2] for n in names]),
            category_sd=("category", [columns[n][3] for n in names]),
            category_tasks=("category", [int((category == n).sum()) for n in names]),
        )
        .assign_coords(category=names)
    )


def _own_order(score: xr.Dataset) -> Callable[[Any], Any]:
    """Shuffle resamples, the same for every variant, so that tasks do not err together.

    Each task draws of its own texts, but from the same random numbers.
    """
    import numpy as np

    rng = np.random.default_rng(zlib.crc32(str(score["task"].values[0]).encode()))
    order = rng.permutation(score.sizes["draw"])
    return lambda draws: draws[order]


def _mean(joined: xr.Dataset, inside: Any) -> tuple[float, float, float, float]:
    """Mean over tasks with its interval, and its standard deviation over seeds."""
    import numpy as np

    value = float(joined["score"].values[inside].mean())
    errors = (joined["score_high"] - joined["score_low"]).values[inside] / (2 * Z)
    half = Z * float(np.sqrt(np.sum(errors**2))) / len(errors)
    seeds = joined["seed_score"].transpose("task", "seed").values[inside].mean(axis=0)
    spread = float(seeds.std(ddof=1)) if len(seeds) > 1 else float("nan")
    return value, value - half, value + half, spread


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Offer both collections under both protocols."""
    specs = []
    for name, data in (("holmes", "208 tasks"), ("flash-holmes", "190 tasks, fewer items")):
        for profile in Profile:
            specs.append(
                BenchmarkSpec(
                    name if profile is Profile.STRICT else f"{name}@{profile}",
                    target="brainpress_plugins.benchmarks.linguistic.holmes:Holmes",
                    kind="linguistic",
                    options={"folder": name, "profile": str(profile)},
                    metric="macro-F1 or Pearson r, mean over tasks",
                    margin=0.01,
                    tags=("probing", "real"),
                    licence="of each data set",
                    citation=(
                        "Waldis, Perlitz, Choshen, Hou & Gurevych (2024). Holmes: A benchmark to"
                        " assess the linguistic competence of language models. TACL 12, 1616-1647."
                    ),
                    homepage="https://holmes-benchmark.github.io",
                    notes=(
                        "Not fetched: download it and put it in a folder of BRAINPRESS_DATA."
                        " How far the published protocol is followed: docs/linguistic-suites.md."
                    ),
                    data=data,
                )
            )
    return specs
