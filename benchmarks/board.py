"""A large board: 500 variants x 30 benchmarks, simulated. Time, memory and file sizes.

``python benchmarks/board.py FOLDER [MODELS COMPRESSORS NEURAL LINGUISTIC]`` writes a board and its
page there and prints a table. Every step is a process of its own, so that its peak memory is its
own.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

STEPS = ("build", "open", "saturation", "robustness", "dissociation", "report", "figures")
ROOT = Path(__file__).parents[1]


def build(folder: Path, sizes: list[int]) -> None:
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    from simulated_boards import Truth, simulate

    from harness.board.files import save_board

    models, compressors, neural, linguistic = sizes
    families = max(1, models // 5)
    truth = Truth(
        {
            f"family{i % families}-{i // families}b": (
                f"family{i % families}",
                1e8 * 4 ** (i // families) * (1 + i % families / 50),
                0.2 + 0.02 * min(i // families, 3),
            )
            for i in range(models)
        },
        {f"method{j}-int4": 0.05 if j == 3 else 0.002 for j in range(compressors - 1)},
        falls={"method1-int4": {"syntax": 0.1}},
        participants=27,
        rois=6,
        layers=31,
        pairs=120,
        neural=neural,
        linguistic=linguistic,
    )
    save_board(simulate(truth), folder / "board.nc")


def step(name: str, folder: Path, sizes: list[int]) -> None:
    """Do one step, in this process."""
    if name == "build":
        build(folder, sizes)
        return
    import harness

    board = harness.open_board(folder / "board.nc")
    if name == "open":
        return
    if name in ("report", "figures"):
        from harness.report.page import write_page
        from harness.report.page_data import page_data
        from harness.report.page_files import write_figures

        start = time.perf_counter()
        few = ["brain-00", "pairs-00"] if name == "figures" else None
        data = page_data(board, few)
        if name == "report":
            write_page(board, folder / "index.html", data)
        else:
            print(len(list(write_figures(data, folder / "figures"))), end=" files, ")
        print(f"{time.perf_counter() - start:.1f}")
        return
    start = time.perf_counter()
    said = harness.answer(board, name, draws=1000)
    print(f"{said.sizes['claim']:,} claims, {time.perf_counter() - start:.1f}")


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    sizes = [int(v) for v in sys.argv[2:6]] or [25, 20, 15, 15]
    models, compressors, neural, linguistic = sizes
    print(f"{models * compressors} variants x {neural + linguistic} benchmarks, ", end="")
    print(f"{neural} of them neural: 27 participants, 6 regions, 31 layers\n")
    print("| step | process, s | the step, s | peak memory, GiB | file, MiB |")
    print("|---|---|---|---|---|")
    for name in STEPS:
        start = time.perf_counter()
        command = [sys.executable, __file__, "--step", name, str(folder), *map(str, sizes)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
        seconds = time.perf_counter() - start
        peak = done.stderr.strip().splitlines()[-1]
        file = {"build": "board.nc", "report": "index.html"}.get(name, "")
        size = f"{(folder / file).stat().st_size / 2**20:.1f}" if file else ""
        print(f"| {name} | {seconds:.1f} | {done.stdout.strip()} | {peak} | {size} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--step"]:
        step(sys.argv[2], Path(sys.argv[3]), [int(v) for v in sys.argv[4:8]])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{peak:.2f}", file=sys.stderr)
    else:
        main()
