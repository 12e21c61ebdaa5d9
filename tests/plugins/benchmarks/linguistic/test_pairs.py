"""The generated pairs: balance, determinism, and the promises of docs/minimal-pairs.md."""

import hashlib
import random
import re
from collections import Counter, defaultdict

import pytest
import wordfreq
from brainpress_plugins.benchmarks.linguistic.minimal_pairs import grammar
from brainpress_plugins.benchmarks.linguistic.minimal_pairs.generate import CATEGORIES, pairs
from brainpress_plugins.benchmarks.linguistic.minimal_pairs.grammar import (
    Paradigm,
    crossed,
    reordered,
)


def bag(sentence):
    """Words and punctuation, with their case: the finest cue a bag of words has."""
    return Counter(re.findall(r"\w+|[^\w\s]", sentence))


def difference(pair):
    good, bad = bag(pair.good), bag(pair.bad)
    words = good.keys() | bad.keys()
    return frozenset((w, good[w] - bad[w]) for w in words if good[w] != bad[w])


def by_paradigm():
    groups = defaultdict(list)
    for pair in pairs():
        groups[pair.paradigm].append(pair)
    return groups


PARADIGMS = list(by_paradigm().items())
each_paradigm = pytest.mark.parametrize("group", [g for _, g in PARADIGMS], ids=dict(PARADIGMS))


def test_there_are_enough_in_each_category():
    counts = Counter(pair.category for pair in pairs())
    assert set(counts) == {
        *("morphology", "syntax", "semantics", "reasoning", "discourse", "preference")
    }
    assert min(counts.values()) >= 120
    assert all(len(group) == grammar.PAIRS for _, group in PARADIGMS)


def test_paradigms_whose_bad_sentences_are_english_stand_apart():
    apart = {pair.paradigm for pair in pairs() if pair.category == "preference"}
    assert apart == {
        *("place-fit", "property-fit", "pronoun-gender", "information-status", "bridging")
    }


def test_none_is_repeated_and_all_have_names():
    assert len({(p.good, p.bad) for p in pairs()}) == len(pairs())
    assert len({p.identifier for p in pairs()}) == len(pairs())
    assert all(p.identifier.startswith(p.paradigm + "/") for p in pairs())


@each_paradigm
def test_a_bag_of_words_is_exactly_at_chance(group):
    # Differences come in opposite twins (or are none), so whatever weight a word has, every pair
    # that is won is paid for by one that is lost.
    differences = Counter(difference(pair) for pair in group)
    for one, count in differences.items():
        opposite = frozenset((word, -n) for word, n in one)
        assert differences[opposite] == count


def frequency(sentence):
    return sum(n * wordfreq.zipf_frequency(w, "en") for w, n in bag(sentence).items())


def arbitrary(sentence):
    return sum(
        n * int.from_bytes(hashlib.sha256(w.encode()).digest()[:4], "big")
        for w, n in bag(sentence).items()
    )


@each_paradigm
@pytest.mark.parametrize("value", [frequency, arbitrary, len])
def test_scorers_without_order_are_right_half_the_time(group, value):
    gains = [round(value(pair.good) - value(pair.bad), 6) for pair in group]
    assert sum((gain > 0) + (gain == 0) / 2 for gain in gains) == len(group) / 2


@each_paradigm
def test_good_and_bad_have_as_many_words_and_differ(group):
    for pair in group:
        assert pair.good != pair.bad
        assert len(pair.good.split()) == len(pair.bad.split())


@each_paradigm
def test_pairs_differ_minimally(group):
    # One word exchanged, or the same words in another order.
    for pair in group:
        words = list(zip(pair.good.split(), pair.bad.split(), strict=True))
        assert sum(a != b for a, b in words) == 1 or bag(pair.good) == bag(pair.bad)


def test_sentences_are_well_formed():
    for pair in pairs():
        for text in (pair.good, pair.bad):
            assert text[0].isupper()
            assert text[-1] in ".?"
            assert not re.search(r"[{}_]|  |\ba [aeiou]|\ban [^aeiou]", text)


def test_words_are_everyday_words():
    words = {w.lower() for p in pairs() for w in re.findall(r"\w+", p.good)}
    # One in two million words: "barked" is there, "sesquipedalian" is not.
    rare = {w for w in words if wordfreq.zipf_frequency(w, "en") < 2.7}
    assert rare == set()


def answer_and_story(pair):
    """Return the last word of the good text, and the words before its sentence."""
    story, _, last = pair.good.rstrip(".").rpartition(". ")
    return last.split()[-1], re.findall(r"\w+", story)


@pytest.mark.parametrize(
    ("paradigm", "candidates"),
    [
        ("transitive-order", r"[A-Z]\w+"),
        ("motion", "kitchen|garden|park|house|school|barn|forest|shop"),
    ],
)
@pytest.mark.parametrize("place", [0, -1])
def test_neither_the_first_nor_the_last_mentioned_is_the_answer(paradigm, candidates, place):
    group = dict(PARADIGMS)[paradigm]
    right = 0
    for pair in group:
        answer, story = answer_and_story(pair)
        mentioned = [word for word in story if re.fullmatch(candidates, word)]
        assert answer in mentioned
        right += mentioned[place] == answer
    assert right == len(group) / 2


def test_negation_is_solved_neither_by_copying_nor_by_avoiding():
    group = dict(PARADIGMS)["negation"]
    copied = sum(bag(pair.good)[pair.good.split()[-1].strip(".")] == 2 for pair in group)
    assert copied == len(group) / 2


def test_the_draw_depends_on_content_alone():
    items = [crossed(f"A{i} {{}}.", f"B{i} {{}}.", "x", "y") for i in range(50)]
    shuffled = items[:]
    random.Random(3).shuffle(shuffled)
    one = Paradigm("p", lambda: items).select(20)
    assert one == Paradigm("p", lambda: shuffled + items).select(20)
    assert one != Paradigm("q", lambda: items).select(20)
    assert sum(len(item) for item in one) == 20


def test_a_grammar_that_is_too_small_says_so():
    with pytest.raises(ValueError, match="p has 3 pairs fewer"):
        Paradigm("p", lambda: [reordered("a b.", "b a.")]).select(4)


def test_the_pairs_do_not_change():
    # Scores of the same benchmark version have to rest on the same pairs: if this fails on purpose,
    # bump the version in the spec together with the digest.
    text = "\n".join(f"{p.identifier}|{p.good}|{p.bad}" for p in pairs())
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "bf965aeddf7c7ffacd837b490d1d5f1e922d80d233ad49700c8333f68df0991e"
    )


def test_every_paradigm_is_named_once():
    names = [paradigm.name for _, paradigms in CATEGORIES for paradigm in paradigms]
    assert len(names) == len(set(names)) == 30
