"""Tasks about negation, quantity and the relations that arguments are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.probe.tasks import Inputs

from .choose import Candidate, Definition
from .corpus import Text, Token, Unit
from .morphology import CONTENT, word_candidate

VAGUE = frozenset(
    ("many", "much", "more", "most", "some", "any", "few", "fewer", "several", "all", "every",
     "each", "both", "no", "less", "little", "enough", "various", "numerous", "another")
)  # fmt: skip


def _negations(text: Text) -> Iterator[Candidate]:
    for number in range(len(text.sentences)):
        words = [t for t in text.tokens if t.sentence == number]
        cues = [t for t in words if "Negation" in t.word.misc and t.head >= 0]
        inside = {
            t.at
            for cue in cues
            for t in text.subtree(text.tokens[cue.head])
            if t.at > cue.at or t.at == cue.head
        }
        marks = {cue.at for cue in cues}
        for token in words:
            if cues and token.own and token.at not in marks and token.word.upos in CONTENT:
                yield word_candidate(token, "inside" if token.at in inside else "outside")


def _quantities(text: Text) -> Iterator[Candidate]:
    for token in text.tokens:
        if not token.own or token.word.upos != "NOUN":
            continue
        below = text.children[token.at]
        if any(c.relation == "nummod" for c in below):
            yield word_candidate(token, "counted")
        elif any(c.word.lemma.lower() in VAGUE and c.relation in ("det", "amod") for c in below):
            yield word_candidate(token, "vague")
        else:
            yield word_candidate(token, "none")


def unit_pairs(text: Text) -> Iterator[tuple[Unit, Unit]]:
    """Units with the unit that they relate to, where both are in the text, as they are written."""
    units = {unit.number: unit for unit in text.units}
    for unit in text.units:
        other = units.get(unit.parent)
        if other is not None and readable(unit) and readable(other):
            yield unit, other


def readable(unit: Unit) -> bool:
    """Whether a unit begins and ends with words whose characters are their own."""
    ends = unit.tokens[0].word, unit.tokens[-1].word
    return any(t.own for t in unit.tokens) and not any(w.contracted for w in ends)


def unit_candidate(unit: Unit, other: Unit, label: str) -> Candidate:
    """Offer two units in the order of the text; the control type is their first words."""
    pair = sorted((unit, other), key=lambda u: u.span)
    return Candidate(tuple(u.span for u in pair), label, " ".join(_opening(u) for u in pair))


def _opening(unit: Unit) -> str:
    return next(t.word.form.lower() for t in unit.tokens if t.own)


def _against(*classes: str) -> Callable[[Text], Iterator[Candidate]]:
    def candidates(text: Text) -> Iterator[Candidate]:
        for unit, other in unit_pairs(text):
            if not unit.relation.startswith(("same-unit", "organization")):
                label = "yes" if unit.relation.startswith(classes) else "no"
                yield unit_candidate(unit, other, label)

    return candidates


def conditioned(text: Text) -> Iterator[Token]:
    """Heads of clauses that a conditional construction makes depend on a condition."""
    for token in text.tokens:
        if "Conditional" in token.word.misc.get("Cxn", "") and token.own:
            yield token


def _consequents(text: Text) -> Iterator[Candidate]:
    heads = {t.at for t in conditioned(text)}
    for token in text.tokens:
        if token.own and token.word.upos == "VERB" and token.relation in ("root", "conj", "ccomp"):
            yield word_candidate(token, "conditional" if token.at in heads else "plain")


RELATION = "Of two discourse units that are related, in the order of the text."
TASKS = (
    Definition(
        "negation-scope",
        "reasoning",
        "negation",
        _negations,
        notes=(
            "Content words of sentences with a negation. An approximation: inside are the word that"
            " the cue depends on and what depends on it to the right of the cue."
        ),
    ),
    Definition(
        "quantity",
        "reasoning",
        "quantity",
        _quantities,
        notes="A noun with a numeral, a vague quantifier or neither; the noun alone is read.",
    ),
    Definition(
        "causal-relation",
        "reasoning",
        "cause",
        _against("causal", "explanation"),
        Inputs.SPAN_PAIR,
        notes=RELATION,
    ),
    Definition(
        "contrast-relation",
        "reasoning",
        "contrast",
        _against("adversative"),
        Inputs.SPAN_PAIR,
        notes=RELATION,
    ),
    Definition(
        "condition-relation",
        "reasoning",
        "condition",
        _against("contingency"),
        Inputs.SPAN_PAIR,
        notes=RELATION,
    ),
    Definition(
        "consequent",
        "reasoning",
        "condition",
        _consequents,
        notes="The verb of a main clause: does it hold under a condition?",
    ),
)
