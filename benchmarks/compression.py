"""Every compressor on SmolLM2-135M: perplexity, layer error, time, memory, bytes.

    python benchmarks/compression.py                      # all of ours
    python benchmarks/compression.py 'gptq-int4*' awq-int4
    python benchmarks/compression.py --text file:prose.txt --samples 32

Each runs in a process of its own, on the same calibration text, and prints a line of a table.
CPU seconds are those of the compression alone. Perplexity is on the two embedded texts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

COLUMNS = (
    ("compressor", "{name}"),
    ("bits/weight", "{bits_per_weight:.2f}"),
    ("sparsity", "{sparsity:.2f}"),
    ("MB", "{megabytes:.1f}"),
    ("weight error", "{weight_error:.3f}"),
    ("output error", "{output_error:.3f}"),
    ("perplexity, ferry", "{ferry:.2f}"),
    ("perplexity, soil", "{soil:.2f}"),
    ("wall s", "{seconds:.1f}"),
    ("CPU s", "{cpu:.1f}"),
    ("peak MB", "{peak:.0f}"),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=["*"], help="compressors, by name or glob")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--text", default="self", help="calibration text")
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="append each row to this file, as JSON lines")
    parser.add_argument("--one", action="store_true", help="run the first name here")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options)))
        return
    print("| " + " | ".join(title for title, _ in COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS), flush=True)
    for name in matching(options.names):
        done = subprocess.run(
            [sys.executable, __file__, name, "--one", *passed_on(options)],
            capture_output=True,
            text=True,
            check=False,
            # Not only torch's threads: OpenBLAS has its own.
            env=os.environ | {"OMP_NUM_THREADS": str(options.threads)},
        )
        if done.returncode:
            print(f"| {name} | {done.stderr.strip().splitlines()[-1]} |", flush=True)
            continue
        row = json.loads(done.stdout.splitlines()[-1])
        print("| " + " | ".join(form.format(**row) for _, form in COLUMNS) + " |", flush=True)
        if options.json:
            with options.json.open("a") as file:
                file.write(json.dumps(row) + "\n")


def passed_on(options: argparse.Namespace) -> list[str]:
    """Return the options that each process gets."""
    names = ("model", "text", "samples", "length", "dtype", "device", "threads")
    return [part for name in names for part in (f"--{name}", str(getattr(options, name)))]


def matching(globs: list[str]) -> list[str]:
    """Return the names of the compressors on offer that match."""
    from harness.spec.registry import registry

    return [spec.name for spec in registry().compressors.select(globs)]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Compress once, and measure."""
    import torch

    from harness.compress.layers.workspace import Workspace
    from harness.compress.text.calibration import CalibrationSpec, calibrate
    from harness.compress.text.perplexity import TEXTS, embedded_text, perplexity
    from harness.lm.load import load
    from harness.lm.source import resolve
    from harness.place.locate import cache_folder
    from harness.spec.registry import registry
    from harness.spec.specs import load_target

    torch.set_num_threads(options.threads)
    model_spec = registry().models.get(options.model)
    spec = registry().compressors.get(options.names[0])
    model = load(resolve(model_spec), model_spec, dtype=options.dtype, device=options.device)
    compressor = load_target(spec)
    calibration = None
    if spec.calibrated:
        wanted = CalibrationSpec(options.text, options.samples, options.length)
        calibration = calibrate(model, wanted, cache=cache_folder() / "calibration")
    started = time.process_time()
    report = compressor.compress(model.model, calibration, Workspace(device=options.device))
    cpu = time.process_time() - started
    totals = report.totals()
    return {
        "name": spec.name,
        "cpu": cpu,
        "megabytes": report.bytes_packed / 1e6,
        "peak": report.peak_memory / 1e6,
        **{key: float("nan") if value is None else value for key, value in totals.items()},
        **{text: perplexity(model, embedded_text(text)).perplexity for text in TEXTS},
        "threads": options.threads,
        "dtype": options.dtype,
        "calibration": calibration.sha256 if calibration else "",
    }


if __name__ == "__main__":
    main()
