"""What a task's labels can be told from without a model: one word, or the characters of its places.

A probe is worth what it adds to these and to the model's own layer 0. They are fitted and judged as
a layer is: the same items, seeds, penalties and resamples.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from harness.numeric.arrays import Doubles, Floats, Ints
from harness.probe.agreement import Counts, Moments
from harness.probe.batch import fit_batch, seed_batch
from harness.probe.gram import lower_gram, spanned
from harness.probe.labelled import Labelled
from harness.probe.layer import agreement, choose_penalty, score
from harness.probe.options import Probe, ProbeOptions
from harness.probe.tasks import Place

LONGEST_GRAM = 4
"""Characters."""
BEFORE = 2
"""Words before a place, by their distance from it."""
REACH = 20
"""Words before a place among which one may be the cue."""
FEWEST = 5
"""Training items that a character n-gram or a cue occurs in, at least."""
MOST_CHARACTERS = 400
"""Of a place; a longer one is read at both of its ends."""
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Baseline:
    """How well a task is done without a model.

    Parameters
    ----------
    name : str
        ``cue`` or ``n-grams``.
    dev : float
        Score on the dev part, mean over seeds.
    test : Counts or Moments
        Of the test part, one fit a seed.
    """

    name: str
    dev: float
    test: Counts | Moments


def baselines(
    labelled: Labelled, texts: Mapping[str, str], options: ProbeOptions
) -> tuple[Baseline, ...]:
    """Fit and judge the baselines of one task.

    Parameters
    ----------
    labelled : Labelled
    texts : mapping
        Texts by name, as :func:`harness.probe.tasks.probe_request` was given them.
    options : ProbeOptions
        The n-grams are probed linearly whatever it says.

    Returns
    -------
    tuple of Baseline
    """
    return cue(labelled, texts), n_grams(labelled, texts, options)


def cue(labelled: Labelled, texts: Mapping[str, str]) -> Baseline:
    """Judge the one word that tells most.

    A cue is a word in a place, or among the :data:`REACH` words before it in its text. Items with
    it are said to be of the class that is commonest among them, relative to its size, and the
    others likewise; for numbers, they get the mean of either. The word is the one by which the
    training items are scored best.
    """
    features = [Counter(_cue_features(item.places, texts)) for item in labelled.task.items]
    matrix = _matrix(features, labelled.train)
    train, present = labelled.train, np.asarray((matrix > 0).todense())
    if not present.shape[1]:
        present = np.zeros((len(features), 1), bool)
    once, all_train = np.ones((1, 1)), np.zeros(len(train), np.int64)
    labels = labelled.labels
    said = np.stack([_by_presence(labelled, column) for column in present.T])
    found = agreement(labelled, labels[train], said[:, train], all_train, 1)
    best = int(np.argmax(score(found, once)[0]))
    chosen = said[best][None]
    return _judged("cue", labelled, np.repeat(chosen, len(labelled.weights), axis=0))


def n_grams(labelled: Labelled, texts: Mapping[str, str], options: ProbeOptions) -> Baseline:
    """Probe the characters and words of the places, and the words right before them.

    Features are n-grams of 1 to :data:`LONGEST_GRAM` characters, whole words, and the last
    :data:`BEFORE` words by distance; counts enter by their square root, weighted by how rare they
    are among the training items, and every item has length 1.
    """
    features = [Counter(_gram_features(item.places, texts)) for item in labelled.task.items]
    matrix = _matrix(features, labelled.train)
    rows = {name: matrix[getattr(labelled, name)] for name in ("train", "dev", "test")}
    z = _coordinates(rows)
    linear = ProbeOptions(
        Probe.LINEAR, options.seeds, options.penalties, tolerance=options.tolerance
    )
    penalty = choose_penalty(labelled, z, linear)
    batch = seed_batch(labelled, penalty, linear)
    n_seeds = len(labelled.weights)
    fitted = fit_batch(labelled, z["train"], batch.of(slice(n_seeds)), linear)
    said = np.empty((n_seeds, len(labelled.task.items)))
    for part in ("train", "dev", "test"):
        outputs = fitted.outputs(z[part])
        said[:, getattr(labelled, part)] = (
            outputs.argmax(axis=1) if labelled.is_class else outputs[:, 0]
        )
    return _judged("n-grams", labelled, said)


def _judged(name: str, labelled: Labelled, said: Floats) -> Baseline:
    """Count how well items were said, (n_seeds, n_items)."""
    dev, test, labels = labelled.dev, labelled.test, labelled.labels
    one = np.zeros(len(dev), np.int64)
    of_dev = agreement(labelled, labels[dev], said[:, dev], one, 1)
    n_groups = len(labelled.group_names)
    of_test = agreement(labelled, labels[test], said[:, test], labelled.groups, n_groups)
    return Baseline(name, float(score(of_dev, np.ones((1, 1))).mean()), of_test)


def _by_presence(
    labelled: Labelled, present: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> Doubles:
    """Predict items by whether they have one word: (n_items,)."""
    train, labels = labelled.train, labelled.labels
    said = np.empty(len(present))
    for there in (False, True):
        inside = labels[train][present[train] == there]
        if not labelled.is_class:
            said[present == there] = inside.mean() if len(inside) else 0.0
            continue
        sizes = np.bincount(labels[train], minlength=labelled.n_classes)
        own = np.bincount(inside, minlength=labelled.n_classes)
        said[present == there] = np.argmax(own / np.maximum(sizes, 1))
    return said


def _cue_features(places: Sequence[Place], texts: Mapping[str, str]) -> Iterator[str]:
    for i, place in enumerate(places):
        text = texts[place.text]
        for word in _words(text[place.start : place.end]):
            yield f"{i} in {word}"
        for word in _words(text[: place.start])[-REACH:]:
            yield f"{i} before {word}"


def _gram_features(places: Sequence[Place], texts: Mapping[str, str]) -> Iterator[str]:
    for i, place in enumerate(places):
        text = texts[place.text]
        piece = text[place.start : place.end]
        if len(piece) > MOST_CHARACTERS:
            piece = f"{piece[: MOST_CHARACTERS // 2]}\n{piece[-MOST_CHARACTERS // 2 :]}"
        framed = f" {piece} "
        for n in range(1, LONGEST_GRAM + 1):
            for at in range(len(framed) - n + 1):
                yield f"{i} gram {framed[at : at + n]}"
        for word in _words(piece):
            yield f"{i} in {word}"
        for distance, word in enumerate(reversed(_words(text[: place.start])[-BEFORE:]), 1):
            yield f"{i} -{distance} {word}"


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _matrix(features: Sequence[Mapping[str, int]], train: Ints) -> scipy.sparse.csr_matrix:
    """Count the features that enough training items have, (n_items, n_features)."""
    known = Counter(name for i in train for name in features[i])
    column = {name: k for k, name in enumerate(sorted(n for n, c in known.items() if c >= FEWEST))}
    entries = [
        (i, column[name], count)
        for i, one in enumerate(features)
        for name, count in one.items()
        if name in column
    ]
    rows, columns, counts = zip(*entries, strict=True) if entries else ((), (), ())
    shape = (len(features), len(column))
    return scipy.sparse.csr_matrix((np.array(counts, np.float64), (rows, columns)), shape=shape)


def _coordinates(rows: Mapping[str, scipy.sparse.csr_matrix]) -> dict[str, Floats]:
    """Express items on the axes of the training items.

    Their mean squared length is the number of axes, as that of standardised features is, so that
    penalties mean the same.
    """
    train = rows["train"]
    spread = np.asarray((train > 0).sum(axis=0)).ravel()
    rarity = np.log((1 + train.shape[0]) / (1 + spread)) + 1
    dense = {name: _unit_rows(part, rarity) for name, part in rows.items()}
    mean = dense["train"].mean(axis=0)
    dense = {name: part - mean for name, part in dense.items()}
    x = dense["train"]
    if not x.any():
        return {name: np.zeros((len(part), 1), np.float32) for name, part in dense.items()}
    lengths, vectors = spanned(lower_gram(x))
    axes = x.T @ (vectors / lengths)
    size = np.sqrt(axes.shape[1] / np.square(x).sum(axis=1).mean())
    return {
        name: np.ascontiguousarray(part @ axes * size, np.float32) for name, part in dense.items()
    }


def _unit_rows(counts: scipy.sparse.csr_matrix, rarity: Doubles) -> Doubles:
    dense = np.sqrt(np.asarray(counts.todense())) * rarity
    length = np.sqrt(np.square(dense).sum(axis=1, keepdims=True))
    return np.asarray(dense / np.where(length > 0, length, 1))
