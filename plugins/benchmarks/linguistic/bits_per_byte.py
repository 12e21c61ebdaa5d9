"""Bits per byte of running text: language modelling itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError
from harness.place.place import folder
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.probe.language_modelling import Document
    from harness.record.request import Recordings, Request

BLOCK_BYTES = 768


@dataclass(frozen=True)
class BitsPerByte:
    """How many bits a model needs for a byte of text.

    Parameters
    ----------
    text : str
        ``embedded``: twelve short documents written for brainpress, each of another kind; the name
        of one of them (``tale``); or ``file:PATH``: a text file, or a folder of ``.txt`` files,
        each of which is a document.
    block_bytes : int
        Longest stretch of text that is read at once, in UTF-8 bytes.

    Raises
    ------
    DataError
        There is no such text, it is empty or not UTF-8.
    """

    text: str = "embedded"
    block_bytes: int = BLOCK_BYTES

    def __post_init__(self) -> None:
        if self.block_bytes < 1:
            raise DataError(f"blocks of {self.block_bytes} bytes hold nothing")
        _ = self.documents  # data that is missing is found when the run is planned

    def requests(self) -> tuple[Request, ...]:
        """Ask for the log-probability of every block."""
        return (self.request,)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Return bits per byte, see :func:`harness.probe.language_modelling.score_bits`."""
        from harness.probe.language_modelling import score_bits

        return score_bits(self.documents, recordings[self.request], self.block_bytes)

    @cached_property
    def request(self) -> Request:
        """Log-probabilities of all blocks."""
        from harness.probe.language_modelling import block_request

        return block_request("bits-per-byte", self.documents, self.block_bytes)

    @cached_property
    def documents(self) -> tuple[Document, ...]:
        """All documents, by name."""
        if self.text.startswith("file:"):
            return _own(folder(self.text.removeprefix("file:"), "a text"))
        return _embedded(self.text)


def embedded_texts() -> tuple[str, ...]:
    """Names of the documents that come with brainpress."""
    folder = files("brainpress_plugins.benchmarks.linguistic") / "texts"
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(n.removesuffix(".txt") for n in names if n.endswith(".txt")))


def _embedded(name: str) -> tuple[Document, ...]:
    from harness.probe.language_modelling import Document

    names = embedded_texts()
    if name != "embedded" and name not in names:
        raise DataError(
            f"no text named {name!r}", f"'embedded', file:PATH, or one of {', '.join(names)}"
        )
    folder = files("brainpress_plugins.benchmarks.linguistic") / "texts"
    chosen = names if name == "embedded" else (name,)
    return tuple(
        Document(n, (folder / f"{n}.txt").read_text(encoding="utf-8").strip()) for n in chosen
    )


def _own(path: Path) -> tuple[Document, ...]:
    from harness.probe.language_modelling import Document

    paths = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not paths or not all(p.is_file() for p in paths):
        raise DataError(
            f"no text at {path}", "file: names a text file, or a folder that holds .txt files"
        )
    documents = []
    for p in paths:
        try:
            text = p.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{p} cannot be read as UTF-8 text: {error}") from error
        if not text.strip():
            raise DataError(f"{p} is empty")
        documents.append(Document(p.stem, text))
    return tuple(documents)


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Offer the embedded texts."""
    return [
        BenchmarkSpec(
            "bits-per-byte",
            target="brainpress_plugins.benchmarks.linguistic.bits_per_byte:BitsPerByte",
            kind="linguistic",
            metric="bits per UTF-8 byte, lower is better",
            lower_is_better=True,
            chance=8.0,
            margin=0.02,
            tags=("language-modelling", "offline"),
            citation="texts by the brainpress authors",
            licence="BSD-3-Clause",
            notes=(
                "Each of the twelve documents is read by itself after a beginning-of-sequence"
                " token, so every model has the same context, whatever its tokenizer. Contexts are"
                " short: long-range use of context is not measured."
            ),
            data="twelve documents of about 120 words, each of another kind",
        )
    ]
