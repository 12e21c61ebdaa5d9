"""Give accepted entries the keys of layout 2, once; values and details stay as they are.

Keys of layout 1 held import paths (``plugins.benchmarks…``) and the versions of all stages, so that
a renamed module made every score stale. Those of layout 2 hold the identity of a plugin and the
stages that a score went through. This script takes each accepted cell, makes its old key from its
parts to see that it is whole, and writes the same facts as the new parts. What was measured, and by
which versions of which stages, is copied; nothing is computed again.

Entries are named by their content, so they get new names, and what a verification found moves with
them. Entries of layout 2 are left alone: a second run changes nothing.

    python leaderboard/rekey_2026.py [LEADERBOARD]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from harness.board.submission.entry import Entry
from harness.board.submission.shelf import (
    SUBMISSIONS,
    put,
    read_shelf,
    record_verification,
    verification,
)
from harness.runner.keys import LAYOUT, keys_of, stages_of
from harness.spec.registry import registry
from harness.store.keys import canonical_json

OLD_STAGES = {"encode": 0, "probe": 1}
"""Where the versions of layout 1 stand in its list of stages."""


def rekeyed(record: dict[str, Any]) -> dict[str, Any]:
    """Return an entry's record with the keys of layout 2.

    Raises
    ------
    ValueError
        A key of layout 1 does not follow from its parts: the entry was not whole.
    """
    benchmark = registry().benchmarks.get(record["benchmark"]["name"])
    cells = []
    for cell in record["cells"]:
        said = cell["provenance"]
        old = json.loads(said["parts"]) if cell["status"] == "done" else {}
        if not old or old["variant"].get("layout") == LAYOUT:
            cells.append(cell)
            continue
        if keys_of(old) != (json.loads(said["recordings"]), cell["key"]):
            raise ValueError(f"{cell['key']} does not follow from its parts")
        parts = {
            "variant": _variant(old["variant"], cell["compressor"]["name"]),
            "requests": old["requests"],
            "record": old["record"],
            "score": {
                "identity": benchmark.identity,
                "options": old["score"]["options"],
                "version": old["score"]["version"],
                "stages": {
                    name: old["score"]["stages"][OLD_STAGES[name]] for name in benchmark.scored_by
                },
                **({"content": old["score"]["content"]} if "content" in old["score"] else {}),
            },
        }
        recordings, key = keys_of(parts)
        facts = {
            "parts": canonical_json(parts),
            "recordings": json.dumps(recordings),
            "stages": json.dumps(stages_of(parts), sort_keys=True),
        }
        cells.append({**cell, "key": key, "provenance": said | facts})
    return {**record, "cells": cells}


def _variant(old: dict[str, Any], compressor: str) -> dict[str, Any]:
    parts: dict[str, Any] = {"layout": LAYOUT, "model": old["model"], "dtype": old["dtype"]}
    if "compressor" in old:
        kept = {name: value for name, value in old["compressor"].items() if name != "target"}
        parts["compressor"] = kept | {"identity": registry().compressors.get(compressor).identity}
    return parts


def main(leaderboard: Path) -> int:
    """Re-key a leaderboard's folder; return the number of entries that changed."""
    changed = 0
    root = leaderboard / SUBMISSIONS
    for entry in read_shelf(leaderboard).entries:
        record = rekeyed(dict(entry.record))
        if record == entry.record:
            continue
        new = Entry(record, entry.detail)
        put(leaderboard, [new])
        found = verification(leaderboard, entry)
        if found is not None:
            record_verification(leaderboard, new, {**found, "entry": new.id})
        for path in sorted((root / entry.folder).glob(f"{entry.id}.*")):
            path.unlink()
        changed += 1
    return changed


if __name__ == "__main__":
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    print(f"{main(where)} entries re-keyed in {where}")
