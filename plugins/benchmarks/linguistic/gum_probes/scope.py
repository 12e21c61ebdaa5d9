"""Tasks about how far a word reaches, with what gives the answer away held alike for all labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .choose import Candidate
from .corpus import Text, Token
from .morphology import CONTENT, word_candidate

CLAUSAL = ("not", "never")
OTHER = frozenset(("no", "none", "nothing", "nobody", "nowhere", "neither", "nor", "without"))
"""Negations whose clause is not read off their head."""
OPEN = ("conj", "advcl", "acl", "ccomp", "appos")
"""Parts of a clause that a negation before them may or may not reach."""
FOCUS = ("only", "just", "merely", "simply", "necessarily")
"""Words after *not* that it negates alone."""
AFFIXES = ("un", "non", "dis")
QUANTIFIERS = frozenset(
    ("many", "much", "more", "most", "some", "any", "fewer", "several", "all", "every", "each",
     "both", "no", "enough", "various", "numerous", "another", "few")
)  # fmt: skip
HOURS = ("am", "pm", "a.m.", "p.m.")
"""Nouns after a numeral that they do not count."""
DETERMINING = ("det", "nummod", "amod", "compound")
FAR = 5
"""Words; more count as so many."""


def negated(text: Text) -> Iterator[Candidate]:
    """Content words after *not*: within what it negates, or beyond; the distance tells nothing."""
    for number in range(len(text.sentences)):
        words = [t for t in text.tokens if t.sentence == number]
        marks = [t for t in words if "Negation" in t.word.misc and not _affixal(t)]
        if len(marks) != 1 or any(t.word.lemma.lower() in OTHER for t in words):
            continue
        (mark,) = marks
        after = text.tokens[mark.at + 1].word.lemma.lower() if mark is not words[-1] else ""
        if (
            after in FOCUS
            or mark.word.lemma.lower() not in CLAUSAL
            or mark.head < 0
            or mark.relation != "advmod"
        ):
            continue
        if text.tokens[mark.head].word.upos in ("DET", "PRON", "NUM"):
            continue  # "not all"
        inside, unsure = _reach(text, text.tokens[mark.head])
        for token in words[mark.at - words[0].at + 1 :]:
            if token.own and token.word.upos in CONTENT and token.at not in unsure:
                label = "inside" if token.at in inside else "outside"
                yield word_candidate(token, label, _bucket(token.at - mark.at))


def _affixal(token: Token) -> bool:
    """Whether a negation is the beginning of its word, and opens no scope."""
    return token.word.form.lower().startswith(AFFIXES)


def _reach(text: Text, head: Token) -> tuple[set[int], set[int]]:
    """Words that a negation of a head reaches, and those where it is not to be said."""
    inside: set[int] = set()
    unsure: set[int] = set()
    around = [(head, True)]
    while around:
        token, sure = around.pop()
        (inside if sure else unsure).add(token.at)
        for child in text.children[token.at]:
            if child.relation != "parataxis":
                around.append((child, sure and child.relation not in OPEN))
    return inside, unsure


def articles(text: Text) -> Iterator[Candidate]:
    """Nouns after an article: it is theirs, or another word's; kind and distance tell nothing."""
    return _attached(text, lambda t: t.word.features.get("Definite", ""))


def quantifiers(text: Text) -> Iterator[Candidate]:
    """Nouns after a numeral or quantifier: it is theirs, or another word's."""
    return _attached(text, _quantity)


def _quantity(token: Token) -> str:
    if token.word.upos == "NUM":
        return "numeral"
    return "vague" if token.word.lemma.lower() in QUANTIFIERS else ""


def _attached(text: Text, kind: Callable[[Token], str]) -> Iterator[Candidate]:
    last: Token | None = None
    for token in text.tokens:
        if last is not None and last.sentence != token.sentence:
            last = None
        # A noun within a compound shares the article of the whole.
        plain = token.own and token.word.upos == "NOUN" and token.relation != "compound"
        plain = plain and len(token.word.form) > 1 and token.word.lemma.lower() not in HOURS
        if plain and last is not None and not _shared(text, token):
            label = "own" if _owner(text, last) == token.at else "other"
            if label == "own" and last.relation not in DETERMINING:
                continue  # "all they get is a message"
            yield word_candidate(token, label, f"{kind(last)} {_bucket(token.at - last.at)}")
        if kind(token):
            last = token


def _owner(text: Text, token: Token) -> int:
    """Place of the word that an article or a number is of; of *18 - 20*, and of *33 1/2*, too."""
    while token.head >= 0 and text.tokens[token.head].word.upos == "NUM":
        token = text.tokens[token.head]
    return token.head


def _shared(text: Text, token: Token) -> bool:
    """Whether a noun is joined to another, whose article may be its own."""
    return token.relation in ("conj", "flat", "fixed") or any(
        c.relation == "flat" for c in text.children[token.at]
    )


def logical_roles(text: Text) -> Iterator[Candidate]:
    """Arguments of verbs by what they would be in the active; their order tells nothing."""
    for token in text.tokens:
        if token.head < 0 or not token.own or not text.tokens[token.head].own:
            continue
        verb = text.tokens[token.head]
        label = _role(text, token, verb)
        if label and verb.word.lemma.lower() not in ("have", "be"):
            forms = f"{token.word.form} {verb.word.form}".lower()
            order = "before" if token.at < verb.at else "after"
            yield Candidate((token.span, verb.span), label, forms, order)


def _role(text: Text, token: Token, verb: Token) -> str:
    if verb.word.upos != "VERB":
        return ""
    relation = token.word.relation
    acted_on = any(c.word.relation == "obj" for c in text.children[verb.at])
    if relation == "obl:agent" or (relation == "nsubj" and acted_on):
        return "subject"
    return "object" if relation in ("obj", "nsubj:pass") else ""


def _bucket(distance: int) -> str:
    return str(min(distance, FAR))
