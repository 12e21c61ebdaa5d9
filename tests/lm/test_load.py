"""Loading: the weights that were saved, or an error that names what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from harness.errors import ModelError
from harness.lm.anatomy import StaticEmbedding
from harness.lm.controls import static, untrained
from harness.lm.load import LanguageModel, load
from harness.lm.source import resolve
from harness.lm.weights import library_bits
from harness.spec.specs import ModelSpec

Release = Callable[..., Path]
IDS = torch.tensor([[3, 14, 15, 92, 6]])


def loaded(folder: Path, make: Any = None, **options: Any) -> LanguageModel:
    spec = ModelSpec("tiny", f"file:{folder}")
    spec = spec if make is None else make(spec)
    return load(resolve(spec), spec, **options)


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_was_saved_is_what_is_loaded(
    architecture: str, release: Release, tiny_model: Any
) -> None:
    found = loaded(release(architecture))
    model = tiny_model(architecture)
    torch.testing.assert_close(
        found.model(input_ids=IDS).logits, model(input_ids=IDS).logits, rtol=1e-5, atol=1e-6
    )
    assert not found.model.training
    assert not any(p.requires_grad for p in found.model.parameters())
    assert found.model.config._attn_implementation == "sdpa"
    assert found.context == 64
    assert found.capabilities == {"hidden", "logprob", "compress"}
    assert found.notes == ()


def test_the_tokenizer_gives_offsets(release: Release) -> None:
    encoded = loaded(release()).tokenizer("w1 w2  w3", return_offsets_mapping=True)
    assert encoded["input_ids"] == [4, 5, 6]
    assert encoded["offset_mapping"] == [(0, 2), (3, 5), (7, 9)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_dtype(release: Release, dtype: str) -> None:
    found = loaded(release(), dtype=dtype)
    assert {p.dtype for p in found.model.parameters()} == {getattr(torch, dtype)}


def test_dtype_of_the_checkpoint_does_not_decide(release: Release, tmp_path: Path) -> None:
    folder = release()
    weights = {k: v.bfloat16() for k, v in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    edit(folder, dtype="bfloat16")
    assert {p.dtype for p in loaded(folder).model.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int8"}, "'int8' is not a dtype"),
        ({"device": "toaster"}, "'toaster' is not a device"),
        ({"device": "cuda:99"}, "there is no device cuda:99"),
    ],
)
def test_what_cannot_be_had(release: Release, options: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        loaded(release(), **options)


def test_context_is_the_smaller_of_config_and_spec(release: Release) -> None:
    spec = ModelSpec("tiny", f"file:{release()}", context=32)
    assert load(resolve(spec), spec).context == 32
    spec = replace(spec, context=1000)
    assert load(resolve(spec), spec).context == 64


class TestWeightsThatDoNotFit:
    """What transformers would fill with random numbers."""

    @pytest.fixture
    def folder(self, release: Release) -> Path:
        return release()

    def change(self, folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
        path = folder / "model.safetensors"
        weights = load_file(path)
        change(weights)
        save_file(weights, path, {"format": "pt"})

    def test_missing(self, folder: Path) -> None:
        self.change(folder, lambda w: w.pop("model.layers.1.mlp.up_proj.weight"))
        with pytest.raises(ModelError, match=r"are missing: model\.layers\.1\.mlp\.up_proj\.weig"):
            loaded(folder)

    def test_missing_head(self, folder: Path) -> None:
        self.change(folder, lambda w: w.pop("lm_head.weight"))
        with pytest.raises(ModelError, match=r"are missing: lm_head\.weight"):
            loaded(folder)

    def test_of_another_shape(self, folder: Path) -> None:
        name = "model.layers.1.mlp.up_proj.weight"
        self.change(folder, lambda w: w.update({name: torch.zeros(7, 32)}))
        with pytest.raises(ModelError, match=r"up_proj\.weight \(7x32 where .* 64x32\)"):
            loaded(folder)

    def test_of_a_deeper_model(self, folder: Path) -> None:
        edit(folder, num_hidden_layers=4)
        with pytest.raises(ModelError, match=r"9 weights .* are missing: model\.layers\.3\."):
            loaded(folder)

    def test_that_are_left_over_are_noted(self, folder: Path) -> None:
        self.change(folder, lambda w: w.update({"model.layers.7.extra": torch.zeros(2)}))
        (note,) = loaded(folder).notes
        assert note == "1 tensors of the checkpoint are not used: model.layers.7.extra"

    def test_tied_ones_are_not_missing(self, release: Release, tiny_model: Any) -> None:
        found = loaded(release("llama", tie_word_embeddings=True))
        model = tiny_model("llama", tie_word_embeddings=True)
        assert torch.equal(found.model(input_ids=IDS).logits, model(input_ids=IDS).logits)
        assert found.model.lm_head.weight is found.model.model.embed_tokens.weight

    def test_bytes_that_are_no_numbers(self, folder: Path) -> None:
        path = folder / "model.safetensors"
        body = path.read_bytes()
        length = int.from_bytes(body[:8], "little")
        header = body[8 : 8 + length].replace(b'"F32"', b'"F99"')
        path.write_bytes(body[:8] + header + body[8 + length :])
        with pytest.raises(ModelError, match="cannot be loaded from"):
            loaded(folder)


class TestWhatIsNotAModel:
    """Configs and tokenizers that cannot be used."""

    def test_an_unknown_architecture(self, release: Release) -> None:
        folder = release()
        edit(folder, model_type="nobody_knows")
        with pytest.raises(ModelError, match=r"not one transformers understands.*nobody_knows"):
            loaded(folder)

    def test_code_that_comes_with_a_model_is_not_run(
        self, release: Release, tmp_path: Path
    ) -> None:
        folder = release()
        trace = tmp_path / "ran"
        (folder / "modeling_evil.py").write_text(f"open({str(trace)!r}, 'w')\nclass M: pass\n")
        auto = {"AutoConfig": "modeling_evil.M", "AutoModelForCausalLM": "modeling_evil.M"}
        edit(folder, model_type="evil", auto_map=auto)
        with pytest.raises(ModelError):
            loaded(folder)
        assert not trace.exists()

    def test_an_encoder(self, release: Release) -> None:
        folder = release()
        edit(folder, model_type="vit", architectures=["ViTModel"])
        with pytest.raises(ModelError):
            loaded(folder)

    def test_a_broken_tokenizer(self, release: Release) -> None:
        folder = release()
        (folder / "tokenizer.json").write_text('{"version": "1.0"}')
        with pytest.raises(ModelError, match=r"the tokenizer in .* cannot be read"):
            loaded(folder)

    def test_a_tokenizer_without_offsets(
        self, release: Release, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from transformers import AutoTokenizer

        class Slow:
            is_fast = False

        monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *_, **__: Slow())
        with pytest.raises(ModelError, match="Slow gives no character offsets"):
            loaded(release())

    def test_another_models_tokenizer(self, release: Release) -> None:
        folder = release("llama", vocab_size=64)
        with pytest.raises(ModelError, match="tokenizer has 96 tokens, its embedding 64 rows"):
            loaded(folder)

    def test_a_special_token_without_a_row_is_no_problem(self, release: Release) -> None:
        folder = release()
        path = folder / "tokenizer.json"
        content = json.loads(path.read_text())
        token = {**content["added_tokens"][0], "id": 96, "content": "<pad>"}
        path.write_text(json.dumps({**content, "added_tokens": [*content["added_tokens"], token]}))
        assert len(loaded(folder).tokenizer) == 97

    def test_a_padded_embedding_is_no_problem(self, release: Release) -> None:
        assert loaded(release("llama", vocab_size=128)).context == 64


def test_a_config_that_says_packed_of_dense_weights_is_refused(release: Release) -> None:
    folder = release()
    edit(folder, quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True})
    with pytest.raises(ModelError, match="says bitsandbytes, and no weight is packed"):
        loaded(folder)


class PackedByALibrary(nn.Module):
    """A linear map as some library might keep it: two codes a byte, and a scale for 64 weights."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.in_features, self.out_features = columns, rows
        codes = torch.zeros(rows * columns // 2, 1, dtype=torch.uint8)
        self.weight = nn.Parameter(codes, requires_grad=False)
        self.register_buffer("absmax", torch.ones(rows * columns // 64))
        self.bias = nn.Parameter(torch.zeros(rows))


def test_bits_of_a_library_are_codes_and_scales_without_biases() -> None:
    model = nn.Sequential(PackedByALibrary(64, 128), nn.Linear(128, 64), PackedByALibrary(32, 64))
    assert library_bits(model) == 4 + 32 / 64
    assert library_bits(nn.Sequential(nn.Linear(8, 8))) is None


class TestUntrained:
    """The same architecture, other weights."""

    def test_weights_are_those_of_the_seed_alone(self, release: Release) -> None:
        folder = release()
        torch.manual_seed(1)
        first = loaded(folder, lambda spec: untrained(spec, 5))
        torch.manual_seed(2)
        torch.randn(1000)
        second = loaded(folder, lambda spec: untrained(spec, 5))
        other = loaded(folder, lambda spec: untrained(spec, 6))
        pairs = zip(first.model.parameters(), second.model.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
        assert not torch.equal(first.model.lm_head.weight, other.model.lm_head.weight)

    def test_they_are_not_the_trained_ones(self, release: Release) -> None:
        folder = release()
        trained = dict(loaded(folder).model.named_parameters())
        drawn = dict(loaded(folder, untrained).model.named_parameters())
        assert trained.keys() == drawn.keys()
        matrices = [name for name, p in trained.items() if p.ndim == 2]
        assert matrices
        assert not any(torch.equal(trained[name], drawn[name]) for name in matrices)

    def test_they_are_drawn_from_the_architectures_initialiser(self, release: Release) -> None:
        found = loaded(release(hidden_size=256), untrained)
        spread = found.model.model.embed_tokens.weight.std().item()
        assert spread == pytest.approx(found.model.config.initializer_range, rel=0.05)

    def test_torchs_generator_is_left_as_it_was(self, release: Release) -> None:
        before = torch.get_rng_state()
        loaded(release(), untrained)
        assert torch.equal(torch.get_rng_state(), before)

    def test_dtype_is_rounded_after_drawing(self, release: Release) -> None:
        folder = release()
        full, half = loaded(folder, untrained), loaded(folder, untrained, dtype="bfloat16")
        assert torch.equal(full.model.lm_head.weight.bfloat16(), half.model.lm_head.weight)

    def test_threads_do_not_change_them(self, release: Release) -> None:
        folder = release(hidden_size=512)
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(1)
            first = loaded(folder, untrained).model.lm_head.weight
            torch.set_num_threads(2)
            second = loaded(folder, untrained).model.lm_head.weight
        finally:
            torch.set_num_threads(threads)
        assert torch.equal(first, second)

    def test_a_quantised_checkpoint_needs_no_extra(self, release: Release) -> None:
        folder = release()
        edit(folder, quantization_config={"quant_method": "gptq", "bits": 4})
        found = loaded(folder, untrained)
        assert found.capabilities == {"hidden", "logprob", "compress"}
        assert found.model(input_ids=IDS).logits.isfinite().all()


class TestStatic:
    """The input embedding alone."""

    def test_it_is_the_trained_embedding(self, architecture: str, release: Release) -> None:
        folder = release(architecture)
        found = loaded(folder, static)
        assert isinstance(found.model, StaticEmbedding)
        expected = loaded(folder).model.get_input_embeddings()(IDS)
        assert torch.equal(found.model(input_ids=IDS), expected)

    def test_it_can_do_less_and_has_no_limit(self, release: Release) -> None:
        found = loaded(release(), static)
        assert found.capabilities == {"hidden"}
        assert found.context is None
        assert found.model(input_ids=IDS.repeat(1, 100)).shape == (1, 500, 32)

    def test_a_token_is_the_same_wherever_it_stands(self, release: Release) -> None:
        states = loaded(release(), static).model(input_ids=torch.tensor([[7, 8, 7, 9, 7]]))
        assert torch.equal(states[0, 0], states[0, 2])
        assert torch.equal(states[0, 0], states[0, 4])

    def test_a_quantised_checkpoint_needs_no_extra(self, release: Release) -> None:
        folder = release()
        before = loaded(folder, static).model(input_ids=IDS)
        edit(folder, quantization_config={"quant_method": "gptq", "bits": 4})
        assert torch.equal(loaded(folder, static).model(input_ids=IDS), before)

    def test_a_missing_embedding_is_named(self, release: Release) -> None:
        folder = release()
        weights = load_file(folder / "model.safetensors")
        weights.pop("model.embed_tokens.weight")
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        with pytest.raises(ModelError, match=r"are missing: model\.embed_tokens\.weight"):
            loaded(folder, static)

    def test_the_rest_is_let_go(self, release: Release) -> None:
        found = loaded(release(), static)
        assert sum(p.numel() for p in found.model.parameters()) == 96 * 32
