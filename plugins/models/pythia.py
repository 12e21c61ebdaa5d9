"""Pythia: one recipe and one order of the same text at every size."""

from __future__ import annotations

from harness.spec.hooks import hookimpl
from harness.spec.specs import ModelSpec

_CITATION = (
    "Biderman et al. (2023), Pythia: A Suite for Analyzing Large Language Models Across Training "
    "and Scaling, arXiv 2304.01373"
)
_SIZES = (
    ("70m", 70_426_624, "a39f36b100fe8a5377810d56c3f4789b9c53ac42"),
    ("160m", 162_322_944, "50f5173d932e8e61f858120bcb800b97af589f46"),
    ("410m", 405_334_016, "9879c9b5f8bea9051dcb0e68dff21493d67e9d4f"),
    ("1b", 1_011_781_632, "f73d7dcc545c8bd326d8559c8ef84ffe92fea6b2"),
    ("1.4b", 1_414_647_808, "fedc38a16eea3bd36a96b906d78d11d2ce18ed79"),
    ("2.8b", 2_775_208_960, "2a259cdd96a4beb1cdf467512e3904197345f6a9"),
)


@hookimpl
def brainpress_models() -> list[ModelSpec]:
    """Return Pythia from 70 million to 2.8 billion parameters, at the end of training."""
    return [
        ModelSpec(
            f"pythia-{size}",
            source=f"hf:EleutherAI/pythia-{size}",
            revision=revision,
            family="pythia",
            parameters=parameters,
            context=2_048,
            tags=("pythia", "slm"),
            licence="Apache-2.0",
            citation=_CITATION,
            homepage=f"https://huggingface.co/EleutherAI/pythia-{size}",
        )
        for size, parameters, revision in _SIZES
    ]
