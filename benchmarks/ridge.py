"""Time ridge regression with a penalty per voxel: brainpress, himalaya, scikit-learn.

Every method gets the same data, penalties and contiguous folds, chooses a penalty for each voxel by
the mean R2 of the folds, refits on all training rows, and predicts the test rows. Each runs in a
process of its own, on one thread unless told otherwise; what is timed starts at the features and
ends at the predictions. Prints a Markdown table.

    python benchmarks/ridge.py                            # n = 3,500 / 300, p = 8,192, 1,000 voxels
    python benchmarks/ridge.py --features 3072 --voxels 10000 --runs 1
    python benchmarks/ridge.py --voxels 40000 --participants 8 --runs 1 \\
        --methods brainpress-stream,brainpress-bfloat16

Participants who had one stimulus share the features: the streamed way plans once and takes their
voxels through one after another (the same responses stand for each of them here). Libraries fit
each participant on its own: multiply.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

METHODS = {
    "brainpress": "brainpress, float64",
    "brainpress-single": "brainpress, float32 products",
    "brainpress-stream": "brainpress, streamed, float32 products",
    "brainpress-float32": "brainpress, streamed, inner folds decomposed in float32",
    "brainpress-bfloat16": "brainpress, streamed, scan in bfloat16",
    "brainpress-shared": "brainpress, one penalty for all voxels, from cross-products",
    "brainpress-shared-scan": "brainpress, one penalty for all voxels, from every voxel's scan",
    "himalaya-kernel": "himalaya KernelRidgeCV, float32, torch",
    "himalaya-kernel-numpy": "himalaya KernelRidgeCV, float32, numpy",
    "himalaya-svd": "himalaya RidgeCV (svd), float32, torch",
    "sklearn": "scikit-learn Ridge, float64, a sample of voxels",
}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Problem:
    """Sizes of the problem."""

    train: int
    test: int
    features: int
    delays: int
    voxels: int
    folds: int
    penalties: int
    sample: int
    participants: int


def main() -> None:
    """Run every method and print the table."""
    arguments = _arguments()
    problem = Problem(**{name: getattr(arguments, name) for name in Problem.__annotations__})
    if arguments.only:
        _measure(arguments.only, problem, Path(arguments.out))
        return
    environment = os.environ | dict.fromkeys(THREADS, str(arguments.threads))
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])
    methods = arguments.methods.split(",")
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for method in methods:
            runs = []
            for run in range(arguments.runs):
                out = Path(folder) / f"{method}-{run}"
                command = [sys.executable, __file__, "--only", method, "--out", str(out)]
                for name in Problem.__annotations__:
                    command += [f"--{name}", str(getattr(problem, name))]
                subprocess.run(command, check=True, env=environment)
                runs.append(json.loads(out.with_suffix(".json").read_text()))
                print(f"{method} {runs[-1]}", file=sys.stderr, flush=True)
            found[method] = runs
        print(_table(problem, arguments.threads, found, Path(folder)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=int, default=3500, help="training rows")
    parser.add_argument("--test", type=int, default=300, help="test rows")
    parser.add_argument("--features", type=int, default=8192, help="columns before delays")
    parser.add_argument("--delays", type=int, default=1, help="number of FIR delays")
    parser.add_argument("--voxels", type=int, default=1000)
    parser.add_argument("--participants", type=int, default=1, help="of the streamed way")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--penalties", type=int, default=20)
    parser.add_argument("--sample", type=int, default=8, help="voxels scikit-learn is given")
    parser.add_argument("--runs", type=int, default=3, help="medians are over these")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--methods",
        default="brainpress,brainpress-single,himalaya-kernel,himalaya-svd",
        help=f"comma-separated, of: {', '.join(METHODS)}",
    )
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    return parser.parse_args()


def _data(problem: Problem):
    """Features with a decaying spectrum, and voxels of every predictability."""
    import numpy as np

    rng = np.random.default_rng(0)
    n = problem.train + problem.test
    latent = rng.standard_normal((n, 200), dtype=np.float32)
    latent *= np.arange(1, 201, dtype=np.float32) ** -0.5
    x = latent @ rng.standard_normal((200, problem.features), dtype=np.float32)
    x += 0.3 * rng.standard_normal(x.shape, dtype=np.float32)
    x -= x.mean(axis=0)
    x /= x.std(axis=0)
    y = latent[:, :50] @ rng.standard_normal((50, problem.voxels), dtype=np.float32)
    y *= rng.uniform(0, 1, problem.voxels).astype(np.float32)
    y += 3 * rng.standard_normal(y.shape, dtype=np.float32)
    return x, y


def _penalties(problem: Problem):
    """Relative to the trace of a kernel of z-scored columns."""
    import numpy as np

    mean_eigenvalue = problem.features * problem.delays
    return np.geomspace(1e-3, 1e3, problem.penalties) * mean_eigenvalue


def _measure(method: str, problem: Problem, out: Path) -> None:
    import numpy as np

    x, y = _data(problem)
    fit = _FITS[method](problem)
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    chosen, predictions = fit(x, y)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    held = y[problem.train :, : predictions.shape[1]].astype(np.float64)
    predictions = predictions.astype(np.float64)
    a, b = held - held.mean(0), predictions - predictions.mean(0)
    r = (a * b).sum(0) / np.sqrt((a * a).sum(0) * (b * b).sum(0))
    np.savez(out.with_suffix(".npz"), chosen=chosen, r=r)
    record = {"cpu": cpu, "wall": wall, "peak": peak / 2**10, "before": base / 2**10}
    out.with_suffix(".json").write_text(json.dumps(record))


def _brainpress(problem: Problem, precision: str) -> Callable:
    import numpy as np
    import torch

    from harness.encode.design.features import delayed_gram
    from harness.encode.design.kernel import kernel_spectrum
    from harness.encode.design.options import Precision
    from harness.encode.design.splits import contiguous_folds
    from harness.encode.solve.scan import plan_scan

    # As everywhere in the product, it is loaded already.
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def fit(x, y):
        n, kind = problem.train, Precision(precision)
        runs = np.repeat([0, 1], [n, problem.test])
        kernel = delayed_gram(x.astype(kind.value, copy=False), runs, range(problem.delays))
        spectrum = kernel_spectrum(kernel[:n, :n], kernel[n:, :n])
        del kernel
        folds = contiguous_folds(np.zeros(n), problem.folds, 0)
        plan = plan_scan(
            spectrum, folds, _penalties(problem), precision=kind, n_voxels=problem.voxels
        )
        found = plan.fit(y[:n])
        return found.chosen, found.predictions

    return fit


def _streamed(problem: Problem, speed: str) -> Callable:
    """The way of whole brains; with participants, all share the features."""
    import numpy as np
    import torch

    from harness.encode.design.features import delayed_gram
    from harness.encode.design.kernel import kernel_spectrum
    from harness.encode.design.splits import contiguous_folds
    from harness.encode.solve.scan import Speed, plan_scan

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def fit(x, y):
        n = problem.train
        runs = np.repeat([0, 1], [n, problem.test])
        kernel = delayed_gram(x, runs, range(problem.delays))
        spectrum = kernel_spectrum(kernel[:n, :n], kernel[n:, :n])
        del kernel
        folds = contiguous_folds(np.zeros(n), problem.folds, 0)
        n_voxels = problem.voxels * problem.participants
        scan = plan_scan(
            spectrum, folds, _penalties(problem), speed=Speed(speed), n_voxels=n_voxels
        )
        del spectrum
        for _ in range(problem.participants):
            chosen, predictions = [], []
            for start in range(0, problem.voxels, 4096):
                found = scan.fit(y[:n, start : start + 4096])
                chosen.append(found.chosen)
                predictions.append(found.predictions)
        return np.concatenate(chosen), np.concatenate(predictions, axis=1)

    return fit


def _shared(problem: Problem, *, crossed: bool) -> Callable:
    """One penalty for all voxels; what each part takes goes to stderr."""
    import numpy as np
    import torch

    from harness.encode.design.features import delayed_gram
    from harness.encode.design.kernel import kernel_spectrum
    from harness.encode.design.options import Precision
    from harness.encode.design.splits import contiguous_folds
    from harness.encode.solve.scan import plan_scan
    from harness.encode.solve.shared import CrossProducts, plan_shared

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))

    def fit(x, y):
        n, grid = problem.train, _penalties(problem)
        folds = contiguous_folds(np.zeros(n), problem.folds, 0)
        blocks = [slice(i, i + 4096) for i in range(0, problem.voxels, 4096)]
        parts = {}
        began = time.process_time()

        def lap(name):
            parts[name] = round(time.process_time() - began - sum(parts.values()), 1)

        if crossed:
            products = CrossProducts(folds, n, Precision.SINGLE, "cpu")
            for block in blocks:
                products.add(y[:n, block])
            crosses = products.mean()
            lap("cross-products, once for all layers")
        kernel = delayed_gram(x, np.repeat([0, 1], [n, problem.test]), range(problem.delays))
        spectrum = kernel_spectrum(kernel[:n, :n], kernel[n:, :n])
        if crossed:
            plan = plan_shared(spectrum, folds, grid)
            lap("plan")
            best = int(plan.score(crosses).argmax())
            one = plan.at(best)
            lap("choice")
            found = [one.fit(y[:n, block])[1] for block in blocks]
        else:
            scan = plan_scan(spectrum, folds, grid, n_voxels=problem.voxels)
            lap("plan")
            inner = np.concatenate([scan.fit(y[:n, block]).inner for block in blocks], axis=1)
            best = int(inner.mean(axis=1).argmax())
            lap("choice")
            found = [
                scan.fit(y[:n, b], np.full(y[:, b].shape[1], best)).predictions for b in blocks
            ]
        lap("voxels at the chosen penalty")
        print(parts, file=sys.stderr, flush=True)
        return np.full(problem.voxels, best), np.concatenate(found, axis=1)

    return fit


def _explicit(problem: Problem, x):
    """Delayed features as columns, for libraries that want them so."""
    import numpy as np

    from harness.encode.design.features import delayed

    runs = np.repeat([0, 1], [problem.train, problem.test])
    return delayed(x, runs, range(problem.delays))


def _himalaya(problem: Problem, solver: str, backend: str) -> Callable:
    import numpy as np
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.ridge import RidgeCV
    from himalaya.scoring import r2_score
    from sklearn.model_selection import KFold

    if backend == "torch":
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    back = set_backend(backend)
    options = {
        "alphas": _penalties(problem).astype(np.float32),
        "cv": KFold(problem.folds),
        "fit_intercept": True,
    }
    if solver == "svd":
        model = RidgeCV(solver="svd", solver_params={"score_func": r2_score}, **options)
    else:
        model = KernelRidgeCV(
            kernel="linear",
            solver_params={"score_func": r2_score, "n_targets_batch": 1000},
            **options,
        )

    def fit(x, y):
        z = _explicit(problem, x)
        n = problem.train
        model.fit(z[:n], y[:n])
        predictions = back.to_numpy(model.predict(z[n:]))
        chosen = np.searchsorted(_penalties(problem) * 1.001, back.to_numpy(model.best_alphas_))
        return chosen, predictions

    return fit


def _sklearn(problem: Problem) -> Callable:
    import numpy as np
    from sklearn.linear_model import Ridge
    from sklearn.metrics import r2_score
    from sklearn.model_selection import KFold

    def fit(x, y):
        n, grid = problem.train, _penalties(problem)
        z, y = _explicit(problem, x).astype(np.float64), y[:, : problem.sample].astype(np.float64)
        scores = np.zeros((len(grid), y.shape[1]))
        for train, test in KFold(problem.folds).split(z[:n]):
            for number, penalty in enumerate(grid):
                model = Ridge(penalty, solver="cholesky").fit(z[train], y[train])
                scores[number] += r2_score(
                    y[test], model.predict(z[test]), multioutput="raw_values"
                )
        chosen = scores.argmax(axis=0)
        predictions = np.empty((problem.test, y.shape[1]))
        for voxel, number in enumerate(chosen):
            model = Ridge(grid[number], solver="cholesky").fit(z[:n], y[:n, voxel])
            predictions[:, voxel] = model.predict(z[n:])
        return chosen, predictions

    return fit


_FITS = {
    "brainpress": lambda problem: _brainpress(problem, "float64"),
    "brainpress-single": lambda problem: _brainpress(problem, "float32"),
    "brainpress-stream": lambda problem: _streamed(problem, "exact"),
    "brainpress-float32": lambda problem: _streamed(problem, "float32"),
    "brainpress-bfloat16": lambda problem: _streamed(problem, "bfloat16"),
    "brainpress-shared": lambda problem: _shared(problem, crossed=True),
    "brainpress-shared-scan": lambda problem: _shared(problem, crossed=False),
    "himalaya-kernel": lambda problem: _himalaya(problem, "kernel", "torch"),
    "himalaya-kernel-numpy": lambda problem: _himalaya(problem, "kernel", "numpy"),
    "himalaya-svd": lambda problem: _himalaya(problem, "svd", "torch"),
    "sklearn": _sklearn,
}


def _table(problem: Problem, threads: int, found: dict, folder: Path) -> str:
    import numpy as np

    reference = next(iter(found))
    base = np.load(folder / f"{reference}-0.npz")
    lines = [
        f"n = {problem.train:,} / {problem.test:,}, p = {problem.features:,} x {problem.delays} "
        f"delay(s), {problem.participants} x {problem.voxels:,} voxels, "
        f"{problem.penalties} penalties, {problem.folds} contiguous folds, {threads} thread(s); "
        f"medians of {len(found[reference])} run(s)",
        "",
        "| method | CPU s | wall s | peak memory over data, MiB | same penalty | largest "
        "difference in r | median |",
        "|---|---|---|---|---|---|---|",
    ]
    for method, runs in found.items():
        other = np.load(folder / f"{method}-0.npz")
        voxels = len(other["r"])
        same = (other["chosen"] == base["chosen"][:voxels]).mean()
        gap = np.abs(other["r"] - base["r"][:voxels])
        cpu, wall = (statistics.median(run[k] for run in runs) for k in ("cpu", "wall"))
        memory = statistics.median(run["peak"] - run["before"] for run in runs)
        name = METHODS[method] + (f" ({voxels})" if voxels < problem.voxels else "")
        lines.append(
            f"| {name} | {cpu:.1f} | {wall:.1f} | {memory:,.0f} | {same:.1%} | {gap.max():.1e} | "
            f"{np.median(gap):.1e} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
