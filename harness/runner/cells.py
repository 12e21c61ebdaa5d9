"""Variants, and cells: a variant on a benchmark."""

from __future__ import annotations

from dataclasses import dataclass

from harness.runner.status import Status
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec


@dataclass(frozen=True)
class Variant:
    """A model and a compressor."""

    model: ModelSpec
    compressor: CompressorSpec

    @property
    def name(self) -> str:
        """``model`` or ``model+compressor``."""
        return f"{self.model.name}+{self.compressor.name}"


NONE = CompressorSpec("none", target="", method="none")
"""Any compressor of the method ``none`` leaves the key of a variant alone."""


@dataclass(frozen=True)
class Cell:
    """A variant on a benchmark.

    Parameters
    ----------
    variant : Variant
    benchmark : BenchmarkSpec
    status : Status
    reason : str
        Why it failed or does not apply.
    key : str
        Key of its score; empty while what determines it is not known (a model still to fetch).
    """

    variant: Variant
    benchmark: BenchmarkSpec
    status: Status
    reason: str = ""
    key: str = ""
