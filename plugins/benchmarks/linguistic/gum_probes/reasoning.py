"""Tasks about negation, quantity and the relations that arguments are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from harness.probe.tasks import Inputs

from .choose import NO_GAIN, UNTRAINED_GAINS, Candidate, Definition
from .corpus import Implied, Text, Token, Unit
from .morphology import word_candidate
from .scope import negated

FEWEST_WORDS = 3
"""Of a discourse unit; shorter ones are read off their words."""
CAUSAL = frozenset(
    ("because", "since", "so", "as", "for", "therefore", "thus", "hence", "why", "due", "that",
     "result", "reason")
)  # fmt: skip
CONTRASTIVE = frozenset(
    ("but", "however", "although", "though", "while", "whereas", "yet", "despite", "still",
     "instead", "rather", "only", "unlike", "not", "no")
)  # fmt: skip
CONDITIONAL = frozenset(("if", "unless", "when", "whether", "whenever", "once", "in", "as"))


def unit_pairs(text: Text) -> Iterator[tuple[Unit, Unit]]:
    """Units with the unit that they relate to, where both are in the text, as they are written."""
    units = {unit.number: unit for unit in text.units}
    for unit in text.units:
        other = units.get(unit.parent)
        if other is not None and readable(unit) and readable(other):
            yield unit, other


def readable(unit: Unit) -> bool:
    """Whether a unit is whole, of some words, and its ends' characters are their own."""
    ends = unit.tokens[0].word, unit.tokens[-1].word
    enough = sum(t.own for t in unit.tokens) >= FEWEST_WORDS
    return unit.whole and enough and not any(w.contracted for w in ends)


def unit_candidate(unit: Unit, other: Unit, label: str, cue: str = "") -> Candidate:
    """Offer two units in the order of the text; the control type is their first words."""
    pair = sorted((unit, other), key=lambda u: u.span)
    return Candidate(tuple(u.span for u in pair), label, " ".join(_opening(u) for u in pair), cue)


def _opening(unit: Unit) -> str:
    return next(t.word.form.lower() for t in unit.tokens if t.own)


def _against(words: frozenset[str], *classes: str) -> Callable[[Text], Iterator[Candidate]]:
    def candidates(text: Text) -> Iterator[Candidate]:
        for unit, other in unit_pairs(text):
            if not unit.relation.startswith(("same-unit", "organization")):
                label = "yes" if unit.relation.startswith(classes) else "no"
                pair = sorted((unit, other), key=lambda u: u.span)
                cue = "+".join(_signal(u.tokens, words) for u in pair)
                yield unit_candidate(unit, other, label, cue)

    return candidates


def _signal(tokens: Sequence[Token], words: frozenset[str]) -> str:
    """Return the first of some words; ``none`` where there is none."""
    forms = (t.word.lemma.lower() for t in tokens)
    return next((form for form in forms if form in words), "none")


def implied_candidate(relation: Implied, label: str) -> Candidate:
    """Offer both arguments of an implicit relation; the control type is their first words."""
    arguments = (relation.first, relation.second)
    spans = tuple((tokens[0].span[0], tokens[-1].span[1]) for tokens in arguments)
    return Candidate(spans, label, " ".join(tokens[0].word.form.lower() for tokens in arguments))


def arguable(relation: Implied) -> bool:
    """Whether both arguments are of some words, and their ends' characters are their own."""
    return all(
        sum(t.own for t in tokens) >= FEWEST_WORDS
        and not any(t.word.contracted for t in (tokens[0], tokens[-1]))
        for tokens in (relation.first, relation.second)
    )


def _implied(*classes: str) -> Callable[[Text], Iterator[Candidate]]:
    def candidates(text: Text) -> Iterator[Candidate]:
        for relation in text.implied:
            if arguable(relation):
                label = "yes" if relation.sense.startswith(classes) else "no"
                yield implied_candidate(relation, label)

    return candidates


CONDITION = frozenset(("if", "unless"))


def _consequents(text: Text) -> Iterator[Candidate]:
    for token in text.tokens:
        if token.own and token.word.upos == "VERB" and token.relation in ("root", "conj", "ccomp"):
            before = [t for t in text.tokens[: token.at] if t.sentence == token.sentence]
            under = "Conditional" in token.word.misc.get("Cxn", "")
            label = "conditional" if under else "plain"
            yield word_candidate(token, label, _signal(before, CONDITION))


RELATION = (
    "Of two whole discourse units that are related, in the order of the text; as many of each label"
    " with each of the words that signal the relation."
)
IMPLIED = (
    "Of two sentences, or parts of them, that are related without a connective; annotated as in"
    " the Penn Discourse Treebank."
)
TASKS = (
    Definition(
        "negation-scope",
        "reasoning",
        "negation",
        negated,
        notes=(
            "Content words after *not* or *never* in their sentence, as many of each label at each"
            " distance. Inside is what depends on the negated word; clauses and conjuncts that the"
            " negation may or may not reach are left out."
        ),
        aside=NO_GAIN,
    ),
    Definition(
        "causal-relation",
        "reasoning",
        "cause",
        _against(CAUSAL, "causal", "explanation"),
        Inputs.SPAN_PAIR,
        notes=RELATION,
        aside=NO_GAIN,
    ),
    Definition(
        "contrast-relation",
        "reasoning",
        "contrast",
        _against(CONTRASTIVE, "adversative"),
        Inputs.SPAN_PAIR,
        notes=RELATION,
    ),
    Definition(
        "condition-relation",
        "reasoning",
        "condition",
        _against(CONDITIONAL, "contingency"),
        Inputs.SPAN_PAIR,
        notes=RELATION,
    ),
    Definition(
        "implicit-cause",
        "reasoning",
        "cause",
        _implied("Contingency.Cause"),
        Inputs.SPAN_PAIR,
        notes=IMPLIED,
        aside=UNTRAINED_GAINS,
    ),
    Definition(
        "consequent",
        "reasoning",
        "condition",
        _consequents,
        notes="The verb of a main clause, after *if* or not: does it hold under a condition?",
    ),
)
