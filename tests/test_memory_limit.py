"""A run under a limit of memory: refused or finished, never killed; and killed on purpose: told."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from command import ENTRY, brainpress, environment  # noqa: F401 - fixtures

resource = pytest.importorskip("resource", reason="needs POSIX")
LIMITED = (
    # Arrow's allocator reserves a GiB that it does not touch: this limit would count it.
    "import os\nos.environ['ARROW_DEFAULT_MEMORY_POOL'] = 'system'\n"
    "import resource, harness.lm.load\n"  # libraries first, whatever they take
    "from pathlib import Path\n"
    "text = Path('/proc/self/status').read_text()\n"
    "data = int(text.split('VmData:')[1].split()[0]) * 1024\n"
    "resource.setrlimit(resource.RLIMIT_DATA, ({limit}, resource.RLIM_INFINITY))\n"
)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's RLIMIT_DATA")


def arguments_for(model):
    return ["-m", f"file:{model}", "-c", "none", "-b", "toy-hidden", "--offline"]


def test_under_one_and_a_half_gibibytes_it_finishes(brainpress, tiny_release):  # noqa: F811
    code = LIMITED.format(limit=3 * 2**29) + ENTRY
    done = brainpress("run", *arguments_for(tiny_release()), code=code)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "GiB left)" in done.stdout or "MiB left)" in done.stdout


def test_where_the_libraries_do_not_fit_it_is_refused(brainpress, tiny_release):  # noqa: F811
    code = LIMITED.format(limit="data + 100 * 2**20") + ENTRY
    done = brainpress("run", *arguments_for(tiny_release()), code=code)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Python with its libraries needs about" in done.stderr
    assert "the ulimit's" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_what_was_killed_is_told_by_status(environment, brainpress, tiny_release):  # noqa: F811
    code = (
        "import toys, time\n"
        "def slow(self, recordings):\n    print('SCORING', flush=True)\n    time.sleep(60)\n"
        "toys.Hidden.score = slow\n"
    )
    arguments = arguments_for(tiny_release())
    process = subprocess.Popen(
        [sys.executable, "-c", code + ENTRY, "run", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("SCORING"):
            break
    asked = [*arguments[:-1]]
    said = brainpress("status", *asked).stdout
    assert f"1 cell at work: scoring toy-hidden (process {process.pid} on" in said
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.1)
    said = brainpress("status", *asked).stdout
    assert "! killed (out of memory?) while scoring toy-hidden; last seen with 0." in said
    done = brainpress("run", *arguments)
    assert done.returncode == 0
    assert "1 cell killed (out of memory?) while scoring toy-hidden" in done.stdout
    assert "killed" not in brainpress("status", *asked).stdout
