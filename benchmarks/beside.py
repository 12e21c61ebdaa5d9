"""BBH and BLiMP beside lm-evaluation-harness, SyntaxGym beside minicons.

The same weights in the same process, the same items, the same start token: log-probabilities and
choices of ours beside those of the other library. lm-eval pairs contexts with continuations and
scores them itself; of minicons come log-probabilities of tokens, which a loop here adds up by
region and compares by the published formulas.

    python benchmarks/beside.py bbh blimp syntaxgym --model smollm2-135m
"""

from __future__ import annotations

import argparse
import itertools
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from brainpress_plugins.benchmarks.linguistic.bbh_choice import BbhChoice
from brainpress_plugins.benchmarks.linguistic.blimp import Blimp
from brainpress_plugins.benchmarks.linguistic.syntaxgym import SyntaxGym

from harness.lm.load import load
from harness.lm.source import resolve
from harness.probe.choice import choice_request
from harness.probe.minimal_pairs import pair_request
from harness.record.subject import LanguageSubject
from harness.spec.registry import registry

LONGEST = 300
"""Bytes of a question of BBH."""
REGION = re.compile(r"\((\d+);%([^%]+)%\)")


@dataclass(frozen=True)
class Compared:
    """Both libraries on the same items.

    Parameters
    ----------
    ours, theirs : array (n_values,)
        Natural-log probabilities.
    same : array (n_choices,)
        Whether both choose alike.
    right : array (2, n_choices)
        Whether the choice is right, ours and theirs.
    seconds : tuple of float
        CPU time of both.
    """

    ours: np.ndarray
    theirs: np.ndarray
    same: np.ndarray
    right: np.ndarray
    seconds: tuple[float, float]

    def row(self, name: str, model: str) -> str:
        """Return the row of the table."""
        worst = np.abs(self.ours - self.theirs).max()
        cells = [
            name,
            model,
            f"{len(self.same):,}",
            f"{worst:.1e}",
            f"{self.same.sum():,} of {len(self.same):,}",
            *(f"{found.mean():.4f}" for found in self.right),
            *(f"{spent:.0f}" for spent in self.seconds),
        ]
        return f"| {' | '.join(cells)} |"


def timed(action: Callable[[], Any]) -> tuple[Any, float]:
    """Return what an action returns, and its CPU seconds."""
    begun = time.process_time()
    return action(), time.process_time() - begun


def lm_eval_model(speaker: Any) -> Any:
    """Return lm-eval's model around the weights and tokenizer."""
    from lm_eval.models.huggingface import HFLM

    (start,) = speaker.start
    return HFLM(
        pretrained=speaker.model,
        tokenizer=speaker.tokenizer,
        backend="causal",
        device="cpu",
        batch_size=8,
        max_length=speaker.context or 2048,
        prefix_token_id=start,
        add_bos_token=False,
    )


def bbh(speaker: Any, n: int) -> Compared:
    """Return answers of BBH by the sum of their log-probabilities, which is lm-eval's ``acc``."""
    by_task: dict[str, list[Any]] = {}
    for question in BbhChoice(longest=LONGEST).questions:
        by_task.setdefault(question.task, []).append(question)
    turns = itertools.zip_longest(*by_task.values())
    questions = [q for q in itertools.chain.from_iterable(turns) if q is not None][:n]
    asked = choice_request("bbh", questions)
    recorded, spent = timed(lambda: LanguageSubject(speaker).record(asked))
    total = sum(len(q.choices) for q in questions)
    ours = recorded.values.reshape(-1, 2)[:total, 1].astype(float)
    model = lm_eval_model(speaker)

    def theirs() -> list[float]:
        encoded = []
        for question in questions:
            for choice in question.choices:
                before, after = model._encode_pair(question.prompt, f" {choice}")
                encoded.append((("", ""), [*speaker.start, *before], after))
        return [value for value, _ in model._loglikelihood_tokens(encoded, disable_tqdm=True)]

    found, other = timed(theirs)
    return compared(ours, np.array(found), questions, (spent, other))


def compared(
    ours: np.ndarray, theirs: np.ndarray, questions: Sequence[Any], seconds: tuple[float, float]
) -> Compared:
    """Choose among the answers of each question by either."""
    stops = np.cumsum([len(q.choices) for q in questions])[:-1]
    picks = np.array([[int(v.argmax()) for v in np.split(x, stops)] for x in (ours, theirs)])
    answers = np.array([q.answer for q in questions])
    return Compared(ours, theirs, picks[0] == picks[1], picks == answers, seconds)


def blimp(speaker: Any, n: int) -> Compared:
    """Return pairs of BLiMP: lm-eval's request has an empty context and the whole sentence."""
    from lm_eval.api.instance import Instance

    every = max(1, 67 * 1000 // n)
    pairs = Blimp().pairs[::every][:n]
    recorded, spent = timed(lambda: LanguageSubject(speaker).record(pair_request("b", pairs)))
    texts = [text for pair in pairs for text in (pair.good, pair.bad)]
    model = lm_eval_model(speaker)
    requests = [
        Instance("loglikelihood", doc={}, arguments=("", text), idx=i)
        for i, text in enumerate(texts)
    ]
    found, other = timed(lambda: model.loglikelihood(requests, disable_tqdm=True))
    ours = recorded.values.reshape(-1).astype(float)
    theirs = np.array([value for value, _ in found])
    won = np.array([x.reshape(-1, 2)[:, 0] > x.reshape(-1, 2)[:, 1] for x in (ours, theirs)])
    return Compared(ours, theirs, won[0] == won[1], won, (spent, other))


def syntaxgym(speaker: Any, n: int) -> Compared:
    """Return regions of SyntaxGym: log-probabilities of tokens by minicons, added up here."""
    from minicons.scorer import IncrementalLMScorer
    from transformers import BatchEncoding

    bench = SyntaxGym()
    recorded, spent = timed(lambda: LanguageSubject(speaker).record(bench.request))
    ours = recorded.values.reshape(-1).astype(float)
    scorer = IncrementalLMScorer(speaker.model, "cpu", tokenizer=speaker.tokenizer)

    def by_region(text: str, spans: Sequence[tuple[int, int]]) -> list[float]:
        encoded = speaker.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids = [*speaker.start, *encoded["input_ids"]]
        batch = BatchEncoding(
            {
                "input_ids": torch.tensor([ids]),
                "attention_mask": torch.ones(1, len(ids), dtype=torch.long),
            }
        )
        (scores,) = scorer.compute_stats(scorer.prepare_text(batch))
        sums = [0.0] * len(spans)
        # A token is of the region in which its last character lies.
        for (_, stop), score in zip(encoded["offset_mapping"], scores, strict=True):
            sums[next(i for i, (_, end) in enumerate(spans) if stop <= end)] += score
        return sums

    passages = bench.request.stimuli.passages
    found, other = timed(lambda: [v for p in passages for v in by_region(p.text, p.spans)])
    theirs = np.array(found)
    held = np.array([list(passed(bench, values)) for values in (ours, theirs)])
    return Compared(ours, theirs, held[0] == held[1], held, (spent, other))


def passed(bench: SyntaxGym, values: np.ndarray) -> Iterator[bool]:
    """Whether each item's published formulas hold, by Python's own arithmetic."""
    rows = iter(-values / np.log(2))
    for suite in bench.suites:
        for item in suite.items:
            bits = {
                condition: [float(next(rows)) if t.strip() else 0.0 for t in item[condition]]
                for condition in suite.conditions
            }

            def put(match: re.Match[str], bits: dict[str, list[float]] = bits) -> str:
                place, condition = match.groups()
                return f"({bits[condition][int(place) - 1]!r})"

            # Numbers, signs and brackets are all that is left of a formula.
            yield all(eval(REGION.sub(put, f.text)) for f in suite.predictions)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="+", choices=("bbh", "blimp", "syntaxgym"))
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--bbh", type=int, default=500, help="questions")
    parser.add_argument("--blimp", type=int, default=1340, help="pairs")
    chosen = parser.parse_args()
    spec = registry().models.get(chosen.model)
    speaker = load(resolve(spec), spec)
    for name in chosen.what:
        with torch.no_grad():
            found = {"bbh": bbh, "blimp": blimp, "syntaxgym": syntaxgym}[name](
                speaker, getattr(chosen, name, 0)
            )
        print(found.row(name, spec.name), flush=True)


if __name__ == "__main__":
    main()
