"""Specs of controls."""

from __future__ import annotations

import pytest

from harness.errors import ModelError
from harness.lm.controls import static, untrained
from harness.spec.specs import ModelSpec

BASE = ModelSpec("tiny", "hf:a/tiny", "main", family="tiny", parameters=7, context=9, licence="MIT")


def test_an_untrained_model() -> None:
    spec = untrained(BASE, 3)
    assert (spec.name, spec.control, spec.base, spec.seed) == (
        "untrained:tiny#3",
        "untrained",
        "tiny",
        3,
    )
    assert (spec.source, spec.revision, spec.context) == (BASE.source, BASE.revision, 9)
    assert "control" in spec.tags
    assert untrained(BASE) == untrained(BASE, 0)


def test_a_static_model() -> None:
    spec = static(BASE)
    assert (spec.name, spec.control, spec.base) == ("static:tiny", "static", "tiny")
    assert spec.seed is None
    assert (spec.source, spec.licence) == (BASE.source, BASE.licence)


@pytest.mark.parametrize("control", [static(BASE), untrained(BASE)])
def test_a_control_has_no_controls(control: ModelSpec) -> None:
    with pytest.raises(ModelError, match="is a control already"):
        untrained(control)
    with pytest.raises(ModelError, match="is a control already"):
        static(control)


def test_a_seed_is_not_negative() -> None:
    with pytest.raises(ModelError, match="not negative"):
        untrained(BASE, -1)
