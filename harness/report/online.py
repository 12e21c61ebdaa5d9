"""What ``doctor --online`` tells: whether hosts have what listings name."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.errors import HarnessError, OfflineError
from harness.fetch.online import ask_hosts
from harness.place.place import here
from harness.report.sizes import size_text
from harness.runner.resources import benchmark_resources
from harness.spec.registry import Registry


def examine_hosts(console: Console, found: Registry) -> bool:
    """Ask the hosts of all benchmarks and print what they answer; return whether all is well.

    Raises
    ------
    OfflineError
        The network is off.
    """
    if here().offline:
        raise OfflineError("doctor --online asks hosts, and the network is off")
    sets = {}
    for spec in found.benchmarks.specs.values():
        try:
            sets[spec.name] = benchmark_resources(spec)
        except HarnessError:
            continue  # it names no files, or is broken: the other tables say so
    heads = ask_hosts(sets)
    table = Table(title="hosts", title_justify="left", box=None)
    table.add_column("state", style="bold")
    table.add_column("file", overflow="fold")
    table.add_column("of", overflow="fold")
    for head in heads:
        size = "" if head.size is None else size_text(head.size)
        moved = f", from {head.moved}" if head.moved else ""
        state = Text(head.fault, style="red") if head.fault else Text(f"ok {size}{moved}")
        if not head.proved:
            state.append(" (unproved: neither size nor checksum is published)")
        table.add_row(state, head.address, ", ".join(head.sets))
    console.print(table)
    failed = sum(bool(head.fault) for head in heads)
    console.print(f"{len(heads) - failed} of {len(heads)} sources answer as listed")
    return failed == 0
