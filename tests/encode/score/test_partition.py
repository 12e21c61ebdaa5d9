"""Variance parted among bands: against scikit-learn, and where the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

from harness.encode.design.features import delayed, zscore_by_run
from harness.encode.design.options import EncodingOptions
from harness.encode.design.splits import grouped_folds
from harness.encode.score import partition as part
from harness.encode.score.protocol import prepare, score_responses
from harness.stimuli.passages import Passage
from harness.stimuli.position import bands, joined, stretches, vowel_groups

RUNS = np.repeat([0, 1, 2, 3], 60)
OPTIONS = EncodingOptions(delays=(0, 1), n_outer=4, n_inner=3, penalties=5)


def simulated(seed=0):
    """Targets driven by the model, by static embeddings, by lexical regressors, by nothing."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(240, 2, 6))
    lexical, position = rng.normal(size=(2, 240, 2))
    noise = rng.normal(size=(240, 4))
    y = noise.copy()
    for target, source in enumerate((features[:, 1], features[:, 0], lexical)):
        drive = source @ rng.normal(size=source.shape[1])
        y[:, target] = drive / drive.std() + noise[:, target]
    return features, zscore_by_run(y, RUNS), {"lexical": lexical, "position": position}


def test_the_best_candidate_of_scikit_learn_is_taken_band_by_band(monkeypatch):
    monkeypatch.setattr(part, "CANDIDATES", 4)
    features, y, given = simulated()
    folds = grouped_folds(RUNS, 4)
    names, unique, joint = part.partition(
        features, y, RUNS, given, [1] * 4, options=OPTIONS, folds=folds
    )
    assert names == part.BANDS

    def design(values):
        z = delayed(zscore_by_run(values, RUNS), RUNS, (0, 1))
        return z / np.sqrt(np.square(z).sum(axis=1).mean())

    root = np.linalg.cholesky(part.smoothed_identity(RUNS) + 1e-9 * np.eye(240))
    columns = {
        "model": design(features[:, 1]),
        "static": design(features[:, 0]),
        "position": design(given["position"]),
        "autocorrelation": root,
        "lexical": design(given["lexical"]),
    }
    for left_out in (None, "model", "lexical"):
        scales = part.candidates(5)
        if left_out:
            scales[:, names.index(left_out)] = 0
        for target in (0, 2):
            found = []
            for fold in folds:
                results = []
                for scale in scales:
                    x = np.hstack(
                        [np.sqrt(s) * columns[n] for s, n in zip(scale, names, strict=True)]
                    )

                    def score(train, test, x=x, target=target):
                        model = Ridge(1.0).fit(x[train], y[train, target])
                        return r2_score(y[test, target], model.predict(x[test]))

                    inner = [
                        score(
                            fold.train[RUNS[fold.train] != run], fold.train[RUNS[fold.train] == run]
                        )
                        for run in np.unique(RUNS[fold.train])
                    ]
                    results.append((np.mean(inner), score(fold.train, fold.test)))
                found.append(max(results)[1])
            wanted = np.mean(found)
            if left_out is None:
                assert joint[target] == pytest.approx(wanted, abs=1e-5)
            else:
                lost = joint[target] - wanted
                assert unique[names.index(left_out), target] == pytest.approx(lost, abs=1e-5)


def test_each_band_gets_what_it_drives():
    features, y, given = simulated()
    names, unique, joint = part.partition(
        features, y, RUNS, given, [1] * 4, options=OPTIONS, folds=grouped_folds(RUNS, 4)
    )
    for target, name in enumerate(("model", "static", "lexical")):
        assert unique[names.index(name), target] == pytest.approx(0.5, abs=0.15)
        others = np.delete(unique[:, target], names.index(name))
        assert np.abs(others).max() < 0.06
        assert joint[target] == pytest.approx(0.5, abs=0.15)
    assert np.abs(unique[:, 3]).max() < 0.06


def test_scores_of_regions_come_with_it_where_it_is_asked_for():
    features, y, given = simulated()
    rng = np.random.default_rng(1)
    values = {f"p{i}": y[:, [0, 2]] + rng.normal(size=(240, 2)) for i in range(3)}
    data = prepare(
        values,
        ("model", "words"),
        RUNS,
        tr=2.0,
        cutoff=60.0,
        nuisance={"rate": given["lexical"][:, 0]},
        bands={
            "lexical": {"vowel groups": given["lexical"][:, 1]},
            "position": {"a": given["position"][:, 0]},
        },
    )
    recording = xr.DataArray(features, dims=("sample", "layer", "unit"), coords={"layer": [0, 1]})
    options = EncodingOptions(delays=(0, 1), n_outer=4, n_inner=3, penalties=5, partition=True)
    score = score_responses(recording, data, options)
    assert score["partition"].dims == ("band", "participant", "roi")
    mean = score["partition"].mean("participant")
    assert float(mean.sel(band="model", roi="model")) > 0.15
    assert float(mean.sel(band="lexical", roi="words")) > 0.15
    assert abs(float(mean.sel(band="autocorrelation").mean())) < 0.05
    assert (score["partition_low"] <= score["partition_mean"]).all()
    plain = score_responses(recording, data, OPTIONS)
    assert "partition" not in plain
    np.testing.assert_array_equal(plain["r"], score["r"])


def test_words_stand_in_sentences_or_between_pauses():
    words = ["It", "rained.", "Nobody", "cared", "much", "."]
    on = np.arange(6.0)
    passage = Passage.from_words("a", words, on, on + 0.9)
    assert stretches(passage) == ("sentence", [0, 0, 1, 1, 1, 1])
    found = bands(passage, np.arange(8.0))
    assert list(found["position"]) == [
        "position in story",
        "position in sentence",
        "words of the sentence",
    ]
    quiet = Passage.from_words("b", ["so", "it", "went", "on"], [0, 1, 2.5, 3], [1, 2, 3, 4])
    assert stretches(quiet) == ("phrase", [0, 0, 1, 1])
    both = joined([found, bands(quiet, np.arange(5.0))])
    assert both["position"]["words of the phrase"].shape == (13,)
    assert (both["position"]["words of the phrase"][:8] == 0).all()
    counts = ("strength", 1), ("beautiful", 3), ("I", 1), ("rhythm", 1), (".", 0)
    assert [vowel_groups(w) for w, _ in counts] == [n for _, n in counts]
