"""Task folders as Holmes publishes them (Waldis et al. 2024): a table and a configuration.

Cells are Python literals. They are parsed as literals and never evaluated, whatever is in them.
"""

from __future__ import annotations

import ast
import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from harness.errors import DataError, StimulusError
from harness.probe.tasks import CATEGORIES, Inputs, Part, Place, ProbeItem, ProbeTask, Target

SAMPLES, CONFIG = "samples.csv", "config-none.yaml"
COLUMNS = ("inputs", "context", "label", "set-0")

TOLERATED = 0.01
"""Share of rows that may be left out because they cannot be used; more, and the task is refused."""

LONGEST_CELL = 1_000_000
"""Characters; a longer literal is not parsed."""


@dataclass(frozen=True)
class FolderTask:
    """One task folder, read.

    Parameters
    ----------
    task : ProbeTask
    texts : mapping
        Texts by name.
    left_out : int
        Rows that could not be used.
    shared_texts : int
        Texts of the test part that are also in the training part; Holmes splits some tasks by word
        and not by sentence, and its splits are kept.
    """

    task: ProbeTask
    texts: Mapping[str, str] = field(repr=False)
    left_out: int
    shared_texts: int


@dataclass(frozen=True)
class Known:
    """What the taxonomy of Holmes says about a task."""

    category: str
    phenomenon: str
    flash: bool


@cache
def taxonomy() -> Mapping[str, Known]:
    """Return category, phenomenon and membership in FlashHolmes of the 208 tasks, by name."""
    text = (
        files("brainpress_plugins.benchmarks.linguistic").joinpath("holmes.tsv").read_text("utf-8")
    )
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {r["task"]: Known(r["category"], r["phenomenon"], r["flash"] == "1") for r in rows}


def task_folders(root: Path) -> tuple[Path, ...]:
    """Return the folders under ``root`` that hold a task, by name.

    Raises
    ------
    DataError
        There is none.
    """
    found = sorted(path.parent for path in root.glob(f"*/{SAMPLES}"))
    if not found:
        raise DataError(
            f"no task folder in {root}",
            f"each task is a folder with {SAMPLES} and {CONFIG}, as Holmes is published:"
            " https://github.com/Holmes-Benchmark/holmes-evaluation",
        )
    return tuple(found)


def read_task(folder: Path) -> FolderTask:
    """Read a task folder.

    Rows that cannot be used (a cell that is no literal, offsets that do not give the token back, an
    unknown part) are left out and counted; if they are more than ``TOLERATED`` of all, or the file
    as a whole is not a table, the task is refused. A span of several tokens is read from its first
    to its last character. Labels of a classification are taken as they are written; a label that is
    not in the training part cannot be predicted, and its items count as errors.

    Raises
    ------
    DataError
        The folder does not hold a task that can be used.
    """
    config = _config(folder / CONFIG)
    kind, target = _kind(folder, config), _target(folder, config)
    builder = _Builder(kind, target)
    faults, rows = list[str](), 0
    for line, row in _rows(folder / SAMPLES):
        rows += 1
        try:
            builder.add(row)
        except _Fault as fault:
            faults.append(f"line {line}: {fault}")
    if len(faults) > TOLERATED * rows:
        raise DataError(
            f"{folder / SAMPLES}: {len(faults)} of {rows} rows cannot be used; {faults[0]}",
            "the format: inputs and context are Python lists, set-0 is train, dev or test",
        )
    category, phenomenon = _category(folder, config)
    try:
        task = ProbeTask(
            name=_name(folder),
            category=category,
            inputs=builder.inputs,
            target=target,
            items=tuple(builder.items),
            phenomenon=phenomenon,
            licence=str(config.get("licence", "")),
        )
    except StimulusError as error:
        raise DataError(f"{folder}: {error.message}", error.hint) from error
    return FolderTask(task, builder.texts, len(faults), builder.shared_texts())


class _Fault(Exception):
    """A row that cannot be used, and why."""


_WHOLE = {"SENTENCE": 1, "SENTENCE_PAIR_BI": 2, "SENTENCE_PAIR_CROSS": 2}
_WITHIN = ("SENTENCE_TOKENS", "SENTENCE_SPANS", "SENTENCE_PAIR_TOKENS_BI")
KINDS = (*_WHOLE, *_WITHIN, "SENTENCE_PAIR_TOKENS_CROSS")


class _Builder:
    """Items and texts of a task as its rows come in."""

    def __init__(self, kind: str, target: Target) -> None:
        self._kind, self._target = kind, target
        self.items: list[ProbeItem] = []
        self.texts: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._parts: dict[str, set[Part]] = {}
        self._places = 0

    @property
    def inputs(self) -> Inputs:
        if self._kind == "SENTENCE_PAIR_BI":
            return Inputs.PAIR
        if self._kind in _WHOLE:
            return Inputs.SENTENCE
        return Inputs.SPAN_PAIR if self._places == 2 else Inputs.SPAN

    def add(self, row: Mapping[str, str]) -> None:
        part = self._part(row["set-0"])
        label = self._label(row["label"])
        inputs = _literal(row["inputs"], "inputs")
        if self._kind in _WHOLE:
            spans, type_ = self._whole(inputs), ""
        else:
            spans, type_ = self._within(inputs, _literal(row["context"], "context"))
        if self._places not in (0, len(spans)):
            raise _Fault(f"{len(spans)} places, and the rows before have {self._places}")
        self._places = len(spans)
        places = tuple(Place(self._name_of(text), start, end) for text, start, end in spans)
        for place in places:
            self._parts.setdefault(place.text, set()).add(part)
        # Published splits stand even where a text is in two parts: the part is in the group.
        group = f"{places[0].text}@{part}"
        self.items.append(ProbeItem(places, label, part, group=group, type=type_))

    def shared_texts(self) -> int:
        both = {Part.TRAIN, Part.TEST}
        return sum(parts >= both for parts in self._parts.values())

    def _name_of(self, text: str) -> str:
        name = self._names.setdefault(text, f"text-{len(self._names)}")
        self.texts[name] = text
        return name

    def _whole(self, inputs: Any) -> list[tuple[str, int, int]]:
        wanted = _WHOLE[self._kind]
        if not _all(inputs, str, wanted) or not all(text.strip() for text in inputs):
            raise _Fault(f"inputs are not {wanted} texts")
        texts = ["  ".join(inputs)] if self._kind == "SENTENCE_PAIR_CROSS" else list(inputs)
        return [(text, 0, len(text)) for text in texts]

    def _within(self, inputs: Any, context: Any) -> tuple[list[tuple[str, int, int]], str]:
        if not _all(context, str, None):
            raise _Fault("context is not a list of texts")
        shift = [0] * len(context)
        if self._kind == "SENTENCE_PAIR_TOKENS_CROSS":
            # Read as one text: two spaces stand where an encoder has a separator.
            if len(context) != 2:
                raise _Fault(f"{len(context)} contexts, and a pair has 2")
            shift = [0, len(context[0]) + 2]
            context = ["  ".join(context)] * 2
        tokens = [self._token(entry, context, shift) for entry in _list(inputs)]
        spans = _spans(tokens) if self._kind == "SENTENCE_SPANS" else [t[1:4] for t in tokens]
        if len(spans) not in (1, 2):
            raise _Fault(f"{len(spans)} tokens or spans, and a probe takes 1 or 2")
        return spans, " ".join(token[0].lower() for token in tokens)

    def _token(
        self, entry: Any, context: Sequence[str], shift: Sequence[int]
    ) -> tuple[str, str, int, int, int]:
        size = 5 if self._kind == "SENTENCE_SPANS" else 4
        if not isinstance(entry, tuple | list) or len(entry) != size:
            raise _Fault(f"{entry!r:.60} is not (token, context, start, end)")
        token, numbers = entry[0], entry[1:]
        if not isinstance(token, str) or not all(type(n) is int for n in numbers):
            raise _Fault(f"{entry!r:.60} is not a token and whole numbers")
        at, start, end = numbers[:3]
        if not 0 <= at < len(context):
            raise _Fault(f"there is no context {at}")
        text = context[at]
        start, end = start + shift[at], end + shift[at]
        if not 0 <= start < end <= len(text) or _plain(text[start:end]) != _plain(token):
            raise _Fault(f"characters {start} to {end} are not {token!r:.40}")
        return token, text, start, end, numbers[-1] if size == 5 else 0

    def _part(self, said: str) -> Part:
        try:
            return Part(said.strip())
        except ValueError:
            raise _Fault(f"set-0 is {said!r:.20}, not train, dev or test") from None

    def _label(self, said: str) -> str | float:
        said = said.strip()
        if not said:
            raise _Fault("the label is empty")
        if self._target is Target.CLASS:
            return said
        try:
            number = float(said)
        except ValueError:
            raise _Fault(f"the label {said!r:.20} is no number") from None
        if not math.isfinite(number):
            raise _Fault(f"the label is {said}")
        return number


def _spans(tokens: Sequence[tuple[str, str, int, int, int]]) -> list[tuple[str, int, int]]:
    """Join the tokens of each span, from the first character to the last."""
    spans: dict[int, tuple[str, int, int]] = {}
    for _, text, start, end, number in tokens:
        known, first, last = spans.get(number, (text, start, end))
        if known != text:
            raise _Fault(f"span {number} lies in two contexts")
        spans[number] = (text, min(first, start), max(last, end))
    return [spans[number] for number in sorted(spans)]


def _literal(cell: str, column: str) -> Any:
    if len(cell) > LONGEST_CELL:
        raise _Fault(f"{column} has {len(cell)} characters")
    try:
        return ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise _Fault(
            f"{column} is no Python literal ({type(error).__name__}): {cell!r:.60}"
        ) from None


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or not value:
        raise _Fault(f"{value!r:.60} is not a list")
    return value


def _all(value: Any, of: type, count: int | None) -> bool:
    return (
        isinstance(value, list | tuple)
        and all(isinstance(v, of) for v in value)
        and (len(value) == count if count is not None else len(value) > 0)
    )


def _plain(text: str) -> str:
    return "".join(text.split()).lower()


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Rows of a table with the line each ends on."""
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise DataError(f"{path} has no column {', '.join(missing)}")
            for row in reader:
                # csv puts cells too many under the key None, and None where cells are missing.
                if None in row or None in row.values():
                    raise DataError(
                        f"{path}, line {reader.line_num}: not {len(reader.fieldnames or ())} cells",
                        "a quote may be missing; the file must be comma-separated",
                    )
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a table: {error}") from error


def _config(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(
            f"{path} cannot be read: {error}", "config-none.yaml is plain YAML without tags"
        ) from error
    if not isinstance(said, dict):
        raise DataError(f"{path} is not a mapping")
    return said


def _kind(folder: Path, config: Mapping[str, Any]) -> str:
    kind = config.get("probe_task_type")
    if kind not in KINDS:
        raise DataError(
            f"{folder / CONFIG}: probe_task_type is {kind!r}", f"one of {', '.join(KINDS)}"
        )
    return str(kind)


def _target(folder: Path, config: Mapping[str, Any]) -> Target:
    count = config.get("num_labels", 2)
    if type(count) is not int or count < 1:
        raise DataError(f"{folder / CONFIG}: num_labels is {count!r}", "1 is a regression")
    return Target.NUMBER if count == 1 else Target.CLASS


def _name(folder: Path) -> str:
    return folder.name.removeprefix("flash-").removeprefix("holmes-")


def _category(folder: Path, config: Mapping[str, Any]) -> tuple[str, str]:
    known = taxonomy().get(_name(folder))
    category = config.get("category", known.category if known else None)
    phenomenon = config.get("phenomenon", known.phenomenon if known else "")
    if category not in CATEGORIES:
        raise DataError(
            f"{folder}: the category of this task is not known",
            f"say 'category: …' in {CONFIG}, one of {', '.join(CATEGORIES)}",
        )
    return str(category), str(phenomenon)
