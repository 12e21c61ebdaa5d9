"""Qwen2.5-Coder, instruction-tuned: two small sizes as their makers' own GGUF files."""

from __future__ import annotations

from harness.spec.hooks import hookimpl
from harness.spec.specs import ModelSpec

_CITATION = "Hui et al. (2024), Qwen2.5-Coder Technical Report, arXiv 2409.12186"


@hookimpl
def brainpress_models() -> list[ModelSpec]:
    """Return Qwen2.5-Coder-Instruct of 0.5 and 1.5 billion parameters."""
    return [
        _released(
            "0.5B",
            commit="ebb2015119c907b064c512bf053e945850b5875f",
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            parameters=630_167_424,
            notes="its head is stored beside its embedding, which makes 630 of 494 million numbers",
        ),
        _released(
            "1.5B",
            commit="f86cb2c1fa58255f8052cc32aeede1b7482d4361",
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            parameters=1_777_088_000,
            notes="its head is stored beside its embedding; 7.1 GB in float32",
        ),
    ]


def _released(size: str, *, commit: str, sha256: str, parameters: int, notes: str) -> ModelSpec:
    release = f"https://huggingface.co/Qwen/Qwen2.5-Coder-{size}-Instruct-GGUF"
    return ModelSpec(
        f"qwen2.5-coder-{size.lower()}",
        source=f"{release}/resolve/{commit}/qwen2.5-coder-{size.lower()}-instruct-q4_k_m.gguf",
        revision=sha256,
        family="qwen2.5-coder-instruct",
        parameters=parameters,
        context=32_768,
        tags=("qwen2.5-coder", "slm"),
        licence="Apache-2.0",
        citation=_CITATION,
        homepage=release,
        notes="instruction-tuned, for code; its weights were 4-bit once: the baseline is the "
        f"de-quantised Q4_K_M release, not the original; {notes}",
    )
