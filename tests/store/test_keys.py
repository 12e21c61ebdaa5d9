from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest

from harness.store.keys import canonical_json, content_key


@dataclass(frozen=True)
class Policy:
    size: int
    stride: int = 0


@dataclass(frozen=True)
class Other:
    size: int
    stride: int = 0


class Colour(StrEnum):
    RED = "red"


def test_order_of_mappings_does_not_matter_and_that_of_sequences_does():
    assert content_key(a={"x": 1, "y": 2}) == content_key(a={"y": 2, "x": 1})
    assert content_key(a=[1, 2]) == content_key(a=(1, 2)) != content_key(a=[2, 1])


def test_classes_with_the_same_fields_differ():
    assert content_key(p=Policy(3)) == content_key(p=Policy(3))
    assert content_key(p=Policy(3)) != content_key(p=Other(3))


def test_values_are_told_apart_by_type():
    assert len({content_key(v=v) for v in (1, 1.0, "1", True, None, [1])}) == 6


def test_canonical_json_is_stable():
    said = canonical_json({"b": [Colour.RED, 0.1], "a": Path("/x"), "ü": None})
    assert said == '{"a":"/x","b":["red",0.1],"ü":null}'


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.zeros(2), len, object()])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(TypeError, match="canonical form"):
        content_key(v=value)
