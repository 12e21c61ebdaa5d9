"""Everything that can be known of a submission without computing it again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from harness.board.submission.bundle import Opened, Problem, open_bundle
from harness.board.submission.cut import public_source
from harness.board.submission.entry import Entry
from harness.board.submission.keys import key_faults, requests_of
from harness.board.submission.plausible import cell_faults, detail_faults, has_layers, samples_of
from harness.board.submission.shelf import read_shelf
from harness.errors import SubmissionError
from harness.runner.status import Status
from harness.spec.direction import lower_is_better, was_calibrated
from harness.spec.measures import HEADLINE, ScoreMeasure
from harness.spec.registry import Registry


@dataclass(frozen=True)
class Change:
    """What a cell of a submission would do to the board.

    Parameters
    ----------
    benchmark, model, compressor : str
    before, after : float, optional
        The accepted value, and the one handed in.
    kind : str
        ``new``, ``same`` or ``changed``.
    """

    benchmark: str
    model: str
    compressor: str
    before: float | None
    after: float | None
    kind: str


@dataclass(frozen=True)
class Report:
    """What a check found.

    Parameters
    ----------
    entries : tuple of Entry
        Those that were offered and could be read.
    problems : tuple of Problem
        What keeps them from being accepted.
    remarks : tuple of Problem
        What a maintainer should look at.
    changes : tuple of Change
    """

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    remarks: tuple[Problem, ...]
    changes: tuple[Change, ...]


def check(sources: Sequence[Path], leaderboard: Path, registry: Registry) -> Report:
    """Check bundles, or another state of a leaderboard's folder, against what is accepted.

    Nothing is computed again, no code of a submission runs, and nothing is written.

    Parameters
    ----------
    sources : sequence of Path
        Bundles; or folders that hold ``submissions``, as a pull request would leave them.
    leaderboard : Path
        The folder that holds the accepted ``submissions``.
    registry : Registry
        Says what the names of benchmarks and compressors stand for.

    Raises
    ------
    SubmissionError
        A source is not there.
    """
    shelf = read_shelf(leaderboard)
    accepted = {entry.id: entry for entry in shelf.entries}
    problems = [Problem(f"accepted: {p.where}", p.what) for p in shelf.problems]
    offered: list[Entry] = []
    for source in sources:
        opened = _open(Path(source))
        problems += opened.problems
        offered += opened.entries
        if Path(source).is_dir():
            there = {entry.id for entry in opened.entries}
            problems += [
                Problem(f"{entry.folder}/{entry.id}", "was accepted, and is removed")
                for entry in accepted.values()
                if entry.id not in there
            ]
    problems += _twice(offered)
    fresh = [entry for entry in offered if entry.id not in accepted]
    pool = [*accepted.values(), *fresh]
    remarks: list[Problem] = []
    for entry in fresh:
        problems += _survived(entry, _entry_problems(entry, registry))
        problems += _survived(entry, _company(entry, pool))
        problems += _survived(entry, _like_the_others(entry, pool))
        remarks += _survived(entry, _remarks(entry, pool, registry))
    changes, overwritten = _changes(fresh, list(accepted.values()))
    return Report(tuple(fresh), _unique([*problems, *overwritten]), _unique(remarks), changes)


def _survived(entry: Entry, found: Iterator[Problem]) -> list[Problem]:
    """List what a check finds; one that a stranger's entry brings down is a problem of it."""
    problems: list[Problem] = []
    try:
        for problem in found:
            problems.append(problem)
    except (Exception, RecursionError) as error:
        what = f"cannot be checked: {type(error).__name__}: {str(error)[:200]}"
        problems.append(Problem(entry.name, what))
    return problems


def _open(source: Path) -> Opened:
    if source.is_dir():
        return read_shelf(source)
    if not source.is_file():
        raise SubmissionError(
            f"no bundle at {source}", "`brainpress submit BOARD --as NAME --contact …` writes one"
        )
    return open_bundle(source)


def _unique(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(dict.fromkeys(problems))


def _name(entry: Entry, cell: Mapping[str, Any]) -> str:
    model, benchmark = entry.record["model"]["name"], entry.record["benchmark"]["name"]
    return f"{model} x {cell['compressor']['name']} x {benchmark}"


def _cell_id(entry: Entry, cell: Mapping[str, Any]) -> tuple[str, ...]:
    return (entry.folder, cell["compressor"]["name"])


def _done(entry: Entry) -> Iterator[Mapping[str, Any]]:
    return (cell for cell in entry.record["cells"] if Status(cell["status"]).has_score)


def _entry_problems(entry: Entry, registry: Registry) -> Iterator[Problem]:
    for fault in _benchmark_faults(entry, registry):
        yield Problem(entry.name, fault)
    for fault in _model_faults(entry, registry):
        yield Problem(entry.name, fault)
    for fault in _harness_faults(entry):
        yield Problem(entry.name, fault)
    for cell in entry.record["cells"]:
        faults = list(cell_faults(entry, cell))
        if Status(cell["status"]).has_score:
            faults += key_faults(entry, cell, registry)
            faults += _calibration_faults(cell, registry)
        for fault in faults:
            yield Problem(_name(entry, cell), fault)
    for compressor, fault in detail_faults(entry):
        where = _name(entry, {"compressor": {"name": compressor}}) if compressor else entry.name
        yield Problem(where, fault)


def _benchmark_faults(entry: Entry, registry: Registry) -> Iterator[str]:
    said = entry.record["benchmark"]
    spec = registry.benchmarks.known(said["name"])
    if spec is None:
        yield f"{said['name']} is not known here: install its plugin, and check again"
        return
    if said["version"] != spec.version:
        yield f"it is of version {said['version']} of {spec.name}; here it is {spec.version}"
    ours = {
        "kind": spec.kind,
        "metric": spec.metric,
        "chance": spec.chance,
        "margin": spec.margin,
        "simulated": int(spec.simulated),
    }
    if lower_is_better(said) != spec.lower_is_better:
        yield f"of {spec.name} the other end of the scale is the better one here"
    later: dict[str, Any] = {m.margin_field: spec.margin_of(m) for m in ScoreMeasure if m.other}
    later |= {HEADLINE: spec.headline}
    ours |= {field: value for field, value in later.items() if field in said}
    for field, value in ours.items():
        if said[field] != value:
            yield f"{field} of {spec.name} is {said[field]!r}; here it is {value!r}"


def _calibration_faults(cell: Mapping[str, Any], registry: Registry) -> Iterator[str]:
    """Hold against its plugin what widens the tolerance of a verification."""
    spec = registry.compressors.known(cell["compressor"]["name"])
    if spec is not None and was_calibrated(cell["compressor"]) != spec.calibrated:
        yield f"{spec.name} is {'' if spec.calibrated else 'not '}calibrated here"


def _model_faults(entry: Entry, registry: Registry) -> Iterator[str]:
    said = entry.record["model"]
    spec = registry.models.specs.get(said["base"] or said["name"])
    if spec is None:
        return
    if said["source"] != public_source(spec.source):
        yield f"{spec.name} is {public_source(spec.source)}, not {said['source']}"
    elif spec.revision and said["revision"] != spec.revision:
        yield f"{spec.name} is of revision {spec.revision}, not {said['revision']}"
    if said["control"] and not said["name"].startswith(f"{said['control']}:{said['base']}"):
        yield f"{said['name']!r} is not what a control of {said['base']} is called"


def _harness_faults(entry: Entry) -> Iterator[str]:
    ours = version("brainpress")
    try:
        if Version(entry.record["harness"]) > Version(ours):
            yield f"it was made with brainpress {entry.record['harness']}; here it is {ours}"
    except InvalidVersion:
        yield f"{entry.record['harness']!r} is no version of brainpress"


def _company(entry: Entry, pool: Sequence[Entry]) -> Iterator[Problem]:
    """Ask for the base of each compressed variant, and for the controls of each model.

    In the precision of the entry: a difference of two precisions is none of compression.
    """
    record = entry.record
    others = [
        other
        for other in pool
        if other.record["benchmark"]["name"] == record["benchmark"]["name"]
        and other.record["benchmark"]["version"] == record["benchmark"]["version"]
        and other.record["model"]["revision"] == record["model"]["revision"]
    ]
    name = record["model"]["name"]
    for dtype in sorted({_dtype(cell) for cell in _done(entry)}):
        alike = [o for o in others if any(_dtype(cell) == dtype for cell in _done(o))]
        told = "" if len(alike) == sum(any(_done(o)) for o in others) else f" in {dtype}"
        option = f" --dtype {dtype}" if told else ""
        bases = {
            other.record["model"]["name"]
            for other in alike
            if any(
                cell["compressor"]["method"] == "none" and _dtype(cell) == dtype
                for cell in _done(other)
            )
        }
        if name not in bases:
            said = f"its uncompressed base is missing{told} (-c none{option})"
            yield Problem(entry.name, said)
        if record["model"]["control"]:
            continue
        controls = {
            o.record["model"]["control"] for o in alike if o.record["model"]["base"] == name
        }
        needed = {"untrained", "static"} if _reads_states(entry) else {"untrained"}
        for control in sorted(needed - controls):
            said = f"its {control} control is missing{told} (-m {control}:{name}{option})"
            yield Problem(entry.name, said)


def _dtype(cell: Mapping[str, Any]) -> str:
    """Return the precision in which a cell's model was read."""
    return str((cell["provenance"] or {}).get("dtype") or "float32")


def _reads_states(entry: Entry) -> bool:
    """Whether a static embedding can be asked for: it has hidden states, and no probabilities."""
    kind = entry.record["benchmark"]["kind"]
    return kind == "neural" or (kind == "behavioural" and has_layers(entry))


def _like_the_others(entry: Entry, pool: Sequence[Entry]) -> Iterator[Problem]:
    """Hold participants, regions, tasks and requests against those of other entries."""
    mine = samples_of(entry)
    asked = {requests_of(cell) for cell in _done(entry)} - {()}
    if len(asked) > 1:
        yield Problem(entry.name, "its cells did not ask for the same recordings")
    first = entry.folder.partition("/")[0]
    other = next((o for o in pool if o.folder.partition("/")[0] == first), entry)
    theirs, name = samples_of(other), other.record["model"]["name"]
    for dimension in sorted(set(mine) & set(theirs)):
        if mine[dimension] != theirs[dimension]:
            counts = f"{len(mine[dimension])} {dimension}s; {name} has {len(theirs[dimension])}"
            yield Problem(entry.name, f"it was measured on {counts}, or on others")
    said = {requests_of(cell) for cell in _done(other)} - {()}
    if asked and said and asked != said:
        yield Problem(entry.name, f"it asked for other recordings than {name} did")


def _twice(offered: Sequence[Entry]) -> Iterator[Problem]:
    seen: dict[tuple[str, ...], str] = {}
    keys: dict[str, tuple[str, ...]] = {}
    ids: set[str] = set()
    for entry in offered:
        if entry.id in ids:
            yield Problem(entry.name, "is handed in twice")
            continue
        ids.add(entry.id)
        for cell in entry.record["cells"]:
            identity = (*_cell_id(entry, cell), str(entry.record["revision"]))
            if identity in seen:
                yield Problem(_name(entry, cell), "is there twice")
            seen[identity] = entry.id
            if cell["key"] and keys.setdefault(cell["key"], identity[:2]) != identity[:2]:
                yield Problem(_name(entry, cell), "has the key of another cell")


def _changes(
    fresh: Sequence[Entry], accepted: Sequence[Entry]
) -> tuple[tuple[Change, ...], list[Problem]]:
    changes, problems = [], []
    for entry in fresh:
        for cell in _done(entry):
            now = standing(accepted, entry, cell)
            kind = "new"
            if now is not None:
                kind = "same" if _result(*now) == _result(entry, cell) else "changed"
                if kind == "changed" and now[0].record["revision"] >= entry.record["revision"]:
                    again = now[0].record["revision"] + 1
                    problems.append(
                        Problem(
                            _name(entry, cell),
                            "would change an accepted result: leave it out (-m, -b), or hand in a "
                            f"correction with --revision {again} and say why with --note",
                        )
                    )
            before = None if now is None else now[1]["value"]
            names = (entry.record["benchmark"]["name"], entry.record["model"]["name"])
            changes.append(Change(*names, cell["compressor"]["name"], before, cell["value"], kind))
    return tuple(changes), problems


def standing(
    accepted: Sequence[Entry], entry: Entry, cell: Mapping[str, Any]
) -> tuple[Entry, Mapping[str, Any]] | None:
    """Return the accepted cell that a cell would stand beside: of the highest revision."""
    found = [
        (other, theirs)
        for other in accepted
        if other.folder == entry.folder
        for theirs in _done(other)
        if _cell_id(other, theirs) == _cell_id(entry, cell)
    ]
    return max(found, key=lambda pair: (pair[0].record["revision"], pair[0].id), default=None)


def _result(entry: Entry, cell: Mapping[str, Any]) -> tuple[Any, ...]:
    numbers = tuple(cell[n] for n in ("key", "value", "low", "high", "ceiling", "normalised"))
    try:
        dataset = entry.dataset()
    except SubmissionError:
        return numbers
    if dataset is None or "compressor" not in dataset.indexes:
        return numbers
    mine = dataset.sel(compressor=cell["compressor"]["name"])
    return (
        *numbers,
        *((str(n), mine[n].values.tobytes()) for n in sorted(mine.data_vars, key=str)),
    )


def _remarks(entry: Entry, pool: Sequence[Entry], registry: Registry) -> Iterator[Problem]:
    record = entry.record
    name = record["model"]["base"] or record["model"]["name"]
    if name not in registry.models.specs:
        yield Problem(
            entry.name, f"{name} is no model of a plugin here: {record['model']['source']}"
        )
    if record["revision"] > 1:
        yield Problem(
            entry.name, f"corrects accepted results: {record['note'] or 'no reason given'}"
        )
    seeds = {
        o.record["model"]["name"]
        for o in pool
        if (o.record["model"]["control"], o.record["model"]["base"]) == ("untrained", name)
    }
    if not record["model"]["control"] and 0 < len(seeds) < 3:
        yield Problem(name, f"{len(seeds)} of 3 seeds of its untrained control")
    for cell in _done(entry):
        if registry.compressors.known(cell["compressor"]["name"]) is None:
            yield Problem(_name(entry, cell), "its compressor is of a plugin that is not here")
        if not cell["provenance"].get("pinned"):
            yield Problem(entry.name, "its model is not pinned")
        if None not in (cell["value"], cell["ceiling"]) and cell["value"] > cell["ceiling"]:
            yield Problem(_name(entry, cell), "its value is above its ceiling")
