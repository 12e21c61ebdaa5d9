"""Kill -9 a compression at random moments, and look at the weights that come out in the end.

    python benchmarks/compression_kills.py --kills 20 [--compressor gptq-int4] [--model file:DIR]

``brainpress weights --from-disk`` is killed (SIGKILL) at a moment drawn from a seed, and begun
again by the same command, until there were ``--kills`` kills; each time that it comes to its end
first, it begins anew in an empty store. Every folder that comes out must hold the tensors of an
undisturbed run, to the last bit; no finished block may be compressed again, and none may be left.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp


@dataclass
class Tally:
    """What happened.

    Parameters
    ----------
    killed : list of int
        Finished blocks in the store when each kill came.
    finished : int
        Folders that came out whole.
    wrong : list of str
        What is not as it must be.
    """

    killed: list[int] = field(default_factory=list)
    finished: int = 0
    wrong: list[str] = field(default_factory=list)


def main() -> int:
    """Kill, and print the tally; return the number of faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--compressor", default="gptq-int4")
    parser.add_argument("--model", help="default: a small random one")
    parser.add_argument("--text", type=Path, help="calibration text; default: the README")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    text = options.text or Path(__file__).parents[1] / "README.md"
    folder = Path(mkdtemp(prefix="compression-kills-"))
    if options.model is None:
        from harness.check.mocks import write_mock_model

        write_mock_model(folder / "mock")
    model = options.model or f"file:{folder / 'mock'}"
    variant = f"{model}+{options.compressor}:calibration=file:{text};samples=16;length=64"
    try:
        tally = killed_at_random(variant, folder, options.kills, options.seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    blocks = ", ".join(map(str, tally.killed))
    print(f"{len(tally.killed)} kills, with so many blocks finished: {blocks}")
    print(
        f"{tally.finished} folders came out, each as undisturbed" if not tally.wrong else "WRONG:"
    )
    print("\n".join(tally.wrong))
    return len(tally.wrong)


def killed_at_random(variant: str, folder: Path, kills: int, seed: int = 0) -> Tally:
    """Kill a compression until there were so many kills, and compare what comes out.

    Parameters
    ----------
    variant : str
        MODEL+COMPRESSOR.
    folder : Path
        Empty; everything is made in it.
    kills : int
        How many.
    seed : int
        Of the moments.
    """
    began = time.monotonic()
    run_to_the_end(variant, folder / "expected", folder / "store-0")
    lasts = time.monotonic() - began
    moments = random.Random(seed)
    tally, store, out = Tally(), folder / "store-1", folder / "out"
    while len(tally.killed) < kills:
        before = finished_blocks(store)
        process = subprocess.Popen(command(variant, out, store), stdout=subprocess.DEVNULL)
        try:
            process.wait(moments.uniform(0, 1.1 * lasts))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            tally.killed.append(len(finished_blocks(store)))
            if not out.exists():
                tally.wrong += touched(before, finished_blocks(store))
                continue
            # It came between the folder, which is whole, and the end of the process.
            shutil.rmtree(store / "blocks", ignore_errors=True)
        tally.wrong += differences(max(process.returncode, 0), folder / "expected", out, store)
        tally.finished += 1
        if tally.wrong:
            return tally
        shutil.rmtree(store, ignore_errors=True)
        shutil.rmtree(out)
    code = run_to_the_end(variant, out, store)
    tally.wrong += differences(code, folder / "expected", out, store)
    tally.finished += 1
    return tally


def command(variant: str, out: Path, store: Path) -> Sequence[str]:
    """Return the command that is killed."""
    place = ("--from-disk", "--store", str(store), "--device", "cpu")
    program = ("-c", "from harness.cli import main; main()")
    return (sys.executable, *program, "weights", variant, "-o", str(out), *place)


def run_to_the_end(variant: str, out: Path, store: Path) -> int:
    """Run a compression undisturbed, and return its exit code."""
    done = subprocess.run(command(variant, out, store), stdout=subprocess.DEVNULL, check=False)
    return done.returncode


def finished_blocks(store: Path) -> dict[str, int]:
    """Return when each finished block of a store was written."""
    found = (store / "blocks").glob("*/*.safetensors")
    return {path.name: path.stat().st_mtime_ns for path in found if not path.name.startswith(".")}


def touched(before: dict[str, int], after: dict[str, int]) -> list[str]:
    """Say which blocks were made again that were finished before a kill."""
    again = [name for name, written in before.items() if after.get(name, written) != written]
    return [f"{name} was finished, and was compressed again" for name in again]


def differences(code: int, expected: Path, found: Path, store: Path) -> list[str]:
    """Say what is not as in an undisturbed run."""
    import torch
    from safetensors.torch import load_file

    if code:
        return [f"{found.name}: exit code {code}"]
    wrong = [f"{name} was left in the store" for name in finished_blocks(store)]
    for path in sorted(expected.glob("*.safetensors")):
        first, second = load_file(path), load_file(found / path.name)
        different = [n for n in first if n not in second or not torch.equal(first[n], second[n])]
        wrong += [f"{found.name}: {name} differs" for name in different]
    return wrong


if __name__ == "__main__":
    sys.exit(main())
