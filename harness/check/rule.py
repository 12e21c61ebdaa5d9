"""One rule of the contract, held against one thing, and how that ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harness.errors import DataError, ExtraMissing, FetchError, HarnessError
from harness.spec.registry import Registry, Shelf, registry
from harness.spec.specs import BenchmarkSpec, CompressorSpec, Spec


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """What it needs is not on this machine."""
    NOTE = "note"
    """No fault, but something that users will miss."""


@dataclass(frozen=True)
class Held:
    """One rule, held against one thing.

    Parameters
    ----------
    subject : str
        Name of the plugin or of its model, compressor or benchmark.
    rule : str
        What must hold.
    outcome : Outcome
    detail : str
        What was found.
    hint : str
        What to do next.
    """

    subject: str
    rule: str
    outcome: Outcome
    detail: str = ""
    hint: str = ""


class RuleBroken(HarnessError):
    """A rule of the contract does not hold."""


def attempt(subject: str, rule: str, trial: Callable[[], str]) -> Held:
    """Try a rule: what the trial returns is the detail, what it raises is why the rule fails.

    A trial that raises because data, weights or an extra are not here is skipped.
    """
    try:
        return Held(subject, rule, Outcome.PASSED, trial())
    except (FetchError, DataError, ExtraMissing) as error:
        return Held(subject, rule, Outcome.SKIPPED, error.message, error.hint)
    except HarnessError as error:
        return Held(subject, rule, Outcome.FAILED, error.message, error.hint)
    # Whatever a stranger's code raises is a finding, not the end of the check.
    except Exception as error:
        return Held(subject, rule, Outcome.FAILED, f"{type(error).__name__}: {error}")


def specs_of(found: Registry) -> list[Spec]:
    """Return everything that plugins offer."""
    return [
        *found.models.specs.values(),
        *found.compressors.specs.values(),
        *found.benchmarks.specs.values(),
    ]


def shelf_of(spec: Spec) -> Shelf[Any]:
    """Return the installed plugins of a spec's kind."""
    found = registry()
    if isinstance(spec, CompressorSpec):
        return found.compressors
    return found.benchmarks if isinstance(spec, BenchmarkSpec) else found.models
