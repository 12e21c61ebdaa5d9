"""Rehearse a study at its true size, with responses whose truth is known.

The words and volumes of the eleven stories of Deniz et al. (2019), a real recording of a real
model, and simulated responses written to disk: each voxel is driven by one layer through a
haemodynamic response, by word rate, length and frequency, and by autocorrelated noise; the test
story is repeated. They are then scored as real ones would be, and compared with the truth.

    python benchmarks/rehearsal.py --participants 1 --voxels 80000 --layers 15 --nuisance
    python benchmarks/rehearsal.py --participants 9 --voxels 5000

The stories must be in a folder of BRAINPRESS_DATA (deniz2019/textgrids, deniz2019/trfiles).
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.signal
import scipy.stats
import xarray as xr
from brainpress_plugins.benchmarks.neural.deniz2019 import STORIES

from harness.encode.design.features import delayed, zscore_by_run
from harness.encode.design.options import EncodingOptions, Speed
from harness.encode.design.sources import npy_responses
from harness.encode.design.splits import held_out_run
from harness.encode.voxels.stream import StreamOptions, stream_layers
from harness.place.size import parse_size

HRF = np.array([0.0, 0.35, 0.4, 0.2, 0.05])
"""Weights of the last 0 to 4 volumes: a response that peaks at 3 to 4 s."""
AUTOCORRELATION = 0.5
BLOCK = 4000
OPTIONS = EncodingOptions()


@dataclass(frozen=True)
class Region:
    """What drives the voxels of a region; shares of the variance of one presentation."""

    name: str
    depth: float
    signal: float
    nuisance: float


REGIONS = (
    Region("early", 0.1, 0.15, 0.05),
    Region("middle", 0.5, 0.20, 0.05),
    Region("late", 0.8, 0.10, 0.05),
    Region("auditory", 0.5, 0.0, 0.25),
    Region("silent", 0.5, 0.0, 0.0),
)


@dataclass(frozen=True, eq=False)
class Stage:
    """What there is before responses are."""

    recording: xr.DataArray  # (sample, layer, unit)
    nuisance: np.ndarray  # (sample, k)
    runs: np.ndarray  # (sample,), the last run is the test story


def real_stage(model: str, context: str, cache: Path | None) -> Stage:
    """Words, volumes and recording of the real stories."""
    from harness.lm.load import load
    from harness.lm.source import resolve
    from harness.record.context import Context
    from harness.record.request import Measure, Request
    from harness.record.subject import LanguageSubject
    from harness.spec.registry import registry
    from harness.stimuli.nuisance import lexical_nuisance
    from harness.stimuli.passages import Stimuli
    from harness.stimuli.readouts import Lanczos
    from harness.stimuli.speech import spoken, word_tier
    from harness.stimuli.textgrid import read_textgrid
    from harness.stimuli.triggers import read_report, story_clock

    folder = _data("deniz2019")
    passages, clocks = [], []
    for name, n_used in STORIES.items():
        tiers = read_textgrid(folder / "textgrids" / f"{name}.TextGrid")
        passages.append(spoken(name, word_tier(tiers, name)))
        report = read_report(folder / "trfiles" / f"{name}.report")
        clocks.append(story_clock(n_used, report.tr, report.start))
    runs = np.repeat(np.arange(len(STORIES)), [len(clock) for clock in clocks])
    nuisance = [lexical_nuisance(p, c) for p, c in zip(passages, clocks, strict=True)]
    if cache is not None and cache.exists():
        recording = xr.open_dataarray(cache)
    else:
        spec = registry().models.get(model)
        request = Request(
            Stimuli("deniz2019", tuple(passages)),
            Measure.HIDDEN,
            Context.parse(context),
            Lanczos(tuple(clocks)),
        )
        recording = LanguageSubject(load(resolve(spec), spec)).record(request)
        plain = recording.astype(np.float32).drop_vars(
            [c for c in recording.coords if c != "layer"]
        )
        recording = plain.transpose("sample", "layer", "unit").assign_attrs({})
        if cache is not None:
            recording.to_netcdf(cache)
    return Stage(recording, np.concatenate(nuisance), runs)


def made_up_stage(seed: int, n_runs: int = 6, length: int = 80) -> Stage:
    """A small stage for a test: four layers that are not alike."""
    rng = np.random.default_rng(seed)
    runs = np.repeat(np.arange(n_runs), length)
    features = rng.normal(size=(len(runs), 4, 24)).astype(np.float32)
    recording = xr.DataArray(
        features, dims=("sample", "layer", "unit"), coords={"layer": np.arange(4)}
    )
    return Stage(recording, rng.normal(size=(len(runs), 3)), runs)


def simulate(
    stage: Stage, folder: Path, name: str, n_voxels: int, layers: np.ndarray, seed: int
) -> xr.Dataset:
    """Write a participant's responses to disk, and return the truth by voxel.

    Returns
    -------
    Dataset
        ``region``, ``layer`` (-1: none), ``oracle``: correlation, in the test story, of what the
        model's layer truly drives with the mean of the repeats; ``ceiling``: what is expected of
        everything that the stimulus drives.
    """
    rng = np.random.default_rng(seed)
    test = stage.runs == stage.runs[-1]
    n_train, n_test = int((~test).sum()), int(test.sum())
    train_file, test_file = folder / f"{name}_trn.npy", folder / f"{name}_val.npy"
    train = np.lib.format.open_memmap(train_file, "w+", np.float32, (n_train, n_voxels))
    repeats = np.lib.format.open_memmap(test_file, "w+", np.float32, (2, n_test, n_voxels))
    region = np.arange(n_voxels) * len(REGIONS) // n_voxels
    named = [layers[round(r.depth * (len(layers) - 1))] for r in REGIONS]
    driven = {
        layer: _driven(stage.recording.sel(layer=layer).values, stage.runs) for layer in named
    }
    words = _driven(stage.nuisance, stage.runs)
    oracle, ceiling = np.full((2, n_voxels), np.nan)
    for start in range(0, n_voxels, BLOCK):
        voxels = np.arange(start, min(start + BLOCK, n_voxels))
        signal = np.zeros((len(stage.runs), len(voxels)), np.float32)
        heard = np.zeros_like(signal)
        share = np.zeros(len(voxels))
        for number, (what, layer) in enumerate(zip(REGIONS, named, strict=True)):
            members = region[voxels] == number
            if not members.any():
                continue
            # Voxels of a region differ: from half to one and a half times its shares.
            factor = rng.uniform(0.5, 1.5, members.sum()).astype(np.float32)
            if what.signal:
                signal[:, members] = _mixed(driven[layer], rng, what.signal * factor)
            if what.nuisance:
                heard[:, members] = _mixed(words, rng, what.nuisance * factor)
            share[members] = (what.signal + what.nuisance) * factor
        stimulus, noise = signal + heard, np.sqrt(1 - share).astype(np.float32)
        train[:, voxels] = stimulus[~test] + noise * _smooth(rng, n_train, len(voxels))
        each = [stimulus[test] + noise * _smooth(rng, n_test, len(voxels)) for _ in range(2)]
        repeats[:, :, voxels] = each
        mean = np.mean(each, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            oracle[voxels] = _correlation(signal[test], mean)
            power = stimulus[test].var(axis=0)
            ceiling[voxels] = np.sqrt(power / (power + np.square(noise) / 2))
    del train, repeats
    has_signal = np.array([bool(r.signal) for r in REGIONS])
    return xr.Dataset(
        {
            "region": ("voxel", region),
            "layer": ("voxel", np.where(has_signal[region], np.array(named)[region], -1)),
            "oracle": ("voxel", oracle),
            "ceiling": ("voxel", ceiling),
        }
    )


def compared(scores: dict[str, xr.Dataset], truths: dict[str, xr.Dataset]) -> str:
    """Recovered scores, layers and ceilings beside the truth, by region, as a Markdown table."""
    lines = [
        "| region | true layer | chosen layer, median (quartiles) | r, mean | r of the true signal "
        "| rank correlation of both | ceiling: estimated / true | q < .05 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    beyond = "unique_r2" in next(iter(scores.values()))
    if beyond:
        lines = [f"{lines[0]} nuisance R2 | unique R2 |", f"{lines[1]}---|---|"]

    def joined(name: str, of: dict[str, xr.Dataset]) -> np.ndarray:
        return np.concatenate([np.asarray(d[name]) for d in of.values()], axis=-1)

    region = joined("region", truths)
    r, oracle, q = joined("r_best", scores), joined("oracle", truths), joined("q", scores)
    chosen = joined("layer_best", scores).mean(axis=0)
    estimated, ceiling = joined("ceiling", scores), joined("ceiling", truths)
    true_layer = joined("layer", truths)
    for number, what in enumerate(REGIONS):
        members = region == number
        quartiles = np.percentile(chosen[members], [25, 50, 75])
        rank = "-"
        if what.signal:
            rank = f"{scipy.stats.spearmanr(r[members], oracle[members]).statistic:.2f}"
        known = members & np.isfinite(estimated)
        # Unbiased is the square, the explainable variance; r has no estimate below 0.
        power = np.where(known, estimated, 0)[members] ** 2
        lines.append(
            f"| {what.name} | {true_layer[members][0] if what.signal else '-'} "
            f"| {quartiles[1]:.0f} ({quartiles[0]:.0f} to {quartiles[2]:.0f}) "
            f"| {np.nanmean(r[members]):.3f} "
            f"| {np.nanmean(oracle[members]) if what.signal else 0:.3f} | {rank} "
            f"| {np.sqrt(power.mean()):.3f} / {np.sqrt((ceiling[members] ** 2).mean()):.3f} "
            f"| {(q[members] < 0.05).mean():.1%} |"
        )
        if beyond:
            each = (joined(name, scores)[members] for name in ("nuisance_r2", "unique_r2"))
            lines[-1] += "".join(f" {np.nanmean(values):.3f} |" for values in each)
    return "\n".join(lines)


def rehearse(
    stage: Stage,
    folder: Path,
    n_participants: int,
    n_voxels: int,
    chosen: list[int],
    stream: StreamOptions,
    seed: int = 0,
    nuisance: bool = False,
    options: EncodingOptions = OPTIONS,
) -> tuple[dict[str, xr.Dataset], dict[str, xr.Dataset], dict[str, float]]:
    """Simulate participants, score them with the chosen layers, and say what it took."""
    layers = np.asarray(stage.recording["layer"].values)[chosen]
    names = [f"{i + 1:02d}" for i in range(n_participants)]
    began = time.perf_counter()
    truths = {
        name: simulate(stage, folder, name, n_voxels, layers, seed + i)
        for i, name in enumerate(names)
    }
    simulated = time.perf_counter() - began
    disk = sum(path.stat().st_size for path in folder.iterdir())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 2**10
    test = stage.runs == stage.runs[-1]
    source = npy_responses(
        {name: folder / f"{name}_trn.npy" for name in names},
        stage.runs[~test],
        {name: folder / f"{name}_val.npy" for name in names},
    )
    began, used = time.perf_counter(), time.process_time()
    scores = stream_layers(
        stage.recording.isel(layer=chosen),
        source,
        nuisance=stage.nuisance if nuisance else None,
        folds=held_out_run(source.runs, source.runs[-1]),
        options=options,
        stream=stream,
        progress=lambda what: print(f"{time.perf_counter() - began:7.0f} s  {what}", flush=True),
    )
    cost = {
        "simulation, wall s": simulated,
        "scoring, wall s": time.perf_counter() - began,
        "scoring, CPU s": time.process_time() - used,
        "responses on disk, GiB": disk / 2**30,
        "peak memory before scoring, GiB": before / 2**30,
        "peak memory, GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    return scores, truths, cost


def main() -> None:
    """Rehearse as told on the command line and print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--participants", type=int, default=1)
    parser.add_argument("--voxels", type=int, default=80_000, help="of each participant")
    parser.add_argument("--layers", help="numbers with commas; all by default")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--context", default="strided(256,128)")
    parser.add_argument("--recording", type=Path, help="kept here, and read from here")
    parser.add_argument("--folder", type=Path, help="for the responses; the system's by default")
    parser.add_argument("--unfinished", type=Path, help="what is done is kept here, for a kill")
    parser.add_argument("--memory", default="8GiB")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--speed", default="exact", choices=[str(s) for s in Speed])
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--nuisance", action="store_true", help="unique variance, too")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.perf_counter()
    stage = real_stage(given.model, given.context, given.recording)
    recorded = time.perf_counter() - began
    n_layers = stage.recording.sizes["layer"]
    chosen = list(range(n_layers))
    if given.layers:
        chosen = [int(number) for number in given.layers.split(",")]
    stream = StreamOptions(
        memory=parse_size(given.memory),
        device=given.device,
        seed=given.seed,
        folder=given.unfinished,
    )
    folder = Path(tempfile.mkdtemp(dir=given.folder))
    try:
        scores, truths, cost = rehearse(
            stage,
            folder,
            given.participants,
            given.voxels,
            chosen,
            stream,
            given.seed,
            given.nuisance,
            EncodingOptions(speed=Speed(given.speed), permutations=given.permutations),
        )
    finally:
        shutil.rmtree(folder)
    print(
        f"\n{given.participants} participant(s) x {given.voxels:,} voxels, {len(chosen)} of "
        f"{n_layers} layers of {given.model} ({stage.recording.sizes['unit']} units), "
        f"{len(stage.runs):,} volumes, {EncodingOptions().penalties} penalties, "
        f"{given.permutations} permutations, scan {given.speed}"
        f"{', nuisance' if given.nuisance else ''}\n"
    )
    print(compared(scores, truths))
    print(f"\n| | |\n|---|---|\n| recording, wall s | {recorded:.0f} |")
    for what, value in cost.items():
        print(f"| {what} | {value:,.1f} |")
    for name, score in scores.items():
        if score.attrs["warnings"]:
            print(f"\n{name}: {score.attrs['warnings']}")
    per = cost["scoring, CPU s"] / (given.participants * given.voxels * len(chosen)) * 1e3
    print(
        f"\n{per:.2f} CPU s per 1,000 voxels and layer, all included. Extrapolated, not measured: "
        f"9 participants x 80,000 voxels x 30 layers x 30 variants would take "
        f"{per * 9 * 80 * 30 * 30 / 3600:,.0f} CPU hours."
    )


def _data(name: str) -> Path:
    import os

    for folder in os.environ.get("BRAINPRESS_DATA", "").split(os.pathsep):
        if folder and (Path(folder) / name).is_dir():
            return Path(folder) / name
    raise SystemExit(f"no folder of BRAINPRESS_DATA holds {name}/")


def _driven(features: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """Features as a haemodynamic response passes them on, z-scored by run."""
    z = zscore_by_run(np.asarray(features, np.float32), runs)
    n_units = z.shape[1]
    lags = delayed(z, runs, range(len(HRF))).reshape(len(z), len(HRF), n_units)
    return zscore_by_run(np.einsum("tdu,d->tu", lags, HRF.astype(np.float32)), runs)


def _mixed(features: np.ndarray, rng: np.random.Generator, variance: np.ndarray) -> np.ndarray:
    """Random mixtures of features, with a given variance."""
    mixed = features @ rng.standard_normal((features.shape[1], len(variance)), dtype=np.float32)
    return mixed / mixed.std(axis=0) * np.sqrt(variance)


def _smooth(rng: np.random.Generator, n_rows: int, n_columns: int) -> np.ndarray:
    """Noise of variance 1 that remembers the volume before."""
    white = rng.standard_normal((n_rows, n_columns), dtype=np.float32)
    scale = np.float32(np.sqrt(1 - AUTOCORRELATION**2))
    kept = np.array([1, -AUTOCORRELATION], np.float32)
    white[1:] *= scale
    return scipy.signal.lfilter(np.ones(1, np.float32), kept, white, axis=0)


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return (a * b).sum(axis=0) / np.sqrt(np.square(a).sum(axis=0) * np.square(b).sum(axis=0))


if __name__ == "__main__":
    main()
