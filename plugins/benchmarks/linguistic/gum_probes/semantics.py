"""Tasks about what words and phrases refer to."""

from __future__ import annotations

from collections.abc import Iterator

from .choose import Candidate, Definition
from .corpus import Mention, Text
from .morphology import word_candidate
from .scope import articles, quantifiers

LONGEST = 12
"""Words of a mention."""
ANIMATE = ("person", "animal")


def mentions(text: Text) -> Iterator[Mention]:
    """Mentions whose characters are their own, not too long."""
    for mention in text.mentions:
        ends = mention.tokens[0], mention.tokens[-1]
        if len(mention.tokens) <= LONGEST and all(t.own for t in ends):
            yield mention


def mention_candidate(mention: Mention, label: str) -> Candidate:
    """Offer a mention; its control type is the form of its head."""
    return Candidate((mention.span,), label, mention.head.word.form.lower())


def _entity_types(text: Text) -> Iterator[Candidate]:
    for mention in mentions(text):
        yield mention_candidate(mention, mention.kind)


def _animacy(text: Text) -> Iterator[Candidate]:
    for mention in mentions(text):
        if mention.head.word.upos == "NOUN" and mention.head.own:
            kind = "animate" if mention.kind in ANIMATE else "inanimate"
            yield word_candidate(mention.head, kind)


def _named(text: Text) -> Iterator[Candidate]:
    for mention in mentions(text):
        if mention.head.word.upos in ("NOUN", "PROPN"):
            yield mention_candidate(mention, "named" if mention.named else "other")


TASKS = (
    Definition("entity-type", "semantics", "entity type", _entity_types),
    Definition("animacy", "semantics", "animacy", _animacy, notes="Of the head noun."),
    Definition("named", "semantics", "named entity", _named),
    Definition(
        "article",
        "semantics",
        "definiteness",
        articles,
        notes=(
            "A noun after an article: is it the noun's own? As many of each label for each article"
            " and distance; the noun alone is read."
        ),
    ),
    Definition(
        "quantifier",
        "semantics",
        "quantity",
        quantifiers,
        notes=(
            "A noun after a numeral or a quantifier: is it the noun's own? As many of each label"
            " for each kind and distance; the noun alone is read."
        ),
    ),
)
