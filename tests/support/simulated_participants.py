"""Simulated participants in whom everything is known, with all that makes real ones hard.

Eight listeners, two regions, six runs of 60 volumes (TR 2 s). Features are slow; nuisance is
correlated with them; drifts of several times the signal, motion that goes with the stimulus and a
run that was not measured are in the responses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.stats
import xarray as xr
from scipy.signal import lfilter

from harness.encode.design.options import EncodingOptions
from harness.encode.design.splits import contiguous_folds, held_out_pieces
from harness.encode.score.protocol import Responses, prepare, score_responses
from harness.encode.solve.layers import encode_layers
from harness.numeric.arrays import Doubles
from harness.stats.bootstrap import bootstrap_interval
from harness.stats.crossed import crossed

ROIS = ("left", "right")
RUNS = np.repeat(np.arange(6), 60)
ROWS = len(RUNS)
UNITS = 3
LAYERS = ("before", "true", "after")
OPTIONS = EncodingOptions(
    delays=(1,), n_outer=6, n_inner=3, gap=4, penalties=8, nuisance_penalties=4
)


@dataclass(frozen=True, eq=False)
class Simulated:
    """A recording, responses, and what is true of them.

    Parameters
    ----------
    recording : DataArray (sample, layer, unit)
        Layer 1 drives the responses.
    data : Responses
    r, unique, ceiling : float
        r and unique R2 that a model without estimation error has, and the leave-one-out ceiling,
        of the responses that were drawn, without drift and motion.
    """

    recording: xr.DataArray
    data: Responses
    r: float
    unique: float
    ceiling: float


def slow(rng: np.random.Generator, *shape: int, by: float = 0.7) -> Doubles:
    """Draw an autocorrelated process along the first axis, of variance 1, run by run."""
    out = np.empty(shape)
    for run in range(6):
        rows = run == RUNS
        burn = rng.normal(size=(rows.sum() + 50, *shape[1:]))
        out[rows] = lfilter([np.sqrt(1 - by**2)], [1, -by], burn, axis=0)[50:]
    return out


def _later(x: Doubles) -> Doubles:
    """Delay by one volume, run by run."""
    out = np.zeros_like(x)
    for run in range(6):
        rows = np.flatnonzero(run == RUNS)
        out[rows[1:]] = x[rows[:-1]]
    return out


def simulate(
    seed: int,
    *,
    model: float = 0.2,
    words: float = 0.2,
    people: int = 8,
    drift: float = 3.0,
    motion: float = 1.0,
    missing: bool = True,
) -> Simulated:
    """Draw participants.

    Parameters
    ----------
    seed : int
    model, words : float
        Shares of variance that the model's layer and nuisance drive; the rest is noise of each.
    people : int
    drift, motion : float
        Standard deviations of drifts and of what motion does, relative to the responses.
    missing : bool
        Whether the last participant lacks a run.
    """
    rng = np.random.default_rng(seed)
    rate = slow(rng, ROWS, 1)
    features = np.stack([slow(rng, ROWS, UNITS) for _ in LAYERS], axis=1)
    features[:, 1] = (features[:, 1] + 0.5 * rate) / np.sqrt(1.25)
    weights = rng.normal(size=(UNITS, 2))
    own = _unit(_later(features[:, 1] @ weights))
    heard = _unit(_later(rate)) * np.ones(2)
    signal = np.sqrt(model) * own + np.sqrt(words) * heard
    noise = np.stack([slow(rng, ROWS, 2, by=0.4) for _ in range(people)])
    left = max(1 - signal.var(axis=0).mean(), 0.05)
    clean = signal + np.sqrt(left) * noise
    # Listeners nod at what they hear.
    moved = np.stack([0.5 * rate + slow(rng, ROWS, 2) for _ in range(people)])
    time = np.tile(np.arange(60) / 60, 6)
    waves = np.stack([np.cos(np.pi * k * time) for k in (1, 2)], axis=1)
    values, confounds = {}, {}
    for i in range(people):
        slopes = drift * rng.normal(size=(6, 2, 2))
        y = clean[i] + np.einsum("tk,tkr->tr", waves, slopes[RUNS])
        y = y + motion * moved[i] @ rng.normal(size=(2, 2))
        if missing and i == people - 1:
            y[RUNS == 4] = 0.0
        values[f"p{i}"] = y
        confounds[f"p{i}"] = moved[i]
    data = prepare(
        values,
        ROIS,
        RUNS,
        tr=2.0,
        cutoff=120.0,
        confounds=confounds if motion else None,
        nuisance={"rate": rate[:, 0]},
    )
    recording = xr.DataArray(
        features, dims=("sample", "layer", "unit"), coords={"layer": [0, 1, 2]}
    )
    units = _later(features[:, 1])
    r, unique, ceiling = _truth(signal, heard, units, np.sqrt(left) * noise, data, moved)
    return Simulated(recording, data, r, unique, ceiling)


def _unit(x: Doubles) -> Doubles:
    return np.asarray((x - x.mean(axis=0)) / x.std(axis=0))


def _truth(
    signal: Doubles, heard: Doubles, units: Doubles, noise: Doubles, data: Responses, moved: Doubles
) -> tuple[float, float, float]:
    """Compute r, unique R2 and ceiling of signals and noise that have lost what responses lose."""
    people = len(data.participants)
    found = []
    for i in range(people):
        keep = _without(data, moved[i] if data.confounds is not None else None)
        s, h, x, n = (keep(part) for part in (signal, heard[:, :1], units, noise[i]))
        y = s + n
        each = []
        for roi in range(2):
            explained = [
                np.square(design @ np.linalg.lstsq(design, s[:, roi], rcond=None)[0]).sum()
                for design in (x, h, np.column_stack([x, h]))
            ]
            total = np.square(s[:, roi]).sum() + np.square(n[:, roi]).sum()
            r = np.sqrt(explained[0] / total)
            each.append((r, (explained[2] - explained[1]) / total))
        found.append((*np.mean(each, axis=0), y))
    ys = np.stack([y / y.std(axis=0) for *_, y in found])
    tops = []
    for i in range(people):
        others = np.delete(ys, i, axis=0).mean(axis=0)
        tops += [np.corrcoef(ys[i][:, k], others[:, k])[0, 1] for k in range(2)]
    return (
        float(np.mean([r for r, *_ in found])),
        float(np.mean([u for _, u, _ in found])),
        float(np.mean(tops)),
    )


def _without(data: Responses, moved: Doubles | None):
    """Regress drift and motion out, run by run, by plain least squares."""

    def keep(x: Doubles) -> Doubles:
        out = np.empty_like(x)
        for run in range(6):
            rows = run == RUNS
            n = rows.sum()
            time = (np.arange(n) + 0.5) / n
            most = int(2 * n * 2.0 / 120.0)
            columns = [np.ones(n), *(np.cos(np.pi * k * time) for k in range(1, most + 1))]
            design = np.column_stack(columns if moved is None else [*columns, moved[rows]])
            out[rows] = x[rows] - design @ np.linalg.lstsq(design, x[rows], rcond=None)[0]
        return out

    return keep


def recover(seed: int, motion: float) -> dict[str, Doubles | float]:
    """Score simulated participants: truth, estimate, interval, crossed interval of each number."""
    known = simulate(seed, motion=motion)
    score = score_responses(known.recording, known.data, OPTIONS)
    none = (np.nan, np.nan)

    def row(truth: float, name: str, ends: tuple[str, ...]) -> Doubles:
        return np.array([truth, float(score[name]), *(float(score[end]) for end in ends)])

    each = score["ceiling_loo"].mean("roi").values
    error = 2.45 * each.std(ddof=1) / np.sqrt(len(each))
    return {
        "r": row(known.r, "value", ("low", "high", "crossed_low", "crossed_high")),
        "unique R2": row(
            known.unique,
            "unique",
            ("unique_low", "unique_high", "unique_crossed_low", "unique_crossed_high"),
        ),
        "ceiling": np.array(
            [known.ceiling, each.mean(), each.mean() - error, each.mean() + error, *none]
        ),
        "layer": float((score["layer_best"] == 1).mean()),
    }


def spurious(seed: int) -> tuple[bool, bool, bool, bool]:
    """Score what adds nothing, and compare what is equally good: whether each passes for more."""
    words = simulate(seed, model=0.0, motion=0.0, missing=False)
    unique = _encoded(words.recording.values, words.data, "fold_unique")
    above = crossed(unique)
    low = float(bootstrap_interval(unique.mean(axis=1)).low)
    rng = np.random.default_rng([seed, 1])
    heard = simulate(seed, motion=0.0, missing=False)
    first, second = (
        _encoded(heard.recording.values + 0.7 * slow(rng, ROWS, 3, UNITS), heard.data, "fold_r")
        for _ in range(2)
    )
    ends = crossed(first - second).interval()
    alone = scipy.stats.ttest_1samp((first - second).mean(axis=1), 0).pvalue
    return (
        bool(above.estimate > 0 and above.p() < 0.05),
        low > 0,
        bool(ends[0] > 0 or ends[1] < 0),
        bool(alone < 0.05),
    )


def _encoded(features: Doubles, data: Responses, what: str) -> Doubles:
    """Score as regions are, without what takes time: (participant, fold), mean over regions."""
    folds = contiguous_folds(data.runs, OPTIONS.n_outer, OPTIONS.gap)
    clean = data.cleaned(held_out_pieces(data.runs, folds))
    found = encode_layers(
        features,
        np.concatenate(list(clean.values), axis=1),
        data.runs,
        options=OPTIONS,
        nuisance=data.nuisance["rate"][:, None] if what == "fold_unique" else None,
        confounds=clean.confounds,
        target_groups=list(ROIS) * len(data.participants),
        folds=folds,
    )
    if found.nuisance is None:
        values = found.fold_r_best
    else:
        values = found.nuisance.fold_joint_r2 - found.nuisance.fold_r2
    return np.asarray(values.reshape(len(folds), -1, 2).mean(axis=2).T)
