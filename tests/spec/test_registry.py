import re
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import pytest

from harness.errors import SelectionError
from harness.spec.hooks import hookimpl
from harness.spec.names import nearest, split_names
from harness.spec.registry import discover
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec, flaw, registered


class Point(EntryPoint):
    """An entry point to a module made on the spot."""

    def load(self):
        module = ModuleType(self.name)

        @hookimpl
        def brainpress_models():
            return [
                ModelSpec("ferry-1b", source="hf:a/b", tags=("slm", "ferry")),
                ModelSpec("ferry-7b", source="hf:a/c", tags=("ferry",)),
                ModelSpec("soil-1b", source="hf:a/d", tags=("slm",)),
            ]

        @hookimpl
        def brainpress_compressors():
            return iter([CompressorSpec("none", target="x:Y")])

        @hookimpl
        def brainpress_benchmarks():
            return (BenchmarkSpec("alice", target="x:Y", kind="neural"),)

        for hook in (brainpress_models, brainpress_compressors, brainpress_benchmarks):
            setattr(module, hook.__name__, hook)
        return module


@pytest.fixture
def found():
    return discover([Point("one", "one", "brainpress")])


def names(specs):
    return [s.name for s in specs]


def test_names_globs_and_tags(found):
    assert names(found.models.select()) == ["ferry-1b", "ferry-7b", "soil-1b"]
    assert names(found.models.select(["soil-1b", "ferry-*"])) == ["soil-1b", "ferry-1b", "ferry-7b"]
    assert names(found.models.select(["*-1b"], ["ferry"])) == ["ferry-1b"]
    assert names(found.models.select([], ["slm"])) == ["ferry-1b", "soil-1b"]


def test_a_typo_is_answered_with_the_nearest_names(found):
    with pytest.raises(SelectionError, match="'fery-1b'") as error:
        found.models.select(["fery-1b"])
    assert "ferry-1b" in error.value.hint


def test_part_of_a_name_is_answered_with_the_names_that_hold_it():
    assert nearest("alice", ["brennan2016-alice-words20", "malice", "brennan2016-alice"]) == [
        "malice",
        "brennan2016-alice",
        "brennan2016-alice-words20",
    ]
    assert nearest("xyz", ["brennan2016-alice"]) == []


@pytest.mark.parametrize(
    ("patterns", "tags"), [(["x*"], []), (["soil-1b"], ["ferry"]), ([], ["z"])]
)
def test_an_empty_selection_is_an_error(found, patterns, tags):
    with pytest.raises(SelectionError):
        found.models.select(patterns, tags)


def test_a_name_is_found_whatever_its_kind(found):
    assert [type(spec) for spec, _ in found.find("alice")] == [BenchmarkSpec]
    with pytest.raises(SelectionError) as error:
        found.find("alcie")
    assert "alice" in error.value.hint


def test_a_second_plugin_cannot_take_a_name():
    found = discover([Point("one", "one", "brainpress"), Point("two", "two", "brainpress")])
    assert len(found.models.specs) == 3
    assert [b.plugin for b in found.broken] == ["two"] * 5
    assert "taken" in found.broken[0].reason


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (None, ()),
        ("", ()),
        ("a, b,,c", ("a", "b", "c")),
        (["a,b", "c"], ("a", "b", "c")),
        ("a:context=strided(512,256),b", ("a:context=strided(512,256)", "b")),
        ("x:bits=3;group=64,hf:a/b@c", ("x:bits=3;group=64", "hf:a/b@c")),
    ],
)
def test_names_stand_behind_each_other(given, names):
    assert split_names(given) == names


class Nonsense(EntryPoint):
    """An entry point to a module that offers what it was made with."""

    def load(self):
        module = ModuleType(self.name)
        module.brainpress_models = hookimpl(brainpress_models)
        return module


def brainpress_models():
    return [ModelSpec("sound", source="hf:a/b"), WRONG]


WRONG = None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (ModelSpec(None, source="hf:a/b"), "name is None"),
        (ModelSpec(5, source="hf:a/b"), "name is 5"),
        (ModelSpec(["a"], source="hf:a/b"), "name is \\['a'\\]"),
        (ModelSpec(" ", source="hf:a/b"), "no name"),
        (ModelSpec("a\nb", source="hf:a/b"), "no name"),
        (ModelSpec("a", source=None), "source is None"),
        (ModelSpec("a", source="hf:a/b", tags=None), "tags is None"),
        (ModelSpec("a", source="hf:a/b", tags="slm"), "tags is 'slm'"),
        (ModelSpec("a", source="hf:a/b", parameters="135M"), "parameters is '135M'"),
    ],
)
def test_a_spec_of_nonsense_stops_no_other(monkeypatch, wrong, said):
    monkeypatch.setitem(globals(), "WRONG", wrong)
    found = discover([Nonsense("odd", "odd", "brainpress"), Point("one", "one", "brainpress")])
    assert {"sound", "ferry-1b"} <= set(found.models.specs)
    assert wrong not in found.models.specs.values()
    (broken,) = found.broken
    assert re.search(said, broken.reason)
    assert found.models.select([], ["slm"])


def test_identities_are_of_the_distribution_or_said():
    def spec(**said):
        return CompressorSpec("toy-int4", target="toy:T", method="toy", **said)

    assert registered(spec(), "Lab_Tools.Two").identity == "lab-tools-two/toy"
    assert registered(spec(identity="old-name/toy"), "lab").identity == "old-name/toy"
    benchmark = BenchmarkSpec("heard", target="toy:H", kind="neural")
    assert registered(benchmark, "lab").identity == "lab/heard"
    assert registered(model := ModelSpec("m", "file:m"), "lab") is model


def test_stages_are_names_of_stages():
    spec = BenchmarkSpec("heard", target="toy:H", kind="neural", stages=("encode", "dream"))
    assert "stages names dream" in flaw(spec)


def test_two_plugins_of_one_identity_are_told(monkeypatch):
    class Two:
        @hookimpl
        def brainpress_compressors(self):
            same = {"identity": "lab/toy"}
            return [
                CompressorSpec("one", target="toy:One", **same),
                CompressorSpec("two", target="toy:Two", **same),
                CompressorSpec("three", target="toy:One", **same),
            ]

    monkeypatch.setattr(EntryPoint, "load", lambda self: Two())
    found = discover([EntryPoint("toy", "toy", "brainpress")])
    assert list(found.compressors.specs) == ["one", "three"]
    assert "has the identity 'lab/toy' of 'one'" in found.broken[0].reason


def test_what_hides_a_plugins_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "stranger_plugins"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    point = EntryPoint("models.mine", "stranger_plugins.models.mine", "brainpress")
    (broken,) = discover([point]).broken
    assert f"is imported from {package / '__init__.py'}" in broken.reason
