"""The story: its annotation holds together, and it is spoken as it says."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from brainpress_plugins.benchmarks.neural.simulated_story.drivers import DRIVERS, NUISANCE, values
from brainpress_plugins.benchmarks.neural.simulated_story.story import (
    LEAD_IN,
    LETTER_SECONDS,
    SCENE_SECONDS,
    SENTENCE_SECONDS,
    TOPICS,
    WORD_SECONDS,
    passages,
    words,
)

TAGS = {
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "SCONJ", "VERB"),
}
CLASSES = {
    *("person", "body", "animal", "food", "place", "nature", "weather", "artefact", "motion"),
    *("action", "perception", "thought", "emotion", "speech", "time", "quantity", "light", "sound"),
}


def sentences():
    numbered = {}
    for word in words():
        numbered.setdefault(word.sentence, []).append(word)
    return list(numbered.values())


def test_every_topic_recurs_in_both_runs():
    scenes = {(w.run, w.scene, w.topic) for w in words()}
    assert len(scenes) == 10
    assert {(run, topic) for run, _, topic in scenes} == {(r, t) for r in (1, 2) for t in TOPICS}


def test_annotation_uses_its_own_vocabulary():
    assert {w.pos for w in words()} == TAGS
    assert set().union(*(w.classes for w in words())) == CLASSES


def test_numbers_run_on():
    assert [s[0].sentence for s in sentences()] == list(range(1, 121))
    for before, after in pairwise(words()):
        assert after.run - before.run in (0, 1)
        assert after.scene - before.scene in (0, 1)
        assert after.run == before.run or after.scene != before.scene


def test_sentences_open_and_close_their_clauses():
    for sentence in sentences():
        assert sentence[-1].text.rstrip('"')[-1] in ".?!"
        assert sentence[-1].closes >= 1
        assert all(1 <= word.depth <= 5 for word in sentence)
        assert sentence[0].text.strip('"')[0].isupper()


def test_direct_speech_is_what_stands_between_quotes():
    inside = False
    for word in words():
        inside |= word.text.startswith('"')
        assert word.quoted == inside
        if word.text.endswith('"'):
            inside = False
    assert not inside


def test_each_word_is_annotated_alike_where_it_should_be():
    # Articles and names mean one thing wherever they stand.
    for text, pos in (("the", "DET"), ("a", "DET"), ("Mara", "PROPN"), ("and", "CCONJ")):
        assert {w.pos for w in words() if w.text == text} == {pos}


def test_pronouns_have_the_class_of_what_they_stand_for():
    its = Counter(frozenset(w.classes) for w in words() if w.text.strip('.,?"').lower() == "it")
    assert {frozenset({"artefact"}), frozenset({"light"}), frozenset({"weather"})} <= set(its)


def test_spoken_at_a_natural_rate():
    minutes = sum(p.offsets[-1] - p.onsets[0] for p in passages()) / 60
    assert 150 < len(words()) / minutes < 160


def test_times_follow_the_rule():
    spoken = {run: [w for w in words() if w.run == run] for run in (1, 2)}
    for run in spoken.values():
        assert run[0].onset == LEAD_IN
        for before, after in pairwise(run):
            assert after.onset >= before.offset
            pause = after.onset - before.offset
            if before.text.isalpha():
                assert pause == pytest.approx(0, abs=1e-3)
            if after.scene != before.scene:
                assert pause == pytest.approx(SENTENCE_SECONDS + SCENE_SECONDS, abs=1e-3)
    kitchen = next(w for w in words() if w.text == "kitchen,")
    assert kitchen.offset - kitchen.onset == pytest.approx(WORD_SECONDS + 7 * LETTER_SECONDS)


def test_titles_do_not_end_a_sentence():
    at = next(i for i, w in enumerate(words()) if w.text == "Mrs.")
    assert words()[at + 1].sentence == words()[at].sentence
    assert words()[at + 1].onset == pytest.approx(words()[at].offset, abs=1e-3)


def test_passages_hold_the_words():
    assert [item for p in passages() for item in p.items] == [w.text for w in words()]
    for passage in passages():
        texts = [passage.text[a:b] for a, b in passage.sentences]
        assert " ".join(texts) == passage.text
    assert sum(len(p.sentences) for p in passages()) == 120


def test_drivers_are_properties_that_many_words_share():
    table = values(DRIVERS, words())
    assert table.shape == (len(words()), len(DRIVERS))
    for name, column in zip(DRIVERS, table.T, strict=True):
        carriers = {
            w.text.lower().strip('.,:?!"')
            for w, value in zip(words(), column, strict=True)
            if value > column.min()
        }
        assert len(carriers) > 30, name


def test_drivers_need_more_than_the_word_itself():
    # The best that a list of words can do: predict each feature by its mean over the same word.
    table = values(DRIVERS, words())
    _, number = np.unique([w.text.lower().strip('.,:?!"') for w in words()], return_inverse=True)
    counts = np.bincount(number)
    share = {}
    for name, column in zip(DRIVERS, table.T, strict=True):
        # Leave the word itself out; words that occur once have no list to be in.
        often = counts[number] > 1
        others = (np.bincount(number, column)[number] - column)[often] / (counts[number][often] - 1)
        share[name] = np.corrcoef(others, column[often])[0, 1] ** 2
    assert share["social"] > 0.8
    for name in ("depth", "sea", "home", "quoted"):
        assert share[name] < 0.5, name


def test_nuisance_is_what_it_says():
    table = values(NUISANCE, words()[:3])  # Before the sun
    assert (table[:, 0] == 1).all()
    assert list(table[:, 1]) == [6, 3, 3]
    assert table[1, 2] == table[:, 2].max()
