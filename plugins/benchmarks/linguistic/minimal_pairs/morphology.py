"""Inflection and derivation: the form of one word has to fit its sentence."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from .grammar import Item, Paradigm, crossed
from .lexicon import (
    ANIMALS,
    GENDERED,
    NAMES,
    PEOPLE,
    THINGS,
)

#: Third person singular and plural.
PRESENT = (
    ("sees", "see"),
    ("likes", "like"),
    ("wants", "want"),
    ("finds", "find"),
    ("needs", "need"),
    ("knows", "know"),
    ("has", "have"),
    ("loves", "love"),
)


def subject_verb_number() -> Iterator[Item]:
    """Fit the verb to its subject: *The dog wants the ball* / *The dogs want the ball*."""
    for subject, (one, many), thing in product(ANIMALS + PEOPLE, PRESENT, THINGS):
        yield crossed(
            f"The {subject.one} {{}} the {thing.one}.",
            f"The {subject.many} {{}} the {thing.one}.",
            one,
            many,
        )


def determiner_noun_number() -> Iterator[Item]:
    """Fit the noun to its determiner: *Lily found this ball* / *Lily found these balls*."""
    determiners = (("this", "these"), ("that", "those"))
    verbs = ("found", "took", "likes", "wants", "saw", "bought")
    for name, verb, (one, many), noun in product(NAMES, verbs, determiners, THINGS + ANIMALS):
        yield crossed(
            f"{name} {verb} {one} {{}}.", f"{name} {verb} {many} {{}}.", noun.one, noun.many
        )


#: Base, present participle and an object.
ACTIVITIES = (
    ("sing", "singing", "a song"),
    ("read", "reading", "a book"),
    ("eat", "eating", "an apple"),
    ("make", "making", "a cake"),
    ("draw", "drawing", "a picture"),
    ("build", "building", "a house"),
    ("throw", "throwing", "the ball"),
    ("ride", "riding", "a horse"),
    ("wash", "washing", "the dishes"),
    ("open", "opening", "the door"),
    ("drink", "drinking", "the milk"),
    ("help", "helping", "the farmer"),
    ("climb", "climbing", "the tree"),
    ("fix", "fixing", "the chair"),
    ("clean", "cleaning", "the room"),
    ("tell", "telling", "a story"),
)


def auxiliary_verb_form() -> Iterator[Item]:
    """Fit the verb to its auxiliary: *Tom will sing a song* / *Tom is singing a song*."""
    modals, progressives = ("can", "will", "must", "should"), ("is", "was")
    for name, modal, be, (base, participle, rest) in product(
        NAMES, modals, progressives, ACTIVITIES
    ):
        yield crossed(f"{name} {modal} {{}} {rest}.", f"{name} {be} {{}} {rest}.", base, participle)


#: Past tense, past participle and an object, of verbs where the two differ.
IRREGULAR = (
    ("ate", "eaten", "the cake"),
    ("saw", "seen", "the bear"),
    ("took", "taken", "the book"),
    ("gave", "given", "the toy away"),
    ("wrote", "written", "a letter"),
    ("broke", "broken", "the cup"),
    ("drew", "drawn", "a picture"),
    ("rode", "ridden", "the horse"),
    ("drove", "driven", "the car"),
    ("chose", "chosen", "a hat"),
    ("hid", "hidden", "the ball"),
    ("forgot", "forgotten", "the song"),
    ("wore", "worn", "the coat"),
    ("threw", "thrown", "the ball"),
    ("did", "done", "the work"),
    ("stole", "stolen", "the money"),
    ("sang", "sung", "the song"),
    ("drank", "drunk", "the milk"),
    ("began", "begun", "the game"),
    ("tore", "torn", "the paper"),
)


def perfect_participle() -> Iterator[Item]:
    """Fit the tense: *Tom has eaten the cake* / *Last week Tom ate the cake*."""
    times = ("Yesterday", "Last week", "Last night")
    for name, time, (past, participle, rest) in product(NAMES, times, IRREGULAR):
        yield crossed(f"{name} has {{}} {rest}.", f"{time} {name} {{}} {rest}.", participle, past)


#: Adjective, adverb and a verb it can modify.
MANNERS = (
    ("happy", "happily", "smiled"),
    ("sad", "sadly", "spoke"),
    ("quick", "quickly", "ran"),
    ("slow", "slowly", "walked"),
    ("quiet", "quietly", "sat"),
    ("loud", "loudly", "sang"),
    ("careful", "carefully", "drove"),
    ("brave", "bravely", "fought"),
    ("kind", "kindly", "spoke"),
    ("angry", "angrily", "shouted"),
    ("proud", "proudly", "stood"),
    ("gentle", "gently", "spoke"),
    ("calm", "calmly", "waited"),
    ("polite", "politely", "asked"),
    ("nervous", "nervously", "laughed"),
    ("patient", "patiently", "waited"),
)


def adjective_adverb() -> Iterator[Item]:
    """Derive an adverb, or not: *Anna was very happy* / *Anna smiled very happily*."""
    for name, (adjective, adverb, verb) in product(NAMES, MANNERS):
        yield crossed(f"{name} was very {{}}.", f"{name} {verb} very {{}}.", adjective, adverb)


#: What people do to or for themselves.
REFLEXIVE = (
    "saw {} in the mirror",
    "made some tea for {}",
    "washed {} with soap",
    "bought a hat for {}",
    "told {} to be brave",
    "hurt {} with a knife",
    "looked at {} in the water",
    "asked {} what to do",
)


def reflexive_agreement() -> Iterator[Item]:
    """Fit the reflexive: *The boy saw himself in the mirror* / *The girl saw herself …*."""
    for (man, woman), predicate in product(GENDERED, REFLEXIVE):
        yield crossed(f"The {man} {predicate}.", f"The {woman} {predicate}.", "himself", "herself")


PARADIGMS = (
    Paradigm("subject-verb-number", subject_verb_number),
    Paradigm("determiner-noun-number", determiner_noun_number),
    Paradigm("auxiliary-verb-form", auxiliary_verb_form),
    Paradigm("perfect-participle", perfect_participle),
    Paradigm("adjective-adverb", adjective_adverb),
    Paradigm("reflexive-agreement", reflexive_agreement),
)
