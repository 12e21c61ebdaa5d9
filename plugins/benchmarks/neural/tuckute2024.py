"""Tuckute et al. (2024): fMRI of five people who read a thousand sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

from .sentence_assemblies import AssemblyBenchmark, spec


@dataclass(frozen=True)
class Tuckute2024(AssemblyBenchmark):
    """Predict the mean response of the language network to single sentences."""

    name: ClassVar[str] = "tuckute2024"
    file: ClassVar[str] = "assy_Tuckute2024_language.nc"
    sha1: ClassVar[str] = "5c8fc7f3e24cc1af5f5296459377b638b6492641"
    columns: ClassVar[dict[str, Any]] = {"order": ("stimulus_id",)}
    gap: ClassVar[int] = 0


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return the benchmark."""
    return [
        spec(
            Tuckute2024,
            version=4,
            metric="Pearson r, mean over regions and participants",
            tags=("neural", "fmri", "reading", "real"),
            citation=(
                "Tuckute, Sathe, Srikant, Taliaferro, Wang, Schrimpf, Kay & Fedorenko"
                " (2024). Driving and suppressing the human language network using large"
                " language models. Nature Human Behaviour 8, 544-561."
            ),
            data="mean of 5 readers, 1 network, 1,000 sentences on their own",
            notes=(
                "One number a sentence, the mean of five people: no interval over"
                " participants, and no ceiling but a given one (option ceiling). Length and"
                " surprisal predict it in part; compare with baseline."
            ),
        )
    ]
