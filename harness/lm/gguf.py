"""From a GGUF file to a folder of safetensors, once.

``transformers`` reads GGUF by de-quantising every weight, which takes ten seconds for 135 M
parameters. The result is the same each time, so it is kept: the folder reloads in a tenth of a
second, with the same logits to the last bit.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.errors import ModelError
from harness.fetch.checksum import remembered_sha256
from harness.fetch.transfer import room_for
from harness.lm.files import CONFIG, TOKENIZER_CONFIG, ModelFiles, inspect_folder
from harness.lm.quiet import quiet_transformers
from harness.place.locate import cache_folder
from harness.store.atomic import explained

VERSION = 2
"""Bumped when the same GGUF file comes to give another folder."""
_RECORD = "converted.json"
_MAGIC = b"GGUF"
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
_SINGLE_DIGITS = frozenset({"smollm", "starcoder", "refact"})
"""Kinds of splitting (``tokenizer.ggml.pre``) that take each digit for itself."""
_SPECIAL = {
    "bos_token": "tokenizer.ggml.bos_token_id",
    "eos_token": "tokenizer.ggml.eos_token_id",
    "unk_token": "tokenizer.ggml.unknown_token_id",
    "pad_token": "tokenizer.ggml.padding_token_id",
}


def converted(gguf: Path) -> ModelFiles:
    """Return a GGUF file as a folder of safetensors in the cache, converting it when it is new.

    Raises
    ------
    ModelError
        The file is not GGUF, is one part of several, or holds a model transformers cannot read.
    StoreError
        The cache is read-only or full.
    """
    _check(gguf)
    folder = cache_folder() / "models" / f"gguf-{remembered_sha256(gguf)[:32]}-v{VERSION}"
    if (files := _kept(folder)) is not None:
        return files
    with explained(folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f"{folder.name}.lock"))
        lock.acquire()
    try:
        if (files := _kept(folder)) is not None:  # another process made it meanwhile
            return files
        with explained(folder.parent):
            shutil.rmtree(folder, ignore_errors=True)
            beside = folder.with_name(f".{folder.name}.{os.getpid()}")
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            try:
                _convert(gguf, beside)
                beside.rename(folder)
            finally:
                shutil.rmtree(beside, ignore_errors=True)
    finally:
        lock.release()
    files = _kept(folder)
    if files is None:
        raise ModelError(f"{folder} did not read back after its conversion from {gguf}")
    return files


def _check(gguf: Path) -> None:
    try:
        with gguf.open("rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise ModelError(f"{gguf} cannot be read: {error.strerror}") from error
    if magic != _MAGIC:
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

    place = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    try:
        # The reader draws a bar of its own, on stderr, which no setting turns off.
        with quiet_transformers(), redirect_stderr(io.StringIO()), _read_once(gguf) as header:
            tokenizer = transformers.AutoTokenizer.from_pretrained(**place)
            source, info = transformers.AutoModelForCausalLM.from_pretrained(
                **place, dtype=torch.float32, output_loading_info=True
            )
    except Exception as error:  # the readers raise whatever their first wrong byte leads to
        raise ModelError(
            f"{gguf} cannot be read as a language model: {error}",
            "transformers reads GGUF of the common architectures only; another release of the "
            "model, as safetensors, will do",
        ) from error
    if info["missing_keys"]:
        raise ModelError(f"{gguf} lacks weights: {', '.join(sorted(info['missing_keys']))}")
    room_for(folder, 4 * sum(int(tensor.n_elements) for tensor in header.tensors))
    _name_special_tokens(tokenizer, header)
    _split_as_released(tokenizer, header)
    with quiet_transformers():
        _copy(source.eval()).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        for name in (CONFIG, TOKENIZER_CONFIG):
            _strip(folder / name)
        reloaded = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    _same_logits(source, reloaded.eval(), gguf)
    for path in folder.glob("*.safetensors"):
        path.chmod((folder / CONFIG).stat().st_mode)  # the library writes them for the owner alone
    record = {"notes": [_note(header, gguf.name)], "sha256": dict(inspect_folder(folder).sha256)}
    (folder / _RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")


@contextmanager
def _read_once(gguf: Path) -> Iterator[Any]:
    """Parse the file's header once, and give it to whoever asks meanwhile.

    transformers parses it anew for the config, the tokenizer and the weights, 3 s each for a
    vocabulary of 49,000.
    """
    import gguf as library

    original = library.GGUFReader
    header = original(gguf)

    def reader(path: Any, *rest: Any, **more: Any) -> Any:
        return header if Path(path) == gguf else original(path, *rest, **more)

    library.GGUFReader = reader
    try:
        yield header
    finally:
        library.GGUFReader = original


def _name_special_tokens(tokenizer: Any, header: Any) -> None:
    """Take special tokens from the file: transformers gives some their class's default instead."""
    for name, key in _SPECIAL.items():
        field = header.get_field(key)
        token = None if field is None else tokenizer.convert_ids_to_tokens(int(field.contents()))
        setattr(tokenizer, name, token)


def _split_as_released(tokenizer: Any, header: Any) -> None:
    """Split text as the file says: transformers splits it as GPT-2 does, whatever it says.

    The two differ where more than one white space comes before a digit, as in numbered lists.
    """
    from tokenizers import pre_tokenizers

    field = header.get_field("tokenizer.ggml.pre")
    if field is None or field.contents() not in _SINGLE_DIGITS:
        return
    digits = pre_tokenizers.Digits(individual_digits=True)
    rest = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=True)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, rest])


def _copy(source: Any) -> Any:
    """Return a model with the same weights that does not know that it was quantised."""
    import torch
    import transformers

    config = type(source.config).from_dict(
        {key: value for key, value in source.config.to_dict().items() if key not in _VOLATILE}
    )
    with torch.device("meta"):
        clean = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    clean.load_state_dict(source.state_dict(), assign=True)
    clean.tie_weights()
    return clean


def _strip(config: Path) -> None:
    """Take out of a config what would give the same model another fingerprint elsewhere."""
    content = json.loads(config.read_text(encoding="utf-8"))
    kept = {key: value for key, value in content.items() if key not in _VOLATILE}
    config.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _same_logits(source: Any, reloaded: Any, gguf: Path) -> None:
    import torch

    ids = torch.arange(16)[None] * 7 % source.config.vocab_size
    with torch.inference_mode():
        same = torch.equal(source(input_ids=ids).logits, reloaded(input_ids=ids).logits)
    if not same:
        raise ModelError(f"{gguf}: the converted folder does not compute the same logits")


def _note(header: Any, name: str) -> str:
    """Say in which precision the weights were stored."""
    counts = Counter[str]()
    for tensor in header.tensors:
        counts[tensor.tensor_type.name] += int(tensor.n_elements)
    kinds = [kind for kind, _ in counts.most_common()]
    quantised = [kind for kind in kinds if kind not in _FULL_PRECISION]
    if quantised:
        return f"weights de-quantised from {' and '.join(quantised)} (GGUF file {name})"
    return f"weights converted from {' and '.join(kinds)} (GGUF file {name})"
