"""The story: its words as annotated, and when each is spoken.

``story.tsv`` has a row a word:

word
    as printed, punctuation attached.
run, scene, topic
    two runs of five scenes; each topic (home, town, sea, hill) recurs in both runs, so that it can
    be learnt in one place and predicted in another.
sentence
    counted from 1.
quoted
    1 inside direct speech.
pos
    universal part of speech; possessives count as determiners.
classes
    semantic classes of the word in its context, any number of them: a pronoun has the class of
    what it stands for.
depth
    open clauses (a main clause is one), plus one inside a prepositional phrase, plus one inside a
    noun phrase of several words; phrases end at commas and conjunctions.
closes
    clauses that end with the word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from harness.stimuli.passages import Passage, Span

RUNS = (1, 2)
TOPICS = ("home", "town", "sea", "hill")

LEAD_IN = 2.0
"""Silence before the first word of a run, s."""
LEAD_OUT = 6.0
"""Silence after the last word of a run, in which responses run out, s."""

WORD_SECONDS = 0.12
LETTER_SECONDS = 0.052
COMMA_SECONDS = 0.25
SENTENCE_SECONDS = 0.50
SCENE_SECONDS = 1.00


@dataclass(frozen=True)
class Word:
    """A word as annotated (see the module) and spoken.

    Parameters
    ----------
    onset, offset : float
        On the clock of its run, s.
    """

    text: str
    run: int
    scene: int
    topic: str
    sentence: int
    quoted: bool
    pos: str
    classes: frozenset[str]
    depth: int
    closes: int
    onset: float
    offset: float

    @property
    def letters(self) -> int:
        """Number of letters, punctuation left out."""
        return sum(character.isalpha() for character in self.text)


@cache
def words() -> tuple[Word, ...]:
    """Return the words of the story, in order.

    Durations are simulated: a word takes .12 s and .052 s a letter, a comma .25 s, the end of a
    sentence .5 s and the end of a scene 1 s more. That is 152 words a minute.
    """
    table = files("brainpress_plugins.benchmarks.neural.simulated_story").joinpath("story.tsv")
    rows = [line.split("\t") for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    return tuple(_timed(rows))


def _timed(rows: list[list[str]]) -> Iterator[Word]:
    clock, before = LEAD_IN, rows[0]
    for row in rows:
        text, run, scene, topic, sentence, quoted, pos, classes, depth, closes = row
        if run != before[1]:
            clock = LEAD_IN
        elif scene != before[2]:
            clock += SCENE_SECONDS
        letters = sum(character.isalpha() for character in text)
        offset = clock + WORD_SECONDS + LETTER_SECONDS * letters
        yield Word(
            text,
            int(run),
            int(scene),
            topic,
            int(sentence),
            quoted == "1",
            pos,
            frozenset() if classes == "-" else frozenset(classes.split()),
            int(depth),
            int(closes),
            round(clock, 4),
            round(offset, 4),
        )
        clock, before = offset + _pause(text), row


def _pause(text: str) -> float:
    last = text.rstrip('"')[-1]
    if last in ".?!" and text != "Mrs.":
        return SENTENCE_SECONDS
    return COMMA_SECONDS if last in ",:" else 0.0


@cache
def passages() -> tuple[Passage, ...]:
    """Return the story as two passages, a run each, with word times and sentences."""
    return tuple(_passage(run) for run in RUNS)


def _passage(run: int) -> Passage:
    spoken = [word for word in words() if word.run == run]
    plain = Passage.from_words(
        f"run {run}",
        [word.text for word in spoken],
        [word.onset for word in spoken],
        [word.offset for word in spoken],
    )
    return Passage(
        plain.name,
        plain.text,
        plain.spans,
        plain.onsets,
        plain.offsets,
        tuple(_sentences(spoken, plain)),
    )


def _sentences(spoken: list[Word], passage: Passage) -> Iterator[Span]:
    start = 0
    for i, word in enumerate(spoken):
        if i + 1 == len(spoken) or spoken[i + 1].sentence != word.sentence:
            yield passage.spans[start][0], passage.spans[i][1]
            start = i + 1
