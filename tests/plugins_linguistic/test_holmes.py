"""Holmes: folders written here, with every kind of probe, and whatever may be wrong in them."""

import csv
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from harness.errors import DataError, SelectionError
from harness.probe.tasks import Inputs, Part, Target
from harness.record.tokens import tokenise
from plugins.benchmarks.linguistic.holmes import Holmes, brainpress_benchmarks, join_tasks
from plugins.benchmarks.linguistic.holmes_format import (
    KINDS,
    read_task,
    task_folders,
    taxonomy,
)

NOUNS = ("dog", "cat", "fox", "owl", "bee", "ant", "hen", "cow", "pig", "rat", "eel", "ape")
PARTS = ("train",) * 6 + ("dev",) * 3 + ("test",) * 3


def rows(make, labels):
    """A row a noun: what ``make`` writes for it, and its label in turn."""
    made = []
    for i, (noun, part) in enumerate(zip(NOUNS, PARTS, strict=True)):
        inputs, context = make(noun)
        cells = {"id": i, "inputs": repr(inputs), "context": repr(context) if context else ""}
        made.append({**cells, "label": labels[i % len(labels)], "set-0": part})
    return made


def write(root, name, kind, made, num_labels=2, **config):
    folder = Path(root) / name
    folder.mkdir(parents=True)
    fields = ["", "id", "inputs", "context", "label", "set-0"]
    with (folder / "samples.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, fields)
        writer.writeheader()
        for i, row in enumerate(made):
            writer.writerow({"": i, **row})
    lines = {"probe_task_type": kind, "num_labels": num_labels, "control_task_type": "NONE"}
    text = "".join(f"{key}: {value}\n" for key, value in {**lines, **config}.items())
    (folder / "config-none.yaml").write_text(text)
    return folder


def sentence(noun):
    return [f"the {noun} ran"], None


def pair(noun):
    return [f"the {noun} ran", f"a {noun} hid"], None


def token(noun):
    return [(noun, 0, 4, 7)], [f"the {noun} ran"]


def tokens(noun):
    return [("the", 0, 0, 3), (noun, 0, 4, 7)], [f"the {noun} ran"]


def across(noun):
    return [(noun, 0, 4, 7), (noun, 1, 2, 5)], [f"the {noun} ran", f"a {noun} hid"]


def spans(noun):
    parts = [("the", 0, 0, 3, 0), (noun, 0, 4, 7, 0), ("ran", 0, 8, 11, 1)]
    return parts, [f"the {noun} ran"]


KINDS_WRITTEN = [
    ("SENTENCE", sentence, Inputs.SENTENCE, [["the dog ran"]]),
    ("SENTENCE_PAIR_BI", pair, Inputs.PAIR, [["the dog ran", "a dog hid"]]),
    ("SENTENCE_PAIR_CROSS", pair, Inputs.SENTENCE, [["the dog ran  a dog hid"]]),
    ("SENTENCE_TOKENS", token, Inputs.SPAN, [["dog"]]),
    ("SENTENCE_TOKENS", tokens, Inputs.SPAN_PAIR, [["the", "dog"]]),
    ("SENTENCE_PAIR_TOKENS_BI", across, Inputs.SPAN_PAIR, [["dog", "dog"]]),
    ("SENTENCE_PAIR_TOKENS_CROSS", across, Inputs.SPAN_PAIR, [["dog", "dog"]]),
    ("SENTENCE_SPANS", spans, Inputs.SPAN_PAIR, [["the dog", "ran"]]),
]


def read_text(read, place):
    return read.texts[place.text][place.start : place.end]


@pytest.mark.parametrize(("kind", "make", "inputs", "first"), KINDS_WRITTEN)
def test_every_kind_of_classification(tmp_path, kind, make, inputs, first):
    read = read_task(write(tmp_path, "upos", kind, rows(make, ["NOUN", "VERB"])))
    task = read.task
    assert (task.name, task.category, task.phenomenon) == ("upos", "syntax", "part-of-speech")
    assert (task.inputs, task.target) == (inputs, Target.CLASS)
    assert [[read_text(read, p) for p in task.items[0].places]] == first
    assert [len(task.of(part)) for part in Part] == [6, 3, 3]
    assert task.classes == ("NOUN", "VERB")
    assert read.left_out == 0


@pytest.mark.parametrize(("kind", "make", "inputs", "first"), KINDS_WRITTEN)
def test_every_kind_of_regression(tmp_path, kind, make, inputs, first):
    labels = ["0.5", "-1", "2e1"]
    read = read_task(write(tmp_path, "flesch", kind, rows(make, labels), num_labels=1))
    assert read.task.target is Target.NUMBER
    assert [i.label for i in read.task.items[:3]] == [0.5, -1.0, 20.0]
    assert read.task.inputs is inputs


def test_all_kinds_are_written():
    assert {kind for kind, *_ in KINDS_WRITTEN} == set(KINDS)


def test_a_pair_read_as_one_text_has_both_places_in_it(tmp_path):
    folder = write(tmp_path, "coref", "SENTENCE_PAIR_TOKENS_CROSS", rows(across, ["0", "1"]))
    read = read_task(folder)
    one, two = read.task.items[0].places
    assert one.text == two.text
    assert (one.start, two.start) == (4, 15)
    assert len(read.texts) == 12


def test_a_word_is_the_type_of_the_control_task(tmp_path):
    read = read_task(write(tmp_path, "upos", "SENTENCE_TOKENS", rows(tokens, ["A", "B"])))
    assert read.task.items[0].type == "the dog"


def test_published_splits_are_kept_though_a_text_is_in_two_parts(tmp_path):
    made = rows(token, ["A", "B"])
    for row in made:
        row["inputs"], row["context"] = "[('ran', 0, 8, 11)]", "['the dog ran']"
    read = read_task(write(tmp_path, "upos", "SENTENCE_TOKENS", made))
    assert [len(read.task.of(part)) for part in Part] == [6, 3, 3]
    assert read.shared_texts == 1


def test_labels_that_training_lacks_are_kept_as_errors(tmp_path):
    made = rows(sentence, ["A", "B"])
    made[-1]["label"] = "NEW"
    read = read_task(write(tmp_path, "upos", "SENTENCE", made))
    assert read.task.classes == ("A", "B")
    assert read.task.items[-1].label == "NEW"


def spoiled(column, value, make=token):
    made = rows(make, ["A", "B"])
    made[4][column] = value
    return made


CODE = "__import__('pathlib').Path('{}').write_text('ran')"


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("inputs", "[('dog', 0, 4, 7", "inputs is no Python literal"),
        ("inputs", "", "inputs is no Python literal"),
        ("inputs", "[" * 5000, "inputs is no Python literal"),
        ("inputs", "[1] * 10**9", "inputs is no Python literal"),
        ("inputs", "[('bee', 0, 4)]", r"is not \(token, context, start, end\)"),
        ("inputs", "[('bee', 0, '4', 7)]", "not a token and whole numbers"),
        ("inputs", "[('bee', 0, True, 7)]", "not a token and whole numbers"),
        ("inputs", "[('bee', 1, 4, 7)]", "there is no context 1"),
        ("inputs", "[('bee', 0, 5, 8)]", "characters 5 to 8 are not 'bee'"),
        ("inputs", "[('bee', 0, 4, 70)]", "characters 4 to 70 are not"),
        ("inputs", "[('bee', 0, 4, 7)] * 2", "inputs is no Python literal"),
        ("inputs", "[('bee', 0, 4, 7), ('bee', 0, 4, 7)]", "2 places, and the rows before have 1"),
        ("inputs", "[('bee', 0, 4, 7)] + []", "inputs is no Python literal"),
        ("inputs", "[]", "is not a list"),
        ("context", "[5]", "context is not a list of texts"),
        ("context", "", "context is no Python literal"),
        ("set-0", "trian", "set-0 is 'trian'"),
        ("label", " ", "the label is empty"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path, column, value, message):
    folder = write(tmp_path, "upos", "SENTENCE_TOKENS", spoiled(column, value))
    with pytest.raises(DataError, match=rf"1 of 12 rows cannot be used; line 6: .*{message}"):
        read_task(folder)


@pytest.mark.parametrize("label", ["high", "nan", "inf"])
def test_a_number_that_is_none(tmp_path, label):
    made = rows(token, ["1", "2"])
    made[4]["label"] = label
    folder = write(tmp_path, "upos", "SENTENCE_TOKENS", made, num_labels=1)
    with pytest.raises(DataError, match="1 of 12 rows cannot be used; line 6: the label"):
        read_task(folder)


@pytest.mark.parametrize("value", ["['']", "['a', 'b']", "'a'", "[('a', 0, 0, 1)]"])
def test_a_sentence_that_is_none(tmp_path, value):
    folder = write(tmp_path, "upos", "SENTENCE", spoiled("inputs", value, sentence))
    with pytest.raises(DataError, match="inputs are not 1 texts"):
        read_task(folder)


@pytest.mark.parametrize("column", ["inputs", "context", "label", "set-0"])
def test_code_in_a_cell_does_not_run(tmp_path, column):
    mark = tmp_path / "mark"
    folder = write(tmp_path, "upos", "SENTENCE_TOKENS", spoiled(column, CODE.format(mark)))
    if column == "label":  # any text is a class
        assert CODE.format(mark) in {i.label for i in read_task(folder).task.items}
    else:
        with pytest.raises(DataError, match="1 of 12 rows cannot be used"):
            read_task(folder)
    assert not mark.exists()


def test_code_in_the_configuration_does_not_run(tmp_path):
    mark = tmp_path / "mark"
    folder = write(tmp_path, "upos", "SENTENCE", rows(sentence, ["A", "B"]))
    tag = f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [{mark}]]"
    (folder / "config-none.yaml").write_text(f"probe_task_type: SENTENCE\nnum_labels: {tag}\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_task(folder)
    assert not mark.exists()


def test_one_bad_row_in_hundreds_is_left_out_and_counted(tmp_path):
    made = rows(sentence, ["A", "B"])
    many = [
        {**row, "inputs": repr([f"number {i} {row['label']}"])} for i, row in enumerate(made * 20)
    ]
    many[7]["inputs"] = "broken"
    read = read_task(write(tmp_path, "upos", "SENTENCE", many))
    assert read.left_out == 1
    assert len(read.task.items) == 239


def spoil_file(folder, text):
    (folder / "samples.csv").write_text(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,inputs,label,set-0\n", "has no column context"),
        ("", "has no column inputs, context, label, set-0"),
        ("id,inputs,context,label,set-0\n0,['a'],,A\n", "line 2: not 5 cells"),
        ("id,inputs,context,label,set-0\n0,['a'],,A,train,more\n", "line 2: not 5 cells"),
        ("id,inputs,context,label,set-0\n", "has no train items"),
        ("id,inputs,context,label,set-0\n0,['a'],,A,train\n1,['b'],,B,train\n", "has no dev items"),
    ],
)
def test_a_file_that_is_no_table_of_samples(tmp_path, text, message):
    folder = write(tmp_path, "upos", "SENTENCE", rows(sentence, ["A", "B"]))
    (folder / "samples.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_task(folder)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"probe_task_type": "PARAGRAPH"}, "probe_task_type is 'PARAGRAPH'"),
        ({"num_labels": 0}, "num_labels is 0"),
        ({"num_labels": "two"}, "num_labels is 'two'"),
        ({"category": "phonology"}, "category of this task is not known"),
    ],
)
def test_a_configuration_that_is_none(tmp_path, config, message):
    folder = write(tmp_path, "upos", "SENTENCE", rows(sentence, ["A", "B"]))
    lines = {"probe_task_type": "SENTENCE", "num_labels": 2, **config}
    text = "".join(f"{key}: {value}\n" for key, value in lines.items())
    (folder / "config-none.yaml").write_text(text)
    with pytest.raises(DataError, match=message):
        read_task(folder)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [", "just text"])
def test_a_configuration_that_is_no_mapping(tmp_path, text):
    folder = write(tmp_path, "upos", "SENTENCE", rows(sentence, ["A", "B"]))
    (folder / "config-none.yaml").write_text(text)
    with pytest.raises(DataError, match=r"config-none\.yaml"):
        read_task(folder)


def test_a_task_of_ones_own_names_its_category(tmp_path):
    made = rows(sentence, ["A", "B"])
    with pytest.raises(DataError, match="category of this task is not known"):
        read_task(write(tmp_path, "mine", "SENTENCE", made))
    folder = write(tmp_path, "mine2", "SENTENCE", made, category="discourse", phenomenon="mood")
    task = read_task(folder).task
    assert (task.category, task.phenomenon) == ("discourse", "mood")


def test_the_taxonomy():
    known = taxonomy()
    assert len(known) == 208
    assert sum(k.flash for k in known.values()) == 190
    assert known["blimp-npi_present_1"].category == "semantics"


def test_names_of_published_folders(tmp_path):
    made = rows(sentence, ["A", "B"])
    assert read_task(write(tmp_path, "flash-holmes-upos", "SENTENCE", made)).task.name == "upos"


@pytest.fixture
def collection(tmp_path):
    write(tmp_path, "upos", "SENTENCE_TOKENS", rows(token, ["A", "B"]))
    write(tmp_path, "xpos", "SENTENCE", rows(sentence, ["A", "B", "C"]))
    write(tmp_path, "flesch", "SENTENCE", rows(sentence, ["1", "2", "3"]), num_labels=1)
    write(tmp_path, "coref", "SENTENCE_TOKENS", rows(tokens, ["A", "B"]))
    write(tmp_path, "SemAntoNeg", "SENTENCE_PAIR_BI", rows(pair, ["A", "B"]))
    return tmp_path


def answers(bench, layers=3, units=4, signal=None):
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
