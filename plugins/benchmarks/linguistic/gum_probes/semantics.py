"""Tasks about what words and phrases refer to."""

from __future__ import annotations

from collections.abc import Iterator

from harness.probe.tasks import Inputs

from .choose import Candidate, Definition
from .corpus import Mention, Text, Token
from .morphology import word_candidate
from .syntax import pair_candidate

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


def _definiteness(text: Text) -> Iterator[Candidate]:
    for token in text.tokens:
        if token.own and token.word.upos == "NOUN":
            articles = {
                c.word.features["Definite"]
                for c in text.children[token.at]
                if c.relation == "det" and "Definite" in c.word.features
            }
            others = any(
                c.relation in ("det", "nummod") or c.word.relation == "nmod:poss"
                for c in text.children[token.at]
            )
            if len(articles) == 1:
                yield word_candidate(token, articles.pop())
            elif not others:
                yield word_candidate(token, "bare")


def _roles(text: Text) -> Iterator[Candidate]:
    for token in text.tokens:
        if token.head < 0 or not token.own or not text.tokens[token.head].own:
            continue
        verb = text.tokens[token.head]
        if label := _role(text, token, verb):
            yield pair_candidate(token, verb, label)


def _role(text: Text, token: Token, verb: Token) -> str:
    relation = token.word.relation
    acted_on = any(c.word.relation == "obj" for c in text.children[verb.at])
    if relation == "obl:agent" or (relation == "nsubj" and acted_on and verb.word.upos == "VERB"):
        return "agent"
    if relation in ("obj", "nsubj:pass") and verb.word.upos == "VERB":
        return "patient"
    return "recipient" if relation == "iobj" else ""


TASKS = (
    Definition("entity-type", "semantics", "entity type", _entity_types),
    Definition("animacy", "semantics", "animacy", _animacy, notes="Of the head noun."),
    Definition("named", "semantics", "named entity", _named),
    Definition(
        "definiteness",
        "semantics",
        "definiteness",
        _definiteness,
        notes="A noun with a definite, an indefinite or no article; the noun alone is read.",
    ),
    Definition(
        "semantic-role",
        "semantics",
        "semantic roles",
        _roles,
        Inputs.SPAN_PAIR,
        notes=(
            "An approximation: subject of a verb with an object, and by-phrase of a passive, are"
            " agents; objects and subjects of passives are patients; indirect objects recipients."
        ),
    ),
)
