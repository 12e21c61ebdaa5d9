"""Kinds of torture. Each tries one thing, and says what became of it."""

from __future__ import annotations

import ctypes
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.torture.ground import Ended, Ground, fresh, numbers

SURVIVED, TOLD, SILENT, TRACED = "survived", "told", "silent", "traceback"


@dataclass(frozen=True)
class Outcome:
    """What became of one try: ``survived``, ``told``, ``silent`` or ``traceback``.

    Parameters
    ----------
    what : str
    detail : str
        What is needed to try it again.
    """

    what: str
    detail: str = ""


@dataclass
class Torture:
    """The ground, the numbers that must come out, and the draw.

    Parameters
    ----------
    ground : Ground
    draw : random.Random
    whole : Path
        A finished store.
    seconds : float
        That one whole run takes.
    """

    ground: Ground
    draw: random.Random
    whole: Path
    seconds: float

    def __post_init__(self) -> None:
        self.right = numbers(self.whole)

    def same(self, store: Path) -> bool:
        """Whether a store has the right scores, to the last bit, and nothing is left behind."""
        return numbers(store) == self.right and not leftovers(store)

    def judged(self, ended: Ended, store: Path, detail: str, *, told: bool = False) -> Outcome:
        """Judge a run that ought to have ended with the right numbers."""
        if ended.traced:
            return Outcome(TRACED, f"{detail}: {ended.said[-800:]}")
        if ended.code == 0 and self.same(store):
            return Outcome(TOLD if told else SURVIVED, detail)
        if ended.code in (1, 2) and "error" in ended.said.lower():
            return Outcome(TOLD, detail)
        return Outcome(SILENT, f"{detail}: exit {ended.code}: {ended.said[-800:]}")


def leftovers(store: Path) -> list[Path]:
    """Return what a finished run ought not to leave: temporary files, and marks of what began."""
    return [*store.rglob(".*~*"), *(store / "started").rglob("*.json")]


def kill(t: Torture) -> list[Outcome]:
    """Kill a run at a random moment, again and again, until it is done; then compare."""
    found: list[Outcome] = []
    with fresh(t.ground) as store:
        arguments = t.ground.arguments(store)
        for _ in range(30):
            child, log = t.ground.start(arguments)
            time.sleep(t.draw.uniform(0, t.seconds))
            try:
                os.killpg(child, signal.SIGKILL)
            except ProcessLookupError:
                os.kill(child, signal.SIGKILL)
            ended = t.ground.wait(child, log)
            if ended.code == -signal.SIGKILL:
                found.append(Outcome(SURVIVED))
            else:
                break
        outcome = t.judged(t.ground.run(arguments), store, f"after {len(found)} kills")
    return [*found, outcome] if outcome.what == SURVIVED else [outcome]


def stop(t: Torture) -> list[Outcome]:
    """Send SIGINT or SIGTERM at a random moment: a sentence, its code, and the rest later."""
    number = t.draw.choice([signal.SIGINT, signal.SIGTERM])
    with fresh(t.ground) as store:
        child, log = t.ground.start(t.ground.arguments(store))
        time.sleep(t.draw.uniform(0.05, t.seconds))
        os.kill(child, number)
        ended = t.ground.wait(child, log)
        detail = f"{number.name}: exit {ended.code}"
        if ended.traced:
            return [Outcome(TRACED, f"{detail}: {ended.said[-800:]}")]
        early = ended.code == -number and not ended.said.strip()  # before Python listened
        stopped = ended.code == 128 + number and f"stopped by {number.name}" in ended.said
        if ended.code != 0 and not stopped and not early:
            return [Outcome(SILENT, f"{detail}: {ended.said[-400:]}")]
        outcome = t.judged(t.ground.run(t.ground.arguments(store)), store, detail, told=stopped)
    return [outcome]


def together(t: Torture) -> list[Outcome]:
    """Run two to four processes of one command in one store; sometimes one of them is killed."""
    count, lost = t.draw.randint(2, 4), t.draw.random() < 0.5
    with fresh(t.ground) as store:
        started = [t.ground.start(t.ground.arguments(store)) for _ in range(count)]
        if lost:
            time.sleep(t.draw.uniform(0, 2 * t.seconds))
            os.kill(started[0][0], signal.SIGKILL)
        ended = [t.ground.wait(child, log, 600) for child, log in started]
        for one in ended[1 if lost else 0 :]:
            if one.traced or one.code != 0:
                what = TRACED if one.traced else SILENT
                return [Outcome(what, f"{count} processes: {one.said[-800:]}")]
        last = t.ground.run(t.ground.arguments(store))
        return [t.judged(last, store, f"{count} processes")]


FILES: Mapping[str, tuple[str, str]] = {
    "score": ("scores", "*/*.nc"),
    "recording": ("recordings", "*/*.nc"),
    "report": ("compression", "*/*.nc"),
}


def flip(t: Torture) -> list[Outcome]:
    """Flip a bit in a file of any kind, forget what hides it, and run again."""
    kind = t.draw.choice([*FILES, "model", "board", "memory", "examination"])
    with fresh(t.ground, t.whole) as store:
        if kind == "model":
            return [_rotten_model(t, store)]
        if kind in FILES:
            folder, pattern = FILES[kind]
            paths = sorted((store / folder).glob(pattern))
        elif kind == "board":
            paths = [store / "board.nc"]
        else:
            folder = {"memory": "checksums", "examination": "examinations"}[kind]
            paths = sorted((t.ground.cache / folder).glob("*.json"))
        path = t.draw.choice(paths)
        before = path.read_bytes()
        damaged = damage(before, t.draw)
        path.write_bytes(damaged)
        if kind == "recording":
            shutil.rmtree(store / "scores")
        if kind == "board":
            ended = t.ground.run(["board", str(path)])
            if ended.traced:
                return [Outcome(TRACED, f"board: {ended.said[-800:]}")]
            return [Outcome(SURVIVED if ended.code == 0 else TOLD)]
        try:
            return [
                t.judged(t.ground.run(t.ground.arguments(store)), store, f"{kind}: {path.name}")
            ]
        finally:
            if path.is_relative_to(t.ground.cache):
                path.write_bytes(before)


def damage(raw: bytes, draw: random.Random) -> bytes:
    """Flip a bit; sometimes cut a file short, or empty it, or fill a part with zeros."""
    if not raw:
        return b"\0"
    at, how = draw.randrange(len(raw)), draw.random()
    if how < 0.8:
        return raw[:at] + bytes([raw[at] ^ (1 << draw.randrange(8))]) + raw[at + 1 :]
    if how < 0.9:
        return raw[:at]
    return raw[:at] + bytes(min(512, len(raw) - at)) + raw[at + 512 :]


def _rotten_model(t: Torture, store: Path) -> Outcome:
    """Flip a bit of the weights as rot does: the system sees no change."""
    path = t.ground.model / "model.safetensors"
    before = path.read_bytes()
    for folder in ("scores", "recordings", "compression"):
        shutil.rmtree(store / folder)
    raw = bytearray(before)
    at = t.draw.randrange(len(raw) // 2, len(raw))
    raw[at] ^= 1 << t.draw.randrange(8)
    status = path.stat()

    def blind() -> None:
        from harness.fetch import checksum

        real = checksum._facts
        seen = {"mtime_ns": status.st_mtime_ns, "ctime_ns": status.st_ctime_ns}
        checksum._facts = lambda p: real(p) | (seen if p.name == path.name else {})

    try:
        path.write_bytes(raw)
        ended = t.ground.run(t.ground.arguments(store), blind)
        # The damage is found when it is loaded; what is computed then is of the file as it is now.
        if ended.traced:
            return Outcome(TRACED, f"model: {ended.said[-800:]}")
        if ended.code in (1, 2) and "sha256" in ended.said:
            return Outcome(TOLD)
        if ended.code == 0 and numbers(store) == t.right:
            return Outcome(SILENT, f"model, byte {at}: loaded as if nothing were")
        return Outcome(SILENT, f"model, byte {at}: exit {ended.code}: {ended.said[-800:]}")
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def swap(t: Torture) -> list[Outcome]:
    """Put a file under the key of another of its kind."""
    kind = t.draw.choice(list(FILES))
    folder, pattern = FILES[kind]
    with fresh(t.ground, t.whole) as store:
        paths = sorted((store / folder).glob(pattern))
        mine, theirs = t.draw.sample(paths, 2)
        shutil.copy(theirs, mine)
        if kind == "recording":
            shutil.rmtree(store / "scores")
        return [t.judged(t.ground.run(t.ground.arguments(store)), store, f"swapped {kind}s")]


def full_disk(t: Torture) -> list[Outcome]:
    """Give the store a small disk, or, where none may be mounted, files of a small size only."""
    size = t.draw.randrange(20_000, 400_000)
    with fresh(t.ground) as store:
        store.mkdir(parents=True)

        def small() -> None:
            if not mount_small(store, size):
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size // 8, resource.RLIM_INFINITY))

        ended = t.ground.run(t.ground.arguments(store, "--board", str(store / "board.nc")), small)
        detail = f"disk of {size:,} bytes: exit {ended.code}"
        if ended.traced:
            return [Outcome(TRACED, f"{detail}: {ended.said[-1500:]}")]
        known = ("no space is left", "larger than is allowed", "bytes free")
        if ended.code != 0 and not any(words in ended.said for words in known):
            return [Outcome(SILENT, f"{detail}: {ended.said[-800:]}")]
        after = t.judged(t.ground.run(t.ground.arguments(store)), store, detail, told=True)
        return [Outcome(SURVIVED) if ended.code == 0 and after.what == TOLD else after]


def mount_small(folder: Path, size: int) -> bool:
    """Mount a small disk at a folder, for this process alone; return whether it may."""
    if not os.path.exists("/proc/self/ns/mnt"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    own_mounts, own_user, private = 0x00020000, 0x10000000, (1 << 14) | (1 << 18)
    if libc.unshare(own_mounts | (0 if os.getuid() == 0 else own_user)):
        return False
    libc.mount(b"none", b"/", None, private, None)
    return not libc.mount(b"none", str(folder).encode(), b"tmpfs", 0, f"size={size}".encode())


def low_memory(t: Torture) -> list[Outcome]:
    """Run with less and less memory: refused or finished, never killed."""
    more = t.draw.randrange(2**20, 400 * 2**20)

    def little() -> None:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        data = int(status.split("VmData:")[1].split()[0]) * 1024
        resource.setrlimit(resource.RLIMIT_DATA, (data + more, resource.RLIM_INFINITY))

    with fresh(t.ground) as store:
        ended = t.ground.run(t.ground.arguments(store), little)
        detail = f"{more / 2**20:.0f} MiB more: exit {ended.code}"
        if ended.code < 0 or ended.code == 70:
            return [Outcome(SILENT, f"{detail}: {ended.said[-800:]}")]
        if ended.code != 0 and "memory" in ended.said.lower():
            after = t.judged(t.ground.run(t.ground.arguments(store)), store, detail, told=True)
            traced = TRACED if ended.traced else after.what
            return [Outcome(traced, f"{detail}: {ended.said[-800:]}")]
        return [t.judged(ended, store, detail)]


Kind = Callable[[Torture], list[Outcome]]
