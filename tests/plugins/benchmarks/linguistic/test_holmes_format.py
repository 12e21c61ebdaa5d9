"""Holmes-format folders written here: every kind of probe, and whatever may be wrong in them."""

import pytest
from brainpress_plugins.benchmarks.linguistic.holmes_format import KINDS, read_task, taxonomy
from holmes_folders import KINDS_WRITTEN, across, rows, sentence, token, tokens, write

from harness.errors import DataError
from harness.probe.tasks import Part, Target


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
    folder = write(
        tmp_path, "mine2", "SENTENCE", made, category="discourse", phenomenon="mood", licence="CC0"
    )
    task = read_task(folder).task
    assert (task.category, task.phenomenon, task.licence) == ("discourse", "mood", "CC0")


def test_the_taxonomy():
    known = taxonomy()
    assert len(known) == 208
    assert sum(k.flash for k in known.values()) == 190
    assert known["blimp-npi_present_1"].category == "semantics"


def test_names_of_published_folders(tmp_path):
    made = rows(sentence, ["A", "B"])
    assert read_task(write(tmp_path, "flash-holmes-upos", "SENTENCE", made)).task.name == "upos"
