"""Keys and values rounded, against a whole Llama written out as loops in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from architectures import tiny
from brainpress_plugins.compressors.key_values import RoundKeysAndValues
from torch import nn

from harness.check.mocks import write_mock_model
from harness.compress.methods.key_values import round_vectors, rounds_keys_and_values
from harness.compress.report.saved import load_compressed, save_compressed
from harness.errors import CompressionError
from harness.lm.load import load
from harness.lm.source import resolve
from harness.numeric.arrays import Doubles
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.record.subject import LanguageSubject
from harness.record.tokens import tokenise
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Items, Pool

TinyModel = Callable[..., nn.Module]
TOKENS = torch.randint(3, 96, (2, 24), generator=torch.Generator().manual_seed(1))


def rounded(vector: Doubles, bits: int) -> Doubles:
    """KIVI's grid over one vector, with numbers of half precision for what is kept of it."""
    low = float(np.float16(vector.min()))
    step = float(np.float16((vector.max() - vector.min()) / (2**bits - 1))) or 1.0
    return np.array(
        [np.clip(np.rint((x - low) / step), 0, 2**bits - 1) * step + low for x in vector]
    )


def llama(model: Any, tokens: list[int], bits: int | None) -> Doubles:
    """Return logits (token, vocabulary) of a Llama, one token and one head after the other."""
    config = model.config
    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}
    heads, shared, size = (
        config.num_attention_heads,
        config.num_attention_heads // config.num_key_value_heads,
        config.head_dim,
    )
    frequencies = config.rope_parameters["rope_theta"] ** (-np.arange(0, size, 2) / size)

    def norm(states: Doubles, name: str) -> Doubles:
        mean = np.square(states).mean(-1, keepdims=True)
        return states / np.sqrt(mean + config.rms_norm_eps) * weights[name]

    def turned(vector: Doubles, place: int) -> Doubles:
        half = size // 2
        cos, sin = np.cos(place * frequencies), np.sin(place * frequencies)
        first, last = vector[:half], vector[half:]
        return np.concatenate([first * cos - last * sin, last * cos + first * sin])

    def keep(vector: Doubles) -> Doubles:
        return vector if bits is None else rounded(vector, bits)

    states = weights["model.embed_tokens.weight"][tokens]
    for layer in range(config.num_hidden_layers):
        path = f"model.layers.{layer}"
        seen = norm(states, f"{path}.input_layernorm.weight")
        query, key, value = (
            (seen @ weights[f"{path}.self_attn.{name}_proj.weight"].T).reshape(
                len(tokens), -1, size
            )
            for name in "qkv"
        )
        out = np.zeros_like(query)
        for head in range(heads):
            keys, values = key[:, head // shared], value[:, head // shared]
            kept_keys = [keep(turned(keys[t], t)) for t in range(len(tokens))]
            kept_values = [keep(values[t]) for t in range(len(tokens))]
            for t in range(len(tokens)):
                asked = turned(query[t, head], t)
                scores = np.array([asked @ kept_keys[s] / size**0.5 for s in range(t + 1)])
                shares = np.exp(scores - scores.max())
                shares /= shares.sum()
                out[t, head] = sum(shares[s] * kept_values[s] for s in range(t + 1))
        flat = out.reshape(len(tokens), -1)
        states = states + flat @ weights[f"{path}.self_attn.o_proj.weight"].T
        seen = norm(states, f"{path}.post_attention_layernorm.weight")
        gate = seen @ weights[f"{path}.mlp.gate_proj.weight"].T
        up = seen @ weights[f"{path}.mlp.up_proj.weight"].T
        states = (
            states + (gate / (1 + np.exp(-gate)) * up) @ weights[f"{path}.mlp.down_proj.weight"].T
        )
    return norm(states, "model.norm.weight") @ weights["lm_head.weight"].T


@pytest.mark.parametrize("bits", [8, 4, 3, 2])
def test_a_vector_is_rounded_as_the_loop_rounds_it(bits: int) -> None:
    vectors = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(bits)) + 2
    found = round_vectors(vectors, bits).double().numpy()
    expected = np.apply_along_axis(rounded, -1, vectors.double().numpy(), bits)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert max(len(np.unique(vector)) for vector in found.reshape(-1, 16)) <= 2**bits


@pytest.mark.parametrize("value", [0.0, -3.25])
def test_a_vector_of_one_number_stays_what_it_is(value: float) -> None:
    assert torch.equal(round_vectors(torch.full((2, 8), value), 4), torch.full((2, 8), value))


def test_numbers_that_half_precision_does_not_hold_stay_finite() -> None:
    assert bool(torch.isfinite(round_vectors(torch.tensor([[-1e6, 0.0, 1e6]]), 4)).all())


@pytest.mark.parametrize("bits", [None, 8, 4, 2])
def test_attention_is_the_loop_with_rounded_keys_and_values(bits: Any) -> None:
    model: Any = tiny("llama")
    if bits is not None:
        RoundKeysAndValues(bits).compress(model)
    with torch.no_grad():
        found = model(input_ids=TOKENS, use_cache=False).logits.numpy()
    for text, logits in zip(TOKENS.tolist(), found, strict=True):
        expected = llama(model, text, bits)
        np.testing.assert_allclose(logits, expected, atol=2e-4 * np.abs(expected).max())


def test_fewer_bits_cost_more_and_no_weight_is_changed() -> None:
    exact: Any = tiny("qwen3")
    logits = exact(input_ids=TOKENS).logits
    errors = []
    for bits in (8, 4, 3, 2):
        model = copy.deepcopy(exact)
        report = RoundKeysAndValues(bits).compress(model)
        errors.append(float((model(input_ids=TOKENS).logits - logits).norm()))
        pairs = zip(model.parameters(), exact.parameters(), strict=True)
        assert all(torch.equal(first, second) for first, second in pairs)
        assert report.bytes_packed == report.bytes_base
        assert report.restore == {"key_value_bits": bits}
    assert 0 < errors[0] < errors[1] < errors[2] < errors[3]
    assert not rounds_keys_and_values(exact)


def test_a_token_does_not_see_what_follows() -> None:
    model: Any = tiny("llama")
    RoundKeysAndValues(2).compress(model)
    with torch.no_grad():
        whole = model(input_ids=TOKENS, use_cache=False).logits[:, :9]
        part = model(input_ids=TOKENS[:, :9], use_cache=False).logits
    torch.testing.assert_close(whole, part, atol=1e-5, rtol=1e-5)


def test_it_is_saved_and_read_back(tmp_path: Path) -> None:
    model, fresh = tiny("gemma2"), tiny("gemma2")
    report = RoundKeysAndValues(4).compress(model)
    save_compressed(model, report, tmp_path / "it.safetensors")
    load_compressed(fresh, tmp_path / "it.safetensors")
    assert torch.equal(fresh(input_ids=TOKENS).logits, model(input_ids=TOKENS).logits)


def test_states_and_log_probabilities_are_recorded_of_the_rounded_model(tmp_path: Path) -> None:
    spec = write_mock_model(tmp_path / "mock")
    models = [load(resolve(spec, offline=True), spec) for _ in range(2)]
    RoundKeysAndValues(4).compress(models[1].model)
    words = ["on", "a", "thorn", "her", "tone", "is", "odd", "other", "then", "on", "the", "hero"]
    stimuli = Stimuli("one", (Passage.from_words("first", words, range(12), range(1, 13)),))
    tokens = tokenise(stimuli.passages[0], models[0].tokenizer)
    ids = torch.as_tensor(tokens.ids)[None]
    context = Context.parse("prefix", start=Start.NOTHING)
    states, scores = [], []
    for model in models:
        subject = LanguageSubject(model)
        hidden = subject.record(Request(stimuli, Measure.HIDDEN, context, Items(Pool.LAST)))
        with torch.no_grad():
            out: Any = model.model(input_ids=ids, output_hidden_states=True, use_cache=False)
        wanted = torch.cat(out.hidden_states)[:, tokens.item_stops - 1].transpose(0, 1)
        np.testing.assert_allclose(hidden.values, wanted, rtol=2e-4, atol=2e-4)
        states.append(hidden.values)
        surprising = Request(stimuli, Measure.LOGPROB, Context.parse("prefix"), Items(Pool.SUM))
        scores.append(subject.record(surprising))
    assert np.array_equal(states[0][:, 0], states[1][:, 0])
    assert not np.allclose(states[0][:, 1:], states[1][:, 1:], atol=1e-4)
    assert not np.allclose(scores[0].values, scores[1].values, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("gptj", "of 4 layers that keep keys and values, 0 attend through"),
        ("mamba", "has no attention that keeps keys and values"),
    ],
)
def test_what_cannot_be_rounded_is_refused_by_name(name: str, problem: str) -> None:
    model = tiny(name)
    with pytest.raises(CompressionError, match=f"{type(model).__name__}.*{problem}"):
        RoundKeysAndValues(8).compress(model)


def test_refusals() -> None:
    model = tiny("llama")
    with pytest.raises(CompressionError, match="of 5 bits cannot be"):
        RoundKeysAndValues(5).compress(model)
    RoundKeysAndValues(8).compress(model)
    with pytest.raises(CompressionError, match="rounds its keys and values already"):
        RoundKeysAndValues(4).compress(model)
    with pytest.raises(CompressionError, match="is on disk"):
        RoundKeysAndValues(8).compress(tiny("llama").to("meta"))
