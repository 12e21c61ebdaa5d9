"""The grammar of predictions, against Python itself on random formulas, and what it refuses."""

import numpy as np
import pytest

from harness.errors import StimulusError
from harness.probe.formula import Comparison, Formula, Junction, Region


def tables(n=50, seed=0, names=("a", "b-c", "d_1"), regions=4):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(5, 2, (n, regions)) for name in names}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(1;%a%) < (2;%a%)", lambda t: t["a"][:, 0] < t["a"][:, 1]),
        ("(1;%a%)>(2;%b-c%)", lambda t: t["a"][:, 0] > t["b-c"][:, 1]),
        ("( (1;%a%) + (2;%a%) ) < ( (3;%d_1%) )", lambda t: t["a"][:, :2].sum(1) < t["d_1"][:, 2]),
        # - associates to the left
        (
            "(1;%a%)-(2;%a%)-(3;%a%)>0",
            lambda t: (t["a"][:, 0] - t["a"][:, 1]) - t["a"][:, 2] > 0,
        ),
        (
            "(1;%a%)-((2;%a%)-(3;%a%))>0.5",
            lambda t: t["a"][:, 0] - (t["a"][:, 1] - t["a"][:, 2]) > 0.5,
        ),
        # & and | have one rank, from the left
        (
            "(1;%a%)>5 | (2;%a%)>5 & (3;%a%)>5",
            lambda t: ((t["a"][:, 0] > 5) | (t["a"][:, 1] > 5)) & (t["a"][:, 2] > 5),
        ),
        (
            "(1;%a%)>5 | ((2;%a%)>5 & (3;%a%)>5)",
            lambda t: (t["a"][:, 0] > 5) | ((t["a"][:, 1] > 5) & (t["a"][:, 2] > 5)),
        ),
        ("(*;%a%) < (*;%b-c%)", lambda t: t["a"].sum(1) < t["b-c"].sum(1)),
        ("  ( 1 ; %a% )  <  7  ", lambda t: t["a"][:, 0] < 7),
    ],
)
def test_means_what_it_says(text, expected):
    surprisals = tables()
    held = Formula.parse(text).holds(surprisals)
    np.testing.assert_array_equal(held, expected(surprisals))
    assert 0 < held.mean() < 1


def random_formula(rng, depth=3):
    """A formula, and the same as Python source over tables named t."""
    if depth and rng.random() < 0.5:
        (left, left_py), (right, right_py) = (random_formula(rng, depth - 1) for _ in range(2))
        operator = rng.choice(["&", "|"])
        return f"({left}) {operator} ({right})", f"(({left_py}) {operator} ({right_py}))"
    (left, left_py), (right, right_py) = (random_sum(rng) for _ in range(2))
    operator = rng.choice(["<", ">"])
    return f"{left}{operator}{right}", f"({left_py} {operator} {right_py})"


def random_sum(rng):
    text, python = random_region(rng)
    for _ in range(rng.integers(0, 3)):
        sign = rng.choice(["+", "-"])
        more, more_py = random_region(rng)
        text, python = f"{text} {sign} {more}", f"{python} {sign} {more_py}"
    return text, f"({python})"


def random_region(rng):
    region, name = rng.integers(1, 5), rng.choice(["a", "b-c", "d_1"])
    return f"({region};%{name}%)", f"t['{name}'][:, {region - 1}]"


def test_random_formulas_against_python():
    rng = np.random.default_rng(0)
    t = tables()
    for _ in range(200):
        text, python = random_formula(rng)
        expected = eval(python, {"t": t})  # the oracle's own source, made in this test
        np.testing.assert_array_equal(Formula.parse(text).holds(t), expected, err_msg=text)


def test_equality_is_within_a_tolerance():
    surprisals = {"a": np.array([[10.0, 10.0009], [10.0, 10.002], [3.0, 3.0]])}
    formula = Formula.parse("(1;%a%) = (2;%a%)")
    np.testing.assert_array_equal(formula.holds(surprisals), [True, False, True])
    assert formula.claims_equality
    assert not Formula.parse("(1;%a%) < (2;%a%)").claims_equality


def test_says_what_it_looks_at():
    formula = Formula.parse("((2;%a%) < (3;%b%)) & ((2;%a%) > 4)")
    assert formula.regions == {Region(2, "a"), Region(3, "b")}
    assert isinstance(formula.claim, Junction)
    assert isinstance(formula.claim.left, Comparison)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a region"),
        ("(1;%a%)", "is a quantity"),
        ("(1;%a%) + 2", "is a quantity"),
        ("(1;%a%) <", "expected a region"),
        ("((1;%a%) < 2", r"expected '\)'"),
        ("(1;%a%) < 2)", "expected an operator or the end"),
        ("(1;%a%) < 2 < 3", "no second comparison"),
        ("(1;%a%) & (2;%a%)", "claims, not quantities"),
        ("((1;%a%) < 2) + 1 > 0", "quantities, not claims"),
        ("((1;%a%) < 2) < 1", "quantities, not claims"),
        ("(0;%a%) < 2", "count from 1"),
        ("(1;%a%) == 2", "expected a region"),
        ("(1;%a%) < x", "cannot be read from character 10"),
        ("(1;%a b%) < 2", "cannot be read from character 2"),
        ("__import__('os').system('true')", "cannot be read from character 0"),
        ("(1;%a%) < 2; import os", "cannot be read"),
        ("(" * 60 + "(1;%a%) < 2" + ")" * 60, "nests more than 50"),
        ("(" * 100_000, "nests more than 50"),
    ],
)
def test_what_is_no_formula(text, message):
    with pytest.raises(StimulusError, match=message):
        Formula.parse(text)
