"""Tokens of GGUF releases against the encoders that their makers use, text by text.

    pip install tiktoken sentencepiece dashscope
    python benchmarks/reference_tokens.py gemma3-270m qwen2.5-coder-0.5b qwen2.5-coder-1.5b

The files are looked for at models/NAME.gguf in the folders of BRAINPRESS_DATA. Gemma: SentencePiece
itself, with a model file written anew from the vocabulary. Qwen: tiktoken with the ranks that Qwen
publishes (the package dashscope brings them; it is not imported).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.lm.gguf_header import read_header
from harness.lm.gguf_vocabulary import tokenizer_from
from harness.lm.page import PAGE
from harness.place.locate import find
from tests.support.reference_encoders import (
    differing,
    published_ranks,
    qwen_encoder,
    sentencepiece_encoder,
    texts,
)

STRINGS = 3000


def main(names: list[str]) -> int:
    """Print a row for each model; return the number of texts that differ."""
    print("| model | encoder | tokens of the page | texts | differ |\n|---|---|---|---|---|")
    wrong = 0
    for name in names:
        path = find(f"models/{name}.gguf")
        if path is None:
            raise SystemExit(f"models/{name}.gguf is in no folder of BRAINPRESS_DATA")
        header = read_header(path)
        if header.fields["tokenizer.ggml.model"] == "llama":
            what, encode = "SentencePiece", sentencepiece_encoder(header)
        else:
            ranks = published_ranks()
            if ranks is None:
                raise SystemExit("Qwen's ranks are not here: pip install dashscope")
            what, encode = "tiktoken, published ranks", qwen_encoder(ranks)
        strings = texts(STRINGS)
        different = differing(tokenizer_from(header), encode, strings)
        wrong += len(different)
        size = len(encode(PAGE))
        print(f"| {name} | {what} | {size} | {len(strings)} | {len(different)} |", flush=True)
        for text in different[:5]:
            print(f"  {text!r}", file=sys.stderr)
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["gemma3-270m", "qwen2.5-coder-0.5b"]) > 0)
