"""Jobs of Slurm, PBS, SGE or LSF, each a Dask worker, through dask-jobqueue."""

from __future__ import annotations

import importlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, SelectionError
from harness.runner.engines.cluster import ClusterName, ClusterOptions
from harness.runner.engines.processes import THREADS

LOOK = 15.0
"""Seconds between two looks at whether jobs without a worker are still in the queue."""
STILLBORN = 3
"""Jobs in a row that may end before their worker has started."""
PASSED = ("BRAINPRESS_", "HF_")
"""Beginnings of the environment variables that a job gets, wherever the scheduler drops them."""
KEPT_BACK = ("HF_TOKEN",)
"""Written into no job script, which a scheduler shows; a login in the home folder is found."""


@dataclass(frozen=True)
class Queue:
    """How one scheduler is spoken to.

    Parameters
    ----------
    cluster : str
        The class of dask-jobqueue.
    submit : str
        Command that submits.
    look : tuple of str
        Command that fails, or prints nothing, for a job that is no longer queued or running.
    warns : bool
        Whether a job is told by SIGTERM before it is ended.
    """

    cluster: str
    submit: str
    look: tuple[str, ...]
    warns: bool


QUEUES: Mapping[ClusterName, Queue] = {
    ClusterName.SLURM: Queue("SLURMCluster", "sbatch", ("squeue", "--noheader", "--job"), True),
    ClusterName.PBS: Queue("PBSCluster", "qsub", ("qstat",), True),
    ClusterName.SGE: Queue("SGECluster", "qsub", ("qstat", "-j"), False),
    ClusterName.LSF: Queue(
        "LSFCluster", "bsub", ("bjobs", "-noheader", "-r", "-p", "-s", "-o", "jobid"), False
    ),
}


def settings(name: ClusterName, options: ClusterOptions, logs: Path) -> dict[str, Any]:
    """Return the arguments of dask-jobqueue's class for a scheduler.

    Parameters
    ----------
    name : ClusterName
    options : ClusterOptions
    logs : Path
        Folder that jobs write their output to.

    Raises
    ------
    SelectionError
        The scheduler has no such option, or needs one more.
    """
    if options.gres and name is not ClusterName.SLURM:
        raise SelectionError(
            f"gres is of Slurm, not of {name}", "write gpus, or the scheduler's own in directives"
        )
    directives, extra = list(options.directives), ["--nthreads", "1", "--memory-limit", "0"]
    if options.gpus:
        extra += ["--resources", f"GPU={options.gpus}"]
    # Dask's own limit would count the pages of weight files that are mapped; the cluster has one.
    found: dict[str, Any] = {
        "cores": options.cores,
        "processes": 1,
        "memory": f"{options.bytes}B",
        "queue": options.queue or None,
        "walltime": _walltime(name, options.seconds),
        "python": shlex.quote(options.python or sys.executable),
        "interface": options.interface or None,
        "local_directory": options.scratch or None,
        "log_directory": str(logs),
        "job_name": "brainpress",
        "nanny": False,
        "job_script_prologue": [*_exports(options.cores), *options.prologue],
        "worker_extra_args": extra,
        "death_timeout": 120,
        "scheduler_options": {"dashboard": False, "dashboard_address": ":0"},
    }
    match name:
        case ClusterName.SLURM:
            found["account"] = options.account or None
            if options.gpus:
                directives.append(f"--gres={options.gres or f'gpu:{options.gpus}'}")
        case ClusterName.PBS:
            found["account"] = options.account or None
            gigabytes = max(1, round(options.bytes / 2**30))
            cards = f":ngpus={options.gpus}" if options.gpus else ""
            found["resource_spec"] = f"select=1:ncpus={options.cores}:mem={gigabytes}gb{cards}"
        case ClusterName.SGE:
            found["project"] = options.account or None
            if options.cores > 1 and not any("-pe" in line for line in directives):
                raise SelectionError(
                    f"SGE gives {options.cores} cores by a parallel environment, whose name is"
                    " your cluster's own",
                    f'add directives = ["-pe smp {options.cores}"] or what `qconf -spl` lists',
                )
        case ClusterName.LSF:
            found["project"] = options.account or None
            if options.gpus:
                directives.append(f'-gpu "num={options.gpus}"')
    return found | {"job_extra_directives": directives}


class Jobs:
    """Jobs of a cluster, kept at a number.

    Parameters
    ----------
    name : ClusterName
    options : ClusterOptions
    workers : int
        Jobs at a time.
    logs : Path

    Raises
    ------
    HarnessError
        Jobs cannot be submitted from here.
    """

    def __init__(
        self, name: ClusterName, options: ClusterOptions, workers: int, logs: Path
    ) -> None:
        self._queue, self._wanted, self._logs = QUEUES[name], workers, logs
        if shutil.which(self._queue.submit) is None:
            raise HarnessError(
                f"there is no `{self._queue.submit}` on this machine",
                f"run where jobs of {name} are submitted: a login node",
            )
        library: Any = importlib.import_module("dask_jobqueue")
        how = settings(name, options, logs)
        self.cluster: Any = getattr(library, self._queue.cluster)(**how)
        self._looked, self._stillborn, self._refused = time.monotonic(), 0, 0
        self._seen: set[str] = set()  # names of workers that have started
        try:
            self._submit()
        except RuntimeError as error:
            self.cluster.close()
            raise HarnessError(
                f"{self._queue.submit} refuses the job: {_refusal(error)}",
                "see what the cluster options say",
            ) from error

    def keep(self, running: Iterable[str]) -> None:
        """Submit jobs in place of those that have ended.

        Parameters
        ----------
        running : iterable of str
            Names of the workers that the Dask scheduler knows.

        Raises
        ------
        HarnessError
            Jobs end before their worker has started, again and again.
        """
        here = set(running)
        if here - self._seen:
            self._stillborn = 0
        self._seen |= here
        if time.monotonic() - self._looked > LOOK:
            self._looked = time.monotonic()
            self._drop_ended(here)
        if len(self.cluster.workers) >= self._wanted:
            return
        try:
            self._submit()
        except RuntimeError as error:
            self._refused += 1
            if self._refused >= STILLBORN and not here:
                raise HarnessError(
                    f"{self._queue.submit} refuses jobs: {_refusal(error)}",
                    "the same command goes on from what is stored",
                ) from error
        else:
            self._refused = 0

    def close(self) -> None:
        """Cancel all."""
        self.cluster.close()

    def _submit(self) -> None:
        cluster = self.cluster
        while len(cluster.worker_spec) < self._wanted:
            cluster.worker_spec.update(cluster.new_worker_spec())
        try:
            # What `scale` does in the background, where an error is logged and no more.
            cluster.sync(cluster._correct_state)
        finally:
            for name, job in list(cluster.workers.items()):
                if job.job_id is None:
                    self._forget(name)

    def _drop_ended(self, running: set[str]) -> None:
        """Forget jobs that have ended; Dask hears only of workers that it knew."""
        for name, job in list(self.cluster.workers.items()):
            if str(name) in running or self._there(job.job_id):
                continue
            self._forget(name)
            if str(name) in self._seen:
                continue
            self._stillborn += 1
            if self._stillborn >= STILLBORN:
                raise HarnessError(
                    f"{self._stillborn} jobs in a row ended before their worker started",
                    f"read the output of job {job.job_id} in {self._logs}",
                )

    def _forget(self, name: object) -> None:
        """Drop a job that has ended; Dask asks of each that it is called so when all is closed."""
        job = self.cluster.workers.pop(name, None)
        if job is not None:
            job.status = importlib.import_module("distributed").Status.closed

    def _there(self, job: str) -> bool:
        with suppress(OSError, subprocess.TimeoutExpired):
            said = subprocess.run(
                [*self._queue.look, job], capture_output=True, text=True, timeout=30, check=False
            )
            if "timed out" in said.stderr:
                return True
            return said.returncode == 0 and bool(said.stdout.strip())
        return True  # the scheduler does not answer: it may be there


def lifetime(name: ClusterName, options: ClusterOptions) -> float | None:
    """Return after how many seconds a worker hands its task back by itself.

    None where the scheduler tells it in time, by SIGTERM.
    """
    if QUEUES[name].warns:
        return None
    return options.seconds - min(120.0, options.seconds / 5)


def _exports(cores: int) -> list[str]:
    """Return lines that set a job's environment, quoted for a shell."""
    given = {name: value for name, value in os.environ.items() if name.startswith(PASSED)}
    found = {name: value for name, value in given.items() if name not in KEPT_BACK}
    # A plugin beside the user's script is found there, too.
    found["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    for variable in THREADS:
        found[variable] = os.environ.get(variable, os.environ.get(THREADS[0], str(cores)))
    return [f"export {name}={shlex.quote(value)}" for name, value in sorted(found.items())]


def _walltime(name: ClusterName, seconds: int) -> str:
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    clock = f"{hours:02d}:{minute:02d}"
    return clock if name is ClusterName.LSF else f"{clock}:{second:02d}"


def _refusal(error: Exception) -> str:
    """Return what a command wrote to standard error, out of dask-jobqueue's message."""
    said = str(error).partition("stderr:")[2].strip() or str(error)
    return " ".join(said.split())
