"""A real Slurm of this one machine, in a folder of its own: munged, slurmctld and slurmd.

Debian's packages ``slurmctld``, ``slurmd``, ``slurm-client`` and ``munge`` are enough; no service
of theirs is used, and nothing outside of the folder is written. Slurm's daemons want to be root.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
CORES = 4
KILL_WAIT = 5
"""Seconds between SIGTERM and SIGKILL."""

CONFIGURATION = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={controller}
SlurmdPort={daemon}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
MinJobAge=10
KillWait={wait}
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} State=UNKNOWN
PartitionName=test Nodes={host} Default=YES MaxTime=10 State=UP
"""


class NotStartedError(Exception):
    """The daemons are installed, and no node of theirs takes jobs on this machine."""


def missing() -> str:
    """Say what is missing for a Slurm of this machine; nothing where it can be started."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if absent:
        return f"needs Slurm: {', '.join(absent)} not installed"
    return "" if os.getuid() == 0 else "needs Slurm, whose daemons want to be root"


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Run a Slurm of one node; gives the environment in which its commands find it."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    controller, daemon = _ports(2)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            folder=folder,
            controller=controller,
            daemon=daemon,
            wait=KILL_WAIT,
            cores=CORES,
            memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        )
    )
    environment = {**os.environ, "SLURM_CONF": str(configuration), "PATH": _path()}
    started = []
    try:
        munged = ["munged", "--force", "--foreground", "--num-threads=1", f"--key-file={key}"]
        for option in ("socket", "log-file", "pid-file", "seed-file"):
            munged.append(f"--{option}={folder}/munge.{option.removesuffix('-file')}")
        for command in (munged, ["slurmctld", "-D", "-c"], ["slurmd", "-D", "-c"]):
            with (folder / f"{command[0]}.out").open("wb") as out:
                started.append(
                    subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=folder)
                )
            time.sleep(1)
        try:
            until(lambda: "idle" in said(["sinfo", "--noheader"], environment), 60, "an idle node")
        except AssertionError as error:
            raise NotStartedError(f"Slurm does not start here: {_last_words(folder)}") from error
        yield environment
    finally:
        for process in reversed(started):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _last_words(folder: Path) -> str:
    """Return the last line that each daemon wrote."""
    files = [*folder.glob("*.out"), *folder.glob("*.log")]
    lines = [file.read_text(errors="replace").strip().splitlines()[-1:] for file in files]
    return "; ".join(line for each in lines for line in each)


def said(command: Sequence[str], environment: dict[str, str]) -> str:
    """Return what a command prints."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def jobs(environment: dict[str, str], state: str = "RUNNING") -> list[str]:
    """Return the numbers of the jobs in a state."""
    listed = said(["squeue", "--noheader", "--format=%i %T"], environment)
    lines = [line.split() for line in listed.splitlines()]
    return [line[0] for line in lines if line[1:] == [state]]


def until(true: object, seconds: float, what: str) -> None:
    """Wait until a function returns something true."""
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.5)


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
