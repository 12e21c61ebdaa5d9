"""Order, dependency and argument structure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from .grammar import Item, Paradigm, crossed, reordered
from .lexicon import ANIMALS, NAMES, PEOPLE, THINGS

COLOURS = ("red", "blue", "green", "yellow", "white", "black")


def word_order() -> Iterator[Item]:
    """Put verb before object, adjective before noun, preposition before determiner."""
    actions = ("found", "took", "dropped", "carried", "liked")
    for person, action, thing in product(PEOPLE, actions, THINGS):
        start = f"The {person.one}"
        yield reordered(f"{start} {action} the {thing.one}.", f"{start} the {thing.one} {action}.")
    for name, colour, thing in product(NAMES, COLOURS, THINGS):
        yield reordered(
            f"{name} has a {colour} {thing.one}.", f"{name} has a {thing.one} {colour}."
        )
    for animal, verb, place in product(
        ANIMALS, ("sat", "slept", "hid"), ("under the tree", "behind the house", "near the river")
    ):
        preposition, article, noun = place.split()
        yield reordered(
            f"The {animal.one} {verb} {preposition} {article} {noun}.",
            f"The {animal.one} {verb} {article} {preposition} {noun}.",
        )


#: Question word, auxiliary and verbs that go with them.
QUESTIONS = (
    ("Where did", ("go", "sleep", "hide", "play", "sit", "live")),
    ("What did", ("see", "eat", "find", "want", "make", "buy")),
    ("Why is", ("crying", "laughing", "running", "singing", "sleeping", "hiding")),
    ("When will", ("come", "leave", "eat", "sing", "sleep", "play")),
)


def question_inversion() -> Iterator[Item]:
    """Invert subject and auxiliary: *Where did the boy go?*, not *Where the boy did go?*."""
    for noun, (start, verbs) in product(PEOPLE + ANIMALS, QUESTIONS):
        question, auxiliary = start.split()
        for verb in verbs:
            yield reordered(
                f"{question} {auxiliary} the {noun.one} {verb}?",
                f"{question} the {noun.one} {auxiliary} {verb}?",
            )


def distractor_agreement() -> Iterator[Item]:
    """Agree across a noun: *The dog near the trees is big* / *The dogs near the tree are big*."""
    places = (
        ("near the", "tree", "trees"),
        ("behind the", "house", "houses"),
        ("with the", "flower", "flowers"),
        ("next to the", "box", "boxes"),
    )
    states = ("big", "small", "happy", "old", "tired")
    verbs = (("is", "are"), ("was", "were"))
    for noun, (place, near_one, near_many), state, (one, many) in product(
        ANIMALS + PEOPLE, places, states, verbs
    ):
        yield crossed(
            f"The {noun.one} {place} {near_many} {{}} {state}.",
            f"The {noun.many} {place} {near_one} {{}} {state}.",
            one,
            many,
        )


#: Verbs that cannot go without an object, with one.
TRANSITIVE = (
    ("found", "the key"),
    ("liked", "the cake"),
    ("bought", "a hat"),
    ("took", "the book"),
    ("wanted", "a toy"),
    ("caught", "a fish"),
    ("made", "a boat"),
    ("brought", "some bread"),
    ("needed", "a coat"),
    ("carried", "the bag"),
    ("fixed", "the chair"),
    ("held", "the baby"),
)


def embedded_clause() -> Iterator[Item]:
    """Match gap and filler: *Anna knows what Tom found* / *… that Tom found the key*."""
    matrix = ("knows", "saw", "remembers", "forgot")
    for speaker, verb, agent, (action, patient) in product(NAMES, matrix, NAMES, TRANSITIVE):
        if speaker != agent:
            yield crossed(
                f"{speaker} {verb} {{}} {agent} {action}.",
                f"{speaker} {verb} {{}} {agent} {action} {patient}.",
                "what",
                "that",
            )


def transitivity() -> Iterator[Item]:
    """Give a verb its arguments: *The boy slept in the park* / *The boy found the key in …*."""
    intransitive = ("slept", "laughed", "smiled", "arrived", "fell", "cried", "waited", "stayed")
    places = ("in the garden", "in the park", "at school", "at home")
    transitive = tuple(pair for pair in TRANSITIVE if pair[0] != "wanted")
    for person, alone, (action, patient), place in product(
        PEOPLE, intransitive, transitive, places
    ):
        yield crossed(
            f"The {person.one} {{}} {place}.",
            f"The {person.one} {{}} {patient} {place}.",
            alone,
            action,
        )


def pronoun_case() -> Iterator[Item]:
    """Mark case: *Then he saw the dog* / *Then the dog saw him*."""
    pronouns = (("he", "him"), ("she", "her"), ("they", "them"), ("we", "us"), ("I", "me"))
    verbs = ("saw", "liked", "found", "followed", "heard", "helped")
    for (subject, object_), verb, noun, start in product(
        pronouns, verbs, ANIMALS + PEOPLE, ("Then", "Today", "Soon")
    ):
        yield crossed(
            f"{start} {{}} {verb} the {noun.one}.",
            f"{start} the {noun.one} {verb} {{}}.",
            subject,
            object_,
        )


PARADIGMS = (
    Paradigm("word-order", word_order),
    Paradigm("question-inversion", question_inversion),
    Paradigm("distractor-agreement", distractor_agreement),
    Paradigm("embedded-clause", embedded_clause),
    Paradigm("transitivity", transitivity),
    Paradigm("pronoun-case", pronoun_case),
)
