"""*Alice* EEG: archives, recordings and tables that are not what they should be."""

from __future__ import annotations

import csv
import io

import alice_eeg
import numpy as np
import pytest
from brainpress_plugins.benchmarks.neural import alice_eeg_files as files
from brainpress_plugins.benchmarks.neural import brennan2019_alice_eeg as alice
from brainpress_plugins.benchmarks.neural.eeg_recordings import activity_around_words

from harness.errors import ChecksumError, DataError, OfflineError, SelectionError
from harness.runner.resources import benchmark_resources

mne = pytest.importorskip("mne")
PEOPLE = {"S01": {"archive": 0}, "S26": {"archive": 1, "lacks": True}, "S44": {"archive": 2}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return alice_eeg.make(tmp_path_factory.mktemp("data") / "alice-eeg", PEOPLE)


@pytest.fixture
def lab(made, monkeypatch, tmp_path):
    alice_eeg.offer(made, monkeypatch, tmp_path / "cache")
    return made


@pytest.fixture
def other(tmp_path, monkeypatch):
    """A miniature of other people, or with faults."""

    def make(people, **options):
        found = alice_eeg.make(tmp_path / "alice-eeg", people, **options)
        alice_eeg.offer(found, monkeypatch, tmp_path / "cache")
        return found

    return make


def build(**options):
    return alice.AliceEEG(**{"participants": "+".join(PEOPLE), **options})


def test_archives_that_are_not_here_or_not_the_published_ones(lab, tmp_path, monkeypatch):
    monkeypatch.setitem(files.ARCHIVES, "eeg.1.zip", ("x", "0" * 32))
    with pytest.raises(ChecksumError, match=r"eeg\.1\.zip has md5"):
        build()
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    with pytest.raises(OfflineError, match=r"alice-eeg/stimuli\.zip") as caught:
        build()
    assert "brainpress fetch brennan2019-alice-eeg" in caught.value.hint


def test_participants(lab):
    with pytest.raises(DataError, match=r"no participants \['S02'\]"):
        build(participants="S02")
    with pytest.raises(DataError, match="no recording of S03, S04") as caught:
        build(participants="S01+S03+S04")
    assert "S01, S26, S44" in caught.value.hint
    with pytest.raises(SelectionError, match="does not tell participants apart"):
        benchmark_resources(alice.brainpress_benchmarks()[0], ["S01"])


def test_two_recordings_of_one(tmp_path):
    for name in ("a.zip", "b.zip"):
        alice_eeg.pack(tmp_path / name, {"eeg/S01/S01_alice-raw.fif": b""})
    with pytest.raises(DataError, match=r"a\.zip and b\.zip both hold a recording of S01"):
        files.recordings_in([tmp_path / "a.zip", tmp_path / "b.zip"])


def test_a_recording_that_ends_early(other):
    made = other({"S01": {"ends": 60.0}})
    benchmark = build(participants="S01")
    ends = 3 + np.cumsum([seconds + alice_eeg.PAUSE for seconds in made.durations.values()])
    whole = int((ends < 59).sum())
    segments = benchmark.words.segments[benchmark.rows]
    heard = np.isfinite(benchmark.activity["S01"]).any(axis=(1, 2))
    assert heard[segments <= whole].all()
    assert not heard[segments > whole + 2].any()
    with pytest.raises(DataError, match=r"participant S01: the recording has \d+ of \d+ words"):
        _ = benchmark.heard


def test_a_file_that_is_no_recording(other, monkeypatch):
    made = other({"S01": {}})
    name = "eeg/S01/S01_alice-raw.fif"
    for content in (b"", made.fif("S01")[:5000]):
        alice_eeg.pack(made.folder / "eeg.0.zip", {name: content})
        md5 = alice_eeg.md5_of(made.folder / "eeg.0.zip")
        monkeypatch.setitem(files.ARCHIVES, "eeg.0.zip", ("x", md5))
        with pytest.raises(DataError, match=f"{name} is not a whole FIF file"):
            _ = build(participants="S01").activity


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["a", "b", "c"], "marks the starts of the segments none"),
        (["1", "2", "2"], "marks the starts of the segments 1, 2, 2"),
        (["1", "12", "3"], "segment 12 start .* before segment 1 ends"),
    ],
)
def test_labels(lab, tmp_path, labels, said):
    raw = alice_eeg.raw_of(lab, "S01", tmp_path)
    raw.set_annotations(mne.Annotations([3.0, 8.0, 40.0], [0.1] * 3, labels))
    raw.save(path := tmp_path / "labelled-raw.fif", verbose="ERROR")
    benchmark = build()
    with pytest.raises(DataError, match=said):
        activity_around_words(
            path.read_bytes(),
            "S01",
            files.CHANNELS,
            lab.segments,
            lab.onsets,
            lab.durations,
            benchmark.lags,
        )


def test_no_channel(lab):
    with pytest.raises(DataError, match="S01 has no good channel of Cz to Pz among its 15"):
        activity_around_words(
            lab.fif("S01"), "S01", ("Cz", "Pz"), lab.segments, lab.onsets, lab.durations,
            build().lags,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"LogFreq": None}, "lacks the columns LogFreq"),
        ({"onset": "soon"}, "line 2: 'Alice' has no usable times"),
        ({"Segment": "13"}, "line 2: 'Alice' has no usable times"),
        ({"Word": " "}, "line 2: '' has no usable times"),
    ],
)
def test_tables_of_words(change, said):
    row = {"Word": "Alice", "Segment": "1", "onset": "0.1", "offset": "0.3", "LogFreq": "9"}
    row = {k: v for k, v in ({**row, "Position": "1"} | change).items() if v is not None}
    lines = csv.DictWriter(text := io.StringIO(), row)
    lines.writeheader()
    lines.writerow(row)
    with pytest.raises(DataError, match=f"words.csv,? {said}"):
        files.read_words(text.getvalue().encode(), "words.csv")


def test_lags_that_make_no_sense(lab):
    with pytest.raises(DataError, match="earliest is no later"):
        build(step=0)
