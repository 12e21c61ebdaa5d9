"""Own data as laboratories have it: clocks, encodings, languages, aligners' leftovers."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from harness.cli.new_benchmark import scaffold_benchmark
from harness.errors import DataError
from harness.own_data.benchmark import OwnData
from harness.own_data.description import spec_from_data
from harness.own_data.words import read_words
from harness.spec.specs import load_target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set that runs: two runs of 100 volumes of 2 s, words for 173 s of each."""
    made = tmp_path / "lab"
    scaffold_benchmark("lab", made)
    return made


def made(folder: Path) -> OwnData:
    benchmark: OwnData = load_target(spec_from_data(f"data:{folder}"))
    return benchmark


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "benchmark.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def table(folder: Path, *lines: str, name: str = "run1.tsv", encoding: str = "utf-8") -> Path:
    path = folder / "events" / name
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


class TestClocks:
    def test_a_tr_in_milliseconds(self, folder: Path) -> None:
        change(folder, "tr = 2.0", "tr = 2000.0")
        with pytest.raises(
            DataError, match=r"words of run run1 last from 0 to 173 s.*to 198,001 s"
        ) as e:
            made(folder)
        assert "is tr in seconds?" in e.value.hint

    def test_words_in_milliseconds(self, folder: Path) -> None:
        path = folder / "events" / "run1.tsv"
        header, *rows = path.read_text().splitlines()
        cells = [row.split("\t") for row in rows]
        late = [f"{1000 * float(a)}\t{1000 * float(b)}\t{w}" for a, b, w in cells]
        table(folder, header, *late)
        with pytest.raises(DataError, match="run1 last from 0 to 172,"):
            made(folder)

    def test_arrays_that_lie_on_their_side(self, folder: Path) -> None:
        for path in (folder / "responses").glob("*.npy"):
            np.save(path, np.load(path).T)
        with pytest.raises(DataError) as e:
            made(folder)
        assert e.value.hint == "are the arrays (volumes, columns), not (columns, volumes)?"

    def test_words_in_a_third_of_the_volumes_are_told(self, folder: Path) -> None:
        for path in (folder / "responses").glob("*.npy"):
            np.save(path, np.tile(np.load(path), (3, 1)))
        with pytest.warns(UserWarning, match="29% of the volumes and 100% of the words meet"):
            made(folder)

    def test_nothing_is_told_of_what_is_usual(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert made(folder).told == ()


class TestFiles:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
    def test_tables_of_other_programs(self, folder: Path, encoding: str) -> None:
        lines = ["onset\tduration\tword", "0.0\t0.5\tdéjà", "1.0\t0.5\tvu"]
        assert read_words(table(folder, *lines, encoding=encoding), "r").items == ("déjà", "vu")
        table(folder, "\r".join(lines))
        assert read_words(folder / "events" / "run1.tsv", "r").items == ("déjà", "vu")

    def test_tiers_of_two_speakers(self, folder: Path) -> None:
        tiers = [
            f'"IntervalTier"\n"words"\n0\n2\n1\n{at}\n{at + 1}\n"{who}\nherself"'
            for at, who in enumerate(["alice", "bob"])
        ]
        head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2\n<exists>\n2'
        path = table(folder, head, *[t.replace("\nherself", "") for t in tiers], name="a.TextGrid")
        with pytest.raises(DataError, match=r"2 tiers of words: words, words \(2\)"):
            read_words(path, "r")
        assert read_words(path, "r", tier="words").items == ("alice",)
        second = read_words(path, "r", tier="words (2)")
        assert (second.items, second.onsets) == (("bob",), (1.0,))

    def test_a_textgrid_in_place_of_a_table(self, folder: Path) -> None:
        marks = "\n".join(f'{i}\n{i + 1}\n"{w}"' for i, w in enumerate(["sp", "the", "CAT"]))
        head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n3\n<exists>\n1'
        tier = f'"IntervalTier"\n"word"\n0\n3\n3\n{marks}'
        passage = read_words(table(folder, head, tier, name="a.TextGrid"), "r")
        assert passage.items == ("the", "CAT")
        assert passage.onsets == (1.0, 2.0)

    def test_words_without_times_are_read_and_weigh_nothing(self, folder: Path) -> None:
        path = table(
            folder,
            "onset\tduration\tword",
            "0.0\t0.5\tthe",
            "n/a\tn/a\tunaligned",
            "1.0\t0.5\that",
            "1.5\t0.5\tn/a",
        )
        passage = read_words(path, "r")
        assert passage.text == "the unaligned hat"
        assert passage.items == ("the", "hat")
        assert passage.onsets == (0.0, 1.0)

    def test_no_word_has_a_time(self, folder: Path) -> None:
        path = table(folder, "onset\tduration\tword", "n/a\tn/a\tthe")
        with pytest.raises(DataError, match="no words with times"):
            read_words(path, "r")


class TestLanguages:
    CHINESE = ("今天", "天气", "很", "好")

    def chinese(self, folder: Path) -> None:
        for run in ("run1", "run2"):
            rows = [f"{0.8 * i}\t0.6\t{self.CHINESE[i % 4]}" for i in range(200)]
            table(folder, "onset\tduration\tword", *rows, name=f"{run}.tsv")

    @pytest.mark.parametrize("language", ["zh", "ja", "ko"])
    def test_frequencies_need_no_tokenizer(self, folder: Path, language: str) -> None:
        change(folder, "delays =", f'language = "{language}"\ndelays =')
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frequency = made(folder).data.nuisance["log frequency"]
        assert np.isfinite(frequency).all()

    def test_chinese_as_it_is_written(self, folder: Path) -> None:
        self.chinese(folder)
        change(folder, "delays =", 'language = "zh"\nseparator = ""\ndelays =')
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            benchmark = made(folder)
        passage = benchmark.passages[0]
        assert passage.text.startswith("今天天气很好今天")
        assert passage.items[:4] == self.CHINESE
        assert benchmark.data.nuisance["log frequency"].max() > 5

    def test_hardly_any_word_has_a_frequency(self, folder: Path) -> None:
        self.chinese(folder)
        with pytest.warns(UserWarning, match="0% of the words have a frequency in language 'en'"):
            benchmark = made(folder)
        assert "is it another one?" in benchmark.told[0]

    def test_no_such_language(self, folder: Path) -> None:
        change(folder, "delays =", 'language = "chinese"\ndelays =')
        with pytest.raises(DataError, match="no word frequencies of language 'chinese'") as e:
            made(folder)
        assert "zh" in e.value.hint

    def test_columns_of_spaces_and_of_text(self, folder: Path) -> None:
        path = table(
            folder,
            "onset\tduration\tword\ttext\tspace",
            "0.0\t0.5\tl\tL'\t0",
            "0.5\t0.5\tavion\tavion,\t1",
            "1.0\t0.5\tvola\tvola.\t1",
        )
        passage = read_words(path, "r")
        assert passage.text == "L'avion, vola."
        assert passage.items == ("L'", "avion,", "vola.")

    def test_a_running_text(self, folder: Path) -> None:
        path = table(folder, "onset\tduration\tword", "0\t1\tthe", "1\t1\tcat", "n/a\tn/a\tsat")
        text = folder / "text.txt"
        text.write_text("“The cat,” they said, “sat.”", encoding="utf-8")
        passage = read_words(path, "r", text=text)
        assert passage.text.startswith("“The cat,”")
        assert passage.items == ("The", "cat")
        text.write_text("The dog sat.")
        with pytest.raises(DataError, match="word 2 of run r, 'cat', is not in what is left"):
            read_words(path, "r", text=text)
