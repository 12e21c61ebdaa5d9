"""Everyday words that several paradigms share."""

from __future__ import annotations

from typing import NamedTuple


class Noun(NamedTuple):
    """A countable noun."""

    one: str
    many: str


#: First names that are not used for the other gender.
WOMEN = ("Lily", "Mia", "Anna", "Sara", "Lucy", "Emma", "Jane", "Mary")
MEN = ("Tom", "Ben", "Tim", "Jack", "Peter", "John", "Paul", "David")
NAMES = tuple(name for pair in zip(WOMEN, MEN, strict=True) for name in pair)

ANIMALS = (
    Noun("dog", "dogs"),
    Noun("cat", "cats"),
    Noun("bird", "birds"),
    Noun("horse", "horses"),
    Noun("cow", "cows"),
    Noun("duck", "ducks"),
    Noun("rabbit", "rabbits"),
    Noun("bear", "bears"),
)
PEOPLE = (
    Noun("boy", "boys"),
    Noun("girl", "girls"),
    Noun("king", "kings"),
    Noun("teacher", "teachers"),
    Noun("farmer", "farmers"),
    Noun("doctor", "doctors"),
    Noun("baby", "babies"),
    Noun("friend", "friends"),
)
THINGS = (
    Noun("ball", "balls"),
    Noun("cup", "cups"),
    Noun("book", "books"),
    Noun("box", "boxes"),
    Noun("hat", "hats"),
    Noun("toy", "toys"),
    Noun("flower", "flowers"),
    Noun("cake", "cakes"),
    Noun("key", "keys"),
    Noun("picture", "pictures"),
    Noun("chair", "chairs"),
    Noun("stone", "stones"),
)

#: Nouns for people that differ in gender only.
GENDERED = (
    ("boy", "girl"),
    ("king", "queen"),
    ("man", "woman"),
    ("father", "mother"),
    ("brother", "sister"),
    ("prince", "princess"),
    ("uncle", "aunt"),
    ("grandfather", "grandmother"),
)


def subject_pronoun(name: str) -> str:
    """Return ``she`` or ``he`` for one of the first names."""
    return "she" if name in WOMEN else "he"
