"""What the built-in models say about themselves, against their published architectures."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import brainpress_plugins.models
import pytest

from harness.spec.hooks import PROJECT
from harness.spec.specs import ModelSpec

MODULES = [
    f"brainpress_plugins.models.{info.name}"
    for info in pkgutil.iter_modules(brainpress_plugins.models.__path__)
]


def every_spec() -> list[ModelSpec]:
    return [spec for name in MODULES for spec in importlib.import_module(name).brainpress_models()]


SPECS = {spec.name: spec for spec in every_spec()}


def qwen2(width: int, inner: int, layers: int, heads: int, groups: int, vocabulary: int) -> Any:
    from transformers import Qwen2Config

    return Qwen2Config(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=groups,
        vocab_size=vocabulary,
    )


def llama(width: int, inner: int, layers: int, heads: int, groups: int, vocabulary: int) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=groups,
        vocab_size=vocabulary,
        head_dim=width // heads,
    )


def neox(width: int, layers: int, heads: int) -> Any:
    from transformers import GPTNeoXConfig

    return GPTNeoXConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        vocab_size=50304,
    )


def gpt2(width: int, layers: int, heads: int) -> Any:
    from transformers import GPT2Config

    return GPT2Config(n_embd=width, n_layer=layers, n_head=heads)


def gemma3(width: int, inner: int, layers: int, heads: int, groups: int, vocabulary: int) -> Any:
    from transformers import Gemma3TextConfig

    return Gemma3TextConfig(
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=groups,
        vocab_size=vocabulary,
        head_dim=256,
    )


# Shapes from each model's published config.json; the flag says whether embedding and head are one.
ARCHITECTURES = {
    "qwen2.5-0.5b": (qwen2, (896, 4864, 24, 14, 2, 151936), True),
    "qwen2.5-1.5b": (qwen2, (1536, 8960, 28, 12, 2, 151936), True),
    "qwen2.5-3b": (qwen2, (2048, 11008, 36, 16, 2, 151936), True),
    "qwen2.5-7b": (qwen2, (3584, 18944, 28, 28, 4, 152064), False),
    "qwen2.5-14b": (qwen2, (5120, 13824, 48, 40, 8, 152064), False),
    "qwen2.5-coder-0.5b": (qwen2, (896, 4864, 24, 14, 2, 151936), False),
    "qwen2.5-coder-1.5b": (qwen2, (1536, 8960, 28, 12, 2, 151936), False),
    "gemma3-270m": (gemma3, (640, 2048, 18, 4, 1, 262144), True),
    "gemma3-270m-bf16": (gemma3, (640, 2048, 18, 4, 1, 262144), True),
    "deepseek-r1-distill-qwen-1.5b": (qwen2, (1536, 8960, 28, 12, 2, 151936), False),
    "deepseek-r1-distill-qwen-7b": (qwen2, (3584, 18944, 28, 28, 4, 152064), False),
    "deepseek-r1-distill-qwen-14b": (qwen2, (5120, 13824, 48, 40, 8, 152064), False),
    "llama3.2-1b": (llama, (2048, 8192, 16, 32, 8, 128256), True),
    "llama3.2-3b": (llama, (3072, 8192, 28, 24, 8, 128256), True),
    "llama3.1-8b": (llama, (4096, 14336, 32, 32, 8, 128256), False),
    "smollm2-135m": (llama, (576, 1536, 30, 9, 3, 49152), True),
    "smollm2-135m-base": (llama, (576, 1536, 30, 9, 3, 49152), True),
    "smollm2-360m-base": (llama, (960, 2560, 32, 15, 5, 49152), True),
    "smollm2-1.7b-base": (llama, (2048, 8192, 24, 32, 32, 49152), True),
    "stories260k": (llama, (64, 172, 5, 8, 4, 512), True),
    "pythia-70m": (neox, (512, 6, 8), False),
    "pythia-160m": (neox, (768, 12, 12), False),
    "pythia-410m": (neox, (1024, 24, 16), False),
    "pythia-1b": (neox, (2048, 16, 8), False),
    "pythia-1.4b": (neox, (2048, 24, 16), False),
    "pythia-2.8b": (neox, (2560, 32, 32), False),
    "gpt2": (gpt2, (768, 12, 12), True),
    "gpt2-medium": (gpt2, (1024, 24, 16), True),
    "gpt2-large": (gpt2, (1280, 36, 20), True),
    "gpt2-xl": (gpt2, (1600, 48, 25), True),
}


def test_names_are_unique() -> None:
    assert len(SPECS) == len(every_spec())


def test_every_model_is_in_the_table() -> None:
    assert set(SPECS) == set(ARCHITECTURES)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_parameters_are_those_of_the_architecture(name: str) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    make, shape, tied = ARCHITECTURES[name]
    config = make(*shape)
    config.tie_word_embeddings = tied
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    assert SPECS[name].parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("module", MODULES)
def test_a_file_is_a_plugin(module: str) -> None:
    hook = importlib.import_module(module).brainpress_models
    assert hasattr(hook, f"{PROJECT}_impl")


@pytest.mark.parametrize("spec", SPECS.values(), ids=str)
def test_a_spec_is_complete(spec: ModelSpec) -> None:
    assert re.fullmatch(r"[a-z0-9.-]+", spec.name)
    assert re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", spec.revision)
    assert (len(spec.revision) == 40) is spec.source.startswith("hf:")
    assert spec.family
    assert spec.context
    assert spec.licence
    assert re.search(r"\(20\d\d\)", spec.citation)
    assert "\n" not in spec.citation
    assert spec.homepage.startswith("https://")
    assert not spec.control


@pytest.mark.parametrize("spec", SPECS.values(), ids=str)
def test_small_is_below_four_billion(spec: ModelSpec) -> None:
    assert spec.parameters is not None
    assert ("slm" in spec.tags or "tiny" in spec.tags) is (spec.parameters < 4e9)


def test_the_study_is_whole() -> None:
    assert {spec.name for spec in SPECS.values() if "study" in spec.tags} == {
        *(f"qwen2.5-{size}" for size in ("1.5b", "3b", "7b", "14b")),
        *("llama3.2-1b", "llama3.2-3b", "llama3.1-8b"),
        *(f"deepseek-r1-distill-qwen-{size}" for size in ("1.5b", "7b", "14b")),
    }


def test_gated_models_say_so() -> None:
    assert {s.name for s in SPECS.values() if s.gated} == {
        "gemma3-270m-bf16",
        *(s.name for s in SPECS.values() if "llama3" in s.tags),
    }


def test_members_of_a_family_differ_in_size() -> None:
    sizes = [(spec.family, spec.parameters) for spec in SPECS.values()]
    assert len(set(sizes)) == len(sizes)


def test_listing_models_imports_nothing_heavy() -> None:
    code = (
        f"import importlib, sys\n"
        f"for name in {MODULES!r}: importlib.import_module(name).brainpress_models()\n"
        "heavy = {'torch', 'transformers', 'numpy', 'requests'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
