"""The two models that can be had without the hub, as they really are."""

from __future__ import annotations

import math

import pytest
import torch
from brainpress_plugins.models import smollm2, stories260k

from harness.errors import FetchError, ModelError
from harness.lm.anatomy import anatomy
from harness.lm.controls import static, untrained
from harness.lm.files import ModelFiles
from harness.lm.load import LanguageModel, load
from harness.lm.source import resolve
from harness.spec.specs import ModelSpec

STORY = (
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park. "
    "One day, she saw a big dog. The dog was very happy and wanted to play with her."
)


def spec_and_files(spec: ModelSpec) -> tuple[ModelSpec, ModelFiles]:
    try:
        return spec, resolve(spec, offline=True)
    except (FetchError, ModelError) as error:
        pytest.skip(f"{spec.name} is not here: {error.message.splitlines()[0]}")


@pytest.fixture(scope="module")
def smollm2_135m() -> tuple[ModelSpec, ModelFiles]:
    return spec_and_files(smollm2.brainpress_models()[0])


@pytest.fixture(scope="module")
def stories() -> tuple[ModelSpec, ModelFiles]:
    return spec_and_files(stories260k.brainpress_models()[0])


def loss(model: LanguageModel, text: str = STORY) -> float:
    """Mean surprise of a token, in nats."""
    ids = torch.tensor([model.tokenizer(text)["input_ids"]])
    return float(model.model(input_ids=ids, labels=ids).loss)


@pytest.mark.needs_smollm2
class TestSmolLM2:
    """SmolLM2-135M from the package index."""

    def test_files(self, smollm2_135m: tuple[ModelSpec, ModelFiles]) -> None:
        spec, files = smollm2_135m
        assert files.pinned
        assert files.revision == spec.revision
        assert files.parameters == spec.parameters
        assert any("de-quantised from Q4_1" in note for note in files.notes)
        assert "quantization_config" not in files.config

    def test_model(self, smollm2_135m: tuple[ModelSpec, ModelFiles]) -> None:
        spec, files = smollm2_135m
        model = load(files, spec)
        assert len(anatomy(model.model).blocks) == 30
        assert model.context == 8192
        assert loss(model) < 2.5
        assert model.tokenizer.bos_token == "<|im_start|>"
        assert model.tokenizer.eos_token == "<|im_end|>"

    def test_untrained_knows_nothing(self, smollm2_135m: tuple[ModelSpec, ModelFiles]) -> None:
        spec = untrained(smollm2_135m[0])
        drawn = loss(load(resolve(spec, offline=True), spec))
        assert drawn == pytest.approx(math.log(49152), rel=0.05)

    def test_tokens_are_those_of_the_release(
        self, smollm2_135m: tuple[ModelSpec, ModelFiles]
    ) -> None:
        spec, files = smollm2_135m
        tokenizer = load(files, static(spec)).tokenizer
        assert tokenizer.tokenize("Hello world, it's 1999!") == [
            *("Hello", "Ġworld", ",", "Ġit", "'s"),
            *("Ġ", "1", "9", "9", "9", "!"),
        ]
        # White space before a digit is one token, not its last character and the rest.
        assert tokenizer.tokenize("x\n\n1. a") == ["x", "ĊĊ", "1", ".", "Ġa"]
        assert tokenizer("Hello")["input_ids"] == tokenizer.encode(
            "Hello", add_special_tokens=False
        )


@pytest.mark.needs_data
class TestStories260K:
    """The tiny model of a data folder."""

    def test_files(self, stories: tuple[ModelSpec, ModelFiles]) -> None:
        spec, files = stories
        assert files.pinned
        assert files.parameters == spec.parameters

    def test_it_has_learned_to_tell_stories(self, stories: tuple[ModelSpec, ModelFiles]) -> None:
        spec, files = stories
        model = load(files, spec)
        assert model.context == 512
        assert loss(model) < 1.6
        control = untrained(spec)
        drawn = load(resolve(control, offline=True), control)
        assert loss(drawn) == pytest.approx(math.log(512), rel=0.05)

    def test_characters_are_found_again(self, stories: tuple[ModelSpec, ModelFiles]) -> None:
        spec, files = stories
        tokenizer = load(files, spec).tokenizer
        encoded = tokenizer(STORY, return_offsets_mapping=True, add_special_tokens=False)
        pieces = [STORY[start:stop] for start, stop in encoded["offset_mapping"]]
        assert "".join(pieces) == STORY
