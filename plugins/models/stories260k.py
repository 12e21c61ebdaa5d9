"""A trained Llama of 0.26 million parameters: enough to test with in seconds."""

from __future__ import annotations

from harness.spec.hooks import hookimpl
from harness.spec.specs import ModelSpec


@hookimpl
def brainpress_models() -> list[ModelSpec]:
    """Return stories260k, from a folder on ``BRAINPRESS_DATA``."""
    return [
        ModelSpec(
            "stories260k",
            source="file:models/stories260K",
            revision="71f4c0f22e6587a1b770b1b711bf902bf3c09ea44d09772fe936f614e09c8980",
            family="tinystories",
            parameters=260_032,
            context=512,
            tags=("tinystories", "tiny", "embedded"),
            licence="MIT",
            citation="Karpathy (2023), llama2.c; trained on TinyStories, Eldan & Li (2023), "
            "arXiv 2305.07759",
            homepage="https://huggingface.co/karpathy/tinyllamas",
            notes="read from models/stories260K in a data folder: the checkpoint stories260K of "
            "karpathy/tinyllamas (made with llama2.c) as a transformers folder. It has 512 tokens, "
            "so most words are several",
        ),
    ]
