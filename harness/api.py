"""The verbs of the Python API, as the command line calls them too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.spec.names import split_names
from harness.spec.registry import registry
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.runner.cells import Cell
    from harness.runner.options import Overwrite
    from harness.runner.plan import Plan
    from harness.runner.progress import Progress
    from harness.store.store import Store

Names = str | Sequence[str] | None


def models(patterns: Names = None, tags: Names = None) -> list[ModelSpec]:
    """Return the models on offer, by name, glob and tag."""
    return registry().models.select(split_names(patterns), split_names(tags))


def compressors(patterns: Names = None, tags: Names = None) -> list[CompressorSpec]:
    """Return the compressors on offer, by name, glob and tag."""
    return registry().compressors.select(split_names(patterns), split_names(tags))


def benchmarks(patterns: Names = None, tags: Names = None) -> list[BenchmarkSpec]:
    """Return the benchmarks on offer, by name, glob and tag."""
    return registry().benchmarks.select(split_names(patterns), split_names(tags))


def plan(
    suite: str | None = None,
    *,
    models: Names = None,
    compressors: Names = None,
    benchmarks: Names = None,
    tags: Names = None,
    seeds: Sequence[int] | None = None,
    device: str = "auto",
    dtype: str = "float32",
    overwrite: Overwrite | str = "missing",
    offline: bool = False,
    batch_size: int | None = None,
    keep_weights: bool = True,
    store: Store | Path | str | None = None,
) -> Plan:
    """Find out what a run would do. Takes the arguments of :func:`run`; loads no model."""
    from harness.runner.options import Overwrite, RunOptions
    from harness.runner.plan import make_plan
    from harness.runner.select import SEEDS, Suite, load_suite, select

    chosen = load_suite(suite) if suite else Suite()
    given = {
        "models": split_names(models),
        "compressors": split_names(compressors),
        "benchmarks": split_names(benchmarks),
        "tags": split_names(tags),
    }
    said = {axis: names for axis, names in given.items() if names}
    chosen = replace(chosen, **said)  # type: ignore[arg-type]  # mypy sees str for every field
    options = RunOptions(
        device, dtype, Overwrite(overwrite), offline, batch_size, keep_weights=keep_weights
    )
    selection = select(chosen, registry(), SEEDS if seeds is None else tuple(seeds))
    return make_plan(selection, open_store(store), options)


def run(
    suite: str | None = None,
    *,
    models: Names = None,
    compressors: Names = None,
    benchmarks: Names = None,
    tags: Names = None,
    seeds: Sequence[int] | None = None,
    device: str = "auto",
    dtype: str = "float32",
    overwrite: Overwrite | str = "missing",
    offline: bool = False,
    batch_size: int | None = None,
    keep_weights: bool = True,
    store: Store | Path | str | None = None,
    progress: Progress | None = None,
) -> xr.DataTree:
    """Score every selected variant on every selected benchmark and return the board.

    What is in the store is not computed again, so that an interrupted run goes on where it stopped
    and a finished one takes about a second.

    Parameters
    ----------
    suite : str, optional
        Name of a suite, or path of a TOML file. The other selections replace its axes.
    models : str or sequence of str, optional
        Names, globs, ``hf:org/name@revision``, ``file:PATH``, ``untrained:NAME``, ``static:NAME``.
        A string may hold several, separated by commas.
    compressors, benchmarks : str or sequence of str, optional
        Names and globs. Default: no compression; the embedded benchmarks.
    tags : str or sequence of str, optional
        Tags that the models must carry.
    seeds : sequence of int, optional
        Seeds of untrained controls whose seed is not named. Default: 0, 1, 2.
    device : str
        ``auto``, ``cpu``, ``cuda``, …
    dtype : str
        ``float32``, ``bfloat16`` or ``float16``.
    overwrite : Overwrite or str
        ``never``, ``missing`` or ``always``.
    offline : bool
        Never use the network.
    batch_size : int, optional
        Most windows of a batch; does not change results.
    keep_weights : bool
        Whether the weights of models compressed with calibration stay in the store.
    store : Store or path, optional
        Default: ``BRAINPRESS_STORE``, else the user's cache folder.
    progress : Progress, optional
        Hears what is going on.

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
    opened = open_store(store)
    made = plan(
        suite,
        models=models,
        compressors=compressors,
        benchmarks=benchmarks,
        tags=tags,
        seeds=seeds,
        device=device,
        dtype=dtype,
        overwrite=overwrite,
        offline=offline,
        batch_size=batch_size,
        keep_weights=keep_weights,
        store=opened,
    )
    return carry_out(made, opened, progress)[1]


def carry_out(
    made: Plan, store: Store, progress: Progress | None = None
) -> tuple[tuple[Cell, ...], xr.DataTree]:
    """Compute what a plan asks for, and assemble the board.

    A stored score that turns out to have decayed is computed again.

    Returns
    -------
    cells : tuple of Cell
        As they ended.
    board : DataTree
    """
    from harness.board.assemble import assemble, read_scores
    from harness.runner.engine import execute
    from harness.runner.options import Overwrite

    cells, scores = read_scores(execute(made, store, progress), store)
    if made.options.overwrite is not Overwrite.NEVER and any(c.status == "to do" for c in cells):
        again = replace(made, cells=cells)
        cells, scores = read_scores(execute(again, store, progress), store)
    return cells, assemble(made, cells, store, scores)


def open_store(store: Store | Path | str | None = None) -> Store:
    """Return a store: as given, at a path, or the default one."""
    from harness.store.store import Store

    if isinstance(store, Store):
        return store
    return Store.default() if store is None else Store(Path(store).expanduser())
