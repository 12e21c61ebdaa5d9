"""Write a plugin package that installs, passes its test, and is short enough to read."""

from __future__ import annotations

import json
import keyword
import os
import re
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from string import Template

from harness.check.specs import SCHEMES, nearest_source
from harness.errors import SelectionError
from harness.store.atomic import writing

_NAME = re.compile(r"[a-z][a-z0-9]*([-_.][a-z0-9]+)*")
_SUFFIX = ".txt"


class PluginKind(StrEnum):
    """What a plugin brings."""

    MODEL = "model"
    COMPRESSOR = "compressor"
    BENCHMARK = "benchmark"


def write_package(kind: PluginKind | str, name: str, parent: Path, source: str = "") -> list[Path]:
    """Write a package.

    Parameters
    ----------
    kind : PluginKind or str
    name : str
        Of the package and of what it brings: small letters, digits and hyphens.
    parent : Path
        The folder that gets the folder ``name``.
    source : str
        Of a model: where its weights are, as for ``brainpress run -m``; a revision
        (``hf:org/name@revision``, ``https://…#sha256=HEX``) pins it. By default the folder
        ``weights`` in the package.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    SelectionError
        The name is no name of a package, or is taken; or the source is none.
    StoreError
        The folder cannot be written.
    """
    module = re.sub(r"[-.]", "_", name)
    if not _NAME.fullmatch(name) or keyword.iskeyword(module):
        raise SelectionError(
            f"{name!r} is no name of a package", "small letters, digits and hyphens: my-model"
        )
    address, revision = _source(source, PluginKind(kind))
    folder = Path(parent) / name
    if folder.exists() and any(folder.iterdir()):
        raise SelectionError(f"{folder} is there already, and not empty", "choose another name")
    words = {
        "name": name,
        "module": module,
        "object": "".join(part.capitalize() for part in module.split("_")),
        # As Python would write them: a path may hold quotes.
        "source": _quoted(address or f"file:{(folder / 'weights').resolve()}"),
        "revision": _quoted(revision),
    }
    root = files("harness.scaffold") / "templates"
    written = []
    for origin in (root / "package", root / str(PluginKind(kind))):
        for item in sorted(origin.iterdir(), key=lambda i: i.name):
            relative = item.name.removesuffix(_SUFFIX).replace("--", "/")
            path = folder / relative.replace("MODULE", module)
            with writing(path) as beside:
                text = Template(item.read_text(encoding="utf-8")).substitute(words)
                beside.write_text(text, encoding="utf-8")
            written.append(path)
    return written


def _source(text: str, kind: PluginKind) -> tuple[str, str]:
    """Take a source and its revision apart; neither where none is given."""
    if not text:
        return "", ""
    if kind is not PluginKind.MODEL:
        raise SelectionError(f"a {kind} has no source", "--source is for models")
    scheme, colon, rest = text.partition(":")
    if not colon or not rest or scheme not in SCHEMES:
        raise SelectionError(f"{text!r} is not the source of a model", nearest_source(text))
    if scheme == "file":
        return f"file:{os.path.abspath(Path(rest).expanduser())}", ""
    address, _, revision = text.partition({"hf": "@", "https": "#sha256="}.get(scheme, "#"))
    return address, revision


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
