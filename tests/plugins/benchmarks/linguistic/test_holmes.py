"""The benchmarks `holmes` and `flash-holmes` on folders written here."""

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.linguistic.holmes import (
    Holmes,
    brainpress_benchmarks,
    join_tasks,
)
from brainpress_plugins.benchmarks.linguistic.holmes_format import task_folders
from holmes_folders import KINDS_WRITTEN, pair, rows, sentence, token, tokens, write

from harness.errors import DataError, SelectionError
from harness.record.tokens import tokenise


@pytest.fixture
def collection(tmp_path):
    write(tmp_path, "upos", "SENTENCE_TOKENS", rows(token, ["A", "B"]))
    write(tmp_path, "xpos", "SENTENCE", rows(sentence, ["A", "B", "C"]))
    write(tmp_path, "flesch", "SENTENCE", rows(sentence, ["1", "2", "3"]), num_labels=1)
    write(tmp_path, "coref", "SENTENCE_TOKENS", rows(tokens, ["A", "B"]))
    write(tmp_path, "SemAntoNeg", "SENTENCE_PAIR_BI", rows(pair, ["A", "B"]))
    return tmp_path


def answers(bench, layers=3, units=4):
    """Random states for every request of a benchmark."""
    made = {}
    for request in bench.requests():
        rng = np.random.default_rng(0)
        count = sum(request.readout.rows(request.stimuli))
        made[request] = xr.DataArray(
            rng.normal(size=(count, layers, units)).astype(np.float32),
            dims=("sample", "layer", "unit"),
            coords={"layer": np.arange(layers)},
        )
    return made


def test_scores_by_task_and_category(collection):
    bench = Holmes(str(collection), seeds=2)
    score = bench.score(answers(bench))
    assert score["task"].values.tolist() == ["SemAntoNeg", "coref", "flesch", "upos", "xpos"]
    by_category = dict(
        zip(score["category"].values, score["category_tasks"].values.tolist(), strict=True)
    )
    assert by_category == {"reasoning": 1, "discourse": 1, "syntax": 3}
    syntax = score["score"].values[[2, 3, 4]].mean()
    assert float(score["category_score"].sel(category="syntax")) == pytest.approx(syntax)
    assert float(score["value"]) == pytest.approx(score["score"].values.mean())
    assert float(score["low"]) <= float(score["value"]) <= float(score["high"])
    assert score["layer_score"].sizes == {"task": 5, "layer": 3}
    assert score["left_out"].values.tolist() == [0] * 5
    assert "over_lexical" in score


def test_every_kind_of_probe_is_scored(tmp_path):
    """Classes and numbers of every kind of folder, from the table to the score."""
    names = []
    for i, (kind, make, *_) in enumerate(KINDS_WRITTEN):
        for count, labels in ((2, ["A", "B"]), (1, ["1", "2", "4"])):
            names.append(f"{i}-{kind.lower()}-{count}")
            made = rows(make, labels)
            write(tmp_path, names[-1], kind, made, num_labels=count, category="syntax")
    bench = Holmes(str(tmp_path), seeds=2)
    score = bench.score(answers(bench, layers=2))
    assert score["task"].values.tolist() == sorted(names)
    assert np.isfinite(score["layer_score"]).all()
    classes = score["target"].values == "class"
    assert classes.sum() == len(KINDS_WRITTEN)
    assert (score["score"].values[classes] >= 0).all()
    assert np.isfinite(score["accuracy"].values[classes]).all()
    assert np.isnan(score["accuracy"].values[~classes]).all()


def test_a_label_that_training_lacks_is_an_error_of_the_probe(tmp_path):
    from sklearn.metrics import f1_score

    made = rows(sentence, ["A", "B"])
    made[-1]["label"] = "NEW"
    write(tmp_path, "upos", "SENTENCE", made)
    bench = Holmes(str(tmp_path), seeds=2)
    (request,) = bench.requests()
    # The states tell A from B without fault; what is new looks like B.
    is_a = np.arange(len(made)) % 2 == 0
    states = np.stack([is_a, ~is_a], axis=1).astype(np.float32)
    recording = xr.DataArray(
        np.repeat(states[:, None], 2, axis=1),
        dims=("sample", "layer", "unit"),
        coords={"layer": [0, 1]},
    )
    score = bench.score({request: recording})
    oracle = f1_score(["B", "A", "NEW"], ["B", "A", "B"], average="macro", zero_division=0)
    assert float(score["score"][0]) == pytest.approx(oracle)
    assert float(score["accuracy"][0]) == pytest.approx(2 / 3)


def test_a_score_survives_netcdf(collection, tmp_path):
    bench = Holmes(str(collection), seeds=2)
    score = bench.score(answers(bench))
    score.to_netcdf(tmp_path / "score.nc")
    with xr.open_dataset(tmp_path / "score.nc") as read:
        assert read.load().sizes == score.sizes


def test_the_profile_of_the_paper_reads_the_last_layer_alone(collection):
    bench = Holmes(str(collection), "waldis2024", seeds=2)
    one = answers(bench)
    two = {r: a.copy() for r, a in one.items()}
    for array in two.values():
        array[:, :2] = 7.0
    score, other = bench.score(one), bench.score(two)
    np.testing.assert_array_equal(score["score"], other["score"])
    assert score["layer"].values.tolist() == [2]
    assert set(score["best_layer"].values) == {2}
    assert not any("lexical" in name for name in score.data_vars)


def test_join_is_the_mean_with_independent_errors():
    from scipy.stats import norm

    z = norm.ppf(0.975)
    parts = [
        xr.Dataset(
            {
                "value": m,
                "low": m - z * s,
                "high": m + z * s,
                "score": ("task", [m]),
                "score_low": ("task", [m - z * s]),
                "score_high": ("task", [m + z * s]),
                "seed_score": (("task", "seed"), [[m - 0.01, m + 0.01]]),
                "category_score": ("category", [m]),
            },
            coords={
                "task": [name],
                "task_category": ("task", [category]),
                "category": [category],
                "seed": [0, 1],
            },
        )
        for name, category, m, s in (("a", "syntax", 0.5, 0.03), ("b", "syntax", 0.7, 0.04))
    ]
    joined = join_tasks(parts)
    assert float(joined["value"]) == pytest.approx(0.6)
    assert float(joined["high"] - joined["value"]) == pytest.approx(z * 0.05 / 2)
    assert float(joined["category_sd"][0]) == pytest.approx(np.std([-0.01, 0.01], ddof=1))


def test_one_request_a_task_and_each_place_once(collection, subword_tokenizer):
    bench = Holmes(str(collection))
    requests = bench.requests()
    assert [r.stimuli.name for r in requests] == [
        f"holmes/{name}" for name in ("SemAntoNeg", "coref", "flesch", "upos", "xpos")
    ]
    passage = requests[3].stimuli.passages[0]
    assert passage.items == ("dog",)
    owned = tokenise(passage, subword_tokenizer()).owners
    assert len(owned) == 3  # " d", "o", "g"


def test_some_tasks(collection):
    bench = Holmes(str(collection), tasks=("*pos",))
    assert len(bench.requests()) == 2
    with pytest.raises(SelectionError, match="is named syntax"):
        Holmes(str(collection), tasks=("syntax",))


def test_nothing_there(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    with pytest.raises(DataError, match="no folder 'holmes'") as caught:
        Holmes()
    assert "holmes-evaluation" in caught.value.hint
    (tmp_path / "holmes").mkdir()
    (tmp_path / "holmes" / "holmes.csv").write_text("scores\n")
    with pytest.raises(DataError, match="no task folder"):
        Holmes()
    with pytest.raises(DataError, match="no profile 'paper'"):
        Holmes(profile="paper")


def test_found_by_name_in_a_data_folder(collection, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(collection.parent))
    assert len(task_folders(collection)) == 5
    assert len(Holmes(collection.name).requests()) == 5


def test_specs():
    specs = {s.name: s for s in brainpress_benchmarks()}
    assert set(specs) == {"holmes", "holmes@waldis2024", "flash-holmes", "flash-holmes@waldis2024"}
    assert specs["flash-holmes@waldis2024"].options == {
        "folder": "flash-holmes",
        "profile": "waldis2024",
    }


def test_a_real_model_reads_a_folder(tmp_path, tiny_model, subword_tokenizer):
    """States of a tiny model tell apart what the words themselves tell apart."""
    from types import SimpleNamespace

    from harness.record.subject import LanguageSubject

    nouns = [a + b + c for a in "bd" for b in "aeiou" for c in "fgklmnprst"]
    made = [
        {
            "id": i,
            "inputs": repr([(noun, 0, 4, 7)]),
            "context": repr([f"the {noun} ran"]),
            "label": noun[0],
            "set-0": ("train", "train", "dev", "test")[i % 4],
        }
        for i, noun in enumerate(nouns)
    ]
    write(tmp_path, "upos", "SENTENCE_TOKENS", made)
    bench = Holmes(str(tmp_path), seeds=2)
    model = SimpleNamespace(
        model=tiny_model("llama"),
        tokenizer=subword_tokenizer(),
        spec=SimpleNamespace(name="tiny"),
        context=64,
        capabilities={"hidden"},
    )
    (request,) = bench.requests()
    score = bench.score({request: LanguageSubject(model).record(request)})
    assert float(score["score"][0]) > 0.9
    assert score.sizes["layer"] == 4
