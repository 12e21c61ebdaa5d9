"""SIGINT and SIGTERM: after what is being written, with what remains; a second one at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from command import ENTRY, environment  # noqa: F401 - a fixture
from run_fixtures import store  # noqa: F401 - likewise

from harness.store import stopping
from harness.store.stopping import Stopped, listening, unhurried

SLOW = (
    "import toys, time\nscore = toys.Logprob.score\n"
    "def slow(self, recordings):\n"
    "    print('SCORING', flush=True)\n    time.sleep(60)\n"
    "toys.Logprob.score = slow\n"
)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_run_that_is_stopped_says_what_remains(
    environment,  # noqa: F811
    tiny_release,
    tmp_path,
    name,
    code,
):
    arguments = ["run", "-m", f"file:{tiny_release()}", "-c", "none", "-b", "toy-*"]
    command = [sys.executable, "-c", SLOW + ENTRY, *arguments]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("SCORING"):
            break
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert (
        f"stopped by {name}; 1 of 2 cells were scored and are kept; to go on: brainpress run"
        in (said)
    )
    assert "Traceback" not in said
    assert not list((tmp_path / "store" / "started").rglob("*.json"))
    assert not list((tmp_path / "store").rglob(".*~*"))


def test_stopped_while_it_is_imported(environment):  # noqa: F811
    code = (
        "import importlib, os, signal\nimport brainpress\nreal = importlib.import_module\n"
        "def slow(name):\n    if name == 'harness.cli': os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(name)\nimportlib.import_module = slow\nbrainpress.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "list"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 130
    assert done.stderr.strip() == "stopped by SIGINT; go on: brainpress list"


def test_the_first_waits_for_what_is_being_written(tmp_path):
    from harness.store.atomic import writing

    path = tmp_path / "file"
    with pytest.raises(SystemExit) as ended, listening():
        with writing(path) as beside:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            beside.write_text("whole")
        pytest.fail("it went on")
    assert ended.value.code == 143
    assert path.read_text() == "whole"


def test_a_second_one_ends_it_at_once(tmp_path):
    code = (
        "import os, signal\nfrom pathlib import Path\nfrom harness.store.atomic import writing\n"
        "from harness.store.stopping import listening\n"
        f"with listening(), writing(Path({str(tmp_path / 'file')!r})) as beside:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('went on')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr.split("\n")[1:4:2] == [
        "stopping after what is being written; once more stops at once",
        "stopped at once",
    ]
    assert not done.stdout
    assert not (tmp_path / "file").exists()


def test_one_that_comes_while_an_object_is_freed_is_not_lost():
    """Python drops what is raised there, with a traceback, and goes on."""
    code = (
        "import os, signal, time\nfrom harness.store.stopping import listening\n"
        "class Freed:\n    def __del__(self):\n        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        time.sleep(0.01)\n"
        "with listening():\n    thing = Freed()\n    del thing\n    print('on', flush=True)\n"
        "    time.sleep(30)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=25)
    assert done.returncode == 143
    assert done.stdout == "on\n"
    assert "stopped by SIGTERM" in done.stderr
    assert "stopped at once" not in done.stderr
    assert "Traceback" not in done.stderr


def test_one_that_a_library_makes_another_error_of_is_known():
    code = (
        "import os, signal\nfrom harness.store.stopping import listening\n"
        "with listening():\n    try:\n        os.kill(os.getpid(), signal.SIGINT)\n"
        "    except BaseException as error:\n        raise RuntimeError('in a class') from error\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=25)
    assert done.returncode == 130
    assert "stopped by SIGINT" in done.stderr
    assert "Traceback" not in done.stderr


def test_handlers_are_put_back_and_other_threads_left_alone():
    before = [signal.getsignal(number) for number in stopping.SIGNALS]
    heard = []

    def elsewhere() -> None:
        with listening(), unhurried():
            heard.append(signal.getsignal(signal.SIGTERM))

    with listening():
        inside = signal.getsignal(signal.SIGTERM)
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        with listening():  # the command line and its entry both listen
            assert signal.getsignal(signal.SIGTERM) is inside
    assert heard == [inside]
    assert [signal.getsignal(number) for number in stopping.SIGNALS] == before
    with unhurried():
        pass
    assert Stopped(signal.SIGTERM).code == 143


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["list"], ["--help"]])
def test_an_output_that_takes_no_more(environment, arguments):  # noqa: F811
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", ENTRY, *arguments],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "error: the output cannot be written: No space left on device\n"
