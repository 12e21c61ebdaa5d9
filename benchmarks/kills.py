"""Kill the client, a worker or the scheduler at random moments, and look at what is left.

    python benchmarks/kills.py --each 20 [--kinds client,worker,scheduler] [--model stories260k]

A matrix is computed in a folder of its own while one of its processes is killed (SIGKILL), at a
moment drawn from a seed; the same command goes on, and is killed again, until there were ``--each``
kills of a kind; a matrix that is finished before is begun anew. In the end every score is held
against an undisturbed serial run, to the last bit, and the store must hold nothing else: no
temporary file, no mark of a cell that was begun, no note of a lock's holder, no unfinished score.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

KINDS = ("client", "worker", "scheduler")
COMPRESSORS = ("none", "rtn-int4", "rtn-int8", "magnitude-25", "magnitude-50", "nf4")
LEFT = (".*.~*", "*.corrupt-*", "started/*/*", "locks/*.holder", "unfinished/*", "blocks/*")
"""Whatever of this is in a store that is finished was left over."""


@dataclass(frozen=True)
class Matrix:
    """What is computed.

    Parameters
    ----------
    model : str
    compressors : sequence of str
    benchmarks : str
    """

    model: str = "stories260k"
    compressors: Sequence[str] = COMPRESSORS
    benchmarks: str = "minimal-pairs,simulated-listening"

    def command(self, store: Path, *engine: str) -> list[str]:
        """Return the command line of a run."""
        words = [sys.executable, "-m", "brainpress", "run", "-m", self.model, "--offline"]
        words += ["-c", ",".join(self.compressors), "-b", self.benchmarks, "--store", str(store)]
        return [*words, *engine]


def undisturbed(matrix: Matrix, store: Path, log: Path) -> float:
    """Compute the matrix in one process; return the seconds it took."""
    start = time.monotonic()
    with log.open("ab") as out:
        subprocess.run(matrix.command(store), check=True, stdout=out, stderr=out)
    return time.monotonic() - start


def killed(
    kind: str,
    matrix: Matrix,
    store: Path,
    most: int,
    longest: float,
    log: Path,
    chance: random.Random,
) -> int:
    """Run the command once, and kill something after some time; workers as often as it goes.

    Parameters
    ----------
    kind : str
    matrix : Matrix
    store : Path
    most : int
        Kills, at most.
    longest : float
        Seconds from one kill to the next, at most.
    log : Path
    chance : Random

    Returns
    -------
    int
        Kills; 0 where the run had ended before.
    """
    with log.open("ab") as out, _engine(kind, out) as (engine, scheduler):
        client = subprocess.Popen(
            matrix.command(store, *engine), stdout=out, stderr=out, start_new_session=True
        )
        try:
            done = 0
            while done < most and not _waited(client, chance.uniform(0, longest)):
                victim = {"client": client.pid, "scheduler": scheduler}.get(kind)
                victim = _worker_of(client, chance) if kind == "worker" else victim
                if victim is None:
                    break
                with suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    done += 1
                if kind != "worker":
                    break
            client.wait(900)
            return done
        finally:
            with suppress(ProcessLookupError):
                os.killpg(client.pid, signal.SIGKILL)
            client.wait()
            _gone(store)


def left_over(store: Path) -> list[str]:
    """Return what a finished store should not hold."""
    found = [path for pattern in LEFT for path in store.rglob(pattern)]
    return sorted(str(path.relative_to(store)) for path in found)


def differences(store: Path, reference: Path) -> list[str]:
    """Return the scores of one store that are not those of another, to the last bit."""
    import xarray as xr

    found = []
    names = {path.name for root in (store, reference) for path in (root / "scores").rglob("*.nc")}
    for name in sorted(names):
        mine, other = (root / "scores" / name[:2] / name for root in (store, reference))
        if not mine.exists() or not other.exists():
            found.append(f"{name} is in one store alone")
            continue
        with xr.open_dataset(mine) as a, xr.open_dataset(other) as b:
            if not a.equals(b):
                found.append(f"{name} differs")
    return found


def main() -> None:
    """Kill, go on, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--model", default="stories260k")
    parser.add_argument("--compressors", default=",".join(COMPRESSORS))
    parser.add_argument("--benchmarks", default=Matrix.benchmarks)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--within", type=float, help="seconds to a kill, at most; else those of a run"
    )
    parser.add_argument("--folder", type=Path, help="go on there, with its reference")
    given = parser.parse_args()
    matrix = Matrix(given.model, given.compressors.split(","), given.benchmarks)
    folder = given.folder or Path(mkdtemp(prefix="brainpress-kills-"))
    chance, log = random.Random(given.seed), folder / "log"
    took = undisturbed(matrix, folder / "reference", log)
    longest = given.within or took
    print(f"{folder}: undisturbed in {took:.0f} s", flush=True)
    bad = 0
    for kind in given.kinds.split(","):
        bad += series(kind, given.each, matrix, folder, longest, chance)
    shutil.rmtree(folder) if not bad else print(f"look at {folder}")
    raise SystemExit(bool(bad))


def series(
    kind: str, kills: int, matrix: Matrix, folder: Path, longest: float, chance: random.Random
) -> int:
    """Kill so often, finish, and print what differs or is left; return how much that is."""
    done, lives, stores, log = 0, 0, [folder / f"{kind}-0"], folder / "log"
    while done < kills:
        lives += 1
        fresh = killed(kind, matrix, stores[-1], kills - done, longest, log, chance)
        done += fresh
        print(f"{kind}: {done} of {kills} killed", flush=True)
        if not fresh or kind == "worker":
            stores.append(folder / f"{kind}-{len(stores)}")
    bad = 0
    for store in [store for store in stores if store.exists()]:
        undisturbed(matrix, store, log)
        for fault in [*differences(store, folder / "reference"), *left_over(store)]:
            bad += 1
            print(f"{kind}: {store.name}: {fault}")
    print(f"{kind}: {kills} kills in {lives} runs, {len(stores)} stores: {bad} faults", flush=True)
    return bad


@contextmanager
def _engine(kind: str, out: object) -> Iterator[tuple[list[str], int | None]]:
    """Give the words of an engine, and the process of its scheduler."""
    if kind != "scheduler":
        # As many deaths over one task as it takes.
        yield ["--engine", "processes", "--workers", "2", "--retries", "1000"], None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    port = address.rpartition(":")[2]
    how = {"stdout": out, "stderr": out, "start_new_session": True}
    dask = [sys.executable, "-m"]
    scheduler = [*dask, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port]
    worker = [*dask, "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
    commands = [
        [*scheduler, "--no-dashboard"],
        *[[*worker, "--death-timeout", "20", "--no-dashboard"]] * 2,
    ]
    started = [subprocess.Popen(command, **how) for command in commands]  # type: ignore[call-overload]
    try:
        yield ["--engine", "dask", "--scheduler", address], started[0].pid
    finally:
        for process in started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _waited(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether a process ended within some time."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _worker_of(client: subprocess.Popen[bytes], chance: random.Random) -> int | None:
    """Return one of a client's workers; waits a while for the first."""
    for _ in range(600):
        found = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == client.pid and b"engines.child" in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        if found:
            return chance.choice(sorted(found))
        if _waited(client, 0.1):
            return None
    return None


def _gone(store: Path) -> None:
    """Wait until no process of a killed client is at a store: they end by themselves."""
    for _ in range(300):
        alive = []
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                words = (entry / "cmdline").read_bytes()
                log = os.readlink(entry / "fd" / "2") if b"engines.child" in words else ""
                if log.startswith(str(store)):
                    alive.append(entry.name)
        if not alive:
            return
        time.sleep(0.1)


if __name__ == "__main__":
    main()
