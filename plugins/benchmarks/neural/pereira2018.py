"""Pereira et al. (2018): fMRI of ten people who read sentences in passages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

from .sentence_assemblies import AssemblyBenchmark, spec


@dataclass(frozen=True)
class Pereira2018(AssemblyBenchmark):
    """Predict voxels of the language network; whole topics are held out.

    A passage of three or four sentences is a text; its topic (``story`` in the assembly: an
    experiment's category of passages) is held out whole.
    """

    name: ClassVar[str] = "pereira2018"
    file: ClassVar[str] = "assy_Pereira2018_language.nc"
    sha1: ClassVar[str] = "f8434b4022f5b2c862f0ff2854d5b3f5f2a7fb96"
    columns: ClassVar[dict[str, Any]] = {
        "groups": "story",
        "parts": "experiment",
        "passages": "passage_index",
        "order": ("stimulus_num",),
    }
    gap: ClassVar[int] = 4


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return the benchmark."""
    return [
        spec(
            Pereira2018,
            version=3,
            metric="Pearson r, mean over voxels and participants",
            tags=("neural", "fmri", "reading", "real"),
            citation=(
                "Pereira, Lou, Pritchett, Ritter, Gershman, Kanwisher, Botvinick &"
                " Fedorenko (2018). Toward a universal decoder of linguistic meaning from"
                " brain activation. Nature Communications 9, 963."
            ),
            data="10 readers, 627 sentences in 168 passages of two experiments, 13,553 voxels",
            notes=(
                "Sentence length alone reaches r of about .5 in the experiment of 243"
                " sentences: compare value with baseline, and look at unique_r2. Sentences"
                " are read in the text of their passage, of three or four sentences, in the"
                " order of stimulus_num. Topics (the assembly's `story`: passages of one"
                " category) are held out whole: with shuffled sentences neighbours leak. The two"
                " experiments are scored apart. Ceiling: every voxel predicted from pools of the"
                " other readers, extrapolated; minutes, once for all models."
            ),
        )
    ]
