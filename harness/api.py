"""The verbs of the Python API, as the command line calls them too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from harness.spec.names import split_names
from harness.spec.registry import registry
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.runner.cells import Cell
    from harness.runner.engines.cluster import ClusterName, ClusterOptions
    from harness.runner.engines.options import EngineName, Shard
    from harness.runner.options import Overwrite
    from harness.runner.plan import Plan
    from harness.runner.progress import Progress
    from harness.runner.select import Suite
    from harness.store.store import Store

Names = str | Sequence[str] | None
T = TypeVar("T")


def models(patterns: Names = None, tags: Names = None) -> list[ModelSpec]:
    """Return the models on offer, by name, glob and tag."""
    return registry().models.select(split_names(patterns), split_names(tags))


def compressors(patterns: Names = None, tags: Names = None) -> list[CompressorSpec]:
    """Return the compressors on offer, by name, glob and tag."""
    return registry().compressors.select(split_names(patterns), split_names(tags))


def benchmarks(patterns: Names = None, tags: Names = None) -> list[BenchmarkSpec]:
    """Return the benchmarks on offer, by name, glob and tag."""
    return registry().benchmarks.select(split_names(patterns), split_names(tags))


class RunSettings(TypedDict, total=False):
    """What a run can be told; :func:`run` says what each setting means.

    ``run``, ``plan`` and the command line share it, so that a setting is named once.
    """

    models: Names
    compressors: Names
    benchmarks: Names
    tags: Names
    seeds: Sequence[int] | None
    controls: bool | None
    dtype: str | None
    overwrite: Overwrite | str
    batch_size: int | None
    keep_weights: bool
    device: str
    offline: bool
    memory: int | str | None
    store: Store | Path | str | None
    engine: EngineName | str
    workers: int | None
    gpus: str | Sequence[int]
    shard: Shard | str
    scheduler: str
    cluster: ClusterName | str | None
    cluster_options: ClusterOptions | Mapping[str, Any] | Path | str | None
    retries: int


def plan(suite: str | None = None, *, fetch: bool = True, **settings: Unpack[RunSettings]) -> Plan:
    """Find out what a run would do. Takes the settings of :func:`run`; loads no model.

    With ``fetch=False`` nothing is fetched and nothing converted. A cell whose model is larger than
    the memory that it would be loaded into has failed, with the numbers.
    """
    from harness.place.memory import check_libraries
    from harness.place.place import Place
    from harness.runner.engines.options import EngineOptions
    from harness.runner.options import RunOptions
    from harness.runner.plan import make_plan
    from harness.runner.preflight import fitting
    from harness.runner.select import SEEDS, select

    if unknown := sorted(set(settings) - set(RunSettings.__annotations__)):
        raise TypeError(f"unexpected keyword argument {unknown[0]!r}")
    check_libraries()
    seeds = settings.get("seeds")
    place = Place.make(
        offline=settings.get("offline", False),
        memory=settings.get("memory"),
        device=settings.get("device", "auto"),
        store=open_store(settings.get("store")).root,
    )
    chosen = _chosen(suite, settings)
    selection = select(chosen, registry(), SEEDS if seeds is None else tuple(seeds))
    dtype = settings.get("dtype") or chosen.dtype or RunOptions.dtype
    options = _given(RunOptions, {**settings, "dtype": dtype})
    engine = _given(EngineOptions, settings)
    return fitting(make_plan(selection, place, options, engine, fetch=fetch))


def _chosen(suite: str | None, settings: RunSettings) -> Suite:
    """Return a suite whose axes are replaced by those that the settings name."""
    from harness.runner.select import Suite, load_suite

    given = {
        "models": split_names(settings.get("models")),
        "compressors": split_names(settings.get("compressors")),
        "benchmarks": split_names(settings.get("benchmarks")),
        "tags": split_names(settings.get("tags")),
    }
    named = {axis: names for axis, names in given.items() if names}
    found = replace(load_suite(suite) if suite else Suite(), **named)  # type: ignore[arg-type]
    controls = settings.get("controls")
    if controls is None:
        return found
    parts = tuple(replace(part, controls=controls) for part in found.parts)
    return replace(found, controls=controls, parts=parts)


def _given(cls: type[T], settings: Mapping[str, Any]) -> T:
    """Make a dataclass of the settings that are its fields; the others keep their defaults."""
    names = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    return cls(**{name: value for name, value in settings.items() if name in names})


def run(
    suite: str | None = None, *, progress: Progress | None = None, **settings: Unpack[RunSettings]
) -> xr.DataTree:
    """Score every selected variant on every selected benchmark and return the board.

    What is in the store is not computed again, so that an interrupted run goes on where it stopped
    and a finished one takes about a second.

    Parameters
    ----------
    suite : str, optional
        Name of a suite, or path of a TOML file. The other selections replace its axes.
    progress : Progress, optional
        Hears what is going on.
    models : str or sequence of str, optional
        Names, globs, ``hf:org/name@revision``, ``file:PATH``, ``untrained:NAME``, ``static:NAME``,
        ``control:autocorrelation``, ``speech:ADDRESS``. A string may hold several, separated by
        commas.
    compressors, benchmarks : str or sequence of str, optional
        Names and globs. Default: no compression; the embedded benchmarks.
    tags : str or sequence of str, optional
        Tags that the models must carry.
    seeds : sequence of int, optional
        Seeds of untrained controls whose seed is not named. Default: 0, 1, 2.
    controls : bool, optional
        Whether every model has its controls beside it, uncompressed: untrained (three seeds),
        static, and autocorrelation alone. Default: as the suite says, else not.
    dtype : str, optional
        ``float32``, ``bfloat16`` or ``float16``. Default: as the suite says, else float32.
    overwrite : Overwrite or str
        ``never``, ``missing`` (default) or ``always``.
    batch_size : int, optional
        Most windows of a batch; does not change results.
    keep_weights : bool
        Whether the weights of models compressed with calibration stay in the store (default).
    device : str
        ``auto`` (default), ``cpu``, ``cuda``, …
    offline : bool
        Never use the network, neither for models nor for data.
    memory : int or str, optional
        What scoring voxels may take: bytes, or a size such as ``8GiB`` (default).
    store : Store or path, optional
        Default: ``BRAINPRESS_STORE``, else the user's cache folder.
    engine : EngineName or str
        ``local`` (this process; default), ``processes`` or ``dask``. No setting of an engine
        changes a result.
    workers : int, optional
        Processes; default: one for each GPU that is named, else one for each core.
    gpus : str or sequence of int
        GPUs of the workers, as ``0,1``.
    shard : Shard or str
        Compute one of several parts only, as ``2/8``; the board has what the others left so far.
    scheduler : str
        Address of a Dask scheduler; without one, Dask workers are started on this machine.
    cluster : ClusterName or str, optional
        ``slurm``, ``pbs``, ``sge`` or ``lsf``: Dask workers are submitted as jobs.
    cluster_options : ClusterOptions, mapping or path, optional
        What each of these jobs asks for (``cores``, ``memory``, ``walltime``, ``queue``, …), or a
        TOML file that says so: :class:`harness.runner.engines.cluster.ClusterOptions`.
    retries : int
        How often a worker may die over a task (default: 3) before its cells fail.

    Returns
    -------
    DataTree
        See :func:`harness.board.assemble.assemble`. A cell that failed has its reason there.

    Raises
    ------
    SelectionError
        Something named is not there.
    StoreError
        The store cannot be written.

    Examples
    --------
    >>> board = harness.run("quickstart")  # doctest: +SKIP
    >>> board["cells"]["value"].sel(benchmark="simulated-listening")  # doctest: +SKIP
    """
    return carry_out(plan(suite, **settings), progress)[1]


def carry_out(made: Plan, progress: Progress | None = None) -> tuple[tuple[Cell, ...], xr.DataTree]:
    """Compute what a plan asks for, and assemble the board.

    Whatever in the store turns out to be damaged, or to be of another key, is made again.

    Returns
    -------
    cells : tuple of Cell
        As they ended.
    board : DataTree
    """
    from harness.board.assemble import assemble, read_scores
    from harness.runner.engine import execute
    from harness.runner.options import Overwrite
    from harness.runner.plan import still

    store = open_store(made.place.store)
    ended = still(execute(made, progress))
    cells, scores = read_scores(ended, ended.cells, store)
    ended = replace(ended, cells=cells)
    if made.options.overwrite is not Overwrite.NEVER and ended.jobs():
        ended = execute(ended, progress)
        cells, scores = read_scores(ended, ended.cells, store)
    return cells, assemble(ended, cells, store, scores)


def open_store(store: Store | Path | str | None = None) -> Store:
    """Return a store: as given, at a path, or the default one."""
    from harness.place.place import folder
    from harness.store.store import Store

    if isinstance(store, Store):
        return store
    return Store.default() if store is None else Store(folder(str(store), "the store"))
