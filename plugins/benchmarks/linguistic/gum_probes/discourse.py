"""Tasks about how units of a text hang together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from harness.probe.tasks import Inputs

from .choose import NO_GAIN, Candidate, Definition
from .corpus import Text
from .morphology import word_candidate
from .reasoning import (
    IMPLIED,
    arguable,
    implied_candidate,
    readable,
    unit_candidate,
    unit_pairs,
)
from .semantics import mention_candidate, mentions


def _relations(text: Text) -> Iterator[Candidate]:
    for unit, other in unit_pairs(text):
        family = unit.relation.partition("-")[0]
        if family != "same":
            yield unit_candidate(unit, other, family)


def _nuclearity(text: Text) -> Iterator[Candidate]:
    for unit in text.units:
        if readable(unit) and unit.parent and not unit.relation.startswith("same-unit"):
            opening = next(t.word.form.lower() for t in unit.tokens if t.own)
            side = "before" if unit.number < unit.parent else "after"
            label = "equal" if unit.relation.endswith("_m") else side
            yield Candidate((unit.span,), label, opening)


def _statuses(text: Text) -> Iterator[Candidate]:
    for mention in mentions(text):
        if mention.status in ("new", "giv", "acc"):
            yield mention_candidate(mention, mention.status)


def _coreference(text: Text) -> Iterator[Candidate]:
    found = [m for m in mentions(text) if m.head.own]
    for first, second in combinations(sorted(found, key=lambda m: m.span), 2):
        apart = first.span[1] <= second.span[0]
        # Of one kind and not of one form: neither may give the answer away.
        forms = first.head.word.form.lower(), second.head.word.form.lower()
        if apart and first.kind == second.kind and forms[0] != forms[1]:
            label = "same" if first.chain == second.chain else "other"
            yield Candidate((first.span, second.span), label, " ".join(forms))


def _boundaries(text: Text) -> Iterator[Candidate]:
    starts = {unit.tokens[0].at for unit in text.units}
    for token in text.tokens:
        # The first word of a sentence always begins a unit.
        if token.own and token.word.number > 1:
            yield word_candidate(token, "begins" if token.at in starts else "goes on")


def _connectives(text: Text) -> Iterator[Candidate]:
    for token in text.tokens:
        entries = token.word.misc.get("PDTB", "").split(";")
        explicit = [e.split(":") for e in entries if e.startswith("Explicit:")]
        if token.own and len(explicit) == 1:
            yield word_candidate(token, explicit[0][1].partition(".")[0])


def _implied(text: Text) -> Iterator[Candidate]:
    for relation in text.implied:
        if arguable(relation):
            yield implied_candidate(relation, ".".join(relation.sense.split(".")[:2]))


TASKS = (
    Definition(
        "discourse-relation",
        "discourse",
        "relation",
        _relations,
        Inputs.SPAN_PAIR,
        notes="Of two whole discourse units that are related, in the order of the text.",
    ),
    Definition(
        "implicit-relation",
        "discourse",
        "relation",
        _implied,
        Inputs.SPAN_PAIR,
        notes=IMPLIED,
    ),
    Definition(
        "nuclearity",
        "discourse",
        "nuclearity",
        _nuclearity,
        notes="A unit of a multinuclear relation, or a satellite before or after its nucleus.",
    ),
    Definition("information-status", "discourse", "information status", _statuses, aside=NO_GAIN),
    Definition(
        "coreference",
        "discourse",
        "coreference",
        _coreference,
        Inputs.SPAN_PAIR,
        notes="Two mentions of one kind whose heads differ in form.",
    ),
    Definition("unit-boundary", "discourse", "segmentation", _boundaries),
    Definition(
        "connective",
        "discourse",
        "connective type",
        _connectives,
        notes="The first word of an explicit connective; classes of the Penn Discourse Treebank.",
        aside=NO_GAIN,
    ),
)
