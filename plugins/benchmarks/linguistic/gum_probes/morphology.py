"""Tasks about the form of words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.probe.tasks import Target

from .choose import NO_GAIN, Candidate, Definition
from .corpus import Text, Token

CONTENT = ("NOUN", "VERB", "ADJ", "ADV")

#: Last segments that derive a word, and the suffix they spell. Segments that inflect (-s, -ed,
#: -ing, -er and -est of degree) are told apart by the word's features.
DERIVING = {
    "ion": "ion", "ation": "ion", "sion": "ion", "ity": "ity", "ty": "ity", "ment": "ment",
    "ness": "ness", "ance": "ance", "ence": "ance", "er": "er", "or": "er", "ist": "ist",
    "al": "al", "ial": "al", "ic": "ic", "ive": "ive", "ous": "ous", "ful": "ful", "able": "able",
    "ible": "able", "ant": "ant", "ent": "ant", "ly": "ly", "y": "y", "ar": "ar", "ary": "ary",
    "ize": "ize", "ate": "ate",
}  # fmt: skip


def _feature(
    name: str, values: tuple[str, ...], upos: tuple[str, ...], **fixed: str
) -> Callable[[Text], Iterator[Candidate]]:
    def candidates(text: Text) -> Iterator[Candidate]:
        for token in text.tokens:
            word = token.word
            fits = all(word.features.get(k) == v for k, v in fixed.items())
            value = word.features.get(name)
            if token.own and word.upos in upos and fits and value in values:
                yield word_candidate(token, value)

    return candidates


def word_candidate(token: Token, label: str | float, cue: str = "") -> Candidate:
    """Offer one word; its control type is its form."""
    return Candidate((token.span,), label, token.word.form.lower(), cue)


def _segments(token: Token) -> list[str]:
    return token.word.misc.get("MSeg", token.word.form).split("-")


def _segment_counts(text: Text) -> Iterator[Candidate]:
    for token in text.tokens:
        # A hyphen of the spelling would count as a boundary.
        if token.own and token.word.upos in CONTENT and "-" not in token.word.form:
            yield word_candidate(token, float(min(len(_segments(token)), 4)))


def _suffixes(text: Text) -> Iterator[Candidate]:
    for token in text.tokens:
        segments = _segments(token)
        if not token.own or token.word.upos not in CONTENT or len(segments) < 2:
            continue
        inflected = token.word.features.get("Number") == "Plur" and segments[-1] in ("s", "es")
        last = segments[-2 if inflected and len(segments) > 2 else -1].lower()
        compared = token.word.features.get("Degree") in ("Cmp", "Sup")
        if last in DERIVING and not (compared and last == "er"):
            yield word_candidate(token, DERIVING[last])


TASKS = (
    Definition("number", "morphology", "number", _feature("Number", ("Sing", "Plur"), ("NOUN",))),
    Definition(
        "tense",
        "morphology",
        "tense",
        _feature("Tense", ("Past", "Pres"), ("VERB", "AUX"), VerbForm="Fin"),
    ),
    Definition(
        "degree", "morphology", "degree", _feature("Degree", ("Pos", "Cmp", "Sup"), ("ADJ", "ADV"))
    ),
    Definition(
        "person",
        "morphology",
        "person",
        _feature("Person", ("1", "2", "3"), ("PRON", "VERB", "AUX")),
    ),
    Definition(
        "verb-form",
        "morphology",
        "verb form",
        _feature("VerbForm", ("Fin", "Inf", "Part", "Ger"), ("VERB",)),
    ),
    Definition(
        "segments",
        "morphology",
        "segmentation",
        _segment_counts,
        target=Target.NUMBER,
        notes="Number of morphs of a content word; four and more count as four.",
        aside=NO_GAIN,
    ),
    Definition("suffix", "morphology", "derivation", _suffixes, aside=NO_GAIN),
)
