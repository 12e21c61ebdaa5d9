"""Options of compressors and benchmarks as a user types them: ``NAME:option=value;other=value``.

Options are the arguments of a spec's target. Their types are read from its signature, so ``01``
stays a name where names are taken and becomes a number where numbers are. What differs from the
spec that was named makes another variant, with a name that says how; the same options give the
same name, in whatever order they were typed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, Protocol, TypeVar, runtime_checkable

from harness.errors import SelectionError
from harness.spec.names import nearest
from harness.spec.specs import BenchmarkSpec, CompressorSpec, target_of

S = TypeVar("S", CompressorSpec, BenchmarkSpec)


@runtime_checkable
class Restates(Protocol):
    """The value of an option that changes what a benchmark measures, not only how."""

    def restated(self, spec: BenchmarkSpec) -> BenchmarkSpec:
        """Return a spec that says what is measured with this value."""
        ...


_TRUTH = {"true": True, "yes": True, "false": False, "no": False}
_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    tuple[int, ...]: "whole numbers like 1+2+4 or 1-6",
    tuple[str, ...]: "names like a+b",
    type(None): "none",
}


@dataclasses.dataclass(frozen=True)
class _Option:
    """An argument of a target, or a field of an argument that is a dataclass itself.

    Parameters
    ----------
    argument : str
        Name of the argument.
    field : str
        Name of the field; empty for the argument as a whole.
    kind : object
        Type hint.
    whole : object
        What the argument is in the spec, or by default.
    """

    argument: str
    field: str
    kind: Any
    whole: Any

    @property
    def value(self) -> Any:
        """Value that the spec has."""
        return getattr(self.whole, self.field) if self.field else self.whole

    def put(self, value: Any, options: dict[str, Any]) -> None:
        """Set the option."""
        if self.field:
            whole = options.get(self.argument, self.whole)
            value = dataclasses.replace(whole, **{self.field: value})
        options[self.argument] = value


def with_settings(spec: S, settings: str) -> S:
    """Change options of a spec; it is another one then, and named so.

    Parameters
    ----------
    spec : CompressorSpec or BenchmarkSpec
    settings : str
        ``option=value``, several with ``;``. Of an option that is a dataclass, fields are typed by
        their names (``delays=1-6;penalties=40``); a first field that is a text, by the name of the
        option: ``calibration=wikitext2;samples=64;length=2048``. Whole numbers in a row are typed
        as ``1+2+4`` or ``1-6``.

    Returns
    -------
    CompressorSpec or BenchmarkSpec
        The spec itself where nothing differs from it.

    Raises
    ------
    SelectionError
        Settings are not written as such, or the target has no such option, or it takes no such
        value.
    """
    said = [part.partition("=") for part in settings.split(";")]
    if not all(name and value for name, _, value in said):
        raise SelectionError(
            f"{settings!r} is not a list of options", f"write {spec.name}:option=value;other=value"
        )
    offered = _options(spec)
    values: dict[str, Any] = {}
    for name, _, text in said:
        if name in values:
            raise SelectionError(f"{spec.name}: {name} is given twice in {settings!r}")
        values[name] = _read(spec, name, offered, text)
    changed = {n: values[n] for n in offered if n in values and values[n] != offered[n].value}
    if not changed:
        return spec
    options = dict(spec.options)
    for name, value in changed.items():
        offered[name].put(value, options)
    written = ";".join(f"{name}={_text(value)}" for name, value in changed.items())
    made = dataclasses.replace(spec, name=f"{spec.name}:{written}", options=options)
    if isinstance(made, CompressorSpec):
        # What it says once more, for display.
        if "bits" in changed:
            made = dataclasses.replace(made, bits=_number(changed["bits"]))
        if "sparsity" in changed:
            made = dataclasses.replace(made, sparsity=_number(changed["sparsity"]))
    for value in changed.values():
        if isinstance(made, BenchmarkSpec) and isinstance(value, Restates):
            made = value.restated(made)
    return made


def with_draw(spec: CompressorSpec, draw: int) -> CompressorSpec:
    """Return another draw of a calibrated compressor: the same options, another calibration text.

    Its name is ``NAME#draw``; the draw is the seed of the text, so that it is in every key. The
    draw whose seed a compressor has anyway shares its results.

    Raises
    ------
    SelectionError
        Nothing of it is drawn.
    """
    seed = _options(spec).get("seed") if spec.calibrated else None
    if seed is None:
        raise SelectionError(
            f"{spec.name} has no draws: it is not calibrated on a text",
            "draws (NAME#0, NAME#1) differ in the seed of their calibration text",
        )
    options = dict(spec.options)
    seed.put(draw, options)
    return dataclasses.replace(spec, name=f"{spec.name}#{draw}", options=options)


def _number(value: object) -> float | None:
    """Return a number; None for what is none, as the sparsity 2:4."""
    return float(value) if isinstance(value, int | float) else None


def _options(spec: CompressorSpec | BenchmarkSpec) -> dict[str, _Option]:
    """Return what can be set, by the name that is typed, in the order of the signature."""
    target = target_of(spec)
    hints = _hints(target)
    found: dict[str, _Option] = {}
    arguments = inspect.signature(target).parameters
    for name, parameter in arguments.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        whole = spec.options.get(name, _default(target, parameter))
        if dataclasses.is_dataclass(whole) and not isinstance(whole, type):
            kinds = _hints(type(whole))
            for place, part in enumerate(dataclasses.fields(whole)):
                kind = kinds.get(part.name, str)
                typed = name if place == 0 and kind is str else part.name
                if typed == name or typed not in arguments:
                    found[typed] = _Option(name, part.name, kind, whole)
        else:
            found[name] = _Option(name, "", hints.get(name, str), whole)
    return found


def settings_of(spec: CompressorSpec | BenchmarkSpec) -> dict[str, str]:
    """Return every option of a spec as it would be typed, by name.

    Raises
    ------
    PluginError
        The spec's target cannot be imported.
    """
    return {name: _text(option.value) for name, option in _options(spec).items()}


def _default(target: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """Return the value of an argument that is not given."""
    for field in dataclasses.fields(target) if dataclasses.is_dataclass(target) else ():
        if field.name == parameter.name and field.default_factory is not dataclasses.MISSING:
            return field.default_factory()
    return None if parameter.default is parameter.empty else parameter.default


def _hints(target: Any) -> dict[str, Any]:
    """Return the types of a target's arguments; none where they cannot be found."""
    plain = isinstance(target, type) and not dataclasses.is_dataclass(target)
    try:
        return typing.get_type_hints(target.__init__ if plain else target)
    except NameError:  # a type that only a type checker imports
        return {}


def _read(
    spec: CompressorSpec | BenchmarkSpec, name: str, offered: Mapping[str, _Option], text: str
) -> Any:
    """Turn a value as typed into one of the option's types."""
    if name not in offered:
        near = nearest(name, offered)
        hint = f"did you mean {' or '.join(near)}?" if near else ""
        every = f"it has {', '.join(offered)}" if offered else "it has none"
        raise SelectionError(f"{spec.name} has no option {name!r}", hint or every)
    # Any text is a row of names: where a single name is taken as well, it goes first.
    kinds = sorted(_alternatives(offered[name].kind), key=lambda kind: kind == tuple[str, ...])
    for kind in kinds:
        for value in _values(kind, text):
            return value
    wanted = " or ".join(_kind_text(kind) for kind in kinds)
    raise SelectionError(f"{spec.name}: {name} is {wanted}, not {text!r}")


@dataclasses.dataclass(frozen=True)
class _Constant:
    """One value of a ``Literal``."""

    value: Any


def _alternatives(kind: Any) -> list[Any]:
    """Return the members of a union, the constants of a ``Literal`` one by one."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [member for part in typing.get_args(kind) for member in _alternatives(part)]
    if typing.get_origin(kind) is typing.Literal:
        return [_Constant(value) for value in typing.get_args(kind)]
    return [kind]


def _values(kind: Any, text: str) -> Iterator[Any]:
    """Yield the text as a value of a kind, if it is one."""
    if isinstance(kind, _Constant):
        if text == str(kind.value):
            yield kind.value
    elif kind is bool:
        if text.lower() in _TRUTH:
            yield _TRUTH[text.lower()]
    elif kind is type(None):
        if text.lower() == "none":
            yield None
    elif kind in (str, Any):
        yield text
    elif kind == tuple[int, ...]:
        with contextlib.suppress(ValueError):
            yield tuple(number for part in text.split("+") for number in _range(part))
    elif kind == tuple[str, ...]:
        if all(names := text.split("+")):
            yield tuple(names)
    elif kind in (int, float) or (isinstance(kind, type) and issubclass(kind, Enum)):
        try:
            yield kind(text)
        except ValueError:
            return


def _range(text: str) -> range:
    """Read ``3`` or ``1-6``, both ends included."""
    first, _, last = text.partition("-")
    found = range(int(first), int(last or first) + 1)
    if not found:
        raise ValueError(text)
    return found


def _kind_text(kind: Any) -> str:
    if isinstance(kind, _Constant):
        return str(kind.value)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(str(member.value) for member in kind)
    return _WORDS.get(kind, str(kind))


def _consecutive(values: tuple[Any, ...]) -> bool:
    numbers = all(type(value) is int for value in values)
    return numbers and values == tuple(range(values[0], values[0] + len(values)))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        if len(value) > 1 and _consecutive(value):
            return f"{value[0]}-{value[-1]}"
        return "+".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
