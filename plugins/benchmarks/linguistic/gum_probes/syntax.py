"""Tasks about the structure of sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.probe.tasks import Inputs, Target

from .choose import Candidate, Definition
from .corpus import Text, Token
from .morphology import word_candidate
from .scope import logical_roles

CLAUSES = ("advcl", "acl:relcl", "acl", "ccomp", "xcomp", "csubj", "parataxis", "conj", "root")


def pair_candidate(first: Token, second: Token, label: str) -> Candidate:
    """Offer two words; their control type is both forms."""
    forms = f"{first.word.form} {second.word.form}".lower()
    return Candidate((first.span, second.span), label, forms)


def _parts_of_speech(text: Text) -> Iterator[Candidate]:
    for token in text.tokens:
        if token.own and token.word.upos not in ("X", "SYM", "PUNCT"):
            yield word_candidate(token, token.word.upos)


def _relations(text: Text) -> Iterator[Candidate]:
    for token in text.tokens:
        if token.own and token.head >= 0 and text.tokens[token.head].own:
            yield pair_candidate(token, text.tokens[token.head], token.relation)


def _head_directions(text: Text) -> Iterator[Candidate]:
    for token in text.tokens:
        if token.own and token.head >= 0:
            yield word_candidate(token, "left" if token.head < token.at else "right")


def _depths(text: Text) -> Iterator[Candidate]:
    for token in text.tokens:
        if token.own:
            depth, above = 0, token
            while above.head >= 0:
                depth, above = depth + 1, text.tokens[above.head]
            yield word_candidate(token, float(min(depth, 8)))


def _subject_distances(text: Text) -> Iterator[Candidate]:
    for token in text.tokens:
        subjects = [c for c in text.children[token.at] if c.relation == "nsubj"]
        if token.own and token.word.upos == "VERB" and len(subjects) == 1:
            yield word_candidate(token, math.log2(abs(token.at - subjects[0].at)))


def _sentence_types(text: Text) -> Iterator[Candidate]:
    for number, (sentence, start) in enumerate(zip(text.sentences, text.starts, strict=True)):
        kind = sentence.comments.get("s_type", "other")
        words = [t for t in text.tokens if t.sentence == number]
        if kind not in ("other", "multiple") and any(t.own for t in words):
            # Without its last mark, which gives a question away.
            last = max(t.span[1] for t in words if t.word.upos != "PUNCT")
            if last > start:
                first = next(t for t in words if t.word.upos != "PUNCT")
                yield Candidate(((start, last),), kind, first.word.form.lower())


def _clauses(text: Text) -> Iterator[Candidate]:
    for token in text.tokens:
        relation = token.word.relation
        kind = relation if relation in CLAUSES else token.relation
        if token.own and token.word.upos == "VERB" and kind in CLAUSES:
            yield word_candidate(token, kind)


TASKS = (
    Definition("part-of-speech", "syntax", "part of speech", _parts_of_speech),
    Definition(
        "dependency-relation",
        "syntax",
        "dependency",
        _relations,
        Inputs.SPAN_PAIR,
        notes="Dependent and head; relations of Universal Dependencies without subtypes.",
    ),
    Definition("head-direction", "syntax", "dependency", _head_directions),
    Definition(
        "depth",
        "syntax",
        "depth in the tree",
        _depths,
        target=Target.NUMBER,
        notes="Arcs from the root; eight and more count as eight.",
    ),
    Definition(
        "subject-distance",
        "syntax",
        "subject and verb",
        _subject_distances,
        target=Target.NUMBER,
        notes="Binary logarithm of the words from a verb to its subject.",
    ),
    Definition(
        "sentence-type",
        "syntax",
        "clause type",
        _sentence_types,
        notes="The sentence without its last punctuation mark, after the sentences before it.",
    ),
    Definition("clause-relation", "syntax", "clause type", _clauses),
    Definition(
        "logical-role",
        "syntax",
        "argument structure",
        logical_roles,
        Inputs.SPAN_PAIR,
        notes=(
            "Argument and verb: subject of the verb in the active (a subject beside an object, a"
            " by-phrase), or object (an object, the subject of a passive). Grammar, not frames; as"
            " many of each label before and after the verb, without *have*."
        ),
    ),
)
