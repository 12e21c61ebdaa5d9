"""Torture by what others wrote: bundles, and arguments that no one meant."""

from __future__ import annotations

import os
import random
import shutil
import traceback
from pathlib import Path

from tests.torture.arguments import ENVIRONMENTS, KNOWN, drawn, suites
from tests.torture.hostile import fields, payloads, put, write_raw
from tests.torture.kinds import SILENT, SURVIVED, TOLD, TRACED, Outcome, Torture, damage


def arguments(t: Torture) -> list[Outcome]:
    """Type what no one means; nothing is computed."""
    folder = t.ground.root / "typed"
    folder.mkdir(exist_ok=True)
    kind = t.draw.random()
    environment: dict[str, str] = {}
    if kind < 0.2:
        typed = t.draw.choice(KNOWN)
    elif kind < 0.3:
        typed = t.draw.choice(list(suites(folder)))
    elif kind < 0.4:
        environment, typed = t.draw.choice(ENVIRONMENTS), ["run", "--dry-run", "-m", "gpt2"]
    else:
        typed = drawn(t.draw)

    def there() -> None:
        os.chdir(folder)
        os.environ.update(environment)

    ended = t.ground.run(typed, there)
    detail = f"{environment} {[word[:80] for word in typed]}"
    if ended.traced:
        return [Outcome(TRACED, f"{detail}: {ended.said[-800:]}")]
    if ended.code not in (0, 1, 2):
        return [Outcome(SILENT, f"{detail}: exit {ended.code}: {ended.said[-400:]}")]
    return [Outcome(TOLD if ended.code else SURVIVED)]


def bundles(t: Torture) -> list[Outcome]:
    """Check, read and verify hostile bundles, some of them mutated, in one child."""
    log = t.ground.root / "bundles.txt"
    log.unlink(missing_ok=True)
    seed = t.draw.randrange(2**32)
    child = os.fork()
    if not child:
        code = 1
        try:
            code = _examine(t, log, random.Random(seed))
        except BaseException:
            log.write_text(traceback.format_exc(), encoding="utf-8")
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code, said = os.waitstatus_to_exitcode(status), log.read_text() if log.exists() else ""
    lines = said.splitlines()
    if code or not lines or not lines[-1].isdigit():
        return [Outcome(TRACED, f"seed {seed}: exit {code}: {said[-1500:]}")]
    return [Outcome(TOLD)] * int(lines[-1])


def _examine(t: Torture, log: Path, draw: random.Random) -> int:
    from harness.board.files import open_board
    from harness.board.submission.bundle import write_bundle
    from harness.board.submission.check import check
    from harness.board.submission.cut import Offer, entries_of
    from harness.board.submission.desk import read_all
    from harness.board.submission.verify import verify
    from harness.errors import HarnessError, SubmissionError
    from harness.place.place import Place
    from harness.spec.registry import registry

    plugins = registry()
    entries = entries_of(open_board(t.whole / "board.nc"), Offer("Ada", "ada@example.org"), plugins)
    folder = t.ground.root / "handed"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    secret = folder / "private" / "secret.txt"
    secret.parent.mkdir()
    secret.write_text("secret")
    honest = write_bundle(entries, folder / "honest.zip").read_bytes()
    kinds = payloads(secret)

    def refuse(*_: object) -> None:
        raise HarnessError("nothing is run here")

    for number in range(40):
        path = folder / "bundle.zip"
        if draw.random() < 0.3:
            path.write_bytes(damage(honest, draw))
        else:
            entry = draw.choice(entries)
            where = draw.choice(list(fields(entry.record)))
            write_raw(put(entry.record, where, draw.choice(kinds)), entry.detail, path)
        report = check([path], folder / "board", plugins)
        if not report.problems and path.read_bytes() != honest and len(report.entries) < 1:
            log.write_text(f"number {number}: accepted without a word")
            return 1
        try:
            found = read_all([path], folder / "board")
        except SubmissionError:
            continue
        verify(found, plugins, refuse, Place.make(offline=True), sample=2)  # type: ignore[arg-type]
    log.write_text("40")
    return 0
