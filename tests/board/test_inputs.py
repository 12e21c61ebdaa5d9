"""Strings of a stranger's record: what is computed again, and what is refused as a query."""

from __future__ import annotations

from typing import Any

import pytest

from harness.board.submission.inputs import selection_of
from harness.errors import SubmissionError
from harness.runner.select import Selection
from harness.spec.registry import registry

COMMIT, SHA256 = "a" * 40, "b" * 64


def chosen(
    name: str = "smollm2-135m",
    source: str = "pypi:whatever",
    revision: str = "",
    control: str = "",
    base: str = "",
    compressor: str = "none",
    benchmark: str = "minimal-pairs",
) -> Selection:
    model: dict[str, Any] = {"name": name, "source": source, "revision": revision}
    record = {
        "model": model | {"control": control, "base": base},
        "benchmark": {"name": benchmark},
    }
    return selection_of(record, {"compressor": {"name": compressor}}, registry())


def test_what_plugins_offer_is_taken_as_they_offer_it() -> None:
    found = chosen()
    assert found.models == (registry().models.specs["smollm2-135m"],)  # not the record's source
    assert found.compressors == (registry().compressors.specs["none"],)
    assert found.benchmarks == (registry().benchmarks.specs["minimal-pairs"],)
    named = chosen(compressor="gptq-int4:samples=32")
    assert dict(named.compressors[0].options)["calibration"].samples == 32


@pytest.mark.parametrize(
    "compressor",
    [
        "gptq-int4:calibration=file:/etc/secret.txt",
        "gptq-int4:calibration=file:/etc/secret.txt;samples=32",
        "none,rtn-int4",
        "rtn-*",
        "no-such",
        "",
    ],
)
def test_compressors_are_names_not_queries(compressor: str) -> None:
    with pytest.raises(SubmissionError):
        chosen(compressor=compressor)


@pytest.mark.parametrize(
    "benchmark",
    [
        "data:/etc/owndata",
        "minimal-pairs,data:/etc/owndata",
        "minimal-*",
        "holmes:folder=/etc",
        "holmes:folder=../../etc",
        "holmes:folder=c:secret",
        "no-such",
    ],
)
def test_benchmarks_are_names_not_queries(benchmark: str) -> None:
    with pytest.raises(SubmissionError):
        chosen(benchmark=benchmark)


def test_public_releases_are_taken_pinned() -> None:
    (hub,) = chosen("theirs", "hf:org/name", COMMIT).models
    assert (hub.name, hub.source, hub.revision) == ("theirs", "hf:org/name", COMMIT)
    (web,) = chosen("theirs", "https://host.example/a/x.gguf", SHA256).models
    assert web.revision == SHA256


@pytest.mark.parametrize(
    ("source", "revision"),
    [
        ("hf:x/y,file:/home/victim,hf:x/z", COMMIT),
        ("hf:x/y", "main"),
        ("hf:x/y", ""),
        ("hf:../y", COMMIT),
        ("hf:x/..", COMMIT),
        ("file:/home/victim", SHA256),
        ("pypi:package==1:model.gguf", SHA256),
        ("data:/x", SHA256),
        ("https://host.example/x.gguf", ""),
        ("https://host.example/x.gguf?token=1", SHA256),
        ("https://user:secret@host.example/x.gguf", SHA256),
        ("https://host.example:8443/x.gguf", SHA256),
        ("https://host.example/../x.gguf", SHA256),
        ("https://host.example/x.gguf,file:/x", SHA256),
        ("https://[::1]/x.gguf", SHA256),
        ("http://host.example/x.gguf", SHA256),
        ("https://host.example/x.safetensors", SHA256),
        ("hf:x/y\n", COMMIT),
        ("hf:x/y", COMMIT + "\n"),
    ],
)
def test_everything_else_is_refused(source: str, revision: str) -> None:
    with pytest.raises(SubmissionError):
        chosen("theirs", source, revision)


def test_controls_are_made_of_what_can_be_had() -> None:
    (drawn,) = chosen("untrained:smollm2-135m#2", control="untrained", base="smollm2-135m").models
    assert (drawn.name, drawn.seed) == ("untrained:smollm2-135m#2", 2)
    (still,) = chosen("static:smollm2-135m", control="static", base="smollm2-135m").models
    assert still.name == "static:smollm2-135m"
    for name, control in (
        ("untrained:smollm2-135m#" + "9" * 5000, "untrained"),
        ("untrained:smollm2-135m#-1", "untrained"),
        ("other:smollm2-135m", "other"),
    ):
        with pytest.raises(SubmissionError):
            chosen(name, control=control, base="smollm2-135m")


def test_a_speech_model_is_one_of_the_hub_at_a_commit() -> None:
    (heard,) = chosen("speech:org--ear@aaaaaaaa", "hf:org/ear", COMMIT, "speech").models
    assert (heard.name, heard.control, heard.revision) == (
        "speech:org--ear@aaaaaaaa",
        "speech",
        COMMIT,
    )
    for source, revision in (
        ("file:/home/victim", SHA256),
        ("hf:org/ear", "main"),
        ("https://host.example/a/x.gguf", SHA256),
    ):
        with pytest.raises(SubmissionError):
            chosen("speech:ear", source, revision, "speech")
