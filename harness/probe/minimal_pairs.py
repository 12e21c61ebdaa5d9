"""Minimal pairs: the good sentence should be more probable than its bad twin.

Whatever the pairs test and wherever they come from, they are asked for and scored in one way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import ScoreError
from harness.numeric.arrays import Doubles
from harness.probe.accuracy import CountedTask, count_accuracy
from harness.record.context import Context, Start
from harness.record.request import Measure, Request
from harness.stimuli.frequency import zipf_frequencies
from harness.stimuli.passages import Passage, Stimuli
from harness.stimuli.readouts import Pool, Whole

if TYPE_CHECKING:
    import xarray as xr


_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")


@dataclass(frozen=True)
class Pair:
    """Two sentences that differ minimally, one of them acceptable.

    Parameters
    ----------
    good, bad : str
        The sentences, or short texts.
    paradigm : str
        The task the pair belongs to; accuracy is counted within it.
    category : str
        morphology, syntax, semantics, reasoning or discourse.
    identifier : str
        Unique among the pairs of a benchmark.
    phenomenon : str
        A finer name for what is tested, where the source has one.
    language : str
        Code of the language whose word frequencies are the unigram model; empty: there are none,
        and all words are alike.
    """

    good: str
    bad: str
    paradigm: str
    category: str
    identifier: str
    phenomenon: str = ""
    language: str = "en"


def pair_request(name: str, pairs: Sequence[Pair], start: Start = Start.BOS) -> Request:
    """Ask for the log-probability of every sentence.

    Parameters
    ----------
    name : str
        What the stimuli are called.
    pairs : sequence of Pair
    start : Start
        What stands before each sentence.

    Returns
    -------
    Request
        Its passages are good and bad in turn, two for each pair; each is read by itself, after a
        beginning-of-sequence token so that its first token counts, and its tokens are summed.
    """
    passages = tuple(
        Passage.from_sentence(f"{pair.identifier}/{side}", text)
        for pair in pairs
        for side, text in (("good", pair.good), ("bad", pair.bad))
    )
    context = Context("sentence", start=start)
    return Request(Stimuli(name, passages), Measure.LOGPROB, context, Whole(Pool.SUM))


def score_pairs(pairs: Sequence[Pair], recording: xr.DataArray) -> xr.Dataset:
    """Turn sentence log-probabilities into accuracies.

    A pair counts 1 when the good sentence is more probable, 1/2 when the two tie (a scorer without
    an opinion is then at chance). A task's accuracy is the mean over its pairs, with Wilson's
    interval; the value is the mean over tasks, whatever their sizes, with Wilson's interval at the
    effective number of pairs. Tasks are taken as given, not as a sample of possible tasks.

    Parameters
    ----------
    pairs : sequence of Pair
        As they were given to :func:`pair_request`.
    recording : DataArray
        Dims (sample, layer, unit), (2 pairs, 1, 1): the answer to that request.

    Returns
    -------
    Dataset
        ``value``, ``low``, ``high``; over dim ``task``: ``accuracy``, ``accuracy_low``,
        ``accuracy_high``, ``pairs`` with coordinates ``task``, ``task_category``, ``phenomenon``;
        over dim ``category``: ``category_accuracy`` (mean over its tasks), ``category_low``,
        ``category_high``, ``category_tasks``, ``category_pairs``; over dim ``pair``: ``margin``
        (natural-log probability of the good sentence minus the bad one's) with coordinate
        ``pair_task``, the number of its task. Over ``task``, the same pairs judged otherwise:
        ``byte_accuracy`` (by log-probability per byte), ``slor_accuracy`` (by what a word has over
        its unigram log-probability: Pauls & Klein 2012; Lau, Clark & Lappin 2017), and without a
        model ``unigram_accuracy`` (by words' frequencies) and ``length_accuracy`` (the sentence
        of fewer bytes); over ``pair``, ``unigram_right``, the floor of answers about pairs.

    Raises
    ------
    ScoreError
        The recording has another shape than the pairs ask for, or is not finite.
    """
    logprobs = _logprobs(pairs, recording)
    margin: Doubles = logprobs[:, 0] - logprobs[:, 1]
    tasks: dict[str, CountedTask] = {}
    for pair in pairs:
        tasks.setdefault(pair.paradigm, CountedTask(pair.paradigm, pair.category, pair.phenomenon))
    number = {name: i for i, name in enumerate(tasks)}
    member = np.array([number[pair.paradigm] for pair in pairs])
    right = (np.sign(margin) + 1) / 2
    score = count_accuracy(tuple(tasks.values()), member, right, counted="pairs")
    unigram, words, size = _unlearned(pairs)
    ways = {
        "byte": logprobs / size,
        "slor": (logprobs - unigram) / words,
        "unigram": unigram,
        "length": -size,
    }
    for name, values in ways.items():
        better = _right(values)
        score[f"{name}_accuracy"] = ("task", np.bincount(member, better) / np.bincount(member))
    return score.assign(
        margin=("pair", margin.astype(np.float32)),
        unigram_right=("pair", _right(unigram).astype(np.float32)),
    ).assign_coords(pair_task=("pair", member))


def beside_declared(score: xr.Dataset, declared: xr.Dataset) -> xr.Dataset:
    """Put what the same pairs score after the declared start beside what they score after the best.

    Parameters
    ----------
    score, declared : Dataset
        Of :func:`score_pairs`, after a model's own start and after the one that its tokenizer
        declares.

    Returns
    -------
    Dataset
        The first, with ``declared_value``, ``declared_low``, ``declared_high``, over ``task``
        ``declared_accuracy``, over ``category`` ``declared_category_accuracy``, and over ``pair``
        ``declared_margin``.
    """
    names = ("value", "low", "high", "accuracy", "category_accuracy", "margin")
    return score.assign({f"declared_{name}": declared[name] for name in names})


def _right(values: Doubles) -> Doubles:
    """Credit of each pair whose good and bad sentences have these values, (n_pairs,)."""
    difference = values[:, 0] - values[:, 1]
    # Sums of the same words in another order differ by rounding.
    alike = np.abs(difference) <= 1e-9 * np.abs(values).max(axis=1)
    return np.asarray((np.where(alike, 0, np.sign(difference)) + 1) / 2)


def _unlearned(pairs: Sequence[Pair]) -> tuple[Doubles, Doubles, Doubles]:
    """Unigram log-probabilities, numbers of words and bytes of all sentences, (n_pairs, 2) each."""
    texts = [text for pair in pairs for text in (pair.good, pair.bad)]
    words = [_WORD.findall(text.lower()) for text in texts]
    languages = [pair.language for pair in pairs for _ in range(2)]
    of_word = _unigrams(languages, words)
    shape = (len(pairs), 2)
    return (
        np.array(
            [sum(of_word[a, w] for w in found) for a, found in zip(languages, words, strict=True)]
        ).reshape(shape),
        np.array([max(len(found), 1) for found in words], np.float64).reshape(shape),
        np.array([len(text.encode()) for text in texts], np.float64).reshape(shape),
    )


def _unigrams(
    languages: Sequence[str], sentences: Sequence[Sequence[str]]
) -> dict[tuple[str, str], float]:
    """Natural-log probability of each word in its language."""
    known: dict[str, dict[str, None]] = {}
    for language, words in zip(languages, sentences, strict=True):
        known.setdefault(language, {}).update(dict.fromkeys(words))
    found: dict[tuple[str, str], float] = {}
    for language, once in known.items():
        # Words that are in no list count as one in a thousand million.
        zipf = zipf_frequencies(list(once), language) if language else [0.0] * len(once)
        values = np.log(10) * (np.array(zipf) - 9)
        found.update({(language, w): float(v) for w, v in zip(once, values, strict=True)})
    return found


def _logprobs(pairs: Sequence[Pair], recording: xr.DataArray) -> Doubles:
    if recording.shape != (2 * len(pairs), 1, 1):
        raise ScoreError(
            f"{len(pairs)} pairs need a recording of shape ({2 * len(pairs)}, 1, 1),"
            f" not {recording.shape}",
            "the recording answers another request: make it from the request of these pairs",
        )
    logprobs = recording.values.reshape(-1, 2).astype(np.float64)
    if not np.isfinite(logprobs).all():
        worst = pairs[int(np.argmax(~np.isfinite(logprobs).all(axis=1)))]
        raise ScoreError(
            f"pair {worst.identifier}: a log-probability is not finite",
            "record again in float32; a compressed model that gives NaN is broken",
        )
    return np.asarray(logprobs)
