"""GPT-2, the model of much of the literature on brain encoding."""

from __future__ import annotations

from harness.spec.hooks import hookimpl
from harness.spec.specs import ModelSpec

_CITATION = (
    "Radford et al. (2019), Language Models are Unsupervised Multitask Learners, OpenAI report"
)
_SIZES = (
    ("gpt2", 124_439_808, "607a30d783dfa663caf39e06633721c8d4cfcd7e"),
    ("gpt2-medium", 354_823_168, "6dcaa7a952f72f9298047fd5137cd6e4f05f41da"),
    ("gpt2-large", 774_030_080, "32b71b12589c2f8d625668d2335a01cac3249519"),
    ("gpt2-xl", 1_557_611_200, "15ea56dee5df4983c59b2538573817e1667135e2"),
)


@hookimpl
def brainpress_models() -> list[ModelSpec]:
    """Return GPT-2 in its four sizes."""
    return [
        ModelSpec(
            name,
            source=f"hf:openai-community/{name}",
            revision=revision,
            family="gpt2",
            parameters=parameters,
            context=1_024,
            tags=("gpt2", "slm"),
            licence="MIT",
            citation=_CITATION,
            homepage=f"https://huggingface.co/openai-community/{name}",
            notes="its linear layers are Conv1D, which some compression libraries skip in silence",
        )
        for name, parameters, revision in _SIZES
    ]
