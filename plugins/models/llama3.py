"""Llama 3.1 and 3.2 base models. Their licence is accepted on the hub before they can be had."""

from __future__ import annotations

from harness.spec.hooks import hookimpl
from harness.spec.specs import ModelSpec

_CITATION = "Grattafiori et al. (2024), The Llama 3 Herd of Models, arXiv 2407.21783"


@hookimpl
def brainpress_models() -> list[ModelSpec]:
    """Return Llama 3.2 of 1 and 3 billion parameters and Llama 3.1 of 8 billion."""
    return [
        _llama(
            "3.2-1B",
            "4e20de362430cd3b72f300e6b0f18e50e7166e08",
            parameters=1_235_814_400,
            tags=("slm", "study"),
        ),
        _llama(
            "3.2-3B",
            "13afe5124825b4f3751f836b40dafda64c1ed062",
            parameters=3_212_749_824,
            tags=("slm", "study"),
        ),
        _llama(
            "3.1-8B",
            "d04e592bb4f6aa9cfee91e2e20afa771667e1d4b",
            parameters=8_030_261_248,
            tags=("study",),
        ),
    ]


def _llama(size: str, revision: str, *, parameters: int, tags: tuple[str, ...]) -> ModelSpec:
    version = size.partition("-")[0]
    return ModelSpec(
        f"llama{size.lower()}",
        source=f"hf:meta-llama/Llama-{size}",
        revision=revision,
        family="llama3",
        parameters=parameters,
        context=131_072,
        gated=True,
        tags=("llama3", *tags),
        licence=f"Llama {version} Community License",
        citation=_CITATION,
        homepage=f"https://huggingface.co/meta-llama/Llama-{size}",
    )
