"""The plan: which cells there are, which of them are done, and what the rest will take."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from harness.errors import (
    CorruptError,
    FetchError,
    HarnessError,
    NotFetchedError,
    OfflineError,
)
from harness.lm.capabilities import COMPRESS, allowed, capabilities
from harness.lm.controls import SPEECH, STATIC
from harness.lm.examination import Examination, kept
from harness.lm.files import ModelFiles, Unconverted
from harness.lm.source import resolve
from harness.place.place import Place, entered
from harness.record.benchmark import Benchmark
from harness.record.request import Request
from harness.record.unheard import unheard
from harness.runner.cells import Cell, Variant
from harness.runner.engines.options import EngineOptions
from harness.runner.job import Job
from harness.runner.keys import Keys, failure_key
from harness.runner.options import Overwrite, RunOptions
from harness.runner.resources import unpinned_content
from harness.runner.select import Selection
from harness.runner.sizes import Size, of_files, of_unconverted, size_of
from harness.runner.started import mark_of
from harness.runner.status import NOT_COMPUTED, Status
from harness.spec.extras import not_installed
from harness.spec.specs import BenchmarkSpec, ModelSpec, load_target
from harness.store.store import Kind, Store

_NOT_COMPRESSED = "controls that --controls adds are not compressed (name one with -m, and it is)"


@dataclass(frozen=True)
class Loaded:
    """A benchmark with its data, and what it asks."""

    spec: BenchmarkSpec
    benchmark: Benchmark
    requests: tuple[Request, ...]
    content: str = ""
    """Checksum of its files that nothing pins, see ``unpinned_content``."""


@dataclass(frozen=True)
class Plan:
    """The cells of a run, and what is known of their parts.

    Parameters
    ----------
    cells : tuple of Cell
        By variant, in the order of the selection.
    benchmarks : mapping
        Benchmarks that loaded, by name.
    files : mapping
        Files of the models that are on this machine, by model name.
    place : Place
        Where the run happens.
    options : RunOptions
    engine : EngineOptions
        Who computes it, and which part of it.
    sizes : mapping
        Sizes of models that are not here, or not converted, as far as they are known.
    """

    cells: tuple[Cell, ...]
    benchmarks: Mapping[str, Loaded] = field(repr=False)
    files: Mapping[str, ModelFiles] = field(repr=False)
    place: Place
    options: RunOptions = field(default_factory=RunOptions)
    engine: EngineOptions = field(default_factory=EngineOptions)
    sizes: Mapping[str, Size] = field(default_factory=dict, repr=False)

    def size(self, model: ModelSpec) -> Size | None:
        """Return how large a model is; None where nothing says so."""
        files = self.files.get(model.name)
        return self.sizes.get(model.name) if files is None else of_files(files)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Variants in order, each once."""
        return tuple({c.variant.name: c.variant for c in self.cells}.values())

    @property
    def todo(self) -> tuple[Cell, ...]:
        """Cells that have to be computed."""
        return tuple(c for c in self.cells if c.status is Status.TODO)

    def todo_by_variant(self) -> dict[str, tuple[Cell, ...]]:
        """Cells that have to be computed, by the name of their variant; others are left out."""
        found: dict[str, list[Cell]] = {}
        for cell in self.todo:
            found.setdefault(cell.variant.name, []).append(cell)
        return {name: tuple(cells) for name, cells in found.items()}

    def jobs(self) -> tuple[Job, ...]:
        """Return the jobs of the shard that is to be computed: a variant each.

        Cells over which a process was killed come last, so that they keep no other from its score.
        """
        texts = tuple(loaded.spec for loaded in self.benchmarks.values())
        todo = self.todo_by_variant()
        jobs = [
            Job(
                variant,
                tuple(sorted(todo[variant.name], key=lambda cell: bool(cell.reason))),
                self.place,
                self.options,
                texts if variant.compressor.calibrated else (),
            )
            for variant in self.shard()
            if variant.name in todo
        ]
        return tuple(sorted(jobs, key=lambda job: any(cell.reason for cell in job.cells)))

    def shard(self) -> tuple[Variant, ...]:
        """Variants of the part that is to be computed.

        They are counted over the whole selection, not over what is left to do, so that shards that
        start at different times agree.
        """
        holds = self.engine.shard.holds
        return tuple(v for number, v in enumerate(self.variants) if holds(number))

    def keys(self, variant: Variant) -> Keys:
        """Keys of what is stored of a variant whose model's files are here."""
        fingerprint = self.files[variant.model.name].fingerprint
        return Keys(fingerprint, variant.compressor, self.options.dtype)

    def count(self, status: Status) -> int:
        """Return the number of cells of a status."""
        return sum(c.status is status for c in self.cells)


def make_plan(
    selection: Selection,
    place: Place,
    options: RunOptions,
    engine: EngineOptions | None = None,
    *,
    fetch: bool = True,
) -> Plan:
    """Find out what a selection asks for and what of it is in the store.

    Loads benchmarks' data, but no model; nothing is fetched from a hub. With ``fetch=False``
    nothing is fetched at all: cells whose data a run would fetch are to do.
    """
    with entered(place if fetch else replace(place, offline=True)):
        return _made(selection, place, options, engine or EngineOptions(), fetch)


def _made(
    selection: Selection, place: Place, options: RunOptions, engine: EngineOptions, fetch: bool
) -> Plan:
    # A run has the worker convert; who reads the store alone has nobody else.
    convert = fetch and options.overwrite is Overwrite.NEVER
    store = Store(place.store)
    benchmarks: dict[str, Loaded] = {}
    broken: dict[str, str] = {}
    later: dict[str, str] = {}
    for spec in selection.benchmarks:
        try:
            benchmarks[spec.name] = load_benchmark(spec)
        except OfflineError as error:
            fetched = not place.offline and not isinstance(error, NotFetchedError)
            (later if fetched else broken)[spec.name] = str(error)
        except HarnessError as error:
            broken[spec.name] = str(error)
        except Exception as error:  # a fault of one benchmark is its own
            broken[spec.name] = _fault(error)
    files: dict[str, ModelFiles] = {}
    sizes: dict[str, Size] = {}
    unresolved: dict[str, str] = {}
    for model in selection.models:
        if known := size_of(model):
            sizes[model.name] = known
        try:
            files[model.name] = resolve(model, offline=True, convert=convert)
        except Unconverted as found:
            sizes[model.name] = of_unconverted(found)
        except FetchError as error:
            if place.offline:
                unresolved[model.name] = str(error)
        except HarnessError as error:
            unresolved[model.name] = str(error)
        except OSError as error:
            unresolved[model.name] = f"{model.name} cannot be read: {error}"
    draft = Plan((), benchmarks, files, place, options)
    cells = []
    for model, compressor, spec in selection.cells():
        variant = Variant(model, compressor)
        reason = broken.get(spec.name) or unresolved.get(model.name, "")
        if model.name in selection.added and compressor.method != "none":
            cells.append(Cell(variant, spec, Status.NOT_APPLICABLE, _NOT_COMPRESSED))
        elif reason:
            cells.append(Cell(variant, spec, Status.FAILED, reason))
        elif spec.name in later:
            cells.append(Cell(variant, spec, Status.TODO, later[spec.name]))
        else:
            cells.append(planned(variant, draft, spec, store))
    return Plan(tuple(cells), benchmarks, files, place, options, engine, sizes)


def load_benchmark(spec: BenchmarkSpec) -> Loaded:
    """Make a benchmark from its spec, with its data and what it asks."""
    benchmark = load_target(spec)
    return Loaded(spec, benchmark, tuple(benchmark.requests()), unpinned_content(spec))


def still(plan: Plan) -> Plan:
    """Look again at cells that are to do: another process may have ended them since."""
    seen = replace(plan, options=replace(plan.options, overwrite=Overwrite.NEVER))
    store = Store(plan.place.store)
    with entered(plan.place):
        cells = tuple(
            planned(cell.variant, seen, cell.benchmark, store)
            if cell.status is Status.TODO
            else cell
            for cell in plan.cells
        )
    return replace(plan, cells=cells)


def _fault(error: Exception) -> str:
    """Say what a stranger's code raised, and where it did."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"


def planned(variant: Variant, plan: Plan, spec: BenchmarkSpec, store: Store) -> Cell:
    """Return a cell as it stands: done, to do, failed before, or without meaning."""
    loaded = plan.benchmarks[spec.name]
    files = plan.files.get(variant.model.name)
    packed = files is not None and "quantization_config" in files.config
    packed = packed and not variant.model.control
    found = None if files is None else kept(files.fingerprint, plan.options.dtype)
    if reason := not_applicable(variant, loaded.requests, packed=packed, found=found):
        return Cell(variant, spec, Status.NOT_APPLICABLE, reason)
    key = cell_key(variant, plan, loaded)
    overwrite = plan.options.overwrite
    if overwrite is not Overwrite.ALWAYS and key and store.has(Kind.SCORE, key):
        return Cell(variant, spec, Status.DONE, key=key)
    failure = failure_key(variant, spec)
    mark = mark_of(store, failure)
    cell = Cell(variant, spec, Status.TODO, str(mark or ""), key)
    if overwrite is Overwrite.NEVER:
        if mark is not None:
            return replace(cell, status=Status.FAILED if mark.gone else Status.TODO)
        if store.has(Kind.FAILURE, failure):
            with suppress(CorruptError):  # why it failed is lost, and no more
                told = store.read(Kind.FAILURE, failure).attrs
                status = Status.read(told.get("status", Status.FAILED))
                return Cell(variant, spec, status, str(told["reason"]), key)
        return Cell(variant, spec, Status.TODO, NOT_COMPUTED, key)
    if reason := not_installed(variant.compressor.extra):
        return Cell(variant, spec, Status.FAILED, reason, key)
    return cell


def cell_key(variant: Variant, plan: Plan, loaded: Loaded) -> str:
    """Key of a cell's score, or empty while the model's files are not here."""
    if variant.model.name not in plan.files:
        return ""
    return plan.keys(variant).score(loaded.spec, loaded.requests, loaded.content)


def not_applicable(
    variant: Variant,
    requests: Iterable[Request],
    *,
    packed: bool = False,
    found: Examination | None = None,
) -> str:
    """Say why a variant has no answer to some requests, or nothing.

    Parameters
    ----------
    variant : Variant
    requests : iterable of Request
    packed : bool
        Whether the model's checkpoint was published packed.
    found : Examination, optional
        What was found when the model was first loaded; before that, nothing is known.
    """
    able, why = capabilities(variant.model), ""
    if found is not None and variant.model.control != STATIC:
        able &= allowed(found, variant.model)
        why = found.reason and f": {found.reason}"
    for request in requests:
        if variant.model.control == SPEECH and (silent := unheard(request)):
            return f"{variant.model.name} {silent}"
        if request.measure.capability not in able:
            return f"{variant.model.name} has no {request.measure} to record{why}"
    if variant.compressor.method != "none" and packed:
        return f"{variant.model.name} is packed already; compress the model it was made from"
    if variant.compressor.method != "none" and COMPRESS not in able:
        return f"{variant.model.name} has no layer that a compressor changes{why}"
    return ""


def missing_models(plan: Plan) -> tuple[ModelSpec, ...]:
    """Models of cells to do that have to be fetched first; those to convert are here."""
    names = {c.variant.model.name: c.variant.model for c in plan.todo}
    here = {name for name, size in plan.sizes.items() if size.convert and not size.fetch}
    return tuple(m for name, m in names.items() if name not in plan.files and name not in here)
