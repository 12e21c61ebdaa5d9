"""Options that are typed behind a name."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import pytest

from harness.errors import SelectionError
from harness.runner.keys import compressor_parts
from harness.spec.registry import Registry, Shelf, registry
from harness.spec.settings import settings_of, with_settings
from harness.spec.specs import BenchmarkSpec, CompressorSpec
from harness.store.keys import content_key


class Order(StrEnum):
    FIRST = "first"
    LAST = "last"


@dataclass(frozen=True)
class Text:
    source: str = "self"
    samples: int = 128
    seed: int = 0


@dataclass(frozen=True)
class Method:
    bits: int = 4
    group: int | Literal["auto", "channel"] = "auto"
    damping: float = 0.01
    symmetric: bool = False
    order: Order = Order.FIRST
    limit: int | None = None
    text: Text = Text()


@dataclass(frozen=True)
class Fit:
    delays: tuple[int, ...] = (1, 2, 3, 4)
    penalties: int = 20
    depth: int = 0


def tongues(languages: tuple[str, ...] = ()) -> object:
    return languages


def fitted(fit: Fit = Fit(), depth: int = 3) -> object:
    return fit, depth


def people(participants: tuple[str, ...] | str = "all", depth: int = 3, **_: object) -> object:
    return participants, depth


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Any = types.ModuleType("toy_options")
    made.Method, made.people, made.fitted, made.tongues = Method, people, fitted, tongues
    monkeypatch.setitem(sys.modules, "toy_options", made)


METHOD = CompressorSpec("toy-int4", target="toy_options:Method", options={"bits": 4}, bits=4)
FITTED = BenchmarkSpec("fitted", target="toy_options:fitted", kind="neural")
TONGUES = BenchmarkSpec("tongues", target="toy_options:tongues", kind="linguistic")
PEOPLE = BenchmarkSpec("heard", target="toy_options:people", kind="neural")


@pytest.mark.parametrize(
    ("typed", "option", "value"),
    [
        ("bits=3", "bits", 3),
        ("group=64", "group", 64),
        ("group=channel", "group", "channel"),
        ("damping=1e-3", "damping", 1e-3),
        ("symmetric=True", "symmetric", True),
        ("order=last", "order", Order.LAST),
        ("limit=5", "limit", 5),
        ("samples=32", "text", Text(samples=32)),
        ("text=wikitext2;samples=32", "text", Text("wikitext2", 32)),
        ("text=file:a/b=c.txt", "text", Text("file:a/b=c.txt")),
    ],
)
def test_values_have_the_types_of_the_target(typed: str, option: str, value: object) -> None:
    made = with_settings(METHOD, typed)
    assert made.options[option] == value
    assert type(made.options[option]) is type(value)
    assert Method(**made.options) != Method()


@pytest.mark.parametrize(
    ("typed", "delays", "written"),
    [
        ("1-6", (1, 2, 3, 4, 5, 6), "1-6"),
        ("2", (2,), "2"),
        ("0+2+4", (0, 2, 4), "0+2+4"),
        ("1-2+5", (1, 2, 5), "1+2+5"),
        ("1+2+3", (1, 2, 3), "1-3"),
    ],
)
def test_fields_of_a_dataclass_that_begins_with_numbers_have_their_own_names(
    typed: str, delays: tuple[int, ...], written: str
) -> None:
    made = with_settings(FITTED, f"penalties=40;delays={typed}")
    assert made.options == {"fit": Fit(delays, 40)}
    assert made.name == f"fitted:delays={written};penalties=40"
    assert with_settings(FITTED, "delays=1-4") is FITTED


def test_an_argument_goes_before_a_field_of_its_name() -> None:
    assert with_settings(FITTED, "depth=5").options == {"depth": 5}
    assert settings_of(FITTED) == {"delays": "1-4", "penalties": "20", "depth": "3"}


@pytest.mark.parametrize("typed", ["4-1", "a", "1+", "1,2"])
def test_what_is_no_row_of_numbers_is_refused(typed: str) -> None:
    with pytest.raises(SelectionError, match="whole numbers like"):
        with_settings(FITTED, f"delays={typed}")


def test_what_looks_like_a_number_stays_a_name_where_names_are_taken() -> None:
    assert with_settings(PEOPLE, "participants=01").options == {"participants": "01"}
    assert with_settings(PEOPLE, "depth=01").options == {"depth": 1}


def test_rows_of_names_are_typed_with_a_plus() -> None:
    assert with_settings(TONGUES, "languages=deu").options == {"languages": ("deu",)}
    made = with_settings(TONGUES, "languages=deu+fra")
    assert made.options == {"languages": ("deu", "fra")}
    assert made.name == "tongues:languages=deu+fra"
    with pytest.raises(SelectionError, match="languages is names like"):
        with_settings(TONGUES, "languages=deu+")


def test_the_same_options_have_one_name() -> None:
    one = with_settings(METHOD, "samples=032;symmetric=YES;bits=3")
    other = with_settings(METHOD, "bits=3;symmetric=true;samples=32")
    assert one == other
    assert one.name == "toy-int4:bits=3;symmetric=true;samples=32"
    assert one.bits == 3
    assert with_settings(METHOD, "bits=4;group=auto;samples=128") is METHOD
    assert content_key(options=one.options) == content_key(options=other.options)


def test_what_a_spec_has_can_be_typed_again() -> None:
    made = with_settings(METHOD, "bits=3;text=wikitext2;symmetric=true")
    said = settings_of(made)
    assert list(said) == [
        "bits", "group", "damping", "symmetric", "order", "limit", "text", "samples", "seed"
    ]  # fmt: skip
    typed = ";".join(f"{name}={value}" for name, value in said.items())
    assert with_settings(METHOD, typed) == made
    listed = BenchmarkSpec("h", "toy_options:people", "neural", {"participants": ("01", "02")})
    assert settings_of(listed) == {"participants": "01+02", "depth": "3"}


def test_settings_of_a_dataclass_keep_what_the_spec_says_of_it() -> None:
    spec = CompressorSpec("t", target="toy_options:Method", options={"text": Text("c4", 8, 1)})
    assert with_settings(spec, "samples=9;seed=2").options["text"] == Text("c4", 9, 2)
    assert spec.options["text"] == Text("c4", 8, 1)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("bits", "not a list of options"),
        ("bits=", "not a list of options"),
        ("bits=3;", "not a list of options"),
        ("bits=3;bits=2", "bits is given twice"),
        ("bit=3", "toy-int4 has no option 'bit'"),
        ("bits=few", "bits is a whole number, not 'few'"),
        ("bits=3.5", "bits is a whole number"),
        ("group=row", "group is a whole number or auto or channel, not 'row'"),
        ("symmetric=1", "symmetric is true or false"),
        ("order=middle", "order is first or last"),
    ],
)
def test_what_is_not_an_option(typed: str, said: str) -> None:
    with pytest.raises(SelectionError, match=said):
        with_settings(METHOD, typed)


def test_the_nearest_option_is_offered() -> None:
    with pytest.raises(SelectionError) as caught:
        with_settings(METHOD, "sample=3")
    assert "samples" in caught.value.hint


def test_shelves_take_settings_behind_names_and_globs() -> None:
    shelf = Shelf("compressor", {"toy-int4": METHOD}, {"toy-int4": "pack 1"})
    registry = Registry(Shelf("model"), shelf, Shelf("benchmark"))
    assert shelf.get("toy-int4:bits=3").name == "toy-int4:bits=3"
    assert [s.name for s in shelf.select(["toy-int4", "toy-*:bits=3", "toy-int4:bits=4"])] == [
        "toy-int4",
        "toy-int4:bits=3",
    ]
    assert registry.find("toy-int4:bits=3") == [(shelf.get("toy-int4:bits=3"), "pack 1")]
    assert shelf.known("toy-int4:bits=few") is None
    with pytest.raises(SelectionError, match="no compressor named 'toy-int5:bits=3'") as caught:
        shelf.get("toy-int5:bits=3")
    assert "toy-int4" in caught.value.hint


def test_a_name_with_a_colon_takes_settings() -> None:
    halves = CompressorSpec("toy-2:4", target="toy_options:Method")
    shelf = Shelf("compressor", {"toy-2:4": halves, "toy-int4": METHOD}, {"toy-2:4": "pack 1"})
    assert shelf.get("toy-2:4") == halves
    assert shelf.get("toy-2:4:bits=3").name == "toy-2:4:bits=3"
    assert [s.name for s in shelf.select(["toy-[0-9]:4:bits=3"])] == ["toy-2:4:bits=3"]
    registry = Registry(Shelf("model"), shelf, Shelf("benchmark"))
    assert registry.find("toy-2:4:bits=3") == [(shelf.get("toy-2:4:bits=3"), "pack 1")]
    for unfinished in ("toy-2:4:bits", "toy-int4:bits"):
        with pytest.raises(SelectionError, match="'bits' is not a list of options"):
            shelf.get(unfinished)


def test_draws_of_a_compressor_differ_in_the_seed_of_their_text_and_in_their_key():
    shelf = registry().compressors
    drawn = shelf.select(["gptq-int4#0-2", "awq-int4:samples=8#1"])
    assert [s.name for s in drawn] == [
        *(f"gptq-int4#{i}" for i in range(3)),
        "awq-int4:samples=8#1",
    ]
    assert [s.options["calibration"].seed for s in drawn] == [0, 1, 2, 1]
    assert drawn[3].options["calibration"].samples == 8
    parts = [compressor_parts(s) for s in (shelf.get("gptq-int4"), *drawn[:2])]
    assert parts[0] == parts[1] != parts[2]  # the draw that it is anyway shares its results
    assert [s.name for s in shelf.select(["gptq-int[48]#1"])] == ["gptq-int4#1", "gptq-int8#1"]


def test_what_is_not_drawn_has_no_draws():
    with pytest.raises(SelectionError, match="rtn-int4 has no draws"):
        registry().compressors.get("rtn-int4#1")
    with pytest.raises(SelectionError, match="gptq-int44"):
        registry().compressors.get("gptq-int44#1")
