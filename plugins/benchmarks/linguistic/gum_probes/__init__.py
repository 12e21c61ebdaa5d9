"""Probing tasks from GUM, the Georgetown University Multilayer corpus (Zeldes 2017)."""

from __future__ import annotations

from typing import Any

from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Offer linear probes, and probes with one hidden layer."""
    common: dict[str, Any] = {
        "target": "brainpress_plugins.benchmarks.linguistic.gum_probes.benchmark:GumProbes",
        "kind": "linguistic",
        "margin": 0.02,
        "licence": "annotations CC-BY-4.0; texts CC-BY and CC-BY-NC-SA, see GUM's LICENSE.txt",
        "citation": (
            "Zeldes (2017). The GUM corpus: creating multilayer resources in the classroom."
            " Language Resources and Evaluation 51, 581-612."
        ),
        "homepage": "https://gucorpling.org/gum/",
        "data": "237 documents of 15 genres, of which 30 each for choosing and for testing",
        "notes": (
            "GUM's own split: no document is in two parts; documents from Reddit and of GENTLE are"
            " left out. Texts are runs of sentences of at most 80 words, each read by itself. A"
            " task looks at no more than 1,000 training, 300 dev and 400 test texts and takes at"
            " most 600, 200 and 300 items, at most 6 from one text, in a fixed order; a class has"
            " at most twice its even share, and at least 30 training, 5 dev and 10 test items."
            " Words that are part of a contraction are left out, for their characters are not"
            " their own. The lexical baseline is the best on the dev part of one cue word,"
            " character n-grams with the two words before, and layer 0 of the same model. Tasks"
            " that stand aside (docs/probing.md) are scored and do not count."
        ),
    }
    return [
        BenchmarkSpec(
            "gum-probes",
            metric="gain in macro-F1 (or Pearson r) of linear probes over the lexical baseline",
            chance=0.0,
            version=3,
            tags=("probes", "real"),
            **common,
        ),
        BenchmarkSpec(
            "gum-probes-hidden",
            options={"probe": "hidden"},
            metric="gain in macro-F1 (or Pearson r) of probes with a hidden layer over the lexical"
            " baseline",
            chance=0.0,
            version=3,
            tags=("probes", "real"),
            **common,
        ),
    ]
