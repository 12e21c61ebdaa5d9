"""Log-probabilities of sentences beside minicons, lm-eval and the same model in float64.

    pip install minicons lm-eval
    python benchmarks/reading.py stories260k smollm2-135m gemma3-270m qwen2.5-coder-0.5b

200 sentences of minimal-pairs, the same start token for all. Each column is the largest difference
(nats) over the sentences: of a sentence's sum, and of its sum divided by its tokens. float64 is the
same weights in double precision, one sentence at a time, summed in double precision: what is right.
lm-eval's softmax adds the exponents of the whole vocabulary in float32; its option `softmax_dtype`
has it do so in float64.
"""

from __future__ import annotations

import argparse
import logging
import sys
import warnings
from typing import Any

import numpy as np
import torch

from harness.lm.load import LanguageModel, load
from harness.lm.source import resolve
from harness.numeric.arrays import Doubles
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.record.subject import LanguageSubject
from harness.spec.registry import registry
from harness.spec.specs import load_target
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Pool, Whole


def main() -> None:
    """Print a table: a row for each model and each pair of programs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("models", nargs="+")
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--skip-double", action="store_true", help="no column of float64")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    texts = sentences(options.sentences)
    print("| model | start | tokens | beside | of a sum | a token | share of the sum |")
    print("|---|---|---|---|---|---|---|")
    for name in options.models:
        row(name, texts, double=not options.skip_double)


def sentences(n: int) -> list[str]:
    """Return sentences of minimal-pairs, evenly over its paradigms."""
    spec = registry().benchmarks.specs["minimal-pairs"]
    (request,) = load_target(spec).requests()
    every = [passage.text for passage in request.stimuli.passages]
    return [every[int(i)] for i in np.linspace(0, len(every) - 1, n)]


def row(name: str, texts: list[str], *, double: bool) -> None:
    """Print the lines of one model."""
    spec = registry().models.specs[name]
    model = load(resolve(spec), spec)
    lengths = np.array([len(ids_of(model, text)) for text in texts])
    found = {"brainpress": ours(model, texts), "lm-eval": lm_eval(model, texts)}
    found["lm-eval, softmax in float64"] = lm_eval(model, texts, softmax_dtype="float64")
    found["minicons"] = minicons(model, texts)
    if double:
        found["float64"] = exact(model, texts)
    start = model.tokenizer.convert_ids_to_tokens(list(model.start or ()))
    pairs = [("brainpress", other) for other in found if other != "brainpress"]
    if double:
        pairs += [(other, "float64") for other in found if other not in ("brainpress", "float64")]
    for one, other in pairs:
        off = np.abs(found[one] - found[other])
        cells = [name, f"`{''.join(start)}`", str(lengths.sum()), f"{one}, {other}"]
        numbers = [off.max(), (off / lengths).max(), (off / np.abs(found[other])).max()]
        print(
            "| " + " | ".join([*cells, *(f"{value:.1e}" for value in numbers)]) + " |", flush=True
        )


def ids_of(model: LanguageModel, text: str) -> list[int]:
    """Return the tokens of a text, without those that a tokenizer puts before it."""
    return list(model.tokenizer(text, add_special_tokens=False)["input_ids"])


def ours(model: LanguageModel, texts: list[str]) -> Doubles:
    """Return the log-probability of each text, as benchmarks ask for it."""
    passages = tuple(Passage(str(i), text, ()) for i, text in enumerate(texts))
    stimuli = Stimuli("sentences", passages)
    asked = Request(stimuli, Measure.LOGPROB, Context("sentence", start=Start.BOS), Whole(Pool.SUM))
    return LanguageSubject(model).record(asked).values.ravel().astype(np.float64)


def exact(model: LanguageModel, texts: list[str]) -> Doubles:
    """Return the same of the same weights in float64, a text at a time."""
    import copy

    network: Any = copy.deepcopy(model.model).double()
    sums = []
    for text in texts:
        ids = torch.tensor([[*(model.start or ()), *ids_of(model, text)]])
        lead = len(model.start or ())
        with torch.inference_mode():
            logprobs = torch.log_softmax(network(input_ids=ids, use_cache=False).logits[0], -1)
        each = logprobs[torch.arange(ids.shape[1] - 1), ids[0, 1:]]
        sums.append(float(each[lead - 1 :].sum()))
    return np.array(sums)


def lm_eval(model: LanguageModel, texts: list[str], **options: Any) -> Doubles:
    """Return what lm-eval's Hugging Face model answers to `loglikelihood`, with our start."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    (start,) = model.start or ()
    other = HFLM(
        pretrained=model.model,
        tokenizer=model.tokenizer,
        backend="causal",
        batch_size=16,
        prefix_token_id=start,
        add_bos_token=False,
        **options,
    )
    asked = [Instance("loglikelihood", {}, ("", text), i) for i, text in enumerate(texts)]
    return np.array([answer for answer, _ in other.loglikelihood(asked, disable_tqdm=True)])


def minicons(model: LanguageModel, texts: list[str]) -> Doubles:
    """Return what minicons' scorer answers, with our start as the tokenizer's BOS."""
    from minicons.scorer import IncrementalLMScorer

    tokenizer = model.tokenizer
    (start,) = model.start or ()
    before = tokenizer.bos_token
    adds = tokenizer("a")["input_ids"][0] == start  # it puts it there itself
    tokenizer.bos_token = tokenizer.convert_ids_to_tokens(start)
    padding = tokenizer.pad_token
    try:
        scorer = IncrementalLMScorer(model.model, "cpu", tokenizer)
        sums: list[float] = []
        for at in range(0, len(texts), 16):
            sums += scorer.sequence_score(
                texts[at : at + 16], reduction=lambda s: s.sum().item(), bos_token=not adds
            )
    finally:
        tokenizer.bos_token, tokenizer.pad_token = before, padding
    return np.array(sums)


if __name__ == "__main__":
    sys.exit(main())
