"""What is left of memory: the tightest of machine, cgroups and the process's own limits."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from harness.place import memory
from harness.place.memory import NotEnoughMemory, available, check_room, most, told_memory
from harness.place.place import Place

GIB = 2**30
V2 = {"memory.max": str(3 * GIB // 2), "memory.current": str(GIB)}


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A machine of 16 GiB, 12 of them left."""
    put(tmp_path, "proc/meminfo", f"MemTotal: {16 * 2**20} kB\nMemAvailable: {12 * 2**20} kB\n")
    put(tmp_path, "proc/self/status", f"VmSize:\t{2**20} kB\nVmData:\t{2**19} kB\nVmRSS:\t77 kB\n")
    return tmp_path


def put(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_a_machine(system):
    room = available(system)
    assert (room.size, room.total, room.what) == (12 * GIB, 16 * GIB, "machine")
    assert memory.used(system) == 77 * 1024


def test_a_cgroup_of_the_second_version(system):
    """A limit of an outer group holds, and pages of files that were read are given up first."""
    put(system, "proc/self/cgroup", "0::/slurm/job_1/step_0\n")
    put(system, "sys/fs/cgroup/slurm/job_1/step_0/memory.max", "max\n")
    put(system, "sys/fs/cgroup/slurm/job_1/step_0/memory.current", "5\n")
    for name, text in V2.items():
        put(system, f"sys/fs/cgroup/slurm/job_1/{name}", text)
    put(
        system,
        "sys/fs/cgroup/slurm/job_1/memory.stat",
        f"anon 3\ninactive_file {GIB // 8}\nactive_file {GIB // 8}\n",
    )
    room = available(system)
    assert (room.size, room.total, room.what) == (3 * GIB // 4, 3 * GIB // 2, "cgroup")
    assert most(system) == 3 * GIB // 2


def test_a_container_sees_its_own_group_at_the_root(system):
    put(system, "proc/self/cgroup", "0::/docker/0123\n")
    for name, text in V2.items():
        put(system, f"sys/fs/cgroup/{name}", text)
    assert available(system).size == GIB // 2


def test_a_cgroup_of_the_first_version(system):
    put(system, "proc/self/cgroup", "9:cpu:/a\n4:memory:/a/b\n")
    put(system, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712")
    put(system, "sys/fs/cgroup/memory/memory.usage_in_bytes", "9")
    put(system, "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", str(2 * GIB))
    put(system, "sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", str(3 * GIB))
    room = available(system)
    assert (room.size, room.total, room.what) == (0, 2 * GIB, "cgroup")


def test_limits_of_the_process(system, monkeypatch):
    resource = pytest.importorskip("resource")
    limits = {resource.RLIMIT_AS: 3 * GIB, resource.RLIMIT_DATA: resource.RLIM_INFINITY}
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limits[which], -1))
    room = available(system)
    assert (room.size, room.total, room.what) == (2 * GIB, 3 * GIB, "ulimit")


def test_a_system_that_says_nothing(tmp_path):
    assert available(tmp_path) is None
    check_room(2**60, "a giant", root=tmp_path)


def test_what_does_not_fit_is_refused_with_both_sizes(system):
    check_room(11 * GIB, "a model", root=system)
    with pytest.raises(NotEnoughMemory) as error:
        check_room(13 * GIB, "llama in float32", "--dtype bfloat16 halves it", root=system)
    assert error.value.message == (
        "llama in float32 needs about 13 GiB of memory; left are 12 GiB of the machine's 16 GiB"
    )
    assert error.value.hint


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 7.28 TiB for an array"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("std::bad_alloc"),
    ],
)
def test_libraries_that_were_given_none(error):
    told = told_memory(error)
    assert isinstance(told, NotEnoughMemory)
    assert told.message.startswith("out of memory: ")
    assert "left are" in told.message
    assert told.hint


def test_other_errors_stay_what_they_are():
    error = ZeroDivisionError("in the score")
    assert told_memory(error) is error


def test_scoring_takes_less_than_there_is(monkeypatch):
    monkeypatch.setattr("harness.place.place.most", lambda: 3 * GIB // 2)
    assert Place.make().scoring_memory == int(0.6 * 1.5 * GIB)
    assert Place.make(memory="512MiB").scoring_memory == GIB // 2
    monkeypatch.setattr("harness.place.place.most", lambda: 0)
    assert Place.make().scoring_memory == 8 * GIB


def test_where_the_libraries_do_not_fit_nothing_begins(system):
    memory.check_libraries(system)
    put(system, "proc/meminfo", f"MemTotal: {2**20} kB\nMemAvailable: {2**19} kB\n")
    with pytest.raises(NotEnoughMemory, match="Python with its libraries needs about"):
        memory.check_libraries(system)


def test_an_allocation_of_pythons_own_says_nothing_and_is_told():
    told = told_memory(MemoryError())
    assert isinstance(told, NotEnoughMemory)
    assert told.message.startswith("out of memory")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs glibc")
def test_what_was_freed_goes_back_to_the_system() -> None:
    code = (
        "import ctypes\nfrom harness.place.memory import give_back, used\n"
        "new, free = ctypes.CDLL(None).malloc, ctypes.CDLL(None).free\n"
        "new.restype, free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]\n"
        "before = used()\n"
        "pieces = [new(100_000) for _ in range(3000)]\n"
        "for piece in pieces: ctypes.memset(piece, 1, 100_000)\n"
        "for piece in pieces[:-1]: free(piece)\n"  # the last one holds the heap's end
        "kept = used() - before\n"
        "give_back()\n"
        "print(kept, used() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kept, left = map(int, done.stdout.split())
    assert kept > 200e6
    assert left < 20e6
