"""What ``brainpress doctor --verify`` tells: which files are not what they were."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from harness.place.place import Place, entered
from harness.runner.verify import verify


def examine_files(console: Console, place: Place) -> bool:
    """Read everything, with a bar; print what did not fit; return whether all did."""
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    start = time.process_time()
    with entered(place), Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None)
        found = verify(
            place, lambda done, total: bar.update(task, completed=done, total=total or None)
        )
    _print(console, "set aside, to be made again by the run that needs it", found.set_aside)
    _print(console, "not what it was: remove it, and run or fetch again", found.damaged)
    for path in found.swept:
        console.print(Text(f"swept, left by a killed write: {path}"))
    gigabytes = found.nbytes / 1e9
    console.print(
        f"{found.files} files, {gigabytes:.2f} GB, {time.process_time() - start:.1f} CPU s: "
        f"{len(found.set_aside)} set aside, {len(found.damaged)} damaged, {len(found.swept)} swept"
    )
    return not found.set_aside and not found.damaged


def _print(console: Console, what: str, files: Sequence[tuple[Path, str]]) -> None:
    for path, why in files:
        console.print(Text(f"{what}: {path}: {why}", style="red"))
