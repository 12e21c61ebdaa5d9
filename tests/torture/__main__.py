"""``python -m tests.torture --minutes 60``: brainpress under kills, rot, full disks and strangers.

Prints a line for each kind: how often it was tried, survived (the numbers are right, to the last
bit), told (a sentence says what was wrong, and what is made again is right), silent (a wrong
number, or an end without a word) and shown as a traceback. Exit code 1 if anything was silent or a
traceback.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.torture import kinds, strangers
from tests.torture.ground import Ground
from tests.torture.kinds import SILENT, SURVIVED, TOLD, TRACED, Kind, Outcome, Torture

KINDS: Mapping[str, tuple[Kind, float]] = {
    "kill -9": (kinds.kill, 6),
    "SIGINT, SIGTERM": (kinds.stop, 2),
    "2 to 4 processes": (kinds.together, 1),
    "flipped bits": (kinds.flip, 4),
    "swapped files": (kinds.swap, 2),
    "full disk": (kinds.full_disk, 2),
    "little memory": (kinds.low_memory, 1),
    "hostile bundles": (strangers.bundles, 1),
    "fuzzed arguments": (strangers.arguments, 6),
}
"""What is done, and how often beside the others."""
COLUMNS = ("tried", SURVIVED, TOLD, SILENT, TRACED)


def main(arguments: list[str] | None = None) -> int:
    """Torture for a while, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=None, help="of the draw; default: the time")
    parser.add_argument("--only", action="append", choices=list(KINDS), help="kinds to do")
    parser.add_argument("--rounds", type=int, default=0, help="each kind so often, whatever time")
    said = parser.parse_args(arguments)
    seed = int(time.time()) if said.seed is None else said.seed
    folder = Path(tempfile.mkdtemp(prefix="brainpress-torture-"))
    try:
        return _torture(folder, seed, said.minutes, said.only or list(KINDS), said.rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _torture(folder: Path, seed: int, minutes: float, names: list[str], rounds: int) -> int:
    start = time.monotonic()
    ground = Ground.prepare(folder)
    whole = folder / "whole"
    for store in (folder / "first", whole):  # the first examines the model, once
        begun = time.monotonic()
        ended = ground.run(ground.arguments(store))
        if ended.code:
            print(f"the run that is tortured does not end by itself: {ended.said}")
            return 2
    torture = Torture(ground, random.Random(seed), whole, time.monotonic() - begun)
    print(
        f"seed {seed}; a run takes {torture.seconds:.1f} s, {len(torture.right)} arrays", flush=True
    )
    found: dict[str, Counter[str]] = {name: Counter() for name in names}
    bad: list[str] = []
    turns = [name for name in names for _ in range(rounds)]
    while turns if rounds else time.monotonic() - start < 60 * minutes:
        weights = [KINDS[name][1] for name in names]
        name = turns.pop() if rounds else torture.draw.choices(names, weights)[0]
        for outcome in KINDS[name][0](torture):
            _count(found[name], outcome)
            if outcome.what in (SILENT, TRACED):
                bad.append(f"{name}: {outcome.what}: {outcome.detail}")
                print(bad[-1], flush=True)
    print(table(found))
    return 1 if bad else 0


def _count(counted: Counter[str], outcome: Outcome) -> None:
    counted["tried"] += 1
    counted[outcome.what] += 1


def table(found: Mapping[str, Counter[str]]) -> str:
    """Return the table that is printed."""
    total: Counter[str] = sum(found.values(), Counter())
    rows = [*found.items(), ("together", total)]
    lines = [f"{'':18}" + "".join(f"{name:>11}" for name in COLUMNS)]
    for name, counted in rows:
        lines.append(f"{name:18}" + "".join(f"{counted[column]:>11}" for column in COLUMNS))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
