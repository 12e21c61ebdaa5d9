"""Tasks of GUM kept between runs: the same tasks, and never those of something else."""

import json
from importlib.resources import files

import pytest
from brainpress_plugins.benchmarks.linguistic.gum_probes import benchmark, corpus, kept
from brainpress_plugins.benchmarks.linguistic.gum_probes.kept import (
    Prepared,
    prepared_key,
    recall,
    remember,
)

from harness.probe.tasks import Inputs, Part, Place, ProbeItem, ProbeTask, Target
from harness.store.seal import seal

TEXTS = {"d/1": "Zwölf “dogs”\tsleep.", "e/1": "A cat ran.", "f/1": "It hid."}
DOCUMENTS = {"d": ["train", 10, "ab"], "e": ["test", 12, "cd"]}


def items(labels):
    return tuple(
        ProbeItem((Place(text, 0, 2), Place(text, 3, 6)), label, part, text[0], f"type {i}")
        for i, (text, label, part) in enumerate(
            zip(
                ("d/1", "d/1", "e/1", "f/1"),
                labels,
                (Part.TRAIN, Part.TRAIN, Part.DEV, Part.TEST),
                strict=True,
            )
        )
    )


@pytest.fixture
def made(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path))
    tasks = (
        ProbeTask("a", "syntax", Inputs.SPAN_PAIR, Target.CLASS, items("xyxx"), "p", "CC", "n"),
        ProbeTask("b", "morphology", Inputs.SPAN_PAIR, Target.NUMBER, items((1.0, 2.5, 0.1, 3.0))),
    )
    return Prepared(TEXTS, tasks)


def test_what_is_recalled_is_what_was_remembered(made):
    assert recall("k") is None
    remember("k", made)
    found = recall("k")
    assert found == made
    assert list(found.texts) == list(TEXTS)
    assert all(isinstance(i.label, float) for i in found.tasks[1].items)
    assert recall("other") is None


def test_what_is_not_sound_is_made_again(made, tmp_path):
    remember("k", made)
    (path,) = tmp_path.rglob("*.json")
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    assert recall("k") is None
    content, _ = json.JSONDecoder().raw_decode(whole)

    def sealed(changed):
        path.write_text(json.dumps(changed))
        seal(path, "gum-probes/k")

    sealed(content)
    assert recall("k") == made, "what is written this way is sound"
    for spoil in ("items", "inputs"):
        tasks = [{k: v for k, v in t.items() if k != spoil} for t in content["tasks"]]
        sealed(content | {"tasks": tasks})
        assert recall("k") is None
    content["tasks"][0]["items"] = content["tasks"][0]["items"][:2]
    sealed(content)
    assert recall("k") is None, "a task without test items"


def test_a_cache_that_cannot_be_written_stops_nothing(made, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "file"))
    remember("k", made)
    assert recall("k") is None


def test_the_key_follows_documents_and_code(monkeypatch, tmp_path):
    key = prepared_key(DOCUMENTS)
    assert prepared_key(dict(reversed(DOCUMENTS.items()))) == key
    assert prepared_key(DOCUMENTS | {"e": ["test", 12, "ce"]}) != key
    own = tmp_path / "package"
    own.mkdir()
    for path in files("brainpress_plugins.benchmarks.linguistic.gum_probes").iterdir():
        if path.name.endswith(".py"):
            (own / path.name).write_bytes(path.read_bytes())

    def elsewhere(package):
        return own if package.endswith("gum_probes") else files(package)

    monkeypatch.setattr(kept, "files", elsewhere)
    assert prepared_key(DOCUMENTS) == key
    (own / "syntax.py").write_text((own / "syntax.py").read_text() + "\n")
    assert prepared_key(DOCUMENTS) != key


@pytest.mark.needs_data("gum/GUM_academic_art.conllu")
def test_kept_tasks_are_those_of_the_corpus_and_ask_for_the_same(monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path))
    benchmark.prepared.cache_clear()
    made = benchmark.prepared()
    request = benchmark.GumProbes().request.key
    benchmark.prepared.cache_clear()
    monkeypatch.setattr(corpus, "read_conllu", lambda _: pytest.fail("a document was read"))
    monkeypatch.setattr(benchmark, "texts", lambda: pytest.fail("the corpus was read"))
    assert benchmark.prepared() == made
    assert benchmark.GumProbes().request.key == request
    benchmark.prepared.cache_clear()
