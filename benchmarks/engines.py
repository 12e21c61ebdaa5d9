"""Twelve cells by every engine: the same scores to the last bit, and the CPU seconds of each.

    python benchmarks/engines.py [--engines serial,processes,dask,slurm] [--model stories260k]
        [--benchmarks minimal-pairs,simulated-listening]

CPU seconds are those of all processes that carry a mark in their environment, wherever they were
started: workers, nannies, jobs of Slurm on this machine. Slurm is the one of
``tests/support/slurm.py`` and wants root.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "tests/support")]

import slurm  # noqa: E402

from benchmarks.kills import Matrix, differences, left_over  # noqa: E402

MARK = "BRAINPRESS_BENCHMARK"
WORDS = {
    "serial": [],
    "processes": ["--engine", "processes", "--workers", "2"],
    "dask": ["--engine", "dask", "--workers", "2"],
    "slurm": ["--cluster", "slurm", "--workers", "2", "--cluster-options", "{folder}/cluster.toml"],
}
CLUSTER = 'cores = 1\nmemory = "3GiB"\nwalltime = "00:10:00"\ninterface = "lo"\n'


def main() -> None:
    """Compute the matrix by each engine in turn, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", default=",".join(WORDS))
    parser.add_argument("--model", default="stories260k")
    parser.add_argument("--benchmarks", default=Matrix.benchmarks, help="two, for twelve cells")
    given = parser.parse_args()
    matrix = Matrix(given.model, benchmarks=given.benchmarks)
    print("| engine | wall s | CPU s | scores that differ | left over |\n|---|---|---|---|---|")
    with TemporaryDirectory(prefix="brainpress-engines-") as name:
        folder = Path(name)
        (folder / "cluster.toml").write_text(CLUSTER, encoding="utf-8")
        for engine in given.engines.split(","):
            with _cluster(engine, folder) as environment:
                wall, spent = measured(matrix, engine, folder, environment)
            faults = differences(folder / engine, folder / given.engines.split(",")[0])
            left = left_over(folder / engine)
            row = (engine, f"{wall:.0f}", f"{spent:.0f}", len(faults), len(left))
            print(f"| {' | '.join(map(str, row))} |", flush=True)


def measured(
    matrix: Matrix, engine: str, folder: Path, environment: dict[str, str]
) -> tuple[float, float]:
    """Run the matrix; return wall time and CPU time of all its processes, s."""
    words = [word.format(folder=folder) for word in WORDS[engine]]
    mark = f"{engine}-{os.getpid()}"
    spent: dict[int, float] = {}
    ended = Event()
    watch = Thread(target=_watch, args=(f"{MARK}={mark}", spent, ended))
    watch.start()
    start = time.monotonic()
    try:
        with (folder / f"{engine}.log").open("wb") as out:
            subprocess.run(
                matrix.command(folder / engine, *words),
                check=True,
                stdout=out,
                stderr=out,
                env={**environment, MARK: mark},
            )
    finally:
        ended.set()
        watch.join()
    return time.monotonic() - start, sum(spent.values())


@contextmanager
def _cluster(engine: str, folder: Path) -> Iterator[dict[str, str]]:
    if engine != "slurm":
        yield dict(os.environ)
        return
    if why := slurm.missing():
        raise SystemExit(why)
    with slurm.slurm(folder / "cluster") as environment:
        yield environment


def _watch(mark: str, spent: dict[int, float], ended: Event) -> None:
    """Note the CPU time of marked processes, by their number, until told."""
    tick = os.sysconf("SC_CLK_TCK")
    marked: dict[int, bool] = {}
    while not ended.wait(0.3):
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            number = int(entry.name)
            with suppress(OSError):
                if number not in marked:
                    marked[number] = mark.encode() in (entry / "environ").read_bytes()
                if marked[number]:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    spent[number] = (int(fields[11]) + int(fields[12])) / tick


if __name__ == "__main__":
    main()
