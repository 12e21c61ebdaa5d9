"""What a cluster's scheduler is asked for: the options of a job, read from TOML and checked."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, SelectionError
from harness.place.size import parse_size


class ClusterName(StrEnum):
    """Schedulers of clusters that jobs can be submitted to."""

    SLURM = "slurm"
    PBS = "pbs"
    SGE = "sge"
    LSF = "lsf"


@dataclass(frozen=True)
class ClusterOptions:
    """What each job of a cluster asks for; a job is one worker.

    Parameters
    ----------
    cores : int
        Cores of a job; its worker uses that many threads.
    memory : str
        Memory of a job, as ``60GiB``.
    walltime : str
        ``HH:MM:SS`` or ``D-HH:MM:SS``. What a job has not finished by then, the next goes on with.
    queue : str
        Queue or partition; empty for the cluster's own choice.
    account : str
        Account or project that is charged.
    gpus : int
        Graphics cards of a job. With any, only such jobs prepare.
    gres : str
        Of Slurm, where its cards have a type, as ``gpu:a100:1``; the last number is ``gpus``.
    prologue : tuple of str
        Lines of shell that run in the job before the worker: ``module load …``.
    directives : tuple of str
        Further options for the scheduler, each as it stands behind ``#SBATCH`` (``#PBS``, …).
    interface : str
        Network interface that the workers and this process see each other on, as ``ib0``.
    python : str
        Interpreter on the nodes; default: that of this process.
    scratch : str
        Folder on a node's own disk for Dask's files.

    Raises
    ------
    SelectionError
        A value is of another type or form than that.
    """

    cores: int
    memory: str
    walltime: str = "01:00:00"
    queue: str = ""
    account: str = ""
    gpus: int = 0
    gres: str = ""
    prologue: tuple[str, ...] = ()
    directives: tuple[str, ...] = ()
    interface: str = ""
    python: str = ""
    scratch: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = _checked(field.name, str(field.type), getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        if self.cores < 1:
            raise _wrong("cores", self.cores, "a job has one core at least")
        if self.gpus < 0:
            raise _wrong("gpus", self.gpus, "none is 0")
        if not re.fullmatch(r"(\d+-)?\d{1,3}:[0-5]\d:[0-5]\d", self.walltime):
            raise _wrong("walltime", self.walltime, "write HH:MM:SS or D-HH:MM:SS")
        if self.seconds < 60:
            raise _wrong("walltime", self.walltime, "a worker takes longer to start")
        try:
            parse_size(self.memory)
        except HarnessError as error:
            raise _wrong("memory", self.memory, error.hint) from error
        if self.gres:
            match = re.fullmatch(r"gpu(:[\w.-]+)?(:(\d+))?", self.gres)
            if match is None:
                raise _wrong("gres", self.gres, "write gpu:1 or gpu:TYPE:1")
            object.__setattr__(self, "gpus", int(match[3] or 1))

    @property
    def seconds(self) -> int:
        """The walltime in seconds."""
        days, _, clock = self.walltime.rpartition("-")
        hours, minutes, seconds = map(int, clock.split(":"))
        return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds

    @property
    def bytes(self) -> int:
        """The memory in bytes."""
        return parse_size(self.memory)

    @classmethod
    def read(cls, given: ClusterOptions | Mapping[str, Any] | Path | str) -> ClusterOptions:
        """Make options of what a user gives: themselves, a mapping, or the path of a TOML file.

        Raises
        ------
        SelectionError
            The file is not there or not TOML, a key is unknown or missing, a value does not fit.
        """
        if isinstance(given, ClusterOptions):
            return given
        if not isinstance(given, Mapping):
            return cls._checked(_toml(Path(given)), f"cluster options {given}")
        return cls._checked(given, "cluster options")

    @classmethod
    def _checked(cls, given: Mapping[str, Any], where: str) -> ClusterOptions:
        known = {field.name for field in fields(cls)}
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(str(name), sorted(known), n=1, cutoff=0.5)
                raise SelectionError(
                    f"{where}: there is no {name!r}",
                    f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}",
                )
        for name in ("cores", "memory"):
            if name not in given:
                raise SelectionError(
                    f"{where}: {name} of a job is not said", 'as cores = 8 and memory = "60GiB"'
                )
        return cls(**given)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SelectionError(f"cluster options {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SelectionError(f"cluster options {path} are not TOML: {error}") from error


def _checked(name: str, kind: str, value: object) -> object:
    """Return a value if it is of its field's type; lists become tuples."""
    if kind == "int":
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong(name, value, "write a whole number")
        return value
    if kind == "str":
        if not isinstance(value, str) or not value.isprintable():
            raise _wrong(name, value, "write one line in quotes")
        return value
    if not isinstance(value, list | tuple) or not all(
        isinstance(line, str) and line.replace("\t", " ").isprintable() for line in value
    ):
        raise _wrong(name, value, 'write a list of lines: ["…", "…"]')
    return tuple(value)


def _wrong(name: str, value: object, hint: str) -> SelectionError:
    return SelectionError(f"cluster options: {name} cannot be {value!r}", hint)
