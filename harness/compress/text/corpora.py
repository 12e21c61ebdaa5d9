"""Texts to calibrate on that come from elsewhere, pinned."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.compress.text.sources import FILE, SELF
from harness.errors import CompressionError
from harness.fetch.download import fetch
from harness.fetch.resource import Resource
from harness.place.place import folder

_HUB = "https://huggingface.co/datasets"

CORPORA: Mapping[str, Resource] = {
    "wikitext2": Resource(
        name="wikitext-2-raw-v1-train.parquet",
        address=(
            f"{_HUB}/Salesforce/wikitext/resolve/b08601e04326c79dfdd32d625aee71d232d685c3/"
            "wikitext-2-raw-v1/train-00000-of-00001.parquet"
        ),
        sha256="e83889baabc497075506f91975be5fac0d45c5290b6b20582c8cd1e853d0c9f7",
        size=6_357_543,
        licence="CC-BY-SA-3.0",
        where="calibration/wikitext-2-raw-v1-train.parquet",
    ),
    "c4": Resource(
        name="c4-train.00000-of-01024.json.gz",
        address=(
            f"{_HUB}/allenai/c4/resolve/1588ec454efa1a09f29cd18ddd04fe05fc8653a2/"
            "en/c4-train.00000-of-01024.json.gz"
        ),
        sha256="8ef8d75b0e045dec4aa5123a671b4564466b0707086a7ed1ba8721626dfffbc9",
        size=319_308_785,
        licence="ODC-By-1.0",
        where="calibration/c4-train.00000-of-01024.json.gz",
    ),
}
"""What GPTQ, SparseGPT and Wanda calibrate on: WikiText-2 (raw, train) and C4's first shard."""


def documents(text: str, *, offline: bool = False) -> Iterator[str]:
    """Read the documents of a named corpus or of a file.

    Parameters
    ----------
    text : str
        ``wikitext2``, ``c4`` or ``file:PATH``.
    offline : bool
        Never use the network.

    Yields
    ------
    str
        Documents, in the order of the corpus; empty ones are left out.

    Raises
    ------
    CompressionError
        The name is unknown, or a file is not text.
    FetchError
        The corpus cannot be had.
    """
    if text.startswith(FILE):
        yield _plain_text(folder(text.removeprefix(FILE), "a text"))
        return
    if text not in CORPORA:
        raise CompressionError(
            f"no calibration text {text!r}",
            f"there are {SELF}, {', '.join(CORPORA)} and {FILE}PATH",
        )
    path = fetch(CORPORA[text], offline=offline)
    read = _parquet_texts if path.suffix == ".parquet" else _json_texts
    yield from (document for document in read(path) if document.strip())


def _plain_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CompressionError(
            f"the calibration text {path} cannot be read: {error}",
            "calibration wants a plain text file in UTF-8",
        ) from error


def _parquet_texts(path: Path) -> Iterator[str]:
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(columns=["text"]):
        yield from batch.column("text").to_pylist()


def _json_texts(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]
