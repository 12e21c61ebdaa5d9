"""Boards whose truth is known: what every variant really scores, and participants about it.

The layout is that of ``harness.board.assemble``; names that matter to a test are passed in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

CATEGORIES = ("morphology", "syntax", "semantics", "reasoning", "discourse")


@dataclass(frozen=True)
class Truth:
    """What a simulated board is drawn from.

    Parameters
    ----------
    models : mapping
        Name to (family, parameters, true alignment).
    losses : mapping
        Compressor to the alignment it takes.
    competence : float
        True accuracy of the bases.
    falls : mapping
        Compressor to what it takes from accuracy, by category.
    noise : float
        Standard deviation of a participant's own deviation from the variant's truth.
    participants, rois, layers, pairs, neural, linguistic : int
        Sizes; ``pairs`` in each of two tasks a category.
    margin : float
        Of every neural benchmark.
    controls : bool
        Whether an untrained and a static control are on the board.
    floor : float
        True alignment of the static control.
    untrained : float
        True accuracy of the untrained control.
    parts : int
        Parts of the stimulus that were held out; without any, scores by part are not on the board.
    text : float
        Standard deviation of a variant's own deviation on a part, the same for all participants.
    unique : mapping
        Model to its true unique R2; with any, nuisance was fitted jointly, and the unique part is
        the headline. A compressor takes as much from it as from alignment.
    unique_margin : float
    widths : mapping
        Model to the units of its hidden states, where they are known.
    """

    models: Mapping[str, tuple[str, float, float]]
    losses: Mapping[str, float] = field(default_factory=dict)
    competence: float = 0.85
    falls: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    noise: float = 0.02
    participants: int = 20
    rois: int = 3
    layers: int = 4
    pairs: int = 150
    neural: int = 1
    linguistic: int = 0
    margin: float = 0.02
    controls: bool = True
    floor: float = 0.0
    untrained: float = 0.5
    parts: int = 0
    text: float = 0.0
    unique: Mapping[str, float] = field(default_factory=dict)
    unique_margin: float = math.nan
    widths: Mapping[str, float] = field(default_factory=dict)

    def loss(self, compressor: str) -> float:
        return 0.0 if compressor == "none" else self.losses[compressor]


def simulate(truth: Truth, seed: int = 0) -> xr.DataTree:
    """Draw a board."""
    rng = np.random.default_rng(seed)
    models = list(truth.models)
    extra = [f"untrained:{models[0]}#0", f"static:{models[0]}"] if truth.controls else []
    compressors = ["none", *truth.losses]
    neural = [f"brain-{i:02}" for i in range(truth.neural)]
    pairs = [f"pairs-{i:02}" for i in range(truth.linguistic)]
    groups: dict[str, xr.Dataset] = {
        "/": xr.Dataset(attrs={"title": "brainpress board", "schema": 1}),
        "/models": _models(truth, models, extra),
        "/compressors": _compressors(compressors),
        "/benchmarks": _benchmarks(truth, neural, pairs),
        "/compression": _compression(truth, [*models, *extra], compressors),
    }
    variants = [(m, c) for m in models for c in compressors] + [(m, "none") for m in extra]
    shape = (len(models) + len(extra), len(compressors), truth.neural + truth.linguistic)
    value = np.full((5, *shape), math.nan)
    at = {name: i for i, name in enumerate([*models, *extra])}
    for k, name in enumerate(neural):
        groups[f"/neural/{name}"] = detail = _neural(truth, variants, rng)
        best = detail["r_best"].mean("roi").values
        spread = 2 * best.std(axis=1) / math.sqrt(truth.participants)
        for v, (m, c) in enumerate(variants):
            mean = best[v].mean()
            value[:, at[m], compressors.index(c), k] = (
                mean,
                mean - spread[v],
                mean + spread[v],
                0.3,
                mean / 0.3,
            )
    for k, name in enumerate(pairs, truth.neural):
        groups[f"/linguistic/{name}"] = detail = _pairs(truth, variants, rng)
        for v, (m, c) in enumerate(variants):
            mean = float(detail["accuracy"][v].mean())
            value[:3, at[m], compressors.index(c), k] = mean, mean - 0.02, mean + 0.02
    groups["/cells"] = _cells(value, [*models, *extra], compressors, [*neural, *pairs])
    return xr.DataTree.from_dict(groups)


def _neural(truth: Truth, variants: list[tuple[str, str]], rng: np.random.Generator) -> xr.Dataset:
    true = np.array(
        [
            truth.models[m][2] - truth.loss(c)
            if m in truth.models
            else truth.floor * m.startswith("static:")
            for m, c in variants
        ]
    )
    n, rois, layers = truth.participants, truth.rois, truth.layers
    # Participants differ more than variants do, and alike in all variants: tests are paired.
    people = rng.normal(0, 0.05, (1, n, rois))
    # A participant's own deviation is of the participant, not of a region.
    own = rng.normal(0, truth.noise, (len(variants), n, 1))
    within = rng.normal(0, truth.noise / 4, (len(variants), n, rois))
    best = true[:, None, None] + people + own + within
    folds: dict[str, Any] = {}
    if truth.parts:
        deviation = _by_part(truth, len(variants), rng)
        best = best + deviation.mean(axis=1)
        folds["fold_r"] = best[:, None] + deviation - deviation.mean(axis=1, keepdims=True)
    if truth.unique:
        lost = [truth.unique.get(m, 0.0) - truth.loss(c) for m, c in variants]
        unique = np.array(lost)[:, None, None] + people / 10 + own + within
        if truth.parts:
            deviation = _by_part(truth, len(variants), rng)
            folds["fold_unique_r2"] = unique[:, None] + deviation
            unique = unique + deviation.mean(axis=1)
        folds["unique_r2"] = unique
    by_fold = ("variant", "fold", "participant", "roi")
    rise = np.sin(np.linspace(0.2, 2.6, layers))
    curve = best[..., None] * rise
    return xr.Dataset(
        {
            name: (by_fold if values.ndim == 4 else ("variant", *by_fold[2:]), values)
            for name, values in folds.items()
        }
        | {
            "r_best": (("variant", "participant", "roi"), best),
            "r": (("variant", "participant", "roi", "layer"), curve),
            "group_r": (("variant", "roi", "layer"), curve.mean(axis=1)),
            "ceiling_loo": (("variant", "participant", "roi"), np.full_like(best, 0.3)),
        },
        coords=_variants(variants)
        | {
            "participant": _texts(f"s{i:02}" for i in range(n)),
            "roi": _texts(f"roi{i}" for i in range(rois)),
            "layer": np.arange(layers),
        },
    )


def _by_part(truth: Truth, n: int, rng: np.random.Generator) -> Any:
    """Deviations of parts, (variant, fold, participant, roi): of the text, and of everything."""
    shape = (n, truth.parts, truth.participants, truth.rois)
    text = rng.normal(0, truth.text, (n, truth.parts, 1, 1))
    return text + rng.normal(0, truth.noise, (*shape[:3], 1)) + np.zeros(shape)


def _pairs(truth: Truth, variants: list[tuple[str, str]], rng: np.random.Generator) -> xr.Dataset:
    tasks = [f"{c}-{i}" for c in CATEGORIES for i in (1, 2)]
    of_task = [c for c in CATEGORIES for _ in (1, 2)]
    member = np.repeat(np.arange(len(tasks)), truth.pairs)
    chance = np.full((len(variants), len(tasks)), 0.5)
    for v, (m, c) in enumerate(variants):
        if m.startswith("untrained:"):
            chance[v] = truth.untrained
        if m in truth.models:
            falls = truth.falls.get(c, {})
            chance[v] = [truth.competence - falls.get(category, 0.0) for category in of_task]
    # Hard pairs are hard for all variants alike: a common part of the draw makes them paired.
    shared = rng.random((1, len(member)))
    own = rng.random((len(variants), len(member)))
    uniform = np.where(rng.random(own.shape) < 0.7, shared, own)
    right = uniform < chance[:, member]
    accuracy = np.stack([right[:, member == t].mean(axis=1) for t in range(len(tasks))], axis=1)
    by_category = accuracy.reshape(len(variants), len(CATEGORIES), 2).mean(axis=2)
    return xr.Dataset(
        {
            "margin": (("variant", "pair"), np.where(right, 1.0, -1.0).astype(np.float32)),
            "accuracy": (("variant", "task"), accuracy),
            "category_accuracy": (("variant", "category"), by_category),
        },
        coords=_variants(variants)
        | {
            "task": _texts(tasks),
            "task_category": ("task", _texts(of_task)),
            "pair_task": ("pair", member),
            "category": _texts(CATEGORIES),
        },
    )


def _variants(variants: list[tuple[str, str]]) -> dict[str, Any]:
    return {
        "variant": _texts(f"{m}+{c}" for m, c in variants),
        "model": ("variant", _texts(m for m, _ in variants)),
        "compressor": ("variant", _texts(c for _, c in variants)),
    }


def _models(truth: Truth, models: Sequence[str], extra: Sequence[str]) -> xr.Dataset:
    names = [*models, *extra]
    size = [truth.models[m][1] for m in models] + [truth.models[models[0]][1]] * len(extra)
    family = [truth.models[m][0] for m in models] + [truth.models[models[0]][0]] * len(extra)
    texts = {
        "tags": ["slm"] * len(names),
        "family": family,
        "source": ["hf:org/name"] * len(names),
        "revision": ["0" * 40] * len(names),
        "control": [""] * len(models) + [name.split(":")[0] for name in extra],
        "base": [""] * len(models) + [models[0]] * len(extra),
        "licence": ["MIT"] * len(names),
        "citation": ["A. Author (2026), A model"] * len(names),
        "notes": ["drawn, not trained"] * len(names),
    }
    width = [truth.widths.get(m, math.nan) for m in names]
    return xr.Dataset(
        {"parameters": ("model", np.array(size)), "width": ("model", np.array(width))}
        | {name: ("model", _texts(values)) for name, values in texts.items()},
        coords={"model": _texts(names)},
    )


def _compressors(names: Sequence[str]) -> xr.Dataset:
    methods = [n.rsplit("-", 1)[0] if "-" in n else n for n in names]
    texts = {
        "method": methods,
        "options": ["{}"] * len(names),
        "tags": ["quantization"] * len(names),
        "citation": [""] * len(names),
    }
    return xr.Dataset(
        {name: ("compressor", _texts(values)) for name, values in texts.items()},
        coords={"compressor": _texts(names)},
    )


def _benchmarks(truth: Truth, neural: Sequence[str], pairs: Sequence[str]) -> xr.Dataset:
    n, m = len(neural), len(pairs)
    texts = {
        "kind": ["neural"] * n + ["linguistic"] * m,
        "metric": ["Pearson r"] * n + ["accuracy"] * m,
        "licence": ["CC0-1.0"] * (n + m),
        "citation": ["B. Author (2026), Some data"] * (n + m),
        "data": ["drawn from a known truth"] * (n + m),
        "notes": ["No participant ever lay in a scanner."] * (n + m),
        "headline": ["unique" if truth.unique else "value"] * n + ["value"] * m,
        "headline_reason": ["drawn so"] * (n + m),
    }
    return xr.Dataset(
        {
            "version": ("benchmark", np.ones(n + m, int)),
            "chance": ("benchmark", np.array([0.0] * n + [0.5] * m)),
            "margin": ("benchmark", np.full(n + m, truth.margin)),
            "simulated": ("benchmark", np.ones(n + m, int)),
            "margin_normalised": ("benchmark", np.full(n + m, math.nan)),
            "margin_unique": ("benchmark", np.full(n + m, truth.unique_margin)),
        }
        | {name: ("benchmark", _texts(values)) for name, values in texts.items()},
        coords={"benchmark": _texts([*neural, *pairs])},
    )


def _compression(truth: Truth, models: Sequence[str], compressors: Sequence[str]) -> xr.Dataset:
    parameters = np.array([truth.models.get(m, ("", 1e6, 0.0))[1] for m in models])
    bits = np.array([16.0] + [4.0 + 0.25 * i for i in range(len(compressors) - 1)])
    size = parameters[:, None] * bits / 8
    columns = {
        "bits_per_weight": np.broadcast_to(bits, size.shape),
        "bits_per_weight_model": np.broadcast_to(bits, size.shape),
        "coverage": np.ones_like(size),
        "sparsity": np.zeros_like(size),
        "sparsity_model": np.zeros_like(size),
        "bytes_packed": size,
        "perplexity": 20.0 + 100 / bits + 0 * size,
        "seconds": np.ones_like(size),
        "peak_memory": size * 2,
    }
    dims = ("model", "compressor")
    return xr.Dataset(
        {name: (dims, values.copy()) for name, values in columns.items()},
        coords={"model": _texts(models), "compressor": _texts(compressors)},
    )


def _cells(
    value: Any, models: Sequence[str], compressors: Sequence[str], benchmarks: Sequence[str]
) -> xr.Dataset:
    dims = ("model", "compressor", "benchmark")
    done = np.isfinite(value[0])
    provenance = json.dumps({"versions": {"brainpress": "0.1.0"}, "warnings": ""})
    numbers = dict(zip(("value", "low", "high", "ceiling", "normalised"), value, strict=True))
    return xr.Dataset(
        {name: (dims, array) for name, array in numbers.items()}
        | {
            "record_seconds": (dims, np.where(done, 1.0, math.nan)),
            "score_seconds": (dims, np.where(done, 1.0, math.nan)),
            "peak_memory": (dims, np.where(done, 1e9, math.nan)),
            "status": (dims, np.where(done, "done", "not applicable").astype(object)),
            "reason": (dims, np.where(done, "", "a control is not compressed").astype(object)),
            "key": (dims, np.where(done, "0" * 64, "").astype(object)),
            "provenance": (dims, np.where(done, provenance, "").astype(object)),
        },
        coords={
            "model": _texts(models),
            "compressor": _texts(compressors),
            "benchmark": _texts(benchmarks),
        },
    )


def _texts(values: Any) -> Any:
    return np.array(list(values), dtype=object)
