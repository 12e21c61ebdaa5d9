"""What ``brainpress doctor`` tells: whether everything is here that a run needs."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.errors import HarnessError
from harness.place.place import DATA_VARIABLE, Place, entered
from harness.spec.extras import dependencies, install_command
from harness.spec.registry import Registry, registry
from harness.spec.specs import BenchmarkSpec, load_target
from harness.store.store import Store


def examine(console: Console, place: Place) -> bool:
    """Print what is here and what is not; return whether nothing is broken.

    Data and models that are not on this machine are no fault: they are listed with the way to get
    them.
    """
    found = registry()
    console.print(_environment())
    console.print(_places(place))
    with entered(replace(place, offline=True)):
        console.print(_models(found))
        console.print(_data(found))
    if not found.broken:
        console.print("plugins: all loaded")
        return True
    table = _table("broken plugins", "plugin", "distribution", "reason")
    for broken in found.broken:
        table.add_row(broken.plugin, broken.distribution, Text(broken.reason, style="red"))
    console.print(table)
    return False


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, show_header=len(columns) > 2)
    for i, column in enumerate(columns):
        table.add_column(column, style="bold" if i == 0 else None, overflow="fold")
    return table


def _environment() -> Table:
    table = _table("environment", "what", "found")
    table.add_row("python", f"{platform.python_version()} ({sys.executable})")
    table.add_row("machine", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    table.add_row("devices", _devices())
    needed = dict(dependencies())
    for package in needed.pop(""):
        table.add_row(package, _version(package) or Text("missing", style="red"))
    for extra, packages in needed.items():
        missing = [p for p in packages if not _version(p)]
        said = ", ".join(f"{p} {_version(p)}" for p in packages if _version(p))
        if missing:
            said = f"not installed: {install_command(extra)}"
        table.add_row(f"extra {extra}", Text(said, style="dim" if missing else ""))
    return table


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _devices() -> str:
    names = [f"cpu ({os.cpu_count()} cores)"]
    if not _may_have_accelerator():
        return names[0]
    import torch

    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            memory = torch.cuda.get_device_properties(i).total_memory / 2**30
            names.append(f"cuda:{i} {torch.cuda.get_device_name(i)} {memory:.0f} GiB")
    if torch.backends.mps.is_available():
        names.append("mps")
    return ", ".join(names)


def _may_have_accelerator() -> bool:
    """Say whether asking torch, which takes longer than all else here, can find anything."""
    drivers = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")  # NVIDIA, ROCm, Windows' Linux
    return platform.system() != "Linux" or any(os.path.exists(driver) for driver in drivers)


def _places(place: Place) -> Table:
    store = Store(place.store)
    table = _table("places", "what", "where")
    try:
        store.check_writable()
        state = f"{store.free_bytes() / 2**30:.0f} GiB free"
    except HarnessError as error:
        state = error.message
    table.add_row("store", f"{store.root} ({state})")
    table.add_row("cache", str(place.cache))
    folders = ", ".join(str(f) for f in place.data)
    table.add_row("data", folders or f"none: set {DATA_VARIABLE} to folders that hold data sets")
    table.add_row("hub token", "set" if os.environ.get("HF_TOKEN") else "not set (HF_TOKEN)")
    return table


def _models(found: Registry) -> Table:
    from harness.lm.source import resolve

    table = _table("models on this machine", "model", "where")
    away = []
    for spec in found.models.specs.values():
        try:
            table.add_row(spec.name, str(resolve(spec, offline=True).folder))
        except HarnessError:
            away.append(spec.name)
        except Exception as error:  # whatever a stranger's spec or file brings about is told
            table.add_row(spec.name, _broken(error))
    table.add_row("to be fetched", Text(", ".join(away), style="dim"))
    return table


def _data(found: Registry) -> Table:
    table = _table("benchmark data", "benchmark", "state")
    for spec in found.benchmarks.specs.values():
        try:
            table.add_row(spec.name, _state(spec))
        except HarnessError as error:
            table.add_row(spec.name, Text(f"missing: {error.message}", style="yellow"))
        except Exception as error:  # likewise
            table.add_row(spec.name, _broken(error))
    return table


def _state(spec: BenchmarkSpec) -> Text:
    """Look for the files that a benchmark names; one that names none is made."""
    from harness.fetch.download import is_here
    from harness.runner.resources import benchmark_resources, names_files

    if not names_files(spec):
        load_target(spec)
        return Text("found", style="green")
    files = benchmark_resources(spec)
    missing = [r for r in files if not is_here(r)]
    if not missing:
        return Text(f"found: {len(files)} {'file' if len(files) == 1 else 'files'}", style="green")
    first = missing[0].where or missing[0].name
    return Text(f"missing: {len(missing)} of {len(files)} files, the first {first}", style="yellow")


def _broken(error: Exception) -> Text:
    return Text(f"broken: {type(error).__name__}: {error}", style="red")
