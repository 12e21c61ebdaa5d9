"""What a plugin says about itself.

A spec is a frozen literal, cheap to make: it names what does the work by an import path
(``package.module:Object``) that is loaded on use, so listing plugins imports no heavy library.
"""

from __future__ import annotations

import importlib
import re
import types
import typing
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, cast, final

from harness.errors import PluginError
from harness.spec.measures import ScoreMeasure, flaw_of_measures

SCORING = ("encode", "probe")
"""Stages that turn recordings into a score, by the name of their room."""


@dataclass(frozen=True, kw_only=True)
class _Spec:
    """What models, compressors and benchmarks have in common.

    Parameters
    ----------
    tags : tuple of str
        Words to select by (``--tag``).
    citation : str
        How to cite the work, one line.
    licence : str
        SPDX identifier, or the name of the licence.
    homepage : str
        Address of the project or paper.
    notes : str
        What a user should know, traps included.
    """

    tags: tuple[str, ...] = ()
    citation: str = ""
    licence: str = ""
    homepage: str = ""
    notes: str = ""


@final
@dataclass(frozen=True)
class ModelSpec(_Spec):
    """A language model as released.

    Parameters
    ----------
    name : str
        Short unique name.
    source : str
        ``hf:org/name``, ``pypi:name==version:file``, ``https://…`` or ``file:PATH``.
    revision : str
        What pins the source: a commit for ``hf:``, a sha256 for a file. Empty: not pinned; the
        commit found is recorded and the result marked.
    family : str
        Models that differ in size alone share one.
    parameters : int, optional
        Number of parameters.
    context : int, optional
        Longest input, in tokens.
    gated : bool
        Whether its licence must be accepted on the hub first.
    control : str
        Empty for a model; ``untrained`` or ``static`` for a control made from one,
        ``autocorrelation`` for no network, ``speech`` for a model that hears the stimulus.
    base : str
        For a control, the name of the model it is made from.
    seed : int, optional
        For an untrained control, the seed of its weights.
    start : str
        The token that its texts start with, as its vocabulary spells it, or ``nothing``. Empty: of
        the tokens that it has, the one after which plain English costs it fewest bits, found when
        the model is first loaded.
    bidirectional : bool
        Whether hidden states are wanted of a model that attends to what follows. It never has
        log-probabilities.
    """

    name: str
    source: str
    revision: str = ""
    family: str = ""
    parameters: int | None = None
    context: int | None = None
    gated: bool = False
    control: str = ""
    base: str = ""
    seed: int | None = None
    start: str = ""
    bidirectional: bool = False


@final
@dataclass(frozen=True)
class CompressorSpec(_Spec):
    """A way to make a model smaller.

    Parameters
    ----------
    name : str
        Short unique name.
    target : str
        Import path of a callable; called with ``**options`` it returns a ``Compressor``.
    options : mapping
        Keyword arguments for the target. They are part of the key of every result.
    version : int
        Bumped when the same options come to mean something else.
    method : str
        The method's name without its settings (``gptq`` for ``gptq-int4``).
    bits : float, optional
        Nominal bits per weight, for display.
    sparsity : float, optional
        Nominal share of zero weights, for display.
    calibrated : bool
        Whether it needs calibration text.
    extra : str
        The extra of brainpress that it needs, as ``gptq``.
    seed : int
        Seed of whatever is random in it.
    identity : str
        What its results are kept under, with its options and version: the same wherever the code
        stands, so it must not change. Default: ``distribution/method`` (where it names no method:
        its name), of the distribution that registers it.
    """

    name: str
    target: str
    options: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    method: str = ""
    bits: float | None = None
    sparsity: float | None = None
    calibrated: bool = False
    extra: str = ""
    seed: int = 0
    identity: str = ""


@final
@dataclass(frozen=True)
class BenchmarkSpec(_Spec):
    """Data and a protocol that turns recordings into a score.

    Parameters
    ----------
    name : str
        Short unique name.
    target : str
        Import path of a callable; called with ``**options`` it returns a ``Benchmark``.
    kind : str
        ``neural``, ``linguistic`` or ``behavioural``.
    options : mapping
        Keyword arguments for the target. They are part of the key of every score.
    version : int
        Bumped when the same recordings come to score differently.
    metric : str
        What ``value`` is, in a few words.
    lower_is_better : bool
        Whether a lower ``value`` is the better one.
    chance : float
        The value of a guess.
    margin : float, optional
        The difference that counts as none, in units of ``value`` (for equivalence tests).
    margins : mapping
        The same for the other measures, ``normalised`` (a share of the ceiling) and ``unique``
        (R2), each in its own unit. Without one a difference is tested, equivalence is not.
    headline : str
        The measure that the benchmark is read by: ``value``, ``normalised`` or ``unique``
        (:class:`harness.spec.measures.ScoreMeasure`).
    headline_reason : str
        One sentence why.
    simulated : bool
        Whether the data are simulated; shown wherever the benchmark is.
    data : str
        Where the data come from, one line.
    identity : str
        What its scores are kept under, with its options and version: the same wherever the code
        stands, so it must not change. Default: ``distribution/name``, of the distribution that
        registers it.
    stages : tuple of str
        The stages of brainpress that turn recordings into its score: ``encode`` (``harness.encode``
        predicts measured responses), ``probe`` (``harness.probe`` scores sentences and words).
        A new version of one makes the score again. Default: ``probe`` for linguistic benchmarks,
        ``encode`` for the others.
    """

    name: str
    target: str
    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    metric: str = ""
    lower_is_better: bool = False
    chance: float = 0.0
    margin: float | None = None
    margins: Mapping[str, float] = field(default_factory=dict)
    headline: str = "value"
    headline_reason: str = ""
    simulated: bool = False
    data: str = ""
    identity: str = ""
    stages: tuple[str, ...] = ()

    @property
    def scored_by(self) -> tuple[str, ...]:
        """The stages that its score goes through, as said or by its kind."""
        return tuple(self.stages) or (("probe",) if self.kind == "linguistic" else ("encode",))

    def margin_of(self, measure: ScoreMeasure) -> float | None:
        """Return the difference in a measure that counts as none, or None."""
        return self.margins.get(measure.other) if measure.other else self.margin


Spec = ModelSpec | CompressorSpec | BenchmarkSpec


def flaw(spec: Spec) -> str:
    """Say what is wrong with a spec that a stranger's plugin made; nothing where nothing is.

    Dataclasses check no types, and whoever sorts or searches specs relies on them.
    """
    for name, kind in _fields(cast(Hashable, type(spec))).items():
        value = getattr(spec, name)
        if not _is_a(value, kind):
            return f"{name} is {value!r}, which is no {_spelled(kind)}"
    if isinstance(spec, BenchmarkSpec) and (strange := set(spec.stages) - set(SCORING)):
        return f"stages names {', '.join(sorted(strange))}; there are {', '.join(SCORING)}"
    if isinstance(spec, BenchmarkSpec) and (wrong := flaw_of_measures(spec.headline, spec.margins)):
        return wrong
    return "" if spec.name.isprintable() and spec.name.strip() else f"no name: {spec.name!r}"


@cache
def _fields(kind: Hashable) -> dict[str, Any]:
    """Return the types of a class's fields; their annotations are text, slow to evaluate."""
    return typing.get_type_hints(kind)


def registered(spec: Spec, distribution: str) -> Spec:
    """Return a spec with its identity: its own, or the one its distribution and name give."""
    if isinstance(spec, ModelSpec) or spec.identity:
        return spec  # a model is known by the content of its files
    name = spec.method or spec.name if isinstance(spec, CompressorSpec) else spec.name
    place = re.sub(r"[-_.]+", "-", distribution).lower()  # PEP 503: one distribution, one spelling
    return replace(spec, identity=f"{place}/{name}")


def _is_a(value: object, kind: Any) -> bool:
    origin = typing.get_origin(kind)
    if origin is types.UnionType:
        return any(_is_a(value, member) for member in typing.get_args(kind))
    if origin is tuple:  # a list will do
        return isinstance(value, tuple | list) and all(isinstance(v, str) for v in value)
    if kind in (int, float):
        return isinstance(value, int if kind is int else int | float) and value is not True
    return isinstance(value, origin or kind)


def _spelled(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("collections.abc.", "")


def target_of(spec: CompressorSpec | BenchmarkSpec) -> Any:
    """Import what a spec names.

    Raises
    ------
    PluginError
        It cannot be imported, or is not there.
    """
    module_name, _, attribute = spec.target.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (Exception, SystemExit) as error:  # whatever a stranger's module raises is its own
        told = isinstance(error, ImportError | AttributeError | ValueError)
        what = str(error) if told else f"{type(error).__name__}: {error}"
        raise PluginError(
            f"{spec.name}: cannot load {spec.target!r}: {what}",
            "the target of a spec is 'package.module:Object'; see `brainpress doctor`",
        ) from error


def load_target(spec: CompressorSpec | BenchmarkSpec) -> Any:
    """Import what a spec names and call it with the spec's options.

    Raises
    ------
    PluginError
        The target cannot be imported, is not there, or refuses the options.
    """
    target = target_of(spec)
    try:
        return target(**spec.options)
    except TypeError as error:
        raise PluginError(
            f"{spec.name}: {spec.target} refuses {dict(spec.options)}: {error}"
        ) from error
