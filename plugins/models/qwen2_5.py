"""Qwen2.5 base models, of the study of small and compressed models."""

from __future__ import annotations

from harness.spec.hooks import hookimpl
from harness.spec.specs import ModelSpec

_CITATION = "Qwen Team (2024), Qwen2.5 Technical Report, arXiv 2412.15115"


@hookimpl
def brainpress_models() -> list[ModelSpec]:
    """Return Qwen2.5 from 0.5 to 14 billion parameters."""
    return [
        _qwen(
            "0.5B",
            "060db6499f32faf8b98477b0a26969ef7d8b9987",
            parameters=494_032_768,
            context=32_768,
            tags=("slm",),
        ),
        _qwen(
            "1.5B",
            "8faed761d45a263340a0528343f099c05c9a4323",
            parameters=1_543_714_304,
            context=32_768,
            tags=("slm", "study"),
        ),
        _qwen(
            "3B",
            "3aab1f1954e9cc14eb9509a215f9e5ca08227a9b",
            parameters=3_085_938_688,
            context=32_768,
            tags=("slm", "study"),
            licence="Qwen Research License",
        ),
        _qwen(
            "7B",
            "d149729398750b98c0af14eb82c78cfe92750796",
            parameters=7_615_616_512,
            context=131_072,
            tags=("study",),
        ),
        _qwen(
            "14B",
            "97e1e76335b7017d8f67c08a19d103c0504298c9",
            parameters=14_770_033_664,
            context=131_072,
            tags=("study",),
        ),
    ]


def _qwen(
    size: str,
    revision: str,
    *,
    parameters: int,
    context: int,
    tags: tuple[str, ...],
    licence: str = "Apache-2.0",
) -> ModelSpec:
    return ModelSpec(
        f"qwen2.5-{size.lower()}",
        source=f"hf:Qwen/Qwen2.5-{size}",
        revision=revision,
        family="qwen2.5",
        parameters=parameters,
        context=context,
        tags=("qwen2.5", *tags),
        licence=licence,
        citation=_CITATION,
        homepage=f"https://huggingface.co/Qwen/Qwen2.5-{size}",
    )
