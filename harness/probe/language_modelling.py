"""Language modelling, measured so that models with different tokenizers can be compared.

Perplexity is a number per token, and a token is more text for one model than for another. Bits per
byte are not: the text is the same for all, and so is the context, because texts are cut into blocks
by their bytes and each block is read by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import ScoreError, StimulusError
from harness.numeric.arrays import Doubles
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Pool, Whole

if TYPE_CHECKING:
    import xarray as xr


BLOCK_BYTES = 768
"""Short enough for a model with 512 tokens of context and a small vocabulary."""

FEWEST = 10
"""With fewer documents than this, the interval resamples their blocks."""

DRAWS = 5000
LEVEL = 0.95

_WORD = re.compile(r"\S+")
_SENTENCE_END = re.compile(r"[.!?][\"'\N{RIGHT DOUBLE QUOTATION MARK})\]]*$")


@dataclass(frozen=True)
class Document:
    """A text.

    Parameters
    ----------
    name : str
    text : str
    """

    name: str
    text: str


def cut(text: str, size: int = BLOCK_BYTES) -> tuple[str, ...]:
    """Cut a text into blocks of at most ``size`` bytes, at ends of sentences where there are any.

    Parameters
    ----------
    text : str
    size : int
        In UTF-8 bytes. A word that is longer is a block of its own.

    Returns
    -------
    tuple of str
        In order, without the white space between them. A block ends with the last sentence that
        ends in its second half, otherwise with a word.

    Raises
    ------
    StimulusError
        The size is not positive, or there is no text.
    """
    if size < 1:
        raise StimulusError(f"a block of {size} bytes holds nothing")
    words = [match.span() for match in _WORD.finditer(text)]
    if not words:
        raise StimulusError("a document has no text")
    blocks, first = list[str](), 0
    while first < len(words):
        last = first
        room = size - _bytes(text, *words[first])
        while last + 1 < len(words):
            room -= _bytes(text, words[last][1], words[last + 1][1])
            if room < 0:
                break
            last += 1
        if last + 1 < len(words):
            last = _sentence_end(text, words, first, last)
        blocks.append(text[words[first][0] : words[last][1]])
        first = last + 1
    return tuple(blocks)


def _bytes(text: str, start: int, end: int) -> int:
    return len(text[start:end].encode())


def _sentence_end(text: str, words: Sequence[tuple[int, int]], first: int, last: int) -> int:
    for word in range(last, (first + last) // 2, -1):
        if _SENTENCE_END.search(text[slice(*words[word])]):
            return word
    return last


def block_request(
    name: str, documents: Sequence[Document], block_bytes: int = BLOCK_BYTES
) -> Request:
    """Ask for the log-probability of every block.

    Returns
    -------
    Request
        Its rows are the blocks, by document; each is read from its beginning after a
        beginning-of-sequence token, and all its tokens are summed.
    """
    passages = tuple(
        Passage.from_sentence(f"{document.name}/{number}", block)
        for document in documents
        for number, block in enumerate(cut(document.text, block_bytes))
    )
    context = Context("prefix", start=Start.BOS)
    return Request(Stimuli(name, passages), Measure.LOGPROB, context, Whole(Pool.SUM))


def score_bits(
    documents: Sequence[Document], recording: xr.DataArray, block_bytes: int = BLOCK_BYTES
) -> xr.Dataset:
    """Turn log-probabilities of blocks into bits per byte.

    Parameters
    ----------
    documents : sequence of Document
    recording : DataArray
        Dims (sample, layer, unit), (blocks, 1, 1): the answer to :func:`block_request` of these
        documents.
    block_bytes : int
        As it was given to :func:`block_request`.

    Returns
    -------
    Dataset
        ``value``, bits of all blocks / bytes of all blocks, so lower is better; ``low``, ``high``:
        95 % bootstrap interval over documents, or over blocks where there are fewer than
        ``FEWEST`` documents (NaN where there is one block); over dim ``document``:
        ``bits_per_byte``, ``bytes``, ``blocks``. The attribute ``resampled`` says what was.

    Raises
    ------
    ScoreError
        The recording has another shape than the documents ask for, or is not finite.
    """
    import xarray as xr

    blocks = [cut(document.text, block_bytes) for document in documents]
    sizes = np.array([len(block.encode()) for parts in blocks for block in parts], np.float64)
    if recording.shape != (len(sizes), 1, 1):
        raise ScoreError(
            f"{len(documents)} documents need a recording of shape ({len(sizes)}, 1, 1),"
            f" not {recording.shape}",
            "the recording answers another request: make it from the request of these documents",
        )
    bits = -recording.values.reshape(-1).astype(np.float64) / np.log(2)
    if not np.isfinite(bits).all():
        raise ScoreError(
            "the log-probability of a block is not finite",
            "record again in float32; a compressed model that gives NaN is broken",
        )
    member = np.repeat(np.arange(len(documents)), [len(parts) for parts in blocks])
    bits_of, bytes_of = np.bincount(member, bits), np.bincount(member, sizes)
    by_document = len(documents) >= FEWEST
    low, high = _interval(*((bits_of, bytes_of) if by_document else (bits, sizes)))
    return xr.Dataset(
        {
            "value": bits.sum() / sizes.sum(),
            "low": low,
            "high": high,
            "bits_per_byte": ("document", bits_of / bytes_of),
            "bytes": ("document", bytes_of.astype(np.int64)),
            "blocks": ("document", np.bincount(member)),
        },
        coords={"document": [document.name for document in documents]},
        attrs={"resampled": "documents" if by_document else "blocks"},
    )


def _interval(bits: Doubles, sizes: Doubles) -> tuple[float, float]:
    """Percentile interval of a ratio of sums."""
    n = len(bits)
    if n < 2:
        return float("nan"), float("nan")
    weights = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=DRAWS)
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    low, high = np.quantile((weights @ bits) / (weights @ sizes), tails)
    return float(low), float(high)
