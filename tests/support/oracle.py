"""Recordings of a tiny model against transformers' own outputs, text by text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.lm.load import LanguageModel, load
from harness.lm.source import resolve, spec_from_address
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.record.subject import LanguageSubject
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Items, Pool

WORDS = (
    ["the", "otter", "swam"],
    ["a", "boat", "on", "another", "shore", "ran", "there", "then", "on", "and", "on"],
    ["here", "it", "is"],
    ["the", "otter", "slept", "on"],
)
"""Texts of unequal lengths: in one batch, three of them are padded."""
STIMULI = Stimuli("s", tuple(Passage.from_words(str(i), words) for i, words in enumerate(WORDS)))


@dataclass(frozen=True)
class Differences:
    """How far recordings are from transformers' own outputs.

    Parameters
    ----------
    hidden : float
        Largest difference of a hidden state, relative to the largest value of its layer and text;
        NaN where the model has none to compare.
    logprob : float
        Largest difference of a word's log-probability (nats); NaN likewise.
    layers : int
        Layers compared, the embedding among them.
    """

    hidden: float
    logprob: float
    layers: int


def write(folder: Path, config: Any, tokenizer: Any) -> Path:
    """Write a model of a config, all of whose parameters are random, and a tokenizer."""
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
        with torch.no_grad():
            for parameter in model.parameters():
                if not bool(parameter.ne(parameter.flatten()[0]).any()):  # drawn as 0 or 1
                    parameter.add_(0.3 * torch.rand_like(parameter))
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def opened(folder: Path, **changes: Any) -> LanguageModel:
    """Load a folder as a run does; ``changes`` are fields of its spec."""
    spec = replace(spec_from_address(f"file:{folder}"), **changes)
    return load(resolve(spec), spec)


def request(measure: Measure, pool: Pool, start: Start = Start.BOS) -> Request:
    """Ask for the words of the texts."""
    return Request(STIMULI, measure, Context("prefix", start=start), Items(pool))


def alone(model: LanguageModel, text: str) -> Any:
    """Read one text by itself, as a user of transformers would."""
    tokens = model.tokenizer(text, add_special_tokens=False)
    ids = torch.tensor([[*(model.start or ()), *tokens["input_ids"]]])
    with torch.inference_mode():
        out = model.model(input_ids=ids, output_hidden_states=True, use_cache=False)
    return ids[0], len(model.start or ()), tokens, out


def word_ends(model: LanguageModel, words: list[str]) -> list[int]:
    """Return the number of tokens up to the end of each word."""
    joined = [" ".join(words[: i + 1]) for i in range(len(words))]
    return [len(model.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in joined]


def differences(model: LanguageModel, *, no_embedding: bool | None = None) -> Differences:
    """Compare what is recorded in unequal batches with what transformers returns for each text.

    Parameters
    ----------
    model : LanguageModel
    no_embedding : bool, optional
        Whether transformers leaves the embedding out, and returns the last state before and after
        the last norm (state-space models). None: where that is closer.
    """
    if no_embedding is None:
        both = [differences(model, no_embedding=value) for value in (False, True)]
        return min(both, key=lambda found: np.nan_to_num(found.hidden, nan=np.inf))
    subject, able = LanguageSubject(model), model.capabilities
    hidden = sums = None
    if "hidden" in able:
        hidden = subject.record(request(Measure.HIDDEN, Pool.LAST))
    if "logprob" in able:
        sums = subject.record(request(Measure.LOGPROB, Pool.SUM))
    worst: dict[str, list[float]] = {"hidden": [], "logprob": []}
    row = 0
    for words in WORDS:
        ids, lead, _, out = alone(model, " ".join(words))
        ends = word_ends(model, words)
        if hidden is not None:
            own = [states[0] for states in out.hidden_states]
            if no_embedding:
                own = [model.model.get_input_embeddings()(ids), *own[:-2], own[-1]]
            worst["hidden"].append(_states(hidden, own, [row, lead], ends))
        if sums is not None:
            logprobs = torch.log_softmax(out.logits[0].float(), -1)
            each = logprobs[torch.arange(len(ids) - 1), ids[1:]].numpy()
            for i, end in enumerate(ends):
                begin = ends[i - 1] if i else 0
                expected = float(each[lead + begin - 1 : lead + end - 1].sum())
                worst["logprob"].append(abs(float(sums.values[row + i, 0, 0]) - expected))
        row += len(words)
    return Differences(
        max(worst["hidden"], default=np.nan),
        max(worst["logprob"], default=np.nan),
        0 if hidden is None else hidden.sizes["layer"],
    )


def _states(hidden: Any, own: list[torch.Tensor], at: list[int], ends: list[int]) -> float:
    row, lead = at
    if len(own) != hidden.sizes["layer"]:
        return np.inf
    worst = 0.0
    for layer, states in enumerate(own):
        if states.shape[-1] != hidden.sizes["unit"]:  # projected behind the last block
            continue
        scale = float(states.abs().max())
        for i, end in enumerate(ends):
            off = np.abs(hidden.values[row + i, layer] - states[lead + end - 1].numpy())
            worst = max(worst, float(off.max()) / scale)
    return worst


def of_type(name: str, options: Mapping[str, Any]) -> Any:
    """Return a config of one of transformers' model types."""
    from transformers import AutoConfig

    return AutoConfig.for_model(name, **options)
