"""Every architecture of the table: its recordings against transformers' own outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.errors import ModelError, RecordingError, Unsupported
from harness.lm.controls import static, untrained
from harness.lm.examination import kept, last_of
from harness.lm.load import load
from harness.lm.source import resolve, spec_from_address
from harness.lm.starts import candidates
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.record.subject import LanguageSubject
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Items, Pool
from tests.support.oracle import (
    STIMULI,
    WORDS,
    alone,
    differences,
    of_type,
    opened,
    request,
    word_ends,
)
from tests.support.oracle import write as write_model
from tests.support.tiny_classes import tiny_config
from tests.support.tiny_configs import LAYERS, READ, REFUSED


def write(folder: Path, name: str, options: Mapping[str, Any], tokenizer: Any) -> Path:
    return write_model(folder, of_type(name, options), tokenizer)


LEAVE_OUT_EMBEDDING = ("Mamba", "Falcon Mamba", "Mamba-2", "RWKV")


@pytest.mark.parametrize("title", READ)
def test_recordings_are_transformers_own(
    title: str, tmp_path: Path, subword_tokenizer: Any
) -> None:
    name, options = READ[title]
    model = opened(write(tmp_path / "model", name, options, subword_tokenizer()))
    assert model.capabilities == {"hidden", "logprob", "compress"}
    found = differences(model, no_embedding=title in LEAVE_OUT_EMBEDDING)
    assert found.layers == LAYERS + 1
    assert found.hidden < 1e-5
    assert found.logprob < 1e-4


@pytest.mark.parametrize("title", ["Gemma 3", "gpt-oss", "Mamba", "GPT-Neo", "Zamba2", "Qwen3.5"])
def test_controls(title: str, tmp_path: Path, subword_tokenizer: Any) -> None:
    name, options = READ[title]
    folder = write(tmp_path / "model", name, options, subword_tokenizer())
    spec = spec_from_address(f"file:{folder}")
    trained = load(resolve(spec), spec)
    for control in (untrained(spec, 3), static(spec)):
        made = load(resolve(control), control)
        kind = Items(Pool.MEAN)
        asked = Request(STIMULI, Measure.HIDDEN, Context("sentence"), kind)
        assert np.isfinite(LanguageSubject(made).record(asked).values).all()
        assert made.start in (trained.start, None)


def test_what_runs_in_float32_alone_is_refused_with_that_advice(
    tmp_path: Path, subword_tokenizer: Any
) -> None:
    name, options = READ["xLSTM"]
    folder = write(tmp_path / "model", name, options, subword_tokenizer())
    spec = spec_from_address(f"file:{folder}")
    with pytest.raises(ModelError, match=r"same dtype(.|\n)*--dtype float32"):
        load(resolve(spec), spec, dtype="bfloat16")


@pytest.mark.parametrize("title", sorted(READ.keys() - {"xLSTM"}))
def test_an_untrained_model_is_rounded_as_a_loaded_one(
    title: str, tmp_path: Path, subword_tokenizer: Any
) -> None:
    """Rotary frequencies, masks and scales that no release holds keep their precision."""
    name, options = READ[title]
    folder = write(tmp_path / "model", name, options, subword_tokenizer())
    spec = spec_from_address(f"file:{folder}")
    trained, drawn = (load(resolve(s), s, dtype="bfloat16").model for s in (spec, untrained(spec)))
    of_loaded = dict(trained.named_buffers())
    of_drawn = dict(drawn.named_buffers())
    assert of_loaded.keys() == of_drawn.keys()
    computed = of_loaded.keys() - trained.state_dict().keys()
    for buffer in computed:
        assert torch.equal(of_loaded[buffer], of_drawn[buffer]), buffer
        assert of_loaded[buffer].dtype == of_drawn[buffer].dtype, buffer
    kinds = {key: tensor.dtype for key, tensor in trained.state_dict().items()}
    assert {key: tensor.dtype for key, tensor in drawn.state_dict().items()} == kinds


def test_what_draws_random_numbers_as_it_reads_is_refused(
    tmp_path: Path, subword_tokenizer: Any
) -> None:
    """Reformer hashes what it attends to by random rotations: two readings differ."""
    folder = write_model(tmp_path / "model", tiny_config("reformer"), subword_tokenizer())
    with pytest.raises(ModelError, match="two readings of one text differ by"):
        opened(folder)


def test_positions_that_start_behind_padding_are_not_counted(
    tmp_path: Path, subword_tokenizer: Any
) -> None:
    """RoBERTa's 514 rows are 512 tokens; here 128 rows, and 0 stands for padding."""
    name, options = READ["RoBERTa as a decoder"]
    model = opened(write(tmp_path / "model", name, options, subword_tokenizer()))
    assert model.context == 127
    ids = torch.full((1, 127), 5)
    with torch.inference_mode():
        assert torch.isfinite(model.model(input_ids=ids).logits).all()
        with pytest.raises((IndexError, RuntimeError)):
            model.model(input_ids=torch.full((1, 128), 5))


@pytest.mark.parametrize("title", REFUSED)
def test_what_has_no_hidden_states_says_so(
    title: str, tmp_path: Path, subword_tokenizer: Any
) -> None:
    name, options, reason = REFUSED[title]
    folder = write(tmp_path / "model", name, options, subword_tokenizer())
    model = opened(folder)
    with pytest.raises(Unsupported, match=reason):
        LanguageSubject(model).record(request(Measure.HIDDEN, Pool.MEAN))
    if "follows" not in reason:
        assert "logprob" in model.capabilities
        return
    with pytest.raises(Unsupported, match=r"no log-probabilities.*attends to what follows"):
        LanguageSubject(model).record(request(Measure.LOGPROB, Pool.SUM))
    asked = opened(folder, bidirectional=True)
    assert asked.capabilities == {"hidden"}
    assert "bidirectional" in " ".join(asked.notes)
    subject = LanguageSubject(asked)
    together = subject.record(request(Measure.HIDDEN, Pool.LAST, Start.NOTHING))
    row = 0
    for words in WORDS:  # in whatever batch, each text is read by itself
        _, lead, _, _ = alone(asked, " ".join(words))
        with torch.inference_mode():
            ids = asked.tokenizer(" ".join(words), add_special_tokens=False)["input_ids"]
            ids = [*(asked.start or ()), *ids] if lead else ids
            own = asked.model(input_ids=torch.tensor([ids]), output_hidden_states=True)
        for i, end in enumerate(word_ends(asked, words)):
            for layer, states in enumerate(own.hidden_states):
                np.testing.assert_allclose(
                    together.values[row + i, layer], states[0, lead + end - 1], atol=1e-5
                )
        row += len(words)


def test_two_texts_are_refused(tmp_path: Path, subword_tokenizer: Any) -> None:
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(vocab_size=96, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "t5")
    subword_tokenizer().save_pretrained(tmp_path / "t5")
    with pytest.raises(ModelError, match="reads one text and writes another"):
        opened(tmp_path / "t5")


def test_the_language_half_of_a_model_that_sees(tmp_path: Path, subword_tokenizer: Any) -> None:
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration

    text = {**READ["Gemma 3"][1]}
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    }
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    torch.manual_seed(0)
    whole = Gemma3ForConditionalGeneration(config).eval()
    whole.save_pretrained(tmp_path / "sees")
    subword_tokenizer().save_pretrained(tmp_path / "sees")
    model = opened(tmp_path / "sees")
    assert type(model.model).__name__ == "Gemma3ForCausalLM"
    ids = torch.tensor([[5, 17, 40, 41, 2, 60, 33, 8]])
    with torch.inference_mode():
        torch.testing.assert_close(
            model.model(input_ids=ids).logits,
            whole(input_ids=ids, token_type_ids=torch.zeros_like(ids)).logits,
            rtol=1e-4,
            atol=1e-5,
        )
    assert any("not used" in note for note in model.notes)


def test_a_static_model_reads_pairs_that_begin_alike(
    tmp_path: Path, subword_tokenizer: Any
) -> None:
    folder = write(tmp_path / "model", *READ["Llama"], subword_tokenizer())
    control = static(spec_from_address(f"file:{folder}"))
    subject = LanguageSubject(load(resolve(control), control))
    words = ["the", "otter", "that", "the", "boats", "had", "seen", "there", "on", "the", "shore"]
    pairs = tuple(
        Passage.from_words(f"{last}{i}", [*words, last]) for i in range(3) for last in "ab"
    )
    asked = Request(Stimuli("pairs", pairs), Measure.HIDDEN, Context("sentence"), Items(Pool.MEAN))
    plain = LanguageSubject(subject.language_model, trees=False).record(asked)
    np.testing.assert_allclose(subject.record(asked).values, plain.values, atol=1e-6)


def test_a_word_added_past_the_embedding_is_named(tmp_path: Path, subword_tokenizer: Any) -> None:
    tokenizer = subword_tokenizer()
    tokenizer.add_tokens([f"ferry{i}" for i in range(60)])
    folder = write(tmp_path / "model", *READ["Llama"], tokenizer)
    with pytest.raises(ModelError, match=r"gives 'ferry\d+' the number 96, .* 96 rows for \d+"):
        opened(folder)


def test_a_special_token_past_the_embedding_is_named_where_a_text_has_it(
    tmp_path: Path, subword_tokenizer: Any
) -> None:
    tokenizer = subword_tokenizer()
    extra = [f"<x{i}>" for i in range(60)]
    tokenizer.add_special_tokens({"additional_special_tokens": extra})
    model = opened(write(tmp_path / "model", *READ["Llama"], tokenizer))
    stimuli = Stimuli("s", (Passage.from_words("p", ["on", "<x59>"]),))
    asked = Request(stimuli, Measure.HIDDEN, Context("prefix"), Items(Pool.MEAN))
    with pytest.raises(RecordingError, match=r"reads '<x59>' as number \d+, .* has 96 rows"):
        LanguageSubject(model).record(asked)


def test_a_spec_names_its_start(tmp_path: Path, subword_tokenizer: Any) -> None:
    folder = write(tmp_path / "model", *READ["Llama"], subword_tokenizer())
    plain = spec_from_address(f"file:{folder}")
    named, bare = replace(plain, start="</s>"), replace(plain, start="nothing")
    assert load(resolve(named), named).start == (2,)
    assert load(resolve(bare), bare).start == ()
    assert len({resolve(spec).fingerprint for spec in (plain, named, bare)}) == 3
    with pytest.raises(ModelError, match="starts texts with '<bos>', which its vocabulary lacks"):
        opened(folder, start="<bos>")
    loaded = load(resolve(named), named)
    recorded = LanguageSubject(loaded).record(request(Measure.LOGPROB, Pool.SUM))
    assert recorded.attrs["start"] == "</s>"
    assert "no state depends on what follows" in recorded.attrs["examination"]


def test_the_examination_is_kept(tmp_path: Path, subword_tokenizer: Any) -> None:
    folder = write(tmp_path / "model", *READ["Llama"], subword_tokenizer())
    spec = spec_from_address(f"file:{folder}")
    files = resolve(spec)
    assert kept(files.fingerprint, "float32") is None
    found = load(files, spec).examination
    assert kept(files.fingerprint, "float32") == found
    assert last_of(spec.name) == ("float32", found)
    assert load(files, spec).examination == found


def test_a_tag_of_html_is_no_start(subword_tokenizer: Any) -> None:
    tokenizer = subword_tokenizer()
    assert candidates(tokenizer, 96) == [(1,), (2,)]
    tokenizer.add_tokens(["<|endoftext|>"])
    assert candidates(tokenizer, 96) == [(1,), (2,)]
    tokenizer.add_special_tokens({"additional_special_tokens": ["<bos>"]})
    number = tokenizer.get_vocab()["<bos>"]
    assert candidates(tokenizer, number + 1) == [(1,), (2,), (number,)]
    assert candidates(tokenizer, number) == [(1,), (2,)]
