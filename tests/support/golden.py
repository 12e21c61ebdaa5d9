"""What decides a number, read off the program: options of every plugin, defaults and constants.

``python tests/support/golden.py`` prints the tables of ``tests/golden`` as they would be now. A
number that moved is to be typed there by hand, with its reason.
"""

from __future__ import annotations

import ast
import inspect
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from harness.encode.design.options import EncodingOptions

ROOT = Path(__file__).parents[2]
TABLES = ROOT / "tests" / "golden"
DECIDING = (
    "harness/encode/ceilings",
    "harness/encode/design",
    "harness/encode/items",
    "harness/encode/score",
    "harness/encode/solve/choice.py",
    "harness/encode/voxels/stream_options.py",
    "harness/own_data/description.py",
    "harness/probe",
    "harness/record/context.py",
    "harness/stats",
    "harness/stimuli",
    "plugins/benchmarks",
)
"""Rooms whose numbers decide scores. What is left out decides memory and time."""
NO_NUMBERS = ("field", "BenchmarkSpec")
"""What is called for no number of its own: specs are in the other tables."""
Numbers = dict[str, dict[str, Any]]


class Member(str):
    """A member of an enumeration: a choice, as a number is."""

    __slots__ = ()


def table(name: str) -> Numbers:
    """Read a table of ``tests/golden``."""
    return tomllib.loads((TABLES / f"{name}.toml").read_text())


def benchmarks() -> Numbers:
    """By benchmark: what its spec says, and every option of its target as it runs."""
    from harness.spec.registry import registry

    return {
        name: {
            "margin": spec.margin,
            **{f"margin {name}": margin for name, margin in spec.margins.items()},
            "headline": spec.headline,
            "chance": spec.chance,
            "better": "lower" if spec.lower_is_better else "higher",
            "stages": list(spec.scored_by),
            **_options(spec),
        }
        for name, spec in registry().benchmarks.specs.items()
        if _ours(spec)
    }


def compressors() -> Numbers:
    """By compressor: every option of its target as it runs."""
    from harness.spec.registry import registry

    specs = registry().compressors.specs
    return {name: _options(spec) for name, spec in specs.items() if _ours(spec)}


def constants() -> Numbers:
    """By module: numbers in capitals, fields of classes and defaults of functions."""
    found: Numbers = {}
    for start in DECIDING:
        path = ROOT / start
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            values = dict(_numbers(ast.parse(file.read_text(encoding="utf-8")), ""))
            if values:
                found[str(file.relative_to(ROOT).with_suffix("")).replace("/", ".")] = values
    return found


def _ours(spec: Any) -> bool:
    return str(spec.identity).startswith("brainpress/")


def _options(spec: Any) -> dict[str, Any]:
    from harness.spec.specs import target_of

    given = dict(spec.options)
    parameters = inspect.signature(target_of(spec)).parameters
    values = {
        name: given.pop(name, parameter.default)
        for name, parameter in parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    return {name: plain(value) for name, value in (values | given).items()}


def plain(value: Any) -> Any:
    """Return a value as TOML has it; nothing is written ``none``."""
    if isinstance(value, EncodingOptions):  # only what differs from its defaults
        usual = asdict(EncodingOptions())
        return {k: plain(v) for k, v in asdict(value).items() if v != usual[k]}
    if is_dataclass(value) and not isinstance(value, type):
        return {k: plain(v) for k, v in asdict(value).items()}
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return "none" if value is None else value


def _numbers(node: ast.AST, prefix: str) -> Iterator[tuple[str, Any]]:
    for child in getattr(node, "body", []):
        if isinstance(child, ast.ClassDef):
            yield from _numbers(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef):
            yield from _defaults(child, prefix)
        elif isinstance(child, ast.Assign | ast.AnnAssign) and child.value is not None:
            target = child.targets[0] if isinstance(child, ast.Assign) else child.target
            if isinstance(target, ast.Name):
                yield from _row(f"{prefix}{target.id}", child.value)


def _defaults(function: ast.FunctionDef, prefix: str) -> Iterator[tuple[str, Any]]:
    given = function.args
    positional = given.posonlyargs + given.args
    pairs = zip(positional[len(positional) - len(given.defaults) :], given.defaults, strict=True)
    keywords = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    for argument, default in (*pairs, *keywords):
        if default is not None:
            yield from _row(f"{prefix}{function.name}({argument.arg})", default)


def _row(name: str, node: ast.expr) -> Iterator[tuple[str, Any]]:
    """One row of a number, a switch, or a row of them; one for each entry of a mapping."""
    try:
        value = _value(node)
    except ValueError:
        return
    for key, one in value.items() if isinstance(value, dict) else (("", value),):
        if _holds_number(one):
            yield f"{name}[{key}]" if key else name, one


def _value(node: ast.expr) -> Any:
    """Return a literal as TOML has it, and a call of literals as the row of its arguments."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return [_value(each) for each in node.elts]
    if isinstance(node, ast.Dict):
        if not all(isinstance(key, ast.Constant) for key in node.keys):
            raise ValueError
        keys = [str(key.value) for key in node.keys if isinstance(key, ast.Constant)]
        return dict(zip(keys, map(_value, node.values), strict=True))
    if isinstance(node, ast.Call) and getattr(node.func, "id", "field") not in NO_NUMBERS:
        keywords = {str(key.arg): _value(key.value) for key in node.keywords}
        return [*map(_value, node.args), *([keywords] if keywords else [])]
    if isinstance(node, ast.Attribute) and node.attr.isupper():
        owner = getattr(node.value, "id", "")
        if owner[:1].isupper():
            return Member(f"{owner}.{node.attr}")
    raise ValueError


def _holds_number(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return any(map(_holds_number, value))
    return isinstance(value, Member) or not isinstance(value, str)


def _key(name: str) -> str:
    return name if name.replace("-", "").isidentifier() else f'"{name}"'


def _toml(numbers: Numbers) -> str:
    def inline(value: Any) -> str:
        if isinstance(value, dict):
            return (
                "{}"
                if not value
                else "{ " + ", ".join(f"{_key(k)} = {inline(v)}" for k, v in value.items()) + " }"
            )
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, list):
            return "[" + ", ".join(inline(v) for v in value) + "]"
        return f'"{value}"' if isinstance(value, str) else repr(value)

    def rows(values: dict[str, Any]) -> str:
        return "".join(f"{_key(key)} = {inline(value)}\n" for key, value in values.items())

    return "\n".join(f"[{_key(name)}]\n{rows(values)}" for name, values in numbers.items())


if __name__ == "__main__":
    makers = {"benchmarks": benchmarks, "compressors": compressors, "constants": constants}
    sys.stdout.write(_toml(makers[sys.argv[1]]()))
