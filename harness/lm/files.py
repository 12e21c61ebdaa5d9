"""The files that make a language model, checked without loading them."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import ChecksumError, HarnessError, ModelError
from harness.fetch.checksum import forget, remembered_sha256, sha256_of, unchanged

CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
TOKENIZERS = (("tokenizer.json",), ("tokenizer.model",), ("vocab.json", "merges.txt"))
"""Any one of these sets of files makes a tokenizer."""
COMPANIONS = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    TOKENIZER_CONFIG,
    "special_tokens_map.json",
    "added_tokens.json",
)
"""Every file that can change what a tokenizer does."""
QUANTISATION = ("quantize_config.json", "quant_config.json")
"""Where older quantised checkpoints describe themselves."""
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_HEADER_LIMIT = 100_000_000  # bytes; the limit of the safetensors library itself


class Unconverted(HarnessError):
    """A model's one file is here, and is not converted yet.

    Parameters
    ----------
    path : Path
    parameters : int
        Numbers that it stores.
    states : int
        Numbers of all hidden states at one position; 0 where its header does not say.
    """

    def __init__(self, path: Path, parameters: int, states: int) -> None:
        super().__init__(f"{path} is not converted yet", "a run converts it")
        self.parameters, self.states = parameters, states


@dataclass(frozen=True)
class ModelFiles:
    """A language model on this machine.

    Parameters
    ----------
    folder : Path
        A folder as ``transformers`` reads it: config, tokenizer, safetensors.
    fingerprint : str
        sha256 of whatever determines what the model computes.
    revision : str
        What was found at the source: a commit, or the sha256 of a file or of a folder's contents.
    pinned : bool
        Whether the spec asked for exactly this revision.
    sha256 : mapping
        Of each file that counts, by name.
    sizes : mapping
        Bytes of each of these files.
    parameters : int
        Numbers stored in the weight files (tied weights once; packed ones as they are packed).
    notes : tuple of str
        What a reader of the results must know.
    """

    folder: Path
    fingerprint: str
    revision: str
    pinned: bool
    sha256: Mapping[str, str] = field(repr=False)
    sizes: Mapping[str, int] = field(repr=False)
    parameters: int = 0
    notes: tuple[str, ...] = ()
    described: Mapping[str, Any] | None = None
    """Configuration of a control without a network, which has no folder."""

    @property
    def config(self) -> dict[str, Any]:
        """The model's configuration, as it stands in the folder."""
        return read_config(self.folder) if self.described is None else dict(self.described)


def inspect_folder(folder: Path, *, revision: str = "", pinned: bool = False) -> ModelFiles:
    """Check a model's folder and take its fingerprint.

    Weights are not loaded: the header of each safetensors file says how long the file must be.
    Checksums are remembered, so that only the first look at a folder reads it.

    Parameters
    ----------
    folder : Path
        A folder as ``transformers`` reads it.
    revision : str
        What the source calls these contents; empty, their fingerprint.
    pinned : bool
        Whether they are what the spec asked for.

    Raises
    ------
    ModelError
        A file is missing, truncated or not what its name says.
    """
    read_config(folder)
    weights = weight_names(folder)
    present = [name for name in (*COMPANIONS, *QUANTISATION) if (folder / name).is_file()]
    if not any(all(name in present for name in names) for names in TOKENIZERS):
        raise ModelError(
            f"{folder} has no tokenizer: neither tokenizer.json nor tokenizer.model nor "
            "vocab.json with merges.txt",
            "copy it from where the weights are from, or save it with "
            "tokenizer.save_pretrained(folder)",
        )
    return inspected(folder, weights, present, revision=revision, pinned=pinned)


def inspected(
    folder: Path, weights: list[str], present: list[str], *, revision: str, pinned: bool
) -> ModelFiles:
    """Check weight files, and take the fingerprint of a folder.

    Parameters
    ----------
    folder : Path
    weights : list of str
        Names of its weight files.
    present : list of str
        What else of it counts, beside the configuration.
    revision, pinned
        See :func:`inspect_folder`.

    Raises
    ------
    ModelError
        A weight file is truncated or not what its name says.
    """
    parameters = sum(stored_numbers(folder / name) for name in weights)
    index = [WEIGHTS_INDEX] if len(weights) > 1 or weights[0] != WEIGHTS else []
    names = sorted({CONFIG, *present, *weights, *index})
    checksums = {name: remembered_sha256(folder / name) for name in names}
    fingerprint = digest(checksums)
    return ModelFiles(
        folder=folder,
        fingerprint=fingerprint,
        revision=revision or fingerprint,
        pinned=pinned,
        sha256=checksums,
        sizes={name: (folder / name).stat().st_size for name in names},
        parameters=parameters,
    )


def check_unchanged(files: ModelFiles, begun: Callable[[], object] = lambda: None) -> None:
    """Hold a model's files against their checksums, from their bytes as they are now.

    The checksums of a file that does not fit are forgotten, so that whoever resolves the model next
    finds out what it is now.

    Parameters
    ----------
    files : ModelFiles
    begun : callable, optional
        Called when the largest file is being read.

    Raises
    ------
    ChecksumError
        A file has changed, and the system did not notice: a bit has flipped on the disk.
    """
    largest_first = sorted(files.sha256, key=lambda name: -files.sizes.get(name, 0))
    for name in largest_first:
        path, expected = files.folder / name, files.sha256[name]
        if not unchanged(path, expected, begun):
            forget(path)
            found = sha256_of(path)
            raise ChecksumError(
                f"{path} has sha256 {found} where {expected} was found before",
                "the file is damaged: remove it, and run again to have it made or fetched again",
            )


def choose_files(names: Collection[str]) -> list[str]:
    """Return which files of a repository make the model: no code, no pickles, no second format.

    Raises
    ------
    ModelError
        There is no config, or there are no safetensors among them.
    """
    if CONFIG not in names:
        raise ModelError(
            f"the repository has no {CONFIG}: it is not a model as transformers writes it",
            "an adapter or a GGUF release is not one; look for the model that it is made from",
        )
    weights = weights_among(names)
    return sorted({CONFIG, *weights, *(n for n in (*COMPANIONS, *QUANTISATION) if n in names)})


def weights_among(names: Collection[str]) -> list[str]:
    """Return which files of a repository are its weights, and their index.

    Raises
    ------
    ModelError
        There are no safetensors.
    """
    if WEIGHTS in names:
        return [WEIGHTS]
    if WEIGHTS_INDEX in names:
        return [WEIGHTS_INDEX, *(name for name in names if _SHARD.fullmatch(name))]
    raise ModelError(
        "the repository has no safetensors weights, and other formats can run code when read",
        "many have them on a side branch: try the revision refs/pr/N of the automatic "
        "conversion; or convert a copy you trust with save_pretrained and use file:FOLDER",
    )


def digest(checksums: Mapping[str, str]) -> str:
    """Return the sha256 over names and checksums, in the order of the names."""
    lines = "".join(f"{name}\0{checksums[name]}\n" for name in sorted(checksums))
    return hashlib.sha256(lines.encode()).hexdigest()


def read_config(folder: Path) -> dict[str, Any]:
    """Return the contents of a folder's ``config.json``.

    Raises
    ------
    ModelError
        It is missing, not JSON, or does not say what kind of model it is.
    """
    config = _read_json(folder / CONFIG)
    if not isinstance(config.get("model_type"), str):
        raise ModelError(
            f"{folder / CONFIG} names no model_type",
            "a model's folder is one that transformers wrote with save_pretrained",
        )
    return config


def weight_names(folder: Path) -> list[str]:
    """Return the names of a folder's weight files: one, or those its index lists.

    Raises
    ------
    ModelError
        There are none, or the index lists one that is not there.
    """
    if (folder / WEIGHTS).is_file():
        return [WEIGHTS]
    if not (folder / WEIGHTS_INDEX).is_file():
        others = sorted(p.name for p in folder.iterdir() if p.suffix in {".bin", ".pt", ".pth"})
        found = f" (there is {', '.join(others)}, which can run code when read)" if others else ""
        raise ModelError(
            f"{folder} has no {WEIGHTS}{found}",
            "save the model with model.save_pretrained(folder): it writes safetensors",
        )
    names = shard_names(_read_json(folder / WEIGHTS_INDEX), folder / WEIGHTS_INDEX)
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise ModelError(
            f"{folder} misses {', '.join(missing)}, which {WEIGHTS_INDEX} lists",
            "copy or download the folder again, whole",
        )
    return names


def shard_names(index: Mapping[str, Any], where: Path) -> list[str]:
    """Return the files that a weight index lists, sorted.

    Raises
    ------
    ModelError
        It is no such index, or names files outside its folder.
    """
    table = index.get("weight_map")
    if not isinstance(table, dict) or not table:
        raise ModelError(f"{where} lists no weights (weight_map)")
    names = sorted({str(name) for name in table.values()})
    if bad := [n for n in names if Path(n).name != n or not n.endswith(".safetensors")]:
        raise ModelError(f"{where} lists {bad[0]!r}, which is no safetensors file beside it")
    return names


def stored_numbers(path: Path) -> int:
    """Return how many numbers a safetensors file holds, having checked that it is whole.

    The file starts with the length of its header (8 bytes, little-endian), then the header: JSON
    that gives each tensor's shape and range of bytes. The last range ends where the file does.

    Raises
    ------
    ModelError
        The file is truncated, longer than it says, or no safetensors file.
    """
    size = path.stat().st_size
    header = _read_header(path, size)
    end, numbers = 0, 0
    try:
        for name, entry in header.items():
            if name == "__metadata__":
                continue
            end = max(end, int(entry["data_offsets"][1]))
            numbers += math.prod(entry["shape"])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _not_whole(path, f"its header is malformed ({error!r})") from error
    length = int.from_bytes(_first_bytes(path, 8), "little")
    if 8 + length + end != size:
        raise _not_whole(path, f"it has {size:,} bytes where its header says {8 + length + end:,}")
    return numbers


def _read_header(path: Path, size: int) -> dict[str, Any]:
    start = _first_bytes(path, 8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or length > min(_HEADER_LIMIT, size - 8):
        raise _not_whole(path, f"it has {size:,} bytes, fewer than its header needs")
    try:
        header = json.loads(_first_bytes(path, 8 + length)[8:])
    except (ValueError, RecursionError) as error:
        raise _not_whole(path, "its header is not JSON") from error
    if not isinstance(header, dict):
        raise _not_whole(path, "its header is not a JSON object")
    return header


def _first_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as stream:
        return stream.read(count)


def _not_whole(path: Path, reason: str) -> ModelError:
    return ModelError(
        f"{path} is truncated or not a safetensors file: {reason}",
        "remove it and copy or download it again",
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{path} is missing",
            "a model's folder has config.json, a tokenizer and safetensors weights",
        ) from error
    except (ValueError, OSError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} is not a JSON object")
    return content
