"""What tasks can be told from without a model."""

import numpy as np
import pytest
import xarray as xr
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from harness.probe.labelled import Labelled
from harness.probe.layer import score
from harness.probe.lexical import baselines, cue, n_grams
from harness.probe.options import ProbeOptions
from harness.probe.score import score_probes
from harness.probe.tasks import (
    Inputs,
    Part,
    Place,
    ProbeItem,
    ProbeTask,
    Target,
    item_rows,
    probe_request,
)

OPTIONS = ProbeOptions(seeds=2, draws=50)
PARTS = {Part.TRAIN: 200, Part.DEV: 60, Part.TEST: 80}


def task_of(make, target=Target.CLASS):
    """Texts and a task of them, one item a text."""
    texts, items = {}, []
    for part, n in PARTS.items():
        for i in range(n):
            text, (start, end), label = make(len(items))
            name = f"{part}{i}"
            texts[name] = text
            items.append(ProbeItem((Place(name, start, end),), label, part))
    return texts, ProbeTask("t", "syntax", Inputs.SPAN, target, tuple(items))


def labelled(texts, task):
    return Labelled.of(task, item_rows(probe_request("t", texts, [task]), task), OPTIONS.seeds)


def reached(found):
    return float(score(found.test, np.ones((1, found.test.actual.shape[0]))).mean())


def test_the_cue_is_the_word_that_tells_most():
    rng = np.random.default_rng(0)

    def make(_):
        under = rng.random() < 0.3
        before = "if it rains " if under else rng.choice(["now it rains ", "it rains "])
        return f"{before}they go", (len(before), len(before) + 4), "yes" if under else "no"

    texts, task = task_of(make)
    found = cue(labelled(texts, task), texts)
    assert reached(found) == 1
    assert found.dev == 1


def test_a_cue_that_comes_after_the_place_tells_nothing():
    rng = np.random.default_rng(1)

    def make(_):
        under = rng.random() < 0.5
        return f"they go {'if' if under else 'and'} it rains", (0, 4), "yes" if under else "no"

    texts, task = task_of(make)
    for found in baselines(labelled(texts, task), texts, OPTIONS):
        assert reached(found) < 0.6


def test_numbers_are_told_by_a_cue_too():
    rng = np.random.default_rng(2)

    def make(_):
        high = rng.random() < 0.5
        text = "up here" if high else "down there"
        return text, (0, len(text)), 2.0 * high + 0.1 * rng.standard_normal()

    texts, task = task_of(make, Target.NUMBER)
    found = cue(labelled(texts, task), texts)
    assert score(found.test, np.ones((1, 80))).min() > 0.9


def test_n_grams_are_scikit_learns_in_essence():
    """Suffixes with noise: the same task by scikit-learn's n-grams scores as ours does."""
    rng = np.random.default_rng(3)
    letters = list("bcdfgklmprst")
    stems = ["".join(rng.choice(letters, 4)) for _ in range(340)]

    def make(i):
        kind = rng.integers(0, 3)
        shown = kind if rng.random() < 0.85 else rng.integers(0, 3)
        word = stems[i] + ["ness", "ly", "er"][shown]
        return f"a {word} here", (2, 2 + len(word)), f"c{kind}"

    texts, task = task_of(make)
    found = n_grams(labelled(texts, task), texts, OPTIONS)
    words = {p: [texts[i.places[0].text].split()[1] for i in task.of(p)] for p in PARTS}
    labels = {p: [i.label for i in task.of(p)] for p in PARTS}
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, min_df=5)
    best = LogisticRegression(class_weight="balanced", max_iter=1000).fit(
        vectors.fit_transform(words[Part.TRAIN]), labels[Part.TRAIN]
    )
    predicted = best.predict(vectors.transform(words[Part.TEST]))
    theirs = f1_score(labels[Part.TEST], predicted, average="macro")
    assert theirs > 0.75
    assert reached(found) == pytest.approx(theirs, abs=0.03)


def test_places_without_a_known_feature_are_scored():
    """Every text is its own word: no feature occurs often enough."""

    def make(i):
        word = "".join(chr(0x4E00 + 50 * i + k) for k in range(3))
        return word, (0, 3), "yes" if i % 2 else "no"

    texts, task = task_of(make)
    for found in baselines(labelled(texts, task), texts, OPTIONS):
        assert 0 <= reached(found) < 0.7


def test_the_best_baseline_is_chosen_on_the_dev_part():
    """The cue fails on the test part alone: it is the baseline none the less."""
    rng = np.random.default_rng(4)

    def make(i):
        under = rng.random() < 0.5
        told = under if i < PARTS[Part.TRAIN] + PARTS[Part.DEV] else not under
        before = "if so " if told else "and so "
        return f"{before}they go", (len(before), len(before) + 4), "yes" if under else "no"

    texts, task = task_of(make)
    states = rng.standard_normal((340, 2, 5)).astype(np.float32)
    recording = xr.DataArray(states, dims=("sample", "layer", "unit"), coords={"layer": [0, 1]})
    found = score_probes([task], probe_request("t", texts, [task]), recording, OPTIONS)
    assert found["lexical_kind"].item() in ("cue", "n-grams")
    assert found["lexical"].item() == 0
    assert found["over_lexical"].item() > 0.3
    # Without a first layer there is no such baseline, and the others stay.
    later = score_probes(
        [task],
        probe_request("t", texts, [task]),
        recording.isel(layer=[1]),
        OPTIONS,
    )
    assert np.isnan(later["layer_0"].item())
    assert later["lexical"].item() == 0
