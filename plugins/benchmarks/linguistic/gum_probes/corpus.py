"""The corpus: documents, the texts they are cut into, and what is annotated in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DataError
from harness.probe.tasks import Part
from harness.stimuli.conllu import ConlluSentence, ConlluWord, read_conllu
from harness.stimuli.passages import Span

if TYPE_CHECKING:
    from harness.fetch.resource import Resource

COMMIT = "72ce5ac14978a324c2fd18d49484e65292cbe316"
"""Of the corpus, whose 237 documents of this list have the listed checksums."""

MOST_WORDS = 80
"""Of a text. Tokenizers with small vocabularies make four tokens of a word, and the smallest models
see 512."""


@dataclass(frozen=True)
class Token:
    """A word in a text.

    Parameters
    ----------
    word : ConlluWord
    span : (int, int)
        Characters of the text.
    sentence : int
        Number of its sentence in the text.
    at : int
        Its index in the text.
    head : int
        Index of its head in the text; -1 for a root.
    """

    word: ConlluWord
    span: Span
    sentence: int
    at: int
    head: int

    @cached_property
    def relation(self) -> str:
        """Relation to the head without its subtype."""
        return self.word.relation.partition(":")[0]

    @cached_property
    def own(self) -> bool:
        """Whether its characters are its own, and hold a letter or digit."""
        return not self.word.contracted and any(map(str.isalnum, self.word.form))


@dataclass(frozen=True)
class Mention:
    """An entity where it is mentioned.

    Parameters
    ----------
    chain : str
        Mentions of one document that corefer share it.
    kind : str
        person, place, organization, …
    status : str
        Information status: new, giv, acc.
    named : bool
        Whether it is linked to an article of Wikipedia.
    tokens : tuple of Token
    head : Token
        Its head, from the minimal span.
    """

    chain: str
    kind: str
    status: str
    named: bool
    tokens: tuple[Token, ...]
    head: Token

    @property
    def span(self) -> Span:
        """Characters of the text."""
        return self.tokens[0].span[0], self.tokens[-1].span[1]


@dataclass(frozen=True)
class Unit:
    """A stretch of an elementary discourse unit: all of it, unless it is interrupted.

    Parameters
    ----------
    number, parent : int
        In the document; the parent of the root is 0.
    relation : str
        To the parent, such as ``causal-result``; ``_m`` at its end: multinuclear.
    tokens : tuple of Token
    whole : bool
        Whether it is the only stretch of its unit.
    """

    number: int
    parent: int
    relation: str
    tokens: tuple[Token, ...]
    whole: bool = True

    @property
    def span(self) -> Span:
        """Characters of the text."""
        return self.tokens[0].span[0], self.tokens[-1].span[1]


@dataclass(frozen=True)
class Implied:
    """A relation of the Penn Discourse Treebank's kind without a connective.

    Parameters
    ----------
    sense : str
        Such as ``Contingency.Cause.Reason``.
    first, second : tuple of Token
        Its arguments, in the order of the text.
    """

    sense: str
    first: tuple[Token, ...]
    second: tuple[Token, ...]


@dataclass(frozen=True)
class Text:
    """A run of sentences of one document.

    Parameters
    ----------
    name, document : str
    part : Part
        Of its document.
    text : str
    sentences : tuple of ConlluSentence
    starts : tuple of int
        Character at which each sentence begins.
    first : int
        Words of the document before it.
    """

    name: str
    document: str
    part: Part
    text: str
    sentences: tuple[ConlluSentence, ...]
    starts: tuple[int, ...]
    first: int = 0

    @cached_property
    def tokens(self) -> tuple[Token, ...]:
        """All words."""
        out: list[Token] = []
        for number, (sentence, start) in enumerate(zip(self.sentences, self.starts, strict=True)):
            first = len(out)
            for word in sentence.words:
                span = (start + word.span[0], start + word.span[1])
                head = first + word.head - 1 if word.head else -1
                out.append(Token(word, span, number, len(out), head))
        return tuple(out)

    @cached_property
    def children(self) -> tuple[tuple[Token, ...], ...]:
        """Dependents of each word."""
        found: list[list[Token]] = [[] for _ in self.tokens]
        for token in self.tokens:
            if token.head >= 0:
                found[token.head].append(token)
        return tuple(tuple(c) for c in found)

    def subtree(self, token: Token) -> Iterator[Token]:
        """Yield a word and all that depends on it."""
        yield token
        for child in self.children[token.at]:
            yield from self.subtree(child)

    @cached_property
    def mentions(self) -> tuple[Mention, ...]:
        """Entities, in the order of their ends."""
        opened: list[tuple[list[str], int]] = []
        found = []
        for token in self.tokens:
            for mark in _MARK.finditer(token.word.misc.get("Entity", "")):
                begun, at_once, ended = mark.groups()
                if begun:
                    opened.append((begun.split("-", 7), token.at))
                if ended or at_once:
                    chain = ended or begun.split("-")[0]
                    i = max((i for i, (f, _) in enumerate(opened) if f[0] == chain), default=-1)
                    if i >= 0:
                        found.append(self._mention(*opened.pop(i), token.at))
        return tuple(m for m in found if m is not None)

    def _mention(self, fields: list[str], first: int, last: int) -> Mention | None:
        if len(fields) < 7:
            return None
        tokens = self.tokens[first : last + 1]
        place = re.match(r"\d+", fields[5])
        head = min(int(place[0]) if place else 1, len(tokens))
        # Of a minimal span of several words, the head is the one that depends on another word.
        inside = {t.at for t in tokens}
        tops = [t for t in tokens if t.head not in inside]
        return Mention(
            fields[0],
            fields[1],
            fields[2].partition(":")[0],
            len(fields) > 7,
            tokens,
            tops[0] if len(tops) == 1 else tokens[head - 1],
        )

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """Discourse units."""
        starts = [t.at for t in self.tokens if "Discourse" in t.word.misc]
        found = []
        for first, stop in zip(starts, [*starts[1:], len(self.tokens)], strict=True):
            match = _UNIT.match(self.tokens[first].word.misc["Discourse"])
            if match:
                relation, number, parent = match.groups()
                tokens = self.tokens[first:stop]
                found.append(Unit(int(number), int(parent or 0), relation, tokens))
        torn = {u.parent for u in found if u.relation.startswith(_SAME)}
        torn |= {u.number for u in found if u.relation.startswith(_SAME)}
        return tuple(replace(u, whole=u.number not in torn) for u in found)

    @cached_property
    def implied(self) -> tuple[Implied, ...]:
        """Relations between sentences that no connective signals, both of them in this text."""
        found = []
        for token in self.tokens:
            for entry in token.word.misc.get("PDTB", "").split(";"):
                match = _IMPLICIT.fullmatch(entry)
                if match is None:
                    continue
                sense, *ends = match.groups()
                a, b, c, d = (int(end) - 1 - self.first for end in ends)
                if not 0 <= a <= b < c <= d < len(self.tokens):
                    continue
                if self.tokens[b].sentence < self.tokens[c].sentence:
                    first, second = self.tokens[a : b + 1], self.tokens[c : d + 1]
                    found.append(Implied(sense, first, second))
        return tuple(found)


_MARK = re.compile(r"\(([^()]+)(\))?|([^()]+)\)")
_SAME = "same-unit"
_IMPLICIT = re.compile(r"Implicit:([\w.-]+):[^:]*:[^:]*:(\d+)-(\d+):(\d+)-(\d+)")
"""Sense, connective that would fit, type, and the words of both arguments, in the document."""
_UNIT = re.compile(r"([\w-]+):(\d+)(?:->(\d+))?")


@cache
def texts() -> tuple[Text, ...]:
    """All texts of the corpus, by document.

    Raises
    ------
    DataError
        The list of documents and their split cannot be read.
    OfflineError
        A file is not on this machine and the network is off.
    """
    found: list[Text] = []
    paths = fetch_documents()
    for name, (part, _, _) in listed().items():
        found += cut(name, Part(part), read_conllu(paths[name]))
    return tuple(found)


def fetch_documents() -> Mapping[str, Path]:
    """Return the file of each document, checked, downloading what is not here yet.

    Raises
    ------
    OfflineError
        A file is not on this machine and the network is off.
    """
    from harness.fetch.download import fetch

    found = (fetch(resource) for resource in resources())
    return dict(zip(listed(), found, strict=True))


def cut(document: str, part: Part, sentences: Sequence[ConlluSentence]) -> Iterator[Text]:
    """Cut a document into texts of whole sentences; a sentence that is too long is left out."""
    run: list[ConlluSentence] = []
    number = words = before = first = 0
    for sentence in [*sentences, None]:
        size = len(sentence.words) if sentence else 0
        if run and (sentence is None or size > MOST_WORDS or words + size > MOST_WORDS):
            number += 1
            yield _text(f"{document}/{number}", document, part, run, first)
            run, words = [], 0
        if sentence is not None and size <= MOST_WORDS:
            first = first if run else before
            run.append(sentence)
            words += size
        before += size


def _text(name: str, document: str, part: Part, run: list[ConlluSentence], first: int) -> Text:
    starts, text = [], ""
    for sentence in run:
        text += " " if text else ""
        starts.append(len(text))
        text += sentence.text
    return Text(name, document, part, text, tuple(run), tuple(starts), first)


@cache
def listed() -> Mapping[str, tuple[str, int, str]]:
    """Part, size and sha256 of each document.

    Raises
    ------
    DataError
        The list cannot be read.
    """
    text = (
        files("brainpress_plugins.benchmarks.linguistic.gum_probes")
        .joinpath("gum.json")
        .read_text()
    )
    found: Mapping[str, Mapping[str, tuple[str, int, str]]] = json.loads(text)
    if "documents" not in found:
        raise DataError("gum.json lists no documents")
    return found["documents"]


def resources() -> tuple[Resource, ...]:
    """Return the file of each document, as it is fetched."""
    from harness.fetch.resource import Resource

    return tuple(
        Resource(
            name=f"{name}.conllu",
            address=f"https://raw.githubusercontent.com/amir-zeldes/gum/{COMMIT}/dep/{name}.conllu",
            sha256=sha256,
            size=size,
            licence="CC-BY-4.0",
            where=f"gum/{name}.conllu",
        )
        for name, (_, size, sha256) in listed().items()
    )
