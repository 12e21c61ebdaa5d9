"""Fedorenko et al. (2016): intracranial recordings of five people reading sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

from .sentence_assemblies import AssemblyBenchmark, spec


@dataclass(frozen=True)
class Fedorenko2016(AssemblyBenchmark):
    """Predict electrodes, word by word; whole sentences are held out."""

    name: ClassVar[str] = "fedorenko2016"
    file: ClassVar[str] = "assy_Fedorenko2016_language.nc"
    sha1: ClassVar[str] = "2966b6d78e972a72068aa6907377483f427e8d9a"
    columns: ClassVar[dict[str, Any]] = {
        "groups": "sentence_id",
        "order": ("sentence_id", "word_num"),
    }
    gap: ClassVar[int] = 8


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return the benchmark."""
    return [
        spec(
            Fedorenko2016,
            version=4,
            metric="Pearson r, mean over electrodes and participants",
            tags=("neural", "ecog", "reading", "real"),
            citation=(
                "Fedorenko, Scott, Brunner, Coon, Pritchett, Schalk & Kanwisher (2016)."
                " Neural correlate of the construction of sentence meaning. PNAS 113,"
                " E6256-E6262."
            ),
            data="5 readers, 97 electrodes, 52 sentences of 8 words",
            notes=(
                "High gamma grows over a sentence, so that the place of a word alone"
                " predicts it: it is in the baseline. Words are in capitals, as they were"
                " shown. Ceiling: every electrode predicted from pools of the other"
                " readers, extrapolated."
            ),
        )
    ]
