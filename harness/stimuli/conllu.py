"""CoNLL-U: annotated text, with the characters that each word covers.

The format is that of Universal Dependencies (https://universaldependencies.org/format.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import StimulusError
from harness.stimuli.passages import Span

COLUMNS = 10


@dataclass(frozen=True, slots=True)
class ConlluWord:
    """A syntactic word.

    Parameters
    ----------
    number : int
        In its sentence, from 1.
    form, lemma, upos, xpos : str
    features : mapping
        Of the column FEATS.
    head : int
        Number of the head; 0 for the root.
    relation : str
        To the head, with its subtype (``nsubj:pass``).
    misc : mapping
        Of the column MISC; an entry without ``=`` has the value ``Yes``.
    span : (int, int)
        Characters in the sentence's text; of the whole written token where the word is part of a
        contraction.
    contracted : bool
        Whether it is written together with a neighbour (``do`` and ``n't``), so that its
        characters are not its own.
    """

    number: int
    form: str
    lemma: str
    upos: str
    xpos: str
    features: Mapping[str, str]
    head: int
    relation: str
    misc: Mapping[str, str]
    span: Span
    contracted: bool


@dataclass(frozen=True)
class ConlluSentence:
    """A sentence.

    Parameters
    ----------
    text : str
        Its words as written, with the spaces between them.
    words : tuple of ConlluWord
    comments : mapping
        Of the lines ``# name = value`` before it.
    """

    text: str
    words: tuple[ConlluWord, ...]
    comments: Mapping[str, str]


def read_conllu(path: Path) -> tuple[ConlluSentence, ...]:
    """Read the sentences of a file.

    Empty nodes (``8.1``) are left out: they are not in the text.

    Raises
    ------
    StimulusError
        A line is malformed, or a sentence's words do not spell its ``# text``.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    return tuple(_sentence(path, first, block) for first, block in _blocks(lines))


def _blocks(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    block: list[str] = []
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []


def _sentence(path: Path, first: int, block: list[str]) -> ConlluSentence:
    comments: dict[str, str] = {}
    words: list[ConlluWord] = []
    text, together = "", (0, (0, 0))
    for number, line in enumerate(block, start=first):
        if line.startswith("#"):
            name, _, value = line[1:].partition("=")
            comments[name.strip()] = value.strip()
            continue
        fields = line.split("\t")
        if len(fields) != COLUMNS:
            raise StimulusError(f"{path}, line {number} has {len(fields)} columns, not {COLUMNS}")
        if "." in fields[0]:
            continue
        misc = _pairs(fields[9])
        space = "" if misc.get("SpaceAfter") == "No" else " "
        try:
            start, _, last = fields[0].partition("-")
            if last:
                together = (int(last), (len(text), len(text) + len(fields[1])))
                text += fields[1] + space
                continue
            inside = int(start) <= together[0]
            span = together[1] if inside else (len(text), len(text) + len(fields[1]))
            words.append(_word(fields, misc, span, inside))
        except ValueError as error:
            raise StimulusError(f"{path}, line {number} is no word: {error}") from error
        if not inside:
            text += fields[1] + space
    text = text.rstrip(" ")
    written = comments.get("text", text)
    if written != text:
        raise StimulusError(
            f"{path}, line {first}: the words spell {text[:60]!r}, and the text is {written[:60]!r}"
        )
    return ConlluSentence(text, tuple(words), comments)


def _word(fields: list[str], misc: dict[str, str], span: Span, inside: bool) -> ConlluWord:
    number, form, lemma, upos, xpos, features, head, relation = fields[:8]
    return ConlluWord(
        int(number),
        form,
        lemma,
        upos,
        xpos,
        _pairs(features),
        int(head),
        relation,
        misc,
        span,
        inside,
    )


def _pairs(field: str) -> dict[str, str]:
    if field == "_":
        return {}
    split = (entry.partition("=") for entry in field.split("|"))
    return {name: value if equals else "Yes" for name, equals, value in split}
