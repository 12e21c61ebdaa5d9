"""The text that a compressor measures a model on: named, seeded, cached, hashed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.compress.text.sources import FILE, SELF
from harness.errors import CompressionError, CorruptError
from harness.place.place import folder
from harness.store.keys import content_key

if TYPE_CHECKING:
    from torch import Tensor

    from harness.lm.load import LanguageModel

_VERSION = 1
_POOL = 8
"""Windows are drawn from the first documents of a corpus: those that give this many times more."""


@dataclass(frozen=True)
class CalibrationSpec:
    """Which text, how much of it, and how it is drawn.

    Parameters
    ----------
    text : str
        ``self``: sampled from the model itself before it is compressed (Liu et al. 2023, LLM-QAT),
        so that it needs no download and shares no passage with any benchmark but by memory;
        ``wikitext2`` or ``c4``: as in the papers; ``file:PATH``: a plain text file, UTF-8.
    samples : int
        Windows.
    length : int
        Tokens a window; the model's context bounds it.
    seed : int
        Of what is random in the sampling or the choice of windows.

    Raises
    ------
    CompressionError
        A number is not positive.
    """

    text: str = SELF
    samples: int = 128
    length: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples < 1 or self.length < 2:
            raise CompressionError(
                f"calibration on {self.samples} windows of {self.length} tokens cannot be",
                "128 windows of 512 tokens are the default",
            )

    def fingerprint(self) -> str:
        """Return what determines the text beside the model: the spec, and a file's content.

        Raises
        ------
        CompressionError
            The file cannot be read.
        """
        content = _file_hash(self.text) if self.text.startswith(FILE) else ""
        return content_key(spec=self, content=content, version=_VERSION)


@dataclass(frozen=True)
class Calibration:
    """Calibration text as a model reads it.

    Parameters
    ----------
    spec : CalibrationSpec
        What was asked for.
    tokens : Tensor
        (samples, length), int64.
    passages : tuple of str
        The windows as text.
    """

    spec: CalibrationSpec
    tokens: Tensor
    passages: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Of the tokens: what two results must share to be compared."""
        return hashlib.sha256(self.tokens.cpu().numpy().astype("<i8").tobytes()).hexdigest()


def calibrate(
    model: LanguageModel, spec: CalibrationSpec, *, cache: Path, offline: bool = False
) -> Calibration:
    """Return the calibration text of a model, from the cache when it was made before.

    Parameters
    ----------
    model : LanguageModel
        The model before compression.
    spec : CalibrationSpec
        What text.
    cache : Path
        Folder for the tokens.
    offline : bool
        Never use the network.

    Returns
    -------
    Calibration

    Raises
    ------
    CompressionError
        The text is shorter than one window, longer than the model's context, or of no known name.
    FetchError
        A corpus cannot be had.
    StoreError
        The cache cannot be written.
    """
    if model.context is not None and spec.length > model.context:
        raise CompressionError(
            f"calibration windows of {spec.length} tokens exceed the context of "
            f"{model.spec.name}, {model.context}",
            f"ask for a length of {model.context} or less",
        )
    path = cache / f"{_key(model, spec)}.safetensors"
    tokens = _read(path)
    if tokens is None:
        tokens = _make(model, spec, offline)
        _write(path, tokens)
    passages = model.tokenizer.batch_decode(
        tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return Calibration(spec, tokens, tuple(passages))


def draw_windows(ids: Tensor, spec: CalibrationSpec) -> Tensor:
    """Draw windows that do not overlap from a long text.

    Parameters
    ----------
    ids : Tensor
        (tokens,), int64.
    spec : CalibrationSpec
        How many, how long, and the seed. A text that has fewer gives all it has.

    Returns
    -------
    Tensor
        (samples, length), in the order of the text.

    Raises
    ------
    CompressionError
        The text is shorter than one window.
    """
    import torch

    count = len(ids) // spec.length
    if not count:
        raise CompressionError(
            f"the calibration text {spec.text!r} has {len(ids)} tokens, fewer than one window of "
            f"{spec.length}",
            "give a longer text, or ask for shorter windows",
        )
    generator = torch.Generator().manual_seed(spec.seed)
    chosen = torch.randperm(count, generator=generator)[: spec.samples].sort().values
    return ids[: count * spec.length].reshape(count, spec.length)[chosen]


def _make(model: LanguageModel, spec: CalibrationSpec, offline: bool) -> Tensor:
    if spec.text == SELF:
        from harness.compress.text.sampling import sample_text

        if any(parameter.is_meta for parameter in model.model.parameters()):
            raise CompressionError(
                f"{model.spec.name} is on disk, and cannot write its own calibration text there",
                "name a text: calibration=wikitext2, or calibration=file:prose.txt",
            )
        return sample_text(model, spec.samples, spec.length, spec.seed)
    import torch

    from harness.compress.text.corpora import documents

    ids: list[int] = []
    for document in documents(spec.text, offline=offline):
        # Documents are joined by an empty line, as in GPTQ's own calibration.
        ids += model.tokenizer(document + "\n\n", add_special_tokens=False)["input_ids"]
        if len(ids) >= _POOL * spec.samples * spec.length:
            break
    return draw_windows(torch.tensor(ids, dtype=torch.int64), spec)


def _key(model: LanguageModel, spec: CalibrationSpec) -> str:
    # Text sampled in another precision is another text.
    dtype = str(next(model.model.parameters()).dtype)
    return content_key(model=model.files.fingerprint, dtype=dtype, text=spec.fingerprint())


def _read(path: Path) -> Tensor | None:
    from harness.compress.report.tensor_file import reading_tensors

    try:
        with reading_tensors(path, _label(path)) as (_, tensors):
            return dict(tensors)["tokens"]
    except (FileNotFoundError, CorruptError, KeyError):
        return None  # not made yet, cut short, damaged or of another text: it is made again


def _write(path: Path, tokens: Tensor) -> None:
    from harness.compress.report.tensor_file import write_tensors

    write_tensors(path, {"tokens": tokens.contiguous()}, name=_label(path))


def _label(path: Path) -> str:
    return f"calibration/{path.stem}"


def _file_hash(text: str) -> str:
    path = folder(text.removeprefix(FILE), "a text")
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise CompressionError(
            f"the calibration text {path} cannot be read: {error.strerror}",
            "write file:PATH with the path of a plain text file",
        ) from error
