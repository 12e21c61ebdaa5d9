"""Which engine does a run, and with what. None of it changes a result, so none is in a key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.errors import SelectionError
from harness.runner.engines.cluster import ClusterName, ClusterOptions


class EngineName(StrEnum):
    """Engines there are."""

    LOCAL = "local"
    """This process."""
    PROCESSES = "processes"
    """Processes of this machine, each with its own cores, and with a GPU where GPUs are named."""
    DASK = "dask"
    """Workers of a Dask scheduler, or jobs of a cluster."""


@dataclass(frozen=True)
class Shard:
    """One of several equal parts of a run, for job arrays and for two terminals.

    Parameters
    ----------
    number : int
        From 1 on.
    of : int
        How many parts there are.

    Raises
    ------
    SelectionError
        There is no such part.
    """

    number: int = 1
    of: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            raise SelectionError(
                f"there is no shard {self.number}/{self.of}", "the first of four is 1/4"
            )

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``I/N``.

        Raises
        ------
        SelectionError
            It is something else, or there is no such part.
        """
        match = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
        if match is None:
            raise SelectionError(f"{text!r} is not a shard", "the first of four is 1/4")
        return cls(int(match[1]), int(match[2]))

    def holds(self, index: int) -> bool:
        """Whether it has the variant at an index of the selection, which every shard shares."""
        return index % self.of == self.number - 1


@dataclass(frozen=True)
class EngineOptions:
    """Settings of an engine.

    Parameters
    ----------
    engine : EngineName or str
    workers : int, optional
        Processes; default: one for each GPU that is named, else one for each core.
    gpus : str or sequence of int
        Numbers of the GPUs that workers may use, as ``0,1``; the first worker has the first.
        Workers beyond them score only.
    shard : Shard or str
        The part of the variants to compute, as ``2/8``.
    scheduler : str
        Address of a Dask scheduler, as ``tcp://node1:8786``; without one, Dask workers are started
        on this machine.
    cluster : ClusterName or str, optional
        Scheduler of a cluster that workers are submitted to as jobs; the engine is Dask then.
    cluster_options : ClusterOptions, mapping or path, optional
        What each job asks for, or a TOML file of it.
    retries : int
        How often a task is given to another worker after its worker died, before it is a failure.

    Raises
    ------
    SelectionError
        They do not fit together.
    """

    engine: EngineName = EngineName.LOCAL
    workers: int | None = None
    gpus: tuple[int, ...] = ()
    shard: Shard = Shard()
    scheduler: str = ""
    cluster: ClusterName | None = None
    cluster_options: ClusterOptions | None = None
    retries: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "engine", _engine(self.engine))
        self._check_cluster()
        object.__setattr__(self, "gpus", _gpus(self.gpus))
        shard = Shard.parse(self.shard) if isinstance(self.shard, str) else self.shard
        object.__setattr__(self, "shard", shard or Shard())
        if self.engine is EngineName.LOCAL and (self.workers or self.gpus):
            raise SelectionError(
                "the engine `local` is one process and has no workers",
                "choose --engine processes, or --device cuda:1 for another card",
            )
        if self.engine is EngineName.DASK and self.gpus:
            raise SelectionError(
                "Dask workers get their GPUs where they are started",
                "`CUDA_VISIBLE_DEVICES=0 dask worker ADDRESS --resources GPU=1`, one for each GPU",
            )
        if self.cluster and self.scheduler:
            raise SelectionError(
                "a cluster's jobs have a Dask scheduler of their own",
                "leave --scheduler out, or --cluster",
            )
        if self.scheduler and (self.engine is not EngineName.DASK or self.workers):
            raise SelectionError(
                "--scheduler is for --engine dask, and has its own workers",
                "leave --workers out, or the scheduler",
            )
        if self.workers is not None and self.workers < max(1, len(self.gpus)):
            raise SelectionError(
                f"{self.workers} workers cannot use {len(self.gpus)} GPUs",
                "each worker uses one; there may be more workers than GPUs",
            )
        if self.retries < 1:
            raise SelectionError(
                f"{self.retries} retries: a task is given to a worker once at least"
            )

    def _check_cluster(self) -> None:
        if not self.cluster:
            object.__setattr__(self, "cluster", None)
            if self.cluster_options is not None:
                raise SelectionError(
                    "cluster options are of a cluster", f"--cluster {'|'.join(ClusterName)}"
                )
            return
        try:
            object.__setattr__(self, "cluster", ClusterName(self.cluster))
        except ValueError:
            raise SelectionError(
                f"no cluster {self.cluster!r}", f"one of {', '.join(ClusterName)}"
            ) from None
        if self.engine is EngineName.PROCESSES:
            raise SelectionError(
                "the engine `processes` is of this machine", "leave --engine out, or --cluster"
            )
        object.__setattr__(self, "engine", EngineName.DASK)
        if self.cluster_options is None:
            raise SelectionError(
                f"what a job of {self.cluster} asks for is not said",
                'give --cluster-options FILE.toml, with cores = 8 and memory = "60GiB" at least',
            )
        object.__setattr__(self, "cluster_options", ClusterOptions.read(self.cluster_options))


def _engine(name: str) -> EngineName:
    try:
        return EngineName(name)
    except ValueError:
        raise SelectionError(f"no engine {name!r}", f"one of {', '.join(EngineName)}") from None


def _gpus(given: str | Sequence[int] | None) -> tuple[int, ...]:
    if not isinstance(given, str):
        return tuple(given or ())
    try:
        return tuple(int(part) for part in given.split(",") if part.strip())
    except ValueError:
        raise SelectionError(f"--gpus {given!r}", "write numbers with commas: 0,1") from None
