"""Little Prince: files written here in the published layout, and their faults."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.neural import littleprince
from brainpress_plugins.benchmarks.neural.littleprince_files import EDITIONS, Edition, read_words
from volumes import cut, late, noisy, write_image

from harness.check.runs import benchmark_findings
from harness.errors import ChecksumError, DataError, OfflineError

pytest.importorskip("nibabel")
PEOPLE = ("EN057", "EN058", "EN061")
FIRST_RUN = {"EN057": 15, "EN058": 8, "EN061": 3}
VOLUMES = (40, 45, 42)
SECTIONS = range(1, 4)
WORDS, PROSODY = EDITIONS["en"].words, EDITIONS["en"].prosody
HEADER = ["word", "lemma", "onset", "offset", "logfreq", "pos", "td", "bu", "lc", "section"]


def run_name(person, section):
    number = FIRST_RUN[person] + section - 1
    return (
        f"derivatives/sub-{person}/func/sub-{person}_task-lppEN_run-{number:02d}"
        "_space-MNIColin27_desc-preproc_bold.nii.gz"
    )


def word_rows():
    """Four words in three seconds, all over each section."""
    rng = np.random.default_rng(0)
    rows = []
    for section, volumes in zip(SECTIONS, VOLUMES, strict=True):
        onset = 0.3
        while onset < 2 * volumes - 9:
            word = str(rng.choice(["once", "when", "i", "was", "six", "years", "old"]))
            rows.append([word, word, onset, onset + 0.4, 3.1, "NN", 1, 1, 1, section])
            onset = round(onset + 0.75, 3)
    return rows


def write_table(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["", *header])
        table.writerows([number, *row] for number, row in enumerate(rows))


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Three people, three sections; ``lab.signal`` is what all of them share."""
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    edition = replace(EDITIONS["en"], volumes=VOLUMES)
    listed = dict.fromkeys((WORDS, PROSODY), (None, ""))
    listed |= {run_name(p, s): (None, "") for p in PEOPLE for s in SECTIONS}
    vars(edition.files)["entries"] = listed
    monkeypatch.setitem(EDITIONS, "en", edition)
    root = tmp_path / "ds003643"
    write_table(root / WORDS, HEADER, word_rows())
    voice = [
        [round(0.01 * i, 2), 60 + section, 200 + i, section]
        for section, volumes in zip(SECTIONS, VOLUMES, strict=True)
        for i in range(100 * (2 * volumes - 8))
    ]
    write_table(root / PROSODY, ["time", "intensity", "f0", "section"], voice)
    rng = np.random.default_rng(1)
    signal = [rng.normal(size=n) for n in VOLUMES]
    for i, person in enumerate(PEOPLE):
        for section in SECTIONS:
            values = noisy(late(signal[section - 1], 2), seed=10 * i + section)
            write_image(root / run_name(person, section), values)
    return Lab(root, signal)


class Lab:
    def __init__(self, root, signal):
        self.root, self.signal = root, signal

    def write(self, person, section, values):
        write_image(self.root / run_name(person, section), values)

    def recording(self):
        """Layer 1 holds what drove the responses, layer 0 noise."""
        driver = np.concatenate(self.signal)
        rng = np.random.default_rng(5)
        layers = [rng.normal(size=(len(driver), 4)), np.repeat(driver[:, None], 4, axis=1)]
        return xr.DataArray(
            np.stack(layers, axis=1).astype(np.float32),
            dims=("sample", "layer", "unit"),
            coords={"layer": [0, 1]},
        )


def build(**options):
    return littleprince.LittlePrince(participants="+".join(PEOPLE), **options)


class TestStimuli:
    def test_words_and_volumes_start_with_the_audio(self, lab):
        (request,) = build().requests()
        assert request.readout.rows(request.stimuli) == VOLUMES
        assert request.readout.times[1][:2] == (1.0, 3.0)
        names = [p.name for p in request.stimuli.passages]
        assert names == ["section 1", "section 2", "section 3"]
        assert request.stimuli.passages[2].onsets[:2] == (0.3, 1.05)

    def test_rows_that_were_not_read_aloud_are_dropped(self, lab):
        rows = [["the", "the", 0.01 * i, 0.01 * i, 1, "DT", 1, 1, 1, 1] for i in range(6790)]
        rows[3919][0], rows[6775][0], rows[6781][0] = "twice", "unread", "unread"
        rows[5][0] = " "
        rows += [["a", "a", 1, 2, 1, "DT", 1, 1, 1, section] for section in (2, 3)]
        write_table(lab.root / WORDS, HEADER, rows)
        first = read_words(lab.root / WORDS, 3, EDITIONS["en"])[0]
        assert set(first.items) == {"the"}
        assert len(first.items) == 6790 - 4

    def test_pictures_and_voice_are_nuisance(self, lab):
        nuisance = build().data.nuisance
        shown = nuisance["picture"][:40]
        # 10 to 25 s, 35 to 55 s, 60 to 75 s
        assert shown.sum() * 2.0 == pytest.approx(50.0)
        assert shown[[4, 5, 12, 13, 17, 18, 30, 38]].tolist() == [0, 1, 0.5, 0, 0.5, 1, 1, 0]
        assert np.flatnonzero(nuisance["picture onset"]).tolist() == [5, 17, 30]
        assert nuisance["picture"][40:].max() == 0
        voice = nuisance["voice intensity"]
        assert voice[:36].tolist() == [61.0] * 36
        assert voice[36:40].tolist() == [0.0] * 4  # after the audio
        assert voice[40:81].tolist() == [62.0] * 41
        assert nuisance["voice f0"][1] == pytest.approx(200 + (200 + 399) / 2)
        assert set(nuisance) >= {"word rate", "word length", "log frequency"}


class TestScores:
    def test_by_region(self, lab):
        benchmark = build()
        (request,) = benchmark.requests()
        score = benchmark.score({request: lab.recording()})
        assert score["r"].dims == ("participant", "roi", "layer")
        assert score["roi"].values.tolist() == ["TP", "aSTS", "pSTS", "TPJ", "IFGorb", "IFGtri"]
        assert float(score["value"]) > 0.7
        assert (score["layer_best"] == 1).all()
        assert 0.7 < float(score["ceiling"]) < 1
        assert float(score["unique_r2"].mean()) > 0.4
        assert score.attrs["profile"] == "strict"

    def test_by_voxel_with_the_others_as_ceiling(self, lab):
        benchmark = build(resolution="voxel")
        (request,) = benchmark.requests()
        score = benchmark.score({request: lab.recording()})
        n_voxels = benchmark.data.source.n_voxels("EN057")
        assert score.sizes["voxel"] == 3 * n_voxels
        assert score["r_roi"].dims == ("participant", "roi")
        assert float(score["value"]) > 0.5
        # signal and noise are equal: r of one voxel with the mean of two others is 1/sqrt(3)
        assert float(score["ceiling"]) == pytest.approx(3**-0.5, abs=0.06)
        assert "leave-one-out" in score.attrs["ceiling_kind"]
        assert np.isfinite(float(score["normalised"]))
        # The signal is no nuisance regressor: nearly all of r squared is the model's own.
        assert score["unique_r2"].dims == ("participant",)
        assert score["unique_r2_roi"].dims == ("participant", "roi")
        assert (score["unique_r2"] > 0.2).all()
        assert score["voxel_unique_r2"].sizes["voxel"] == 3 * n_voxels
        assert "word rate" in score.attrs["nuisance"]

    @pytest.mark.parametrize("resolution", ["roi", "voxel"])
    def test_slow_drifts_are_filtered_out(self, lab, resolution):
        """A drift as large as ten times the signal, over the whole of each section."""
        for i, person in enumerate(PEOPLE):
            for section, volumes in zip(SECTIONS, VOLUMES, strict=True):
                drift = 60 * np.cos(np.pi * np.arange(volumes) / volumes)
                values = noisy(late(lab.signal[section - 1], 2), seed=10 * i + section)
                values[1:] += drift
                lab.write(person, section, values)
        benchmark = build(resolution=resolution)
        (request,) = benchmark.requests()
        assert float(benchmark.score({request: lab.recording()})["value"]) > 0.4

    @pytest.mark.parametrize("resolution", ["roi", "voxel"])
    def test_end_to_end_with_the_mock_model(self, lab, resolution):
        spec = replace(
            littleprince.brainpress_benchmarks()[0],
            options={"participants": PEOPLE, "resolution": resolution, "context": "words(3)"},
        )
        findings = benchmark_findings(spec)
        assert [f.outcome for f in findings] == ["passed"] * 5, findings


class TestFaults:
    def test_a_missing_run(self, lab):
        (lab.root / run_name("EN058", 2)).unlink()
        with pytest.raises(OfflineError, match=r"EN058_task-lppEN_run-09") as caught:
            build()
        assert "brainpress fetch littleprince-en" in caught.value.hint

    def test_a_missing_participant(self, lab):
        with pytest.raises(DataError, match=r"no participants \['EN060'\]") as caught:
            littleprince.LittlePrince(participants="EN057+EN060")
        assert "EN061" in caught.value.hint

    @pytest.mark.parametrize("volumes", [36, 44])
    def test_a_wrong_number_of_volumes(self, lab, volumes):
        lab.write("EN061", 1, noisy(np.zeros(volumes), seed=3))
        with pytest.raises(DataError, match=rf"EN061, section 1: .*has {volumes} volumes.*40"):
            build()

    def test_one_volume_fewer_shortens_the_section_for_all(self, lab):
        lab.write("EN061", 2, noisy(np.zeros(44), seed=3))
        lab.write("EN058", 2, noisy(np.zeros(46), seed=3))
        (request,) = build().requests()
        assert request.readout.rows(request.stimuli) == (40, 44, 42)
        assert len(build().data.source.runs) == 126

    def test_an_image_cut_short(self, lab):
        cut(lab.root / run_name("EN057", 3))
        benchmark = build()
        (request,) = benchmark.requests()
        with pytest.raises(DataError, match=r"sub-EN057.*run-17.*not a whole NIfTI file"):
            benchmark.score({request: lab.recording()})

    def test_voxels_with_nan_are_left_out(self, lab):
        values = noisy(late(lab.signal[0], 2), seed=1)
        values[2, ..., 7] = np.nan
        lab.write("EN057", 1, values)
        benchmark = build()
        (request,) = benchmark.requests()
        score = benchmark.score({request: lab.recording()})
        assert "EN057" in score["participant"].values
        assert float(score["value"]) > 0.7

    def test_a_participant_without_a_region_is_left_out_and_named(self, lab):
        values = noisy(late(lab.signal[0], 2), seed=1)
        values[..., 7] = np.nan
        lab.write("EN057", 1, values)
        benchmark = build()
        (request,) = benchmark.requests()
        score = benchmark.score({request: lab.recording()})
        assert score["participant"].values.tolist() == ["EN058", "EN061"]
        assert "EN057" in score.attrs["left_out"]
        assert "no usable voxel in TP" in score.attrs["left_out"]

    def test_a_table_without_times(self, lab):
        rows = word_rows()
        rows[7][2] = "n/a"
        write_table(lab.root / WORDS, HEADER, rows)
        with pytest.raises(DataError, match=r"word_information\.csv, line 9: .*'n/a'"):
            build()

    def test_a_table_without_a_section(self, lab):
        rows = [row for row in word_rows() if row[-1] != 2]
        write_table(lab.root / WORDS, HEADER, rows)
        with pytest.raises(DataError, match="no words of section 2"):
            build()

    def test_a_table_without_columns(self, lab):
        (lab.root / WORDS).write_text("/annex/objects/MD5E-s1041287--e157ef21\n")
        with pytest.raises(DataError, match="lacks the columns word, onset, offset, section"):
            build()

    def test_prosody_that_is_no_table(self, lab):
        (lab.root / PROSODY).write_text("time,intensity\n0.1,loud\n")
        with pytest.raises(DataError, match=r"lppEN_prosody\.csv is not a table"):
            build()

    def test_words_that_run_backwards(self, lab):
        rows = word_rows()
        rows[20][2], rows[20][3] = 1.0, 1.4
        write_table(lab.root / WORDS, HEADER, rows)
        with pytest.raises(DataError, match=r"section 1: word 21 starts at 1 s"):
            build()

    def test_resolution(self, lab):
        with pytest.raises(DataError, match="neuron"):
            build(resolution="neuron")


def table(path, words):
    rows = [[w, w, i, i + 0.5, 1, "X", 1, 1, 1, 1] for i, w in enumerate(words)]
    write_table(path, HEADER, rows)
    return path


def test_french_clitics_stand_next_to_their_word(tmp_path):
    """Tables of public readers have them with an apostrophe (which they strip) and without."""
    path = table(tmp_path / "words.csv", ["j'", "ai", "vu", "l", "avion", "qu\u2019", "il", "aime"])
    (passage,) = read_words(path, 1, EDITIONS["fr"])
    assert passage.text == "j'ai vu l'avion qu'il aime"
    assert passage.items == ("j'", "ai", "vu", "l'", "avion", "qu'", "il", "aime")


def test_chinese_words_are_not_parted(tmp_path):
    (passage,) = read_words(table(tmp_path / "w.csv", ["我", "八岁", "那年"]), 1, EDITIONS["zh"])
    assert passage.text == "我八岁那年"
    assert passage.items == ("我", "八岁", "那年")


def test_words_that_the_table_has_otherwise_than_they_were_read(tmp_path):
    edition = Edition("FR", "fr", (40,), dropped=frozenset((1,)), corrected={2: "trois"})
    path = table(tmp_path / "words.csv", ["les", "s'", "quatre", "étoiles"])
    assert read_words(path, 1, edition)[0].text == "les trois étoiles"


@pytest.mark.parametrize(("language", "people"), [("en", 49), ("fr", 28), ("zh", 35)])
def test_everybody_heard_nine_sections(language, people):
    """Numbers of people are those of the data set's README, and of its file tree."""
    runs = EDITIONS[language].runs
    assert len(runs) == people
    assert {len(own) for own in runs.values()} == {9}
    assert len(littleprince.LittlePrince.resources(language=language)) == 2 + 9 * people
    (spec, _) = (s for s in littleprince.brainpress_benchmarks() if language in s.tags)
    assert spec.data.startswith(f"{people} listeners, 9 sections")


def test_published_files(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    resources = littleprince.LittlePrince.resources()
    assert len(resources) == 2 + 49 * 9
    assert all(r.checksum.startswith("md5:") and r.size for r in resources)
    two = littleprince.LittlePrince.resources(participants=("EN057", "EN058"))
    assert [r.name[:26] for r in two[2:4]] == ["sub-EN057_task-lppEN_run-1"] * 2
    assert "run-15" in two[2].name  # the first section is the lowest number
    path = tmp_path / two[0].where
    path.parent.mkdir(parents=True)
    path.write_text("word,onset,offset,section\n")
    with pytest.raises(ChecksumError, match="md5"):
        littleprince.LittlePrince(participants="EN057")


def test_frequencies_are_those_of_the_language(lab, monkeypatch):
    """Not those of English, whatever they heard."""
    from harness.encode.score.stories import StoryBenchmark
    from harness.stimuli import nuisance

    asked = []

    def spied(words, language):
        asked.append(language)
        return [1.0] * len(words)

    monkeypatch.setattr(nuisance, "zipf_frequencies", spied)
    benchmark = build()
    _ = benchmark.clocks
    object.__setattr__(benchmark, "language", "fr")
    asked.clear()
    _ = StoryBenchmark.nuisance(benchmark)
    assert set(asked) == {"fr"}


@pytest.mark.parametrize("fill", [0.0, -9999.7])
def test_a_ceiling_of_others_is_made_without_what_they_lack(lab, fill):
    """One participant's run is missing: the others' ceiling is that of the two who are whole."""
    lab.write("EN061", 2, np.full_like(noisy(late(lab.signal[1], 2), seed=1), fill))
    benchmark = build(resolution="voxel")
    ceilings = benchmark.voxel_ceilings
    source = benchmark.data.source
    runs = np.asarray(source.runs)

    def z(person):
        values = np.asarray(source.block(person, 0, 5), float)
        parts = [values[runs == r] for r in dict.fromkeys(runs)]
        return np.concatenate([(p - p.mean(axis=0)) / p.std(axis=0) for p in parts])

    first, second = z("EN057"), z("EN058")
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(first.T, second.T, strict=True)]
    np.testing.assert_allclose(ceilings["EN057"][:5], expected, atol=1e-6)
    assert np.isnan(ceilings["EN061"]).all()
