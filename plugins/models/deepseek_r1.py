"""DeepSeek-R1 distilled into Qwen2.5: reasoning models with the same blocks as Qwen2.5."""

from __future__ import annotations

from harness.spec.hooks import hookimpl
from harness.spec.specs import ModelSpec

_CITATION = (
    "DeepSeek-AI (2025), DeepSeek-R1: Incentivizing Reasoning Capability in LLMs via "
    "Reinforcement Learning, arXiv 2501.12948"
)


@hookimpl
def brainpress_models() -> list[ModelSpec]:
    """Return DeepSeek-R1-Distill-Qwen of 1.5, 7 and 14 billion parameters."""
    return [
        _distilled(
            "1.5B",
            "ad9f0ae0864d7fbcd1cd905e3c6c5b069cc8b562",
            parameters=1_777_088_000,
            tags=("slm", "study"),
            notes="made from Qwen2.5-Math-1.5B; its embedding and head are two matrices, which "
            "makes it larger than Qwen2.5-1.5B",
        ),
        _distilled(
            "7B",
            "916b56a44061fd5cd7d6a8fb632557ed4f724f60",
            parameters=7_615_616_512,
            tags=("study",),
            notes="made from Qwen2.5-Math-7B",
        ),
        _distilled(
            "14B",
            "1df8507178afcc1bef68cd8c393f61a886323761",
            parameters=14_770_033_664,
            tags=("study",),
            notes="made from Qwen2.5-14B",
        ),
    ]


def _distilled(
    size: str, revision: str, *, parameters: int, tags: tuple[str, ...], notes: str
) -> ModelSpec:
    return ModelSpec(
        f"deepseek-r1-distill-qwen-{size.lower()}",
        source=f"hf:deepseek-ai/DeepSeek-R1-Distill-Qwen-{size}",
        revision=revision,
        family="deepseek-r1-distill-qwen",
        parameters=parameters,
        context=131_072,
        tags=("deepseek-r1", *tags),
        licence="MIT",
        citation=_CITATION,
        homepage=f"https://huggingface.co/deepseek-ai/DeepSeek-R1-Distill-Qwen-{size}",
        notes=notes,
    )
