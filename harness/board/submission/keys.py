"""Keys of a submission, made again from the parts that its provenance names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.board.submission.entry import Entry
from harness.runner.keys import compressor_parts, keys_of, score_parts, stages_of
from harness.spec.registry import Registry
from harness.spec.specs import BenchmarkSpec, CompressorSpec
from harness.store import stages
from harness.store.keys import canonical


def key_faults(entry: Entry, cell: Mapping[str, Any], registry: Registry) -> Iterator[str]:
    """Say what does not fit between a cell's key, its parts, and what is installed here.

    Parameters
    ----------
    entry : Entry
    cell : mapping
        A finished cell of the entry.
    registry : Registry
        Plugins of this environment: they say what each name stands for.
    """
    said = cell["provenance"]
    try:
        recordings = json.loads(said["recordings"])
        parts = json.loads(said["parts"])
        told = _told(entry, said)
        measured = _measured(said["stages"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        yield f"its provenance lacks what its key is made of: {error!r}"
        return
    yield from _identity(entry, cell, told)
    yield from _stage_faults(measured)
    spec = registry.benchmarks.known(entry.record["benchmark"]["name"])
    try:
        made_recordings, made = keys_of(parts)
        faults = list(_part_faults(parts, told, spec))
        if measured != stages_of(parts):
            faults.append("the stages that it names are not those of its key")
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        yield f"the parts of its key are not what they should be: {error!r}"
        return
    if made_recordings != recordings:
        yield "the keys of its recordings do not follow from their parts"
    if made != cell["key"]:
        yield f"its key {cell['key'][:12]}… does not follow from its parts ({made[:12]}…)"
    yield from faults
    compressor = registry.compressors.known(cell["compressor"]["name"])
    if compressor is not None:
        yield from _compressor_faults(parts["variant"], compressor, cell["compressor"]["name"])


def requests_of(cell: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys of what a cell's benchmark asked; nothing where the cell does not say."""
    try:
        return tuple(map(str, json.loads(cell["provenance"]["parts"])["requests"]))
    except (KeyError, TypeError, ValueError, RecursionError):
        return ()


def _measured(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise TypeError("the stages are no mapping")
    return found


def _told(entry: Entry, said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": said["model"],
        "compressor": said["compressor"],
        "benchmark": said["benchmark"],
        "benchmark_version": said["benchmark_version"],
        "options": json.loads(said["benchmark_options"]),
        "fingerprint": said["fingerprint"],
        "dtype": said["dtype"],
        "revision": said["revision"],
        "source": said["source"],
    }


def _identity(entry: Entry, cell: Mapping[str, Any], told: Mapping[str, Any]) -> Iterator[str]:
    model, benchmark = entry.record["model"], entry.record["benchmark"]
    expected = {
        "model": model["name"],
        "revision": model["revision"],
        "source": model["source"],
        "compressor": cell["compressor"]["name"],
        "benchmark": benchmark["name"],
        "benchmark_version": benchmark["version"],
    }
    for name, value in expected.items():
        if told[name] != value:
            yield f"its provenance says {name} {told[name]!r}, its record {value!r}"


def _stage_faults(measured: Mapping[str, int]) -> Iterator[str]:
    for name, value in sorted(measured.items()):
        try:
            ours = stages.version_of(name)
        except KeyError:
            yield f"it was computed by a stage {name!r}, which is none"
            continue
        if value != ours:
            yield f"it was computed by version {value} of {name}; here it is {ours}"


def _part_faults(
    parts: Mapping[str, Any], told: Mapping[str, Any], spec: BenchmarkSpec | None
) -> Iterator[str]:
    score, variant = parts["score"], parts["variant"]
    pairs = {
        "benchmark version": (score["version"], told["benchmark_version"]),
        "fingerprint of the model": (variant["model"], told["fingerprint"]),
        "dtype": (variant["dtype"], told["dtype"]),
    }
    for name, (part, provenance) in pairs.items():
        if part != provenance:
            yield f"{name}: its key is made of {part!r}, its provenance says {provenance!r}"
    if spec is None:
        return
    ours = canonical(score_parts(spec))
    for name in ("identity", "options", "stages"):
        value = ours[name]
        if score[name] != value:
            yield f"{name} of {spec.name}: its key is made of {score[name]!r}; here it is {value!r}"


def _compressor_faults(
    variant: Mapping[str, Any], spec: CompressorSpec, name: str
) -> Iterator[str]:
    if spec.name != name:
        yield f"its compressor {name} is called {spec.name}"
    if "=file:" in name:  # nor is a file opened because a bundle says so
        yield f"{name} was calibrated on a file of the submitter's: nobody can compute it again"
        return
    theirs = variant.get("compressor")
    if (spec.method == "none") is not (theirs is None):
        negation = "not " if theirs is None else ""
        yield f"{spec.name}: its key is {negation}that of a compressed model"
    if theirs is None or spec.method == "none":
        return
    ours = canonical(compressor_parts(spec))
    for name in ("identity", "options", "version", "seed", "stage"):
        if theirs.get(name) != ours[name]:
            yield (
                f"{name} of {spec.name}: its key is made of {theirs.get(name)!r}; "
                f"here it is {ours[name]!r}"
            )
