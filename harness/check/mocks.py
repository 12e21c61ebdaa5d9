"""A model and two benchmarks small enough to try a plugin with, in a second and without network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.spec.specs import BenchmarkSpec, ModelSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.record.request import Recordings, Request

STORY = (
    "the ferry left the island before the sun was up and nobody on the shore saw it go",
    "when the fog lifted the children ran down to the water and counted the boats twice",
)
PAIRS = (
    ("the boats are on the water", "the boats is on the water"),
    ("nobody saw the ferry go", "nobody saw the ferry goes"),
    ("the children ran to the shore", "the children ran the to shore"),
)

LISTENING = BenchmarkSpec(
    "mock-listening",
    target="harness.check.mocks:MockListening",
    kind="neural",
    metric="Pearson r with the length of words",
    simulated=True,
)
PREFERENCE = BenchmarkSpec(
    "mock-pairs",
    target="harness.check.mocks:MockPairs",
    kind="linguistic",
    metric="accuracy",
    chance=0.5,
    simulated=True,
)


def write_mock_model(folder: Path, seed: int = 0) -> ModelSpec:
    """Write a tiny Llama with random weights and a tokenizer of bytes.

    Parameters
    ----------
    folder : Path
        Takes what ``save_pretrained`` writes: 0.1 M parameters, 3 blocks, 32 units, 1,024 tokens.
    seed : int
        Of the weights.
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from harness.lm.quiet import quiet_transformers

    special = ["<pad>", "<s>", "</s>"]
    names = special + sorted(pre_tokenizers.ByteLevel.alphabet())
    config = LlamaConfig(
        vocab_size=len(names),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    with torch.random.fork_rng(devices=[]), quiet_transformers():
        torch.manual_seed(seed)
        LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer = Tokenizer(models.BPE({name: i for i, name in enumerate(names)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    roles = dict(zip(("pad_token", "bos_token", "eos_token"), special, strict=True))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **roles).save_pretrained(folder)
    return ModelSpec("mock-model", source=f"file:{folder.resolve()}", licence="BSD-3-Clause")


class MockListening:
    """Two runs of words; the score is how well the best unit follows the length of words."""

    def requests(self) -> tuple[Request, ...]:
        """Ask for the hidden state of each word."""
        from harness.record.context import Context
        from harness.record.request import Measure, Request
        from harness.stimuli.passages import Passage, Stimuli
        from harness.stimuli.readouts import Items

        runs = tuple(Passage.from_words(f"run{i}", text.split()) for i, text in enumerate(STORY))
        stimuli = Stimuli("mock-listening", runs)
        return (Request(stimuli, Measure.HIDDEN, Context.parse("words(5)"), Items()),)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Correlate units of the last layer with the length of words; no folds, no meaning."""
        import numpy as np
        import xarray as xr

        (recording,) = recordings.values()
        lengths = np.array([len(word) for text in STORY for word in text.split()], float)
        last = recording.isel(layer=-1).values.astype(float)
        found = np.corrcoef(lengths, last.T)[0, 1:]
        values = {"value": found.max(), "low": found.min(), "high": found.max(), "ceiling": 1.0}
        return xr.Dataset(values)


class MockPairs:
    """Three minimal pairs; the score is in how many the good sentence is the likelier one."""

    def requests(self) -> tuple[Request, ...]:
        """Ask for the log-probability of each sentence."""
        from harness.record.context import Context, Start
        from harness.record.request import Measure, Request
        from harness.stimuli.passages import Passage, Stimuli
        from harness.stimuli.readouts import Pool, Whole

        sentences = [sentence for pair in PAIRS for sentence in pair]
        passages = tuple(Passage.from_sentence(f"s{i}", s) for i, s in enumerate(sentences))
        policy = Context("sentence", start=Start.BOS)
        stimuli = Stimuli("mock-pairs", passages)
        return (Request(stimuli, Measure.LOGPROB, policy, Whole(Pool.SUM)),)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Count the pairs that are told apart."""
        import xarray as xr

        (recording,) = recordings.values()
        good, bad = recording.values.reshape(len(PAIRS), 2).T
        return xr.Dataset({"value": float((good > bad).mean()), "low": 0.0, "high": 1.0})
