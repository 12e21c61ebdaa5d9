"""From the fields of a stranger's record to specs, without a selection in between.

A selection understands commas, globs, files and folders: the words of a user, not of a stranger. A
record names one model, one compressor and one benchmark; each must be what a plugin installed here
offers under that very name, or, for a model, match one address of a public release in full.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from harness.errors import SubmissionError
from harness.runner.select import Selection
from harness.spec.names import split_settings
from harness.spec.registry import Registry, Shelf
from harness.spec.specs import ModelSpec

_HUB = re.compile(r"hf:[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WEB = re.compile(r"https://[A-Za-z0-9.-]{1,253}(:443)?(/[A-Za-z0-9._~%+-]{1,255}){1,32}\.gguf")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SEED = re.compile(r"[0-9]{1,9}")
_VALUE = re.compile(r"[A-Za-z0-9._+@()-]*(,[A-Za-z0-9._+@()-]+)*")
"""Of an option: a number or a word, never a path or an address."""


def selection_of(
    record: Mapping[str, Any], cell: Mapping[str, Any], registry: Registry
) -> Selection:
    """Return the specs of one cell of a submission.

    Parameters
    ----------
    record : mapping
        Of the entry, schema checked.
    cell : mapping
        One of its cells.
    registry : Registry
        Plugins of this environment.

    Raises
    ------
    SubmissionError
        A name is none of this environment's, an option holds a path or an address, or the model is
        neither a plugin's nor a pinned public release.
    """
    return Selection(
        (_model(record["model"], registry),),
        (_offered(registry.compressors, cell["compressor"]["name"]),),
        (_offered(registry.benchmarks, record["benchmark"]["name"]),),
    )


def _offered(shelf: Shelf[Any], name: str) -> Any:
    base, settings = split_settings(name)
    if name not in shelf.specs:
        for setting in filter(None, settings.split(";")):
            option, _, value = setting.partition("=")
            if not _VALUE.fullmatch(value):
                raise SubmissionError(
                    f"{shelf.kind} {base}: the option {option} holds {value!r}, which nobody else "
                    "can be given",
                    "only numbers and words are computed again, no paths or addresses",
                )
    spec = shelf.known(name)
    if spec is None or spec.name != name:
        raise SubmissionError(f"no {shelf.kind} named {name!r} is installed here")
    return spec


def _model(model: Mapping[str, Any], registry: Registry) -> ModelSpec:
    from harness.lm import controls

    if model["control"] == controls.AUTOCORRELATION:
        return controls.autocorrelation()
    if model["control"] == controls.SPEECH:
        name = str(model["name"]).removeprefix(f"{controls.SPEECH}:")
        if not str(model["source"]).startswith("hf:"):
            raise SubmissionError(f"{name} is no speech model of the hub: {model['source']!r}")
        return controls.speech(_release(name, model["source"], model["revision"]))
    name = model["base"] or model["name"]
    spec = registry.models.specs.get(name) or _release(name, model["source"], model["revision"])
    if not model["control"]:
        return spec
    if model["control"] == "static":
        return controls.static(spec)
    seed = model["name"].rpartition("#")[2]
    if model["control"] != "untrained" or not _SEED.fullmatch(seed):
        raise SubmissionError(f"{model['name']!r} is no control that can be made here")
    return controls.untrained(spec, int(seed))


def _release(name: str, source: str, revision: str) -> ModelSpec:
    """Return the spec of a public release that is pinned."""
    if _HUB.fullmatch(source) and ".." not in source:
        if not _COMMIT.fullmatch(revision):
            raise SubmissionError(f"{name}: {source} is pinned by no commit, but by {revision!r}")
    elif _WEB.fullmatch(source) and ".." not in urlsplit(source).path.split("/"):
        if not _SHA256.fullmatch(revision):
            raise SubmissionError(f"{name}: {source} is pinned by no sha256, but by {revision!r}")
    else:
        raise SubmissionError(
            f"{name} cannot be had: its source is {source!r}",
            "hf:org/name at a commit, or https://…/X.gguf at a sha256, is computed again",
        )
    return replace(ModelSpec(name, source=source), revision=revision)
