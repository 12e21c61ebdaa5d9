"""What one card does with brainpress: ten minutes, no network, data made on the spot.

    python benchmarks/gpu.py                          # all sections, on the first card
    python benchmarks/gpu.py --only hidden,ridge --json card.json
    python benchmarks/gpu.py --small --device cpu     # seconds; figures mean nothing

Sections, each with a budget of seconds (`--budget` multiplies them):

gemm         TFLOP/s of matrix products in float32, TF32 and bfloat16
hidden       hidden states of 135M, 1.5B and 7B shapes, by tokens a batch: body, readout, copy
logprob      log-probabilities of sentences, with and without trees, at two sizes of logits
arithmetic   what TF32 and bfloat16 move: features, and scores made of them
ridge        decompositions, scans at three widths, himalaya beside it, permutations
compression  two blocks of a 7B shape by Wanda, SparseGPT, GPTQ and AWQ
agreement    the same on the card and on the CPU, each within a bound
whole        a run from a folder of weights to a board, and again from the store

A section that fails is told, and the others go on; one that is past its budget ends with the row
that it is at (and is broken off at twice the budget), and says that rows are left out. Markdown
tables go to stdout, as they come; with --json everything is in a file, too, written again after
each section. Exit status: 0, or 1 where a section failed or device and CPU do not agree.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported

import torch
from on_card.agreeing import agreement, arithmetic, whole
from on_card.compressing import compression
from on_card.fitting import ridge
from on_card.reading import gemm, hidden, logprob
from on_card.setting import Row, Setting
from on_card.tables import markdown
from on_card.utilisation import Utilisation, watching

Section = Callable[[Setting], Iterator[Row]]
SECTIONS: dict[str, tuple[Section, float]] = {
    "gemm": (gemm, 15),
    "hidden": (hidden, 150),
    "logprob": (logprob, 60),
    "arithmetic": (arithmetic, 45),
    "ridge": (ridge, 120),
    "compression": (compression, 120),
    "agreement": (agreement, 45),
    "whole": (whole, 45),
}
"""What makes the rows of each section, and how many seconds it may take: 600 in all."""


class OutOfTimeError(BaseException):
    """A section is past twice its budget; no handler of an Exception takes it for its own."""


@dataclass
class Outcome:
    """What came of a section."""

    rows: list[Row] = field(default_factory=list)
    seconds: float = 0.0
    utilisation: float | None = None
    fault: str = ""
    left_out: str = ""

    @property
    def failed(self) -> bool:
        """Whether there was a fault, or a disagreement."""
        return bool(self.fault) or any(row.values.get("agrees") == "NO" for row in self.rows)


def main(arguments: list[str] | None = None) -> int:
    """Measure, print, write."""
    options = _arguments(arguments)
    device = torch.device(options.device)
    if device.type == "cuda":
        device = torch.device("cuda", device.index or 0)
        torch.cuda.set_device(device)
    setting = Setting(device, options.small)
    told = about(setting)
    print("# brainpress on one card\n")
    print(", ".join(f"{key} {value}" for key, value in told.items()))
    outcomes: dict[str, Outcome] = {}
    with watching(device) as busy:
        for name in options.only or SECTIONS:
            make, budget = SECTIONS[name]
            outcomes[name] = outcome = carried_out(make, setting, budget * options.budget, busy)
            setting.let_go()
            print(f"\n{_section(name, outcome)}", flush=True)
            if options.json:
                options.json.write_text(json.dumps(as_json(told, outcomes), indent=1) + "\n")
    return int(any(outcome.failed for outcome in outcomes.values()))


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    lines = (__doc__ or "").splitlines()
    parser = argparse.ArgumentParser(
        description=lines[0],
        epilog="\n".join(lines[2:]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", type=_names, help="sections, separated by commas")
    parser.add_argument("--device", default="cuda", help="cuda (default), cuda:1, cpu")
    parser.add_argument("--small", action="store_true", help="sizes of a test")
    parser.add_argument("--budget", type=float, default=1.0, help="times the seconds of a section")
    parser.add_argument("--json", type=Path, help="file for the results")
    options = parser.parse_args(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("torch finds no card here; --small --device cpu tries the script itself")
    if options.device == "cpu" and not options.small:
        parser.error("full sizes take a CPU days: add --small")
    if not options.budget > 0:
        parser.error(f"a budget of {options.budget} leaves no time")
    return options


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in SECTIONS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(
            f"no section {', '.join(unknown) or repr(text)}; there are {', '.join(SECTIONS)}"
        )
    return names


def about(setting: Setting) -> dict[str, str]:
    """Say what the figures were measured on."""
    told = {
        "device": str(setting.device),
        "torch": torch.__version__,
        "Python": platform.python_version(),
    }
    if setting.on_card:
        card = torch.cuda.get_device_properties(setting.device)
        told |= {"card": card.name, "memory GiB": f"{card.total_memory / 2**30:.0f}"}
        told |= {"CUDA": str(torch.version.cuda), "capability": f"{card.major}.{card.minor}"}
    told |= {"host": platform.machine(), "cores": str(os.cpu_count())}
    told["threads"] = str(torch.get_num_threads())
    if setting.small:
        told["small"] = "figures mean nothing"
    return told


def carried_out(make: Section, setting: Setting, budget: float, busy: Utilisation) -> Outcome:
    """Take rows from a section until it has no more, fails, or its time is up."""
    outcome, start = Outcome(), time.perf_counter()
    rows = make(setting)
    try:
        with _broken_off(2 * budget):
            for row in rows:
                outcome.rows.append(row)
                if time.perf_counter() - start > budget:
                    outcome.left_out = f"its budget of {budget:.0f} s was spent"
                    break
    except OutOfTimeError:
        outcome.left_out = f"broken off after {2 * budget:.0f} s"
    except Exception as error:
        traceback.print_exc()
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        outcome.fault = f"{type(error).__name__} in {place}: {error}"
    finally:
        rows.close()
    outcome.seconds = time.perf_counter() - start
    outcome.utilisation = busy.since(start)
    return outcome


@contextmanager
def _broken_off(seconds: float) -> Iterator[None]:
    """Raise :class:`OutOfTimeError` in what is done while open, where it takes longer."""

    def ring(*_: Any) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _section(name: str, outcome: Outcome) -> str:
    busy = outcome.utilisation
    told = f"{outcome.seconds:.0f} s" + (f", card busy {busy:.0f} %" if busy is not None else "")
    parts = [f"## {name} ({told})"]
    if outcome.rows:
        parts.append(markdown(outcome.rows))
    if outcome.left_out:
        parts.append(f"Rows are left out: {outcome.left_out}.")
    if outcome.fault:
        parts.append(f"FAILED: {outcome.fault}")
    return "\n\n".join(parts)


def as_json(told: dict[str, str], outcomes: dict[str, Outcome]) -> dict[str, Any]:
    """Everything that was found, for JSON: rows by table."""
    sections: dict[str, Any] = {}
    for name, outcome in outcomes.items():
        tables: dict[str, list[dict[str, Any]]] = {}
        for row in outcome.rows:
            tables.setdefault(row.table, []).append(row.values)
        sections[name] = {
            "seconds": outcome.seconds,
            "utilisation": outcome.utilisation,
            "fault": outcome.fault,
            "left_out": outcome.left_out,
            "tables": tables,
        }
    return {"about": told, "sections": sections}


if __name__ == "__main__":
    sys.exit(main())
