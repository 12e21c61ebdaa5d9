"""A recording of LeBel's size, under a limit of memory: 30,000 rows, 37 layers, 5,120 units.

    python benchmarks/large_recording.py --folder /tmp/large

States are made on the spot (a block of random numbers, turned and scaled by layer), so that what is
measured is the recording: batches of 2,048 rows in no order grow it, it is stored and opened,
and every layer is read as a benchmark reads it, and held against the states. The process is killed
where it has more than ``--limit`` of memory. Takes 757 kB of disk a row, and gives them back.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from many_tasks import watched

LAYERS, UNITS, BATCH = 37, 5120, 2048


def main() -> None:
    """Record in a process that is watched, and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--limit", type=float, default=2.0, help="GiB, libraries included")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        record(options.folder, options.rows)
        return
    start = time.perf_counter()
    command = [sys.executable, __file__, "--child", "--folder", str(options.folder)]
    with subprocess.Popen([*command, "--rows", str(options.rows)]) as child:
        peak = watched(child, options.limit)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    shutil.rmtree(options.folder / "store", ignore_errors=True)
    print(
        f"exit {child.returncode} (-9: stopped at {options.limit} GiB), peak {peak:.2f} GiB"
        f" resident; {used.ru_utime:.0f} + {used.ru_stime:.0f} CPU s (user + system),"
        f" {time.perf_counter() - start:.0f} s"
    )


class States:
    """States of any size, the same at every reading."""

    def __init__(self) -> None:
        import numpy as np

        self._block = np.random.default_rng(0).standard_normal((BATCH, UNITS)).astype(np.float32)

    def of(self, layer: int, rows: Any) -> Any:
        """Return the states of some rows of a layer, (n_rows, units)."""
        found = self._block[rows % BATCH]
        found += layer
        return found


class Subject:
    """Answers a request as a language model does, batch after batch."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch

    def record_all(self, requests: Any) -> Any:
        """Answer one request."""
        import numpy as np
        import torch
        import xarray as xr

        from harness.record.growing import grown
        from harness.record.size import bytes_of

        (request,) = requests
        rows, states = sum(request.readout.rows(request.stimuli)), States()
        shape = (rows, LAYERS, UNITS)
        file = self._scratch / request.key
        growing = grown(shape, torch.device("cpu"), file, bytes_of(shape))
        # Windows of 256 rows, in no order.
        windows = np.random.default_rng(1).permutation(-(-rows // 256))
        for some in np.array_split(windows, -(-len(windows) * 256 // BATCH)):
            own = np.concatenate(
                [np.arange(256 * w, min(rows, 256 * w + 256)) for w in sorted(some)]
            )
            for layer in range(LAYERS):
                growing.add(layer, own, torch.from_numpy(states.of(layer, own)))
        clock("grown")
        names = np.repeat([p.name for p in request.stimuli.passages], 1)
        return {
            request.key: xr.DataArray(
                growing.variable(),
                coords={"layer": np.arange(LAYERS), "passage": ("sample", np.repeat(names, rows))},
                name="recording",
                attrs={"measure": "hidden", "context": "none", "stimuli": "large", "tokens": rows},
            )
        }


def record(folder: Path, rows: int) -> None:
    """Record, store, and read back layer by layer."""
    import numpy as np

    from harness.place.place import Place, entered
    from harness.record.context import Context
    from harness.record.request import Measure, Request
    from harness.runner.cells import NONE, Variant
    from harness.runner.options import RunOptions
    from harness.runner.progress import Silent
    from harness.runner.session import Session
    from harness.spec.specs import ModelSpec
    from harness.stimuli.passages import Passage, Stimuli
    from harness.stimuli.readouts import Items
    from harness.store.store import Store

    class Synthetic(Session):
        files = SimpleNamespace(
            fingerprint="0" * 64, config={"n_layer": LAYERS - 1, "n_embd": UNITS}
        )
        _loaded = None

        def _subject(self, scratch: Path, part: int = 1) -> Subject:
            return Subject(scratch)

    spans = tuple((i, i + 1) for i in range(rows))
    stimuli = Stimuli("large", (Passage("story", "a" * rows, spans),))
    request = Request(stimuli, Measure.HIDDEN, Context.parse("prefix"), Items())
    store = Store(folder / "store")
    place = Place(cache=folder / "cache", store=store.root, device="cpu")
    variant = Variant(ModelSpec("large", source="file:none", revision=""), NONE)
    with entered(place):
        session = Synthetic(variant, store, place, RunOptions(), Silent())
        clock("imports")
        session.record([request])
        clock("stored")
        (path,) = (store.root / "recordings").rglob("*.nc")
        found, states = session.recording(request), States()
        assert found.shape == (rows, LAYERS, UNITS), found.shape
        every = np.arange(rows)
        for layer in range(LAYERS):
            values = found.isel(layer=layer).values
            for start in range(0, rows, BATCH):
                own = every[start : start + BATCH]
                np.testing.assert_array_equal(values[own], states.of(layer, own))
        clock(f"opened, read layer by layer ({path.stat().st_size / 2**30:.2f} GiB) and compared")


_SPENT = [0.0]


def clock(what: str) -> None:
    """Print the CPU seconds since the last call."""
    used = os.times()
    now = used.user + used.system
    print(f"  {what}: {now - _SPENT[0]:.0f} CPU s", flush=True)
    _SPENT[0] = now


if __name__ == "__main__":
    main()
