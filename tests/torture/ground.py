"""Where brainpress is tortured: a tiny model, toys, and children that are forked for one command.

Libraries are imported once, in the parent; each command then costs about a second. A child that is
killed takes nothing with it but what it was writing.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
LONGEST = 300.0
"""Seconds after which a child hangs: that counts as silent."""
UNLIKE = ("seconds", "peak_memory", "tokens_per_second", "provenance")
"""Parts of names of what differs between two runs: times, memory."""


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Parameters
    ----------
    code : int
        Exit code; minus the number of the signal that killed it.
    said : str
        Standard output and error.
    """

    code: int
    said: str

    @property
    def traced(self) -> bool:
        """Whether it showed a traceback."""
        return "Traceback (most recent call last)" in self.said


@dataclass(frozen=True)
class Ground:
    """Folders of one torture.

    Parameters
    ----------
    root : Path
    model : Path
        A tiny model's folder.
    """

    root: Path
    model: Path

    @classmethod
    def prepare(cls, root: Path) -> Ground:
        """Make the folders, the model and the plugin of toys, and import what children need."""
        os.environ["OMP_NUM_THREADS"] = "1"
        for name in [n for n in os.environ if n.startswith("BRAINPRESS_")]:
            del os.environ[name]
        sys.path[:0] = [str(TESTS / "support")]
        from command import toys_environment

        environment = toys_environment(root)
        os.environ.update({n: environment[n] for n in ("BRAINPRESS_CACHE", "BRAINPRESS_STORE")})
        os.environ["COLUMNS"] = "200"
        sys.path[:0] = [str(root / "site")]
        return cls(root, _model(root / "tiny"))

    @property
    def cache(self) -> Path:
        """What can be had again."""
        return self.root / "cache"

    def arguments(self, store: Path, *more: str) -> list[str]:
        """Return the command that is tortured: two variants on two benchmarks."""
        return [
            "run", "-m", f"file:{self.model}", "-c", "none,round", "-b", "toy-*", "--offline",
            "--store", str(store), *more,
        ]  # fmt: skip

    def start(
        self, arguments: list[str], before: Callable[[], object] = lambda: None
    ) -> tuple[int, Path]:
        """Fork a child that runs a command; return its number and where it writes."""
        log = self.root / "logs" / f"{time.time_ns()}.log"
        log.parent.mkdir(exist_ok=True)
        sys.stdout.flush()
        sys.stderr.flush()
        child = os.fork()
        if child:
            return child, log
        code = 70
        try:
            os.setsid()
            where = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(where, 1)
            os.dup2(where, 2)
            before()
            code = _command(arguments)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(code)

    def wait(self, child: int, log: Path, longest: float = LONGEST) -> Ended:
        """Wait for a child, and kill it where it hangs."""
        until = time.monotonic() + longest
        while time.monotonic() < until:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return Ended(os.waitstatus_to_exitcode(status), read(log))
            time.sleep(0.005)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return Ended(70, f"{read(log)}\nhung for {longest:g} s")

    def run(self, arguments: list[str], before: Callable[[], object] = lambda: None) -> Ended:
        """Run a command to its end."""
        return self.wait(*self.start(arguments, before))


def read(log: Path) -> str:
    """Return what a child said, and remove it."""
    said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    log.unlink(missing_ok=True)
    return said


def numbers(store: Path) -> dict[str, bytes]:
    """Return all numbers of all scores of a store, by key and variable, bit by bit."""
    import xarray as xr

    found: dict[str, bytes] = {}
    for path in sorted((store / "scores").glob("*/*.nc")):
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            for name, variable in dataset.variables.items():
                if not any(word in str(name) for word in UNLIKE):
                    values = np.asarray(variable.values)
                    found[f"{path.stem}/{name}"] = (
                        values.tobytes() if values.dtype.kind in "fiub" else repr(values).encode()
                    )
    return found


@contextmanager
def fresh(ground: Ground, whole: Path | None = None) -> Iterator[Path]:
    """Give a store for one try: empty, or a copy of a whole one."""
    import shutil

    store = ground.root / "stores" / str(time.time_ns())
    if whole is not None:
        shutil.copytree(whole, store)
    try:
        yield store
    finally:
        shutil.rmtree(store, ignore_errors=True)


def _command(arguments: list[str]) -> int:
    import brainpress

    sys.argv = ["brainpress", *arguments]
    try:
        brainpress.main()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            os.write(2, ended.code.encode())
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _model(folder: Path) -> Path:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from harness.runner import compression
    from tests.conftest import _SIZES, _subword_tokenizer

    torch.set_num_threads(1)
    torch.manual_seed(0)
    config: Any = AutoConfig.for_model("llama", **_SIZES)
    AutoModelForCausalLM.from_config(config).eval().save_pretrained(folder)
    _subword_tokenizer(False).save_pretrained(folder)
    # The embedded text takes most of the time of so small a model; a part does here.
    whole = compression.embedded_text
    compression.embedded_text = lambda name: whole(name)[:400]  # type: ignore[attr-defined]
    import toys  # noqa: F401 - children need it

    import harness.cli

    assert harness.cli.app
    return folder
