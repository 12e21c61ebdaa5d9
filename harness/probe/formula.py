"""Predictions of SyntaxGym: formulas over the surprisals of regions.

The grammar, from loosest to tightest, all of it associating to the left::

    formula    = comparison { ("&" | "|") comparison }
    comparison = sum [ ("<" | ">" | "=") sum ]
    sum        = atom { ("+" | "-") atom }
    atom       = region | number | "(" formula ")"
    region     = "(" (digits | "*") ";" "%" condition "%" ")"

It is parsed by hand: a formula is data from a file and is never run as code.

References
----------
Gauthier, Hu, Wilcox, Qian & Levy (2020). SyntaxGym: An online platform for targeted evaluation of
language models. ACL 2020, System Demonstrations, 70-76.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from harness.errors import StimulusError
from harness.numeric.arrays import Bools, Doubles

Surprisals: TypeAlias = Mapping[str, Doubles]
"""Surprisals by condition, (n_items, n_regions)."""

RELATIVE, ABSOLUTE = 1e-5, 1e-3
"""How near two surprisals must be to count as equal, as in syntaxgym-core (absolute, in bits)."""

DEEPEST = 50
"""Parentheses within parentheses that a formula may have."""


@dataclass(frozen=True)
class Region:
    """The surprisal of a region of a condition; region 0 stands for the whole sentence (``*``)."""

    number: int
    condition: str

    def value(self, surprisals: Surprisals) -> Doubles:
        """Return surprisals, (n_items,)."""
        table = surprisals[self.condition]
        whole: Doubles = table.sum(axis=1) if self.number == 0 else table[:, self.number - 1]
        return whole


@dataclass(frozen=True)
class Number:
    """A number in the formula."""

    literal: float

    def value(self, surprisals: Surprisals) -> Doubles:
        """Return the number."""
        return np.array(self.literal)


@dataclass(frozen=True)
class Sum:
    """``left + right`` or ``left - right``."""

    left: Quantity
    sign: int
    right: Quantity

    def value(self, surprisals: Surprisals) -> Doubles:
        """Return the sum, (n_items,)."""
        total: Doubles = self.left.value(surprisals) + self.sign * self.right.value(surprisals)
        return total


@dataclass(frozen=True)
class Comparison:
    """``left < right``, ``left > right`` or ``left = right``."""

    left: Quantity
    operator: str
    right: Quantity

    def holds(self, surprisals: Surprisals) -> Bools:
        """Say for which items it is so, (n_items,)."""
        left, right = self.left.value(surprisals), self.right.value(surprisals)
        if self.operator == "=":
            return np.isclose(left, right, rtol=RELATIVE, atol=ABSOLUTE)
        answer: Bools = left < right if self.operator == "<" else left > right
        return answer


@dataclass(frozen=True)
class Junction:
    """``left & right`` or ``left | right``."""

    left: Claim
    operator: str
    right: Claim

    def holds(self, surprisals: Surprisals) -> Bools:
        """Say for which items it is so, (n_items,)."""
        left, right = self.left.holds(surprisals), self.right.holds(surprisals)
        return left & right if self.operator == "&" else left | right


Quantity: TypeAlias = Region | Number | Sum
Claim: TypeAlias = Comparison | Junction
Node: TypeAlias = Quantity | Claim


@dataclass(frozen=True)
class Formula:
    """A prediction.

    Parameters
    ----------
    text : str
        As it was written.
    claim : Comparison or Junction
        As it was understood.
    """

    text: str
    claim: Claim

    @classmethod
    def parse(cls, text: str) -> Formula:
        """Read a formula.

        Raises
        ------
        StimulusError
            The text is not a formula, or claims nothing (it is a quantity).
        """
        claim = _Parser(text).whole()
        return cls(text, claim)

    def holds(self, surprisals: Surprisals) -> Bools:
        """Say for which items the prediction comes true.

        Parameters
        ----------
        surprisals : mapping
            By condition, arrays (n_items, n_regions), in bits.

        Returns
        -------
        array of bool (n_items,)
        """
        return self.claim.holds(surprisals)

    @cached_property
    def regions(self) -> frozenset[Region]:
        """Regions that the formula looks at."""
        return frozenset(node for node in _nodes(self.claim) if isinstance(node, Region))

    @cached_property
    def claims_equality(self) -> bool:
        """Whether two surprisals are claimed to be equal, which no real model fulfils."""
        return any(isinstance(n, Comparison) and n.operator == "=" for n in _nodes(self.claim))


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    if not isinstance(node, Region | Number):
        yield from _nodes(node.left)
        yield from _nodes(node.right)


_TOKEN = re.compile(
    r"\s*(?:"
    r"(?P<region>\(\s*(?P<number>\d+|\*)\s*;\s*%(?P<condition>[\w.-]+)%\s*\))"
    r"|(?P<literal>\d+(?:\.\d+)?)"
    r"|(?P<symbol>[-+<>=&|()])"
    r")\s*"
)


@dataclass(frozen=True)
class _Token:
    """A region or a number, or else a symbol."""

    at: int
    symbol: str
    node: Region | Number | None = None


class _Parser:
    """Recursive descent over the tokens of one formula."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [*self._scan(), _Token(len(text), "the end")]
        self._next = 0
        self._depth = 0

    def whole(self) -> Claim:
        node = self._formula()
        if self._peek().symbol != "the end":
            raise self._error("an operator or the end")
        if not isinstance(node, Comparison | Junction):
            raise StimulusError(f"the formula {self._text!r} is a quantity: it predicts nothing")
        return node

    def _scan(self) -> Iterator[_Token]:
        at = 0
        while at < len(self._text):
            match = _TOKEN.match(self._text, at)
            if match is None:
                raise StimulusError(
                    f"the formula {self._text!r} cannot be read from character {at}:"
                    f" {self._text[at : at + 12]!r}",
                    "regions look like (5;%condition%); operators are + - < > = & | and ( )",
                )
            if match["region"]:
                number = 0 if match["number"] == "*" else int(match["number"])
                if number == 0 and match["number"] != "*":
                    raise StimulusError(f"the formula {self._text!r}: regions count from 1")
                yield _Token(at, "a region", Region(number, match["condition"]))
            elif match["literal"]:
                yield _Token(at, "a number", Number(float(match["literal"])))
            else:
                yield _Token(at, match["symbol"])
            at = match.end()

    def _formula(self) -> Node:
        left = self._comparison()
        while self._peek().symbol in ("&", "|"):
            operator = self._take().symbol
            right = self._comparison()
            left = Junction(self._claim(left), operator, self._claim(right))
        return left

    def _comparison(self) -> Node:
        left = self._sum()
        if self._peek().symbol not in ("<", ">", "="):
            return left
        operator = self._take().symbol
        right = self._sum()
        if self._peek().symbol in ("<", ">", "="):
            raise self._error("no second comparison (write a < b & b < c)")
        return Comparison(self._quantity(left), operator, self._quantity(right))

    def _sum(self) -> Node:
        left = self._atom()
        while self._peek().symbol in ("+", "-"):
            sign = 1 if self._take().symbol == "+" else -1
            right = self._atom()
            left = Sum(self._quantity(left), sign, self._quantity(right))
        return left

    def _atom(self) -> Node:
        token = self._peek()
        if token.node is not None:
            self._take()
            return token.node
        if token.symbol != "(":
            raise self._error("a region, a number or '('")
        self._take()
        self._depth += 1
        if self._depth > DEEPEST:
            raise StimulusError(f"a formula nests more than {DEEPEST} parentheses")
        node = self._formula()
        if self._peek().symbol != ")":
            raise self._error("')'")
        self._take()
        self._depth -= 1
        return node

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _claim(self, node: Node) -> Claim:
        if isinstance(node, Comparison | Junction):
            return node
        raise self._error("claims, not quantities, on both sides of & and |")

    def _quantity(self, node: Node) -> Quantity:
        if isinstance(node, Region | Number | Sum):
            return node
        raise self._error("quantities, not claims, on both sides of + - < > =")

    def _error(self, wanted: str) -> StimulusError:
        token = self._peek()
        return StimulusError(
            f"the formula {self._text!r}: at character {token.at} ({token.symbol}),"
            f" expected {wanted}"
        )
