"""Tasks as they were made before: 263 annotated documents take ten seconds to read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from harness.errors import StimulusError, StoreError
from harness.place.locate import cache_folder
from harness.probe.tasks import Inputs, Part, Place, ProbeItem, ProbeTask, Target
from harness.store.atomic import writing
from harness.store.seal import fault, seal

SOURCES = (
    ("brainpress_plugins.benchmarks.linguistic.gum_probes", ""),
    ("harness.stimuli", "conllu.py"),
    ("harness.probe", "tasks.py"),
)
"""Code that tasks are made by; all Python files of a package where no file is named."""


@dataclass(frozen=True)
class Prepared:
    """Tasks, and the texts that they look at.

    Parameters
    ----------
    texts : mapping
        Texts by name, in the order of the corpus.
    tasks : tuple of ProbeTask
    """

    texts: Mapping[str, str]
    tasks: tuple[ProbeTask, ...]


def prepared_key(documents: Mapping[str, object]) -> str:
    """Key of what is prepared from documents.

    Parameters
    ----------
    documents : mapping
        Part, size and sha256 of each document.

    Returns
    -------
    str
        sha256 of the list and of the code that makes tasks of it: whoever changes a task's
        definition finds nothing of before.
    """
    digest = hashlib.sha256(json.dumps(documents, sort_keys=True).encode())
    for package, name in SOURCES:
        found = [p for p in files(package).iterdir() if p.name.endswith(name or ".py")]
        for path in sorted(found, key=lambda p: p.name):
            digest.update(f"\0{package}/{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def recall(key: str) -> Prepared | None:
    """Return what was prepared under a key; None where there is nothing, or nothing sound."""
    try:
        if fault(_path(key), f"gum-probes/{key}"):
            return None
        content, _ = json.JSONDecoder().raw_decode(_path(key).read_text(encoding="utf-8"))
        tasks = tuple(_task(fields) for fields in content["tasks"])
        return Prepared({str(n): str(t) for n, t in content["texts"]}, tasks)
    except (OSError, ValueError, KeyError, TypeError, StimulusError):
        return None


def remember(key: str, prepared: Prepared) -> None:
    """Keep what was prepared; a cache that cannot be written costs time and nothing else."""
    content = {
        "texts": list(prepared.texts.items()),
        "tasks": [_fields(task) for task in prepared.tasks],
    }
    with suppress(StoreError, OSError), writing(_path(key)) as beside:
        beside.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        seal(beside, f"gum-probes/{key}")


def _path(key: str) -> Path:
    return cache_folder() / "gum-probes" / f"{key}.json"


def _fields(task: ProbeTask) -> dict[str, Any]:
    return {
        "name": task.name,
        "category": task.category,
        "inputs": str(task.inputs),
        "target": str(task.target),
        "phenomenon": task.phenomenon,
        "licence": task.licence,
        "notes": task.notes,
        "aside": task.aside,
        "items": [
            [[[p.text, p.start, p.end] for p in i.places], i.label, str(i.part), i.group, i.type]
            for i in task.items
        ],
    }


def _task(fields: dict[str, Any]) -> ProbeTask:
    parts = {str(part): part for part in Part}
    items = tuple(
        ProbeItem(tuple(Place(*place) for place in places), label, parts[part], group, kind)
        for places, label, part, group, kind in fields.pop("items")
    )
    inputs, target = Inputs(fields.pop("inputs")), Target(fields.pop("target"))
    return ProbeTask(**fields, inputs=inputs, target=target, items=items)
