"""Public assemblies: files written here as Brain-Score writes them, and their faults."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from assembly_files import placed, recording, sentences, written
from brainpress_plugins.benchmarks.neural import sentence_assemblies
from brainpress_plugins.benchmarks.neural.blank2014 import Blank2014
from brainpress_plugins.benchmarks.neural.fedorenko2016 import Fedorenko2016
from brainpress_plugins.benchmarks.neural.pereira2018 import Pereira2018
from brainpress_plugins.benchmarks.neural.tuckute2024 import Tuckute2024

from harness.encode.items.assembly import group_folds, read_assembly
from harness.errors import DataError, OfflineError


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where a benchmark's assembly goes; its checksum is that of what is there."""
    return placed(tmp_path, monkeypatch)


def pereira_presentation(per_topic, experiment):
    """Columns of an experiment, as Brain-Score's ``data/pereira2018/data_packaging.py`` makes them.

    ``passage_index`` counts passages within an experiment, ``stimulus_num`` sentences within it,
    and ``story`` is the experiment and the passage's category (its topic): 24 topics each, of four
    passages in one experiment and of three in the other. Of these, passages have three or four
    sentences (243 in all).
    """
    n_passages = 24 * per_topic
    sizes = [4] * n_passages if per_topic == 4 else [4] * 27 + [3] * 45
    columns = {"experiment": [], "story": [], "passage_index": [], "stimulus_num": []}
    for passage, size in enumerate(sizes):
        for _ in range(size):
            columns["experiment"].append(experiment)
            # topics are not together: passage 0 and passage 24 are of one
            columns["story"].append(f"{experiment}topic{passage % 24:02d}")
            columns["passage_index"].append(passage)
            columns["stimulus_num"].append(len(columns["stimulus_num"]))
    return columns


class TestPereira:
    @pytest.fixture
    def data(self, place):
        """Both experiments, rows shuffled; the third participant did the second one only."""
        rng = np.random.default_rng(1)
        both = [pereira_presentation(4, "384sentences"), pereira_presentation(3, "243sentences")]
        presentation = {k: np.array(both[0][k] + both[1][k]) for k in both[0]}
        items = sentences(627)
        length = np.array([len(s.split()) for s in items], float)
        driver = rng.normal(size=(627, 2))
        values = 0.3 * rng.normal(size=(627, 5))
        values[:, :2] += driver
        values[:, 2:4] += (length / length.std())[:, None]
        values[:384, 4] = np.nan
        shuffled = rng.permutation(627)
        place(
            Pereira2018,
            values[shuffled],
            {
                "stimulus": np.array(items)[shuffled],
                **{name: column[shuffled] for name, column in presentation.items()},
            },
            {"subject": ["018", "018", "199", "199", "288"], "neuroid_id": np.arange(5)},
        )
        return items, driver

    def test_passages_are_read_and_topics_are_held_out(self, data):
        items, _ = data
        benchmark = Pereira2018()
        assembly = benchmark.data
        assert len(benchmark.passages) == 96 + 72
        assert sorted({len(p.spans) for p in benchmark.passages}) == [3, 4]
        assert set(benchmark.baseline["place"]) == {0.0, 1.0, 2.0, 3.0}
        # whatever the order of the file: sentences of a passage follow each other as presented
        for passage in benchmark.passages:
            numbers = [items.index(item) for item in passage.items]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        for part in ("384sentences", "243sentences"):
            groups = assembly.groups[assembly.parts == part]
            assert len(set(groups)) == 24
            for fold in group_folds(groups, 5):
                assert not set(groups[fold.train]) & set(groups[fold.test])

    def test_scores_and_the_length_baseline(self, data):
        items, driver = data
        benchmark = Pereira2018()
        order = [items.index(item) for item in benchmark.data.items]
        score = benchmark.score(recording(benchmark, driver[order]))
        assert list(score["participant"].values) != []
        r = score["r_best"].sel(part="243sentences")
        assert r.sel(participant="018") > 0.8
        assert score["baseline_r"].sel(part="243sentences", participant="199") > 0.8
        assert score["unique_r2"].sel(part="384sentences", participant="018") > 0.5
        assert score["unique_r2"].sel(part="384sentences", participant="199") < 0.1
        # 288 did one experiment only
        assert np.isnan(score["r_best"].sel(part="384sentences", participant="288"))
        assert np.isfinite(score["r_best"].sel(part="243sentences", participant="288"))
        assert score.sizes == {"part": 2, "participant": 3, "layer": 2}


BOAR = [
    "If you were to journey ",
    "to the North of England, you would come ",
    "to a valley that is surrounded by moors ",
    "as high as mountains. It is in this valley ",
    "where you would find the city of Bradford, ",
    "where once a thousand spinning jennies ",
    "that hummed and clattered spun wool ",
    "into money for the long-",
    "bearded mill owners. That all mill owners ",
    "were generally busy as beavers ",
]
"""The first pieces of a story as Brain-Score's ``data/blank2014`` has them: its test joins them
without a separator (where it cuts between pieces is not stated but for "Once upon a ")."""


class TestBlank:
    @pytest.fixture
    def data(self, place):
        """Six stories of 20 pieces, rows shuffled; ten pieces are two to a sentence."""
        names = ["Aqua", "Boar", "Elvis", "Tulips", "MrSticky", "HighSchool"]
        pieces = {name: [f"{t} " for t in sentences(20, i)] for i, name in enumerate(names)}
        pieces["Boar"] = BOAR + pieces["Boar"][10:]
        story = np.repeat(names, 20)
        piece = np.array([p for name in names for p in pieces[name]])
        place_in_story = np.tile(np.arange(20), 6)
        rng = np.random.default_rng(0)
        driver = rng.normal(size=(120, 1))
        values = driver + 0.5 * rng.normal(size=(120, 4))
        shuffled = rng.permutation(120)
        place(
            Blank2014,
            values[shuffled],
            {
                "stimulus": piece[shuffled],
                "story": story[shuffled],
                "sentence_number_in_story": (place_in_story // 2)[shuffled],
                "part_number_in_sentence": (place_in_story % 2)[shuffled],
            },
            {"subject_id": ["061", "061", "085", "085"], "fROI_area": ["a", "b", "a", "b"]},
        )
        return driver, dict(zip(piece, driver[:, 0], strict=True))

    def test_pieces_make_up_the_published_text(self, data):
        benchmark = Blank2014()
        boar = next(p for p in benchmark.passages if p.name.endswith("Boar"))
        assert boar.text.startswith(
            "If you were to journey to the North of England, you would come to a valley that is"
            " surrounded by moors as high as mountains. It is in this valley where you would find"
            " the city of Bradford, where once a thousand spinning jennies that hummed and"
            " clattered spun wool into money for the long-bearded mill owners. That all mill owners"
            " were generally busy as beavers "
        )
        assert boar.items[0] == "If you were to journey"  # no blank that the next word owns
        assert boar.items[7:9] == (
            "into money for the long-",
            "bearded mill owners. That all mill owners",
        )

    def test_stories_are_held_out_whole(self, data):
        _, driver = data
        benchmark = Blank2014()
        assert [p.name for p in benchmark.passages][:2] == ["all/Aqua", "all/Boar"]
        own = np.array([[driver[item]] for item in benchmark.data.items])
        score = benchmark.score(recording(benchmark, own))
        assert float(score["value"]) > 0.7
        assert abs(float(score["baseline"])) < 0.3


def test_an_order_that_is_missing_or_written_as_text(tmp_path):
    columns = {"stimulus": sentences(40), "story": ["a"] * 20 + ["b"] * 20}
    shuffled = np.random.default_rng(2).permutation(40)
    columns = {name: np.array(values)[shuffled] for name, values in columns.items()}
    path = tmp_path / "a.nc"
    written(path, np.zeros((40, 2)), columns, {"subject": ["a", "b"]})
    with pytest.raises(DataError, match="no coordinate 'stimulus_num'"):
        read_assembly(path, groups="story", order=("stimulus_num",))
    columns["stimulus_num"] = shuffled.astype(str)  # "10" comes after "9"
    written(path, np.zeros((40, 2)), columns, {"subject": ["a", "b"]})
    found = read_assembly(path, groups="story", order=("stimulus_num",))
    assert found.items.tolist() == sentences(40)


def test_words_of_fedorenko_are_sorted_within_their_sentence(place):
    number, word = np.repeat(np.arange(20), 8), np.tile(np.arange(8), 20)
    shuffled = np.random.default_rng(0).permutation(160)
    texts = np.array([f"W{s}x{w}" for s, w in zip(number, word, strict=True)])
    rng = np.random.default_rng(0)
    values = word[:, None] + rng.normal(size=(160, 3))
    place(
        Fedorenko2016,
        values[shuffled],
        {
            "stimulus": texts[shuffled],
            "word_num": word[shuffled],
            "sentence_id": number[shuffled],
        },
        {"subject_UID": [1, 1, 2], "electrode": [0, 1, 2]},
    )
    benchmark = Fedorenko2016()
    assert all(p.text.endswith(f"x{7}") for p in benchmark.passages)
    first = benchmark.passages[0].items
    assert [t.rpartition("x")[2] for t in first] == list("01234567")
    # a ramp over the sentence is the baseline's, not the model's
    score = benchmark.score(recording(benchmark, np.zeros((160, 0))))
    assert float(score["baseline"]) > 0.8
    assert abs(float(score["unique_r2"].mean())) < 0.05


def test_sentences_of_tuckute_stand_alone(place):
    rng = np.random.default_rng(0)
    driver = rng.normal(size=(100, 1))
    place(
        Tuckute2024,
        driver + 0.3 * rng.normal(size=(100, 1)),
        {"stimulus": sentences(100), "stimulus_id": np.arange(100), "cond": ["T"] * 100},
        {"subject_UID": ["848-853"], "roi": ["lang_LH_netw"]},
    )
    benchmark = Tuckute2024()
    assert len(benchmark.passages) == 100
    score = benchmark.score(recording(benchmark, driver))
    assert float(score["value"]) > 0.8
    assert np.isnan(float(score["low"]))  # nobody to resample


class TestFaults:
    def test_not_here(self, place):
        with pytest.raises(OfflineError, match="brainpress fetch pereira2018"):
            Pereira2018()

    def test_another_file(self, place):
        from harness.errors import ChecksumError

        path = place(Tuckute2024)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"CDF")
        with pytest.raises(ChecksumError, match="sha1"):
            Tuckute2024()

    @pytest.mark.parametrize("fault", ["cut", "dims", "coordinate", "length"])
    def test_of_the_content(self, tmp_path, fault):
        path = tmp_path / "a.nc"
        presentation = {"stimulus": sentences(40)}
        written(path, np.zeros((40, 500)), presentation, {"subject": ["a"] * 500})
        if fault == "cut":
            path.write_bytes(path.read_bytes()[:5000])
            message = "not a whole netCDF file"
        elif fault == "dims":
            xr.DataArray(np.zeros((3, 2)), dims=("time", "voxel")).to_netcdf(path)
            message = "0 arrays of presentation x neuroid"
        elif fault == "coordinate":
            message = "no coordinate 'story'"
        else:
            with pytest.raises(DataError, match="1 groups cannot be dealt"):
                group_folds(["a"] * 40, 5)
            return
        with pytest.raises(DataError, match=message):
            read_assembly(path, groups="story" if fault == "coordinate" else "")


@pytest.mark.needs_data("registries/brainscore_language_s3.tsv")
@pytest.mark.parametrize("benchmark", [Pereira2018, Blank2014, Fedorenko2016, Tuckute2024])
def test_addresses_and_checksums_are_the_registrys(benchmark):
    from harness.place.locate import find

    (resource,) = benchmark.resources()
    rows = [
        line.split("\t")
        for line in find("registries/brainscore_language_s3.tsv").read_text().splitlines()
    ]
    known = {row[1]: f"sha1:{row[2]}" for row in rows[1:]}
    assert known[resource.address] == resource.checksum
    assert resource.address.startswith(sentence_assemblies.ADDRESS)
