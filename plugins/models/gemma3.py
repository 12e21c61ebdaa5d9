"""Gemma 3 of 270 million parameters: a GGUF file in a data folder, and the original on the hub."""

from __future__ import annotations

from harness.spec.hooks import hookimpl
from harness.spec.specs import ModelSpec

_CITATION = "Gemma Team (2025), Gemma 3 Technical Report, arXiv 2503.19786"
_HOME = "https://huggingface.co/google/gemma-3-270m"


@hookimpl
def brainpress_models() -> list[ModelSpec]:
    """Return gemma3-270m, from a file on ``BRAINPRESS_DATA``, and its original from the hub."""
    original = ModelSpec(
        "gemma3-270m-bf16",
        source="hf:google/gemma-3-270m",
        revision="9b0cfec892e2bc2afd938c98eabe4e4a7b1e0ca1",
        family="gemma3",
        parameters=268_098_176,
        context=32_768,
        gated=True,
        tags=("gemma3", "slm"),
        licence="Gemma Terms of Use",
        citation=_CITATION,
        homepage=_HOME,
        notes="the base model as released, in bfloat16",
    )
    return [
        ModelSpec(
            "gemma3-270m",
            source="file:models/gemma3-270m.gguf",
            revision="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            family="gemma3-gguf",
            parameters=268_098_176,
            context=32_768,
            tags=("gemma3", "slm"),
            licence="Gemma Terms of Use",
            citation=_CITATION,
            homepage=_HOME,
            notes="the base model, read from models/gemma3-270m.gguf in a data folder: a Q4_K_M "
            "conversion by llama.cpp. No release on the hub is known to have this checksum; "
            "another conversion is read by its own address (https:, file:) and is another model. "
            "Its weights were 4-bit once",
        ),
        original,
    ]
