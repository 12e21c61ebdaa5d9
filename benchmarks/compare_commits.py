"""Neural scores of two commits, number by number.

Both commits are checked out beside each other and score the same data: a model's recording against
Brennan et al.'s listeners (where the data are), and simulated responses in memory and in blocks.

Run: python benchmarks/compare_commits.py OLD [NEW] [--model stories260k]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]


def alice(model: str, recording: Path) -> dict[str, np.ndarray]:
    """Score a model against listeners; the recording is made once, for both commits."""
    import xarray as xr

    from harness.lm.load import load
    from harness.lm.source import resolve
    from harness.record.subject import LanguageSubject
    from harness.spec.registry import registry
    from harness.spec.specs import target_of

    spec = registry().benchmarks.get("brennan2016-alice")
    benchmark = target_of(spec)(**spec.options)
    (request,) = benchmark.requests()
    if not recording.exists():
        chosen = registry().models.get(model)
        LanguageSubject(load(resolve(chosen), chosen)).record(request).to_netcdf(recording)
    score = benchmark.score({request: xr.load_dataarray(recording)})
    return {f"alice {k}": v.values for k, v in score.data_vars.items() if v.dtype.kind == "f"}


def simulated() -> dict[str, np.ndarray]:
    """Score simulated responses, in memory and in blocks of voxels."""
    import xarray as xr

    from harness.encode.design.sources import array_responses
    from harness.encode.solve.layers import encode_layers
    from harness.encode.voxels.stream import PenaltyScope, StreamOptions, stream_layers

    try:
        from harness.encode.design.options import EncodingOptions, Metric, Precision
    except ImportError:  # before they had a module of their own
        from harness.encode.design.kernel import Precision
        from harness.encode.design.result import EncodingOptions
        from harness.encode.design.scores import Metric
    found = {}
    rng = np.random.default_rng(3)
    cases = {"few units": (300, 4, 20), "many units": (220, 3, 150), "few rows": (100, 3, 60)}
    for case, (n, layers, units) in cases.items():
        x = np.cumsum(rng.normal(size=(n, layers, units)), axis=0) * 0.2
        x += rng.normal(size=x.shape)
        beside = rng.normal(size=(n, 3))
        y = rng.normal(size=(n, 40))
        y[:, :30] += np.roll(x[:, 1], 2, axis=0) @ rng.normal(size=(units, 30)) / units**0.5
        y[:, 20:] += beside @ rng.normal(size=(3, 20)) * 0.5
        runs = np.repeat([0, 1], [n // 2, n - n // 2])
        recording = xr.DataArray(
            x, dims=("sample", "layer", "unit"), coords={"layer": np.arange(layers)}
        )
        for metric in Metric:
            for precision in Precision:
                options = EncodingOptions(
                    delays=(1, 2),
                    n_outer=3,
                    n_inner=3,
                    gap=2,
                    penalties=8,
                    nuisance_penalties=5,
                    metric=metric,
                    precision=precision,
                )
                name = f"{case}, {metric}, {precision}"
                groups = [f"group {i // 4}" for i in range(y.shape[1])]
                result = encode_layers(
                    x, y, runs, options=options, nuisance=beside, target_groups=groups
                )
                for key in ("fold_r", "fold_r2", "r_best", "inner_score", "penalty", "chosen"):
                    found[f"memory, {name}: {key}"] = getattr(result, key)
                for key in ("r", "joint_r", "joint_r2", "unique_r2", "split_r2", "with_model"):
                    found[f"memory, {name}: nuisance {key}"] = getattr(result.nuisance, key)
                for scope in PenaltyScope:
                    plain = scope is PenaltyScope.VOXEL and metric is Metric.R2
                    scores = stream_layers(
                        recording,
                        array_responses({"p": y}, runs),
                        options=options,
                        nuisance=beside if plain else None,
                        stream=StreamOptions(scope=scope),
                    )["p"]
                    for key, value in scores.data_vars.items():
                        if value.dtype.kind in "fi":
                            found[f"blocks, {name}, {scope}: {key}"] = value.values
    return found


def score(model: str, recording: Path, out: Path) -> None:
    """Score everything with the code of this commit, in this process."""
    found = simulated()
    try:
        found |= alice(model, recording)
    except Exception as error:  # the data are not there: said, not hidden
        print(f"no real data: {error}", file=sys.stderr)
    np.savez(out, **found)


def differences(old: Path, new: Path) -> None:
    """Print the largest difference of each kind of number."""
    with np.load(old) as a, np.load(new) as b:
        print(f"{len(a)} arrays, {len(set(a) ^ set(b))} in one commit only")
        worst: dict[str, tuple[float, str]] = {}
        for name in set(a) & set(b):
            x, y = (np.atleast_1d(found[name]).astype(float) for found in (a, b))
            apart = np.abs(x - y)
            apart[np.isnan(x) & np.isnan(y)] = 0
            kind = "alice" if name.startswith("alice") else name.partition(":")[0]
            far = float(np.nan_to_num(apart, nan=np.inf).max(initial=0))
            worst[kind] = max(worst.get(kind, (0.0, "")), (far, name))
        for kind, (far, name) in sorted(worst.items()):
            print(f"{far:9.1e}  {kind}" + (f"   ({name})" if far else ""))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old")
    parser.add_argument("new", nargs="?", default="", help="default: the working tree")
    parser.add_argument("--model", default="stories260k")
    parser.add_argument("--keep", type=Path, help="folder for what was found")
    parser.add_argument("--score", nargs=2, type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.score:
        score(chosen.model, *chosen.score)
        return
    with tempfile.TemporaryDirectory() as made:
        folder = chosen.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        files = []
        for number, commit in enumerate((chosen.old, chosen.new)):
            files.append(folder / f"{number}-{commit or 'tree'}.npz")
            if commit and files[-1].exists():
                continue
            tree = ROOT
            if commit:
                tree = Path(made) / f"tree{number}"
                subprocess.run(
                    ["git", "worktree", "add", "--detach", str(tree), commit], cwd=ROOT, check=True
                )
                # As an installation names the folder of plugins.
                (tree / "brainpress_plugins").symlink_to(tree / "plugins")
            try:
                command = [sys.executable, __file__, "old", "--model", chosen.model]
                command += ["--score", str(folder / "recording.nc"), str(files[-1])]
                # Ahead of an editable installation.
                environment = {**os.environ, "PYTHONPATH": str(tree)}
                subprocess.run(command, cwd=tree, env=environment, check=True)
            finally:
                if commit:
                    subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=ROOT)
        differences(*files)


if __name__ == "__main__":
    main()
