"""Blank et al. (2014): fMRI of five people who listened to eight stories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

from .sentence_assemblies import AssemblyBenchmark, spec


@dataclass(frozen=True)
class Blank2014(AssemblyBenchmark):
    """Predict regions of the language network; whole stories are held out."""

    name: ClassVar[str] = "blank2014"
    file: ClassVar[str] = "assy_Blank2014_fROI.nc"
    sha1: ClassVar[str] = "af1e868821b897cb1684e4c8dcd33977121ef552"
    columns: ClassVar[dict[str, Any]] = {
        "groups": "story",
        "order": ("sentence_number_in_story", "part_number_in_sentence"),
    }
    gap: ClassVar[int] = 8
    separator: ClassVar[str] = ""


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return the benchmark."""
    return [
        spec(
            Blank2014,
            version=4,
            metric="Pearson r, mean over regions and participants",
            tags=("neural", "fmri", "listening", "real"),
            citation=(
                "Blank, Kanwisher & Fedorenko (2014). A functional dissociation between"
                " language and multiple-demand systems revealed in patterns of BOLD signal"
                " fluctuations. Journal of Neurophysiology 112, 1105-1118."
            ),
            data="5 listeners, 12 regions each, 1,317 volumes of 8 stories",
            notes=(
                "Each volume is paired with the words of the 2 s that ended 4 s before it:"
                " no delays are fitted. Pieces make up the story as published, in the order of"
                " sentence and part, with its punctuation. Whole stories are held out;"
                " neighbouring volumes leak otherwise. Ceiling: every region predicted from pools"
                " of the other listeners, extrapolated."
            ),
        )
    ]
