"""What a finished matrix costs: `run` again and `status`, CPU seconds.

    python benchmarks/finished.py --store /tmp/finished --cells 500

One model is scored; its scores and reports are copied to the keys of untrained controls with five
compressors on two benchmarks. Each command is run twice: copies of results are made by the first.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

MODEL = "stories260k"
BENCHMARKS = ("simulated-listening", "minimal-pairs")
COMPRESSORS = ("none", "rtn-int4", "rtn-int8", "magnitude-50", "magnitude-25")


def main() -> None:
    """Fill a store, and time the commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--cells", type=int, default=500)
    options = parser.parse_args()
    seeds = options.cells // (len(BENCHMARKS) * len(COMPRESSORS))
    models = [f"untrained:{MODEL}#{seed}" for seed in range(seeds)]
    chosen = ["-m", ",".join(models), "-c", ",".join(COMPRESSORS)]
    chosen += ["-b", ",".join(BENCHMARKS), "--store", str(options.store)]
    if not (options.store / "full").exists():
        brainpress("run", "-m", MODEL, "-c", "none", *chosen[4:])
        fill(options.store, models)
        (options.store / "full").touch()
    print("| command | CPU s |\n|---|---|")
    for command in ("run", "run", "status", "status"):
        print(f"| {command} | {brainpress(command, *chosen):.1f} |", flush=True)


def brainpress(*arguments: str) -> float:
    """Run a command; return its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    program = Path(sys.executable).with_name("brainpress")
    subprocess.run(
        [str(program), *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        env=os.environ | {"OMP_NUM_THREADS": "1", "BRAINPRESS_OFFLINE": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def fill(folder: Path, models: list[str]) -> None:
    """Write the scores of one model under the keys of many variants."""
    import harness
    from harness.store.store import Kind, Store

    store = Store(folder)
    base = harness.plan(models=[MODEL], compressors=["none"], benchmarks=BENCHMARKS, store=folder)
    scores = {c.benchmark.name: store.read(Kind.SCORE, c.key) for c in base.cells}
    report = store.read(Kind.COMPRESSION, base.keys(base.variants[0]).variant)
    plan = harness.plan(
        models=models,
        compressors=COMPRESSORS,
        benchmarks=BENCHMARKS,
        store=folder,
    )
    for cell in plan.cells:
        store.write(Kind.SCORE, cell.key, scores[cell.benchmark.name])
    for variant in plan.variants:
        store.write(Kind.COMPRESSION, plan.keys(variant).variant, report)


if __name__ == "__main__":
    main()
