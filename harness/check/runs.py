"""The part of the contract that puts a plugin to work, beside the mock model and benchmarks.

All of it happens in a folder that is gone afterwards. The rooms above this one are imported inside
functions: nothing that lists plugins loads them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.check.mocks import (
    LISTENING,
    PREFERENCE,
    write_mock_model,
)
from harness.check.rule import Held, Outcome, RuleBroken, attempt
from harness.errors import FetchError, ModelError
from harness.spec.layout import faults, found_by_answers
from harness.spec.registry import registry
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec, load_target, target_of

if TYPE_CHECKING:
    import xarray as xr

    from harness.lm.load import LanguageModel

BITS = (0.0, 64.0)
"""Bits a weight that a report may say."""


@contextmanager
def _mock() -> Iterator[tuple[Path, ModelSpec]]:
    with tempfile.TemporaryDirectory(prefix="brainpress-check-") as folder:
        yield Path(folder), write_mock_model(Path(folder) / "mock")


def _none() -> CompressorSpec:
    return next(s for s in registry().compressors.specs.values() if s.method == "none")


def model_findings(spec: ModelSpec) -> list[Held]:
    """Load a model that is on this machine, twice, and score it on the mock benchmarks."""
    with tempfile.TemporaryDirectory(prefix="brainpress-check-") as folder:
        benchmarks = (LISTENING,) if spec.control == "static" else (LISTENING, PREFERENCE)
        findings = _all(
            spec.name,
            {
                "its files are whole, and those the spec pins": lambda: _files(spec),
                "it is read as a language model is": lambda: _examined(spec),
                "it records the same twice": lambda: _same_recordings(spec),
                "it runs": lambda: _run(Path(folder), spec, _none(), benchmarks),
            },
        )
    return [
        replace(found, outcome=Outcome.NOTE) if "WARNING" in found.detail else found
        for found in findings
    ]


def _examined(spec: ModelSpec) -> str:
    """Return what was found when the model was first loaded; fail where nothing can be recorded."""
    loaded = _load(spec)
    found = loaded.examination
    if found is None:
        return ""
    if not loaded.capabilities:
        raise RuleBroken("; ".join(found.lines()))
    told = found.lines()
    if spec.control:  # an untrained network is no language model, and is not meant to be one
        told = [line for line in told if not line.startswith("WARNING")]
    return "; ".join(told)


def compressor_findings(spec: CompressorSpec) -> list[Held]:
    """Compress the mock model twice, look at it, and score it."""
    with _mock() as (folder, model):
        return _all(
            spec.name,
            {
                "it has the interface of a compressor": lambda: _has(
                    load_target(spec), "compress", "calibration"
                ),
                "it compresses, and says truly what": lambda: _compresses(spec, model),
                "it does the same twice": lambda: _same_weights(spec, model),
                "it runs": lambda: _run(folder, model, spec, (LISTENING, PREFERENCE)),
            },
        )


def benchmark_findings(spec: BenchmarkSpec) -> list[Held]:
    """Ask a benchmark what it wants, record the mock model, and let it score twice."""
    with _mock() as (folder, model):
        return _all(
            spec.name,
            {
                "it has the interface of a benchmark": lambda: _has(
                    load_target(spec), "requests", "score"
                ),
                "it names its files": lambda: _names_files(spec),
                "it asks for the same twice": lambda: _same_requests(spec),
                "it scores, the same twice": lambda: _scores(spec, model),
                "it runs": lambda: _run(folder, model, _none(), (spec,)),
            },
        )


def _all(subject: str, trials: dict[str, Callable[[], str]]) -> list[Held]:
    """Try rules in order; after one that does not pass the rest would say the same."""
    findings: list[Held] = []
    for rule, trial in trials.items():
        findings.append(attempt(subject, rule, trial))
        if findings[-1].outcome != "passed":
            break
    return findings


def _has(made: Any, *names: str) -> str:
    missing = [name for name in names if not hasattr(made, name)]
    if missing:
        raise RuleBroken(f"{type(made).__name__} has no {' and no '.join(missing)}")
    return type(made).__name__


def _files(spec: ModelSpec) -> str:
    from harness.lm.source import resolve

    try:
        files = resolve(spec, offline=True)
    except FetchError as error:
        raise FetchError(
            f"its weights are not on this machine ({spec.source})", error.hint
        ) from error
    except ModelError as error:
        scheme, _, path = spec.source.partition(":")
        if scheme != "file" or not Path(path).is_absolute() or Path(path).exists():
            raise
        raise FetchError(
            f"its weights are not on this machine ({spec.source})",
            "config.json, the tokenizer and *.safetensors go there, as save_pretrained writes them",
        ) from error
    stored = files.parameters
    if spec.parameters and not 0.5 <= stored / spec.parameters <= 1.5:
        raise RuleBroken(f"it says {spec.parameters:,} parameters, its files hold {stored:,}")
    return f"{stored:,} parameters"


def _load(spec: ModelSpec) -> LanguageModel:
    from harness.lm.load import load
    from harness.lm.source import resolve

    return load(resolve(spec, offline=True), spec, device="cpu", dtype="float32")


def _recordings(model: LanguageModel) -> list[xr.DataArray]:
    from harness.record.subject import LanguageSubject

    (request,) = load_target(LISTENING).requests()
    return [LanguageSubject(model).record(request)]


def _same_recordings(spec: ModelSpec) -> str:
    import numpy as np

    (first,), (second,) = _recordings(_load(spec)), _recordings(_load(spec))
    if not np.array_equal(first.values, second.values):
        raise RuleBroken("two loads of it do not record the same")
    return f"{first.sizes['layer']} layers, {first.sizes['unit']} units"


def _compressed(spec: CompressorSpec, model: ModelSpec) -> tuple[LanguageModel, Any]:
    from harness.compress.apply import apply

    loaded = _load(model)
    with tempfile.TemporaryDirectory(prefix="brainpress-check-") as cache:
        applied = apply(load_target(spec), loaded, cache=Path(cache))
    return loaded, applied.report


def _compresses(spec: CompressorSpec, model: ModelSpec) -> str:
    import torch

    from harness.lm.anatomy import anatomy

    before = _load(model).model
    loaded, report = _compressed(spec, model)
    after = loaded.model
    old, new = (anatomy(m).embedding.state_dict() for m in (before, after))
    if any(not torch.equal(old[name], new[name]) for name in old):
        raise RuleBroken("it changed the input embedding, which stays as it is")
    bad = [name for name, p in after.named_parameters() if not torch.isfinite(p).all()]
    if bad:
        raise RuleBroken(f"{bad[0]} holds NaN or infinity")
    modules = dict(before.named_modules())
    for row in report.layers:
        if row.name not in modules:
            raise RuleBroken(f"its report names {row.name}, which the model does not have")
        if row.weights != modules[row.name].weight.numel():
            raise RuleBroken(f"its report says {row.shape} of {row.name}")
    if not BITS[0] < report.bits_per_weight <= BITS[1]:
        raise RuleBroken(f"its report says {report.bits_per_weight:.3g} bits a weight")
    return f"{len(report.layers)} layers, {report.bits_per_weight:.2f} bits a weight"


def _same_weights(spec: CompressorSpec, model: ModelSpec) -> str:
    import torch

    first = dict(_compressed(spec, model)[0].model.named_parameters())
    second = dict(_compressed(spec, model)[0].model.named_parameters())
    differ = [n for n in first if n not in second or not torch.equal(first[n], second[n])]
    if differ or len(first) != len(second):
        raise RuleBroken(f"two runs of it give other weights: {', '.join(differ[:3])}")
    return ""


def _names_files(spec: BenchmarkSpec) -> str:
    from harness.fetch.resource import Resource
    from harness.record.benchmark import HasFiles
    from harness.runner.resources import benchmark_resources

    if not isinstance(target_of(spec), HasFiles):
        return "none to fetch"
    found = benchmark_resources(spec)
    strange = [one for one in found if not isinstance(one, Resource)]
    if strange:
        raise RuleBroken(f"resources() holds a {type(strange[0]).__name__}, not a Resource")
    return f"{len(found)} to fetch"


def _same_requests(spec: BenchmarkSpec) -> str:
    from harness.record.request import Request

    first, second = (tuple(load_target(spec).requests()) for _ in range(2))
    if not first:
        raise RuleBroken("it asks for nothing")
    strange = [r for r in first if not isinstance(r, Request)]
    if strange:
        raise RuleBroken(f"requests() holds a {type(strange[0]).__name__}, not a Request")
    if [r.key for r in first] != [r.key for r in second]:
        raise RuleBroken("two instances of it ask for different things: is something random?")
    words = sum(request.stimuli.words for request in first)
    plural = "" if len(first) == 1 else "s"
    return f"{len(first)} request{plural}, {words:,} words"


def _scores(spec: BenchmarkSpec, model: ModelSpec) -> str:
    import numpy as np

    from harness.record.request import Recordings
    from harness.record.subject import LanguageSubject

    benchmark = load_target(spec)
    requests = tuple(benchmark.requests())
    made = LanguageSubject(_load(model)).record_all(requests)
    kept = {key: answer.copy(deep=True) for key, answer in made.items()}
    first = benchmark.score(Recordings(requests, lambda r: made[r.key]))
    if any(not np.array_equal(made[key].values, kept[key].values) for key in made):
        raise RuleBroken("score() changes the recordings that it is given")
    second = load_target(spec).score(Recordings(requests, lambda r: kept[r.key]))
    fault = next(faults(first, spec.kind), None)
    if fault is not None:
        raise RuleBroken(*fault)
    if not first.drop_attrs().equals(second.drop_attrs()):
        raise RuleBroken("score() gives another result the second time")
    return f"value {float(first['value']):.3f}, {_tested_on(first)}"


def _tested_on(score: xr.Dataset) -> str:
    found = found_by_answers(score)
    return f"differences are tested on {found}" if found else "no answer tests a difference of it"


def _run(
    folder: Path, model: ModelSpec, compressor: CompressorSpec, benchmarks: Sequence[BenchmarkSpec]
) -> str:
    """Go the way of ``brainpress run``: plan, record, score, store, board."""
    from harness.api import carry_out
    from harness.place.place import Place
    from harness.runner.options import RunOptions
    from harness.runner.plan import make_plan
    from harness.runner.select import Selection
    from harness.runner.status import Status

    place = Place.make(offline=True, device="cpu", store=folder / "store")
    selection = Selection((model,), (compressor,), tuple(benchmarks))
    cells, _ = carry_out(make_plan(selection, place, RunOptions()))
    failed = [c for c in cells if c.status is Status.FAILED]
    if failed:
        raise RuleBroken(failed[0].reason)
    done = [c for c in cells if c.status is Status.DONE]
    if not done:
        raise RuleBroken(f"nothing could be scored: {cells[0].reason}")
    return "1 cell" if len(done) == 1 else f"{len(done)} cells"
