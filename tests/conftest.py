"""Tiny random models of every architecture that brainpress knows; what a marked test needs."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import nn

TinyModel = Callable[..., nn.Module]

_SIZES = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_OVERRIDES: dict[str, dict[str, Any]] = {
    "gpt2": {
        "vocab_size": 96,
        "n_embd": 32,
        "n_layer": 3,
        "n_head": 4,
        "n_positions": 64,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    "gpt_neox": {**_SIZES, "num_key_value_heads": None},
    "opt": {
        "vocab_size": 96,
        "hidden_size": 32,
        "ffn_dim": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "word_embed_proj_dim": 32,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    },
    "gemma2": {**_SIZES, "sliding_window": 16},
    "gemma3_text": {**_SIZES, "sliding_window": 16, "layer_types": None},
}
ARCHITECTURES = (
    "llama",
    "qwen2",
    "qwen3",
    "mistral",
    "phi3",
    "gemma2",
    "gemma3_text",
    "gpt2",
    "gpt_neox",
    "opt",
)


def pytest_configure() -> None:
    """Hear signals that a shell ignores for what it runs in the background (`nohup … &`).

    Programs that tests start would ignore them, too.
    """
    for name, heard in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, heard)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose data or model cannot be had, and say which and why.

    ``needs_data`` may name what it needs, as paths in a data folder: ``needs_data("blimp")``.
    """
    for marker in item.iter_markers("needs_data"):
        if reason := _missing_data(marker.args):
            pytest.skip(reason)
    if item.get_closest_marker("needs_smollm2") and (reason := _missing_smollm2()):
        pytest.skip(reason)


def _missing_data(paths: tuple[str, ...]) -> str:
    from harness.place.locate import DATA_VARIABLE, data_folders, find

    if not any(folder.is_dir() for folder in data_folders()):
        return f"needs real data: {DATA_VARIABLE} names no folder that is there"
    missing = [path for path in paths if find(path) is None]
    return f"needs {', '.join(missing)} in a folder of {DATA_VARIABLE}" if missing else ""


@functools.cache
def _missing_smollm2() -> str:
    from brainpress_plugins.models import smollm2

    from harness.errors import HarnessError
    from harness.lm.source import resolve
    from harness.place.place import here

    spec = next(s for s in smollm2.brainpress_models() if s.name == "smollm2-135m")
    try:
        resolve(spec, offline=True)
    except HarnessError:
        pass
    else:
        return ""
    try:
        resolve(spec, offline=here().offline)
    except HarnessError as error:
        network = "; the network is off" if here().offline else ""
        return f"needs {spec.name}: {error.message.splitlines()[0].partition(';')[0]}{network}"
    return ""


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    """Each architecture in turn, by transformers' name."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def random_calibration() -> Any:
    """Calibration "text" of random tokens, for tiny models."""
    import torch

    from harness.compress.text.calibration import Calibration, CalibrationSpec

    tokens = torch.randint(3, 96, (32, 40), generator=torch.Generator().manual_seed(7))
    return Calibration(CalibrationSpec(samples=32, length=40), tokens, ())


@pytest.fixture(scope="session")
def tiny_model() -> TinyModel:
    """Make a tiny random model: ``tiny_model("llama", hidden_size=48)``."""

    def make(name: str, seed: int = 0, **options: Any) -> nn.Module:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        values = {**_OVERRIDES.get(name, _SIZES), **options}
        config = AutoConfig.for_model(name, **{k: v for k, v in values.items() if v is not None})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model: nn.Module = AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)
            # Larger weights than initialisers give, so that the blocks move the residual stream.
            for parameter in model.parameters():
                if parameter.ndim == 2:
                    parameter.mul_(4)
        return model

    return make


@pytest.fixture(scope="session")
def subword_tokenizer() -> Callable[..., Any]:
    """Make a tokenizer whose words are one to several tokens: ``subword_tokenizer(bos=True)``."""
    return _subword_tokenizer


@pytest.fixture
def tiny_release(
    tmp_path: Path, tiny_model: TinyModel, subword_tokenizer: Callable[..., Any]
) -> Callable[..., Path]:
    """Write a tiny model's folder as a release is: ``tiny_release("gpt2", seed=1)``."""

    def write(architecture: str = "llama", bos: bool = False, **options: Any) -> Path:
        folder = tmp_path / f"tiny-{architecture}-{options.get('seed', 0)}"
        tiny_model(architecture, **options).save_pretrained(folder)
        subword_tokenizer(bos).save_pretrained(folder)
        return folder

    return write


def _subword_tokenizer(bos: bool = False) -> Any:
    """Letters are tokens, and so are the pairs that merges make; spaces belong to what follows."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz.,'"
    vocabulary = {t: i for i, t in enumerate(["<pad>", "<s>", "</s>", "Ġ", *letters])}
    merges = [("Ġ", c) for c in "abcdefghijklmnopqrstuvwxyz"] + [("t", "h"), ("e", "r"), ("o", "n")]
    for a, b in merges:
        vocabulary.setdefault(a + b, len(vocabulary))
    tok = Tokenizer(models.BPE(vocabulary, merges))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tok.decoder = decoders.ByteLevel()
    if bos:
        tok.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=tok, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )
