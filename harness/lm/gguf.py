"""From a GGUF file to a folder of safetensors, once.

De-quantising takes seconds (15 CPU s for 0.5 G numbers) and gives the same each time, so the result
is kept: the folder reloads in a tenth of a second. The vocabulary is rebuilt from the file, the
weights go through memory one tensor at a time.
"""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from pathlib import Path

from harness.errors import HarnessError, ModelError
from harness.fetch.checksum import remembered_sha256
from harness.fetch.transfer import room_for
from harness.lm.files import (
    CONFIG,
    TOKENIZER_CONFIG,
    WEIGHTS,
    ModelFiles,
    Unconverted,
    inspect_folder,
)
from harness.lm.gguf_config import config_from
from harness.lm.gguf_header import MAGIC, Header, read_header
from harness.lm.gguf_vocabulary import tokenizer_from
from harness.lm.gguf_weights import stored_type, write_weights
from harness.lm.page import PAGE
from harness.lm.quiet import quiet_transformers
from harness.place.locate import cache_folder
from harness.store.atomic import explained
from harness.store.leftovers import SHOWN, stale, temporary_name
from harness.store.lock import held

VERSION = 3
"""Bumped when the same GGUF file comes to give another folder."""
_RECORD = "converted.json"
_FULL_PRECISION = frozenset({"F32", "F16", "BF16", "F64"})
_VOLATILE = frozenset(
    {
        "quantization_config",
        "transformers_version",
        "_name_or_path",
        "_model_name_or_path",
        "is_local",
        "local_files_only",
    }
)
"""What a config says about how it was read: not part of the model."""


def converted(gguf: Path, *, convert: bool = True) -> ModelFiles:
    """Return a GGUF file as a folder of safetensors in the cache, converting it when it is new.

    Parameters
    ----------
    gguf : Path
    convert : bool
        Whether to convert it; else only a conversion that is there is returned.

    Raises
    ------
    Unconverted
        There is no conversion, and ``convert`` is not set.
    ModelError
        The file is not GGUF, is one part of several, or holds a model transformers cannot read.
    StoreError
        The cache is read-only or full.
    """
    _check(gguf)
    folder = cache_folder() / "models" / f"gguf-{remembered_sha256(gguf)[:32]}-v{VERSION}"
    if (files := _kept(folder)) is not None:
        return files
    if not convert:
        raise _unconverted(gguf)
    with ExitStack() as holding:
        with explained(folder.parent):
            folder.parent.mkdir(parents=True, exist_ok=True)
            holding.enter_context(held(folder.with_name(f"{folder.name}.lock")))
        if (files := _kept(folder)) is not None:  # another process made it meanwhile
            return files
        with explained(folder.parent):
            shutil.rmtree(folder, ignore_errors=True)
            for left in stale(folder.parent, f".{folder.name[:SHOWN]}.~"):
                shutil.rmtree(left, ignore_errors=True)  # of a conversion that was killed
            beside = folder.with_name(temporary_name(folder))
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            try:
                _convert(gguf, beside)
                beside.rename(folder)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
    files = _kept(folder)
    if files is None:
        raise ModelError(f"{folder} did not read back after its conversion from {gguf}")
    return files


def _unconverted(gguf: Path) -> Unconverted:
    header = read_header(gguf)
    kind = str(header.fields.get("general.architecture", ""))
    layers = header.fields.get(f"{kind}.block_count")
    units = header.fields.get(f"{kind}.embedding_length")
    states = (layers + 1) * units if isinstance(layers, int) and isinstance(units, int) else 0
    return Unconverted(gguf, header.numbers, states)


def _check(gguf: Path) -> None:
    try:
        with gguf.open("rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise ModelError(f"{gguf} cannot be read: {error.strerror}") from error
    if magic != MAGIC:
        raise ModelError(f"{gguf} is not a GGUF file: it starts with {magic!r}")
    if "-of-" in gguf.stem and gguf.stem.rpartition("-of-")[2].isdigit():
        raise ModelError(
            f"{gguf.name} is one part of several",
            "join them with llama.cpp's `gguf-split --merge`, and name the file that results",
        )


def _kept(folder: Path) -> ModelFiles | None:
    """Return a conversion that is there and whole; None when it has to be made."""
    try:
        record = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
        files = inspect_folder(folder)
    except (OSError, ValueError, ModelError):
        return None
    if dict(files.sha256) != record["sha256"]:
        return None
    return ModelFiles(**{**vars(files), "notes": tuple(record["notes"])})


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    import transformers

    try:
        header = read_header(gguf)
        tokenizer = tokenizer_from(header)
        config = config_from(gguf, header)
        with torch.device("meta"), quiet_transformers():
            model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        room_for(folder, 4 * header.numbers)
        write_weights(gguf, header, model, folder / WEIGHTS)
    except HarnessError as error:
        if isinstance(error, ModelError) and str(gguf) not in str(error):
            raise ModelError(f"{gguf} cannot be read: {error}", error.hint) from error
        raise
    except Exception as error:  # transformers raises whatever a header's first wrong value leads to
        raise ModelError(
            f"{gguf} cannot be read as a language model: {error}",
            "transformers reads GGUF of the common architectures only; another release of the "
            "model, as safetensors, will do",
        ) from error
    with quiet_transformers():
        config.architectures = [type(model).__name__]
        config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        for name in (CONFIG, TOKENIZER_CONFIG):
            _strip(folder / name)
        kept = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if kept(PAGE)["input_ids"] != tokenizer(PAGE)["input_ids"]:
        raise ModelError(f"{gguf}: the tokenizer reads a text otherwise once it is saved")
    record = {"notes": [_note(header, gguf.name)], "sha256": dict(inspect_folder(folder).sha256)}
    (folder / _RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")


def _strip(config: Path) -> None:
    """Take out of a config what would give the same model another fingerprint elsewhere."""
    content = json.loads(config.read_text(encoding="utf-8"))
    kept = {key: value for key, value in content.items() if key not in _VOLATILE}
    config.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _note(header: Header, name: str) -> str:
    """Say in which precision the weights were stored."""
    kinds = [stored_type(kind) for kind in header.kinds()]
    quantised = [kind for kind in kinds if kind not in _FULL_PRECISION]
    if quantised:
        return f"weights de-quantised from {' and '.join(quantised)} (GGUF file {name})"
    return f"weights converted from {' and '.join(kinds)} (GGUF file {name})"
