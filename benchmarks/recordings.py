"""Recordings of a story in `prefix` context: one causal pass against one forward per prefix.

Brain-Score's language models re-encode the whole text for every word (Schrimpf et al. 2021;
brainscore_language, ``digest_text``): N words cost N forwards of growing length. A causal model
computes the same states in one pass. Both are run here in one process, on the same model, threads
and words; the second on every ``--every``-th prefix, its cost scaled up and so labelled.

Run: python benchmarks/recordings.py [--model smollm2-135m] [--words 2000] [--every 50]
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from harness.compress.text.perplexity import TEXTS, embedded_text
from harness.lm.load import load
from harness.lm.source import resolve
from harness.record.context import Context
from harness.record.request import Measure, Request
from harness.record.subject import LanguageSubject
from harness.record.tokens import tokenise
from harness.spec.registry import registry
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Items, Pool


def story(n_words: int) -> Passage:
    """Words of the embedded texts, as many as wanted."""
    words = " ".join(embedded_text(name) for name in TEXTS).split()
    words = (words * (1 + n_words // len(words)))[:n_words]
    return Passage.from_words("story", words)


def one_per_prefix(model: torch.nn.Module, ids: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Hidden states of the last token of each prefix, (prefix, layer, unit)."""
    rows = []
    with torch.inference_mode():
        for stop in stops:
            out = model.base_model(
                input_ids=torch.from_numpy(ids[None, :stop]),
                output_hidden_states=True,
                use_cache=False,
            )
            rows.append(torch.stack([h[0, -1] for h in out.hidden_states]).numpy())
    return np.stack(rows)


def timed(work):
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--words", type=int, default=2000)
    parser.add_argument("--every", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    spec = registry().models.get(chosen.model)
    speaker = load(resolve(spec), spec)
    passage = story(chosen.words)
    request = Request(
        Stimuli("story", (passage,)), Measure.HIDDEN, Context("prefix"), Items(Pool.LAST)
    )
    tokens = tokenise(passage, speaker.tokenizer)
    # Stop before the model's context ends; both ways read the same prefixes.
    fits = int(np.sum(tokens.item_stops <= (speaker.context or len(tokens))))
    passage = story(fits)
    request = Request(
        Stimuli("story", (passage,)), Measure.HIDDEN, Context("prefix"), Items(Pool.LAST)
    )
    tokens = tokenise(passage, speaker.tokenizer)
    sampled = np.arange(chosen.every - 1, fits, chosen.every)
    stops = tokens.item_stops[sampled]

    passes, prefixes = [], []
    for _ in range(chosen.runs):
        got, *cost = timed(lambda: LanguageSubject(speaker).record(request).values)
        passes.append(cost)
    wanted, *cost = timed(lambda: one_per_prefix(speaker.model, tokens.ids, stops))
    prefixes.append(cost)
    error = np.abs(got[sampled] - wanted).max() / np.abs(wanted).max()
    # Forwards cost about in proportion to their tokens, so sampled tokens stand for all.
    scale = tokens.item_stops.sum() / stops.sum()
    wall, cpu = (statistics.median(c[i] for c in passes) for i in range(2))
    all_wall, all_cpu = (scale * prefixes[0][i] for i in range(2))
    print(f"{chosen.model}, {fits} words, {len(tokens)} tokens, {chosen.threads} threads, float32")
    print(f"largest difference, relative to the largest state: {error:.1e}")
    print("| | wall s | CPU s |\n|---|---|---|")
    print(f"| one pass (median of {chosen.runs}) | {wall:.1f} | {cpu:.1f} |")
    print(
        f"| one forward per prefix ({len(stops)} of {fits} measured, scaled by tokens)"
        f" | {all_wall:.0f} | {all_cpu:.0f} |"
    )
    print(f"| ratio | {all_wall / wall:.0f} | {all_cpu / cpu:.0f} |")


if __name__ == "__main__":
    main()
