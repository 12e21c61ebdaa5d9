"""Narratives: files written here in the published layout, and their faults."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.neural import narratives, narratives_files
from brainpress_plugins.benchmarks.neural.narratives_files import STORIES, Story, read_alignment
from volumes import AFFINE, cut, late, noisy, write_image

from harness.check.runs import benchmark_findings
from harness.errors import DataError, OfflineError

pytest.importorskip("nibabel")
PEOPLE = ("sub-001", "sub-002", "sub-003")
SHORT = {
    "black": Story("black", 12.0, 12.0, 8, 60),
    "pieman": Story("pieman", 0.0, 15.0, 10, 55),
    "tunnel": Story("tunnel", 3.0, 3.0, 2, 58),
}
SILENCE = 5
"""Volumes after the end of a story."""
SCANS = {
    "black": [f"{p}_task-black" for p in PEOPLE],
    "pieman": ["sub-001_task-pieman_run-2", "sub-002_task-pieman", "sub-003_task-pieman"],
    "tunnel": [f"{p}_task-tunnel" for p in (*PEOPLE, "sub-004")],
}
END = "space-MNI152NLin2009cAsym_res-native_desc-clean_bold.nii.gz"


def scan_path(root, person, story, derivative="afni-nosmooth"):
    scan = next(s for s in SCANS[story] if s.startswith(person))
    return root / "derivatives" / derivative / person / "func" / f"{scan}_{END}"


def alignment(story, missing=(), early=()):
    """A word every 0.5 s of the sound file, with what Gentle writes of it."""
    texts = [
        "I",
        "began",
        "my",
        "illustrious",
        "career,",
        "in",
        "journalism;",
        "in",
        "the",
        "Bronx.",
    ]
    start = story.speech - story.audio
    n = int((story.volumes * 1.5 - 4) / 0.5)
    text, words = "", []
    for i in range(n):
        token = texts[i % len(texts)]
        at = len(text)
        text += f"{token} "
        bare = token.rstrip(",;.")
        word = {"word": bare, "startOffset": at, "endOffset": at + len(bare)}
        if i in missing:
            words.append({**word, "case": "not-found-in-audio"})
            continue
        onset = 0.2 if i in early else start + 0.5 * i
        phones = [{"phone": "b_B", "duration": 0.1}] * (1 + i % 3)
        words.append(
            {
                **word,
                "case": "success",
                "alignedWord": bare.lower(),
                "start": onset,
                "end": onset + 0.4,
                "phones": phones,
            }
        )
    return {"transcript": text, "words": words}


def write_json(root, task, content):
    path = root / "stimuli" / "gentle" / task / "align.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Three stories of three people."""
    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    for module in (narratives, narratives_files):
        monkeypatch.setattr(module, "STORIES", SHORT)
        monkeypatch.setattr(module, "SHARED", tuple(SHORT))
    scans = {t: {s.partition("_")[0]: s for s in own} for t, own in SCANS.items()}
    monkeypatch.setattr(narratives_files, "_scans", lambda: scans)
    root = tmp_path / "narratives"
    rng = np.random.default_rng(0)
    signal = {}
    for name, story in SHORT.items():
        signal[name] = rng.normal(size=story.first + story.volumes + SILENCE)
        write_json(root, story.task, alignment(story))
        for i, person in enumerate(PEOPLE):
            values = noisy(late(signal[name], 2), seed=100 * i + story.volumes)
            write_image(scan_path(root, person, name), values)
    return Lab(root, signal)


class Lab:
    def __init__(self, root, signal):
        self.root, self.signal = root, signal

    def recording(self, stories=tuple(SHORT)):
        parts = [
            self.signal[n][SHORT[n].first + 6 : SHORT[n].first + SHORT[n].volumes] for n in stories
        ]
        driver = np.concatenate(parts)
        rng = np.random.default_rng(5)
        layers = [rng.normal(size=(len(driver), 4)), np.repeat(driver[:, None], 4, axis=1)]
        return xr.DataArray(
            np.stack(layers, axis=1).astype(np.float32),
            dims=("sample", "layer", "unit"),
            coords={"layer": [0, 1]},
        )


def build(stories="black+pieman+tunnel", **options):
    return narratives.Narratives(stories=stories, **options)


class TestStimuli:
    def test_clocks_start_with_the_sound_file(self, lab):
        (request,) = build().requests()
        # six volumes of each story are dropped
        assert request.readout.rows(request.stimuli) == (54, 49, 52)
        black, pieman, tunnel = (times[0] for times in request.readout.times)
        assert black == pytest.approx((8 + 6 + 0.5) * 1.5 - 12.0)
        assert pieman == pytest.approx((10 + 6 + 0.5) * 1.5)
        assert tunnel == pytest.approx((2 + 6 + 0.5) * 1.5 - 3.0)

    def test_every_story_starts_when_the_events_files_say(self):
        """``sub-*/func/*_events.tsv`` of ds002345 1.1.4; lucy's was 2.0 s before version 1.1.3."""
        onsets = dict.fromkeys(["21styear", "pieman", "prettymouth"], 0.0)
        onsets |= dict.fromkeys(["black", "bronx", "forgot", "piemanpni"], 12.0)
        onsets |= dict.fromkeys(["lucy", "tunnel"], 3.0)
        late = ["merlin", "notthefallintact", "shapesphysical", "shapessocial", "sherlock"]
        onsets |= dict.fromkeys([*late, "reach", "slumlord"], 4.5)
        assert {name: story.audio for name, story in STORIES.items()} == onsets
        assert narratives_files.clock(STORIES["lucy"])[0] == 8.25

    def test_the_text_keeps_its_punctuation_and_words_their_places(self, lab):
        (request,) = build(stories=("pieman",)).requests()
        (passage,) = request.stimuli.passages
        assert passage.text.startswith("I began my illustrious career, in journalism; in")
        assert passage.items[4:7] == ("career", "in", "journalism")
        assert passage.onsets[:2] == (15.0, 15.5)  # after the music

    def test_words_not_found_or_found_in_the_music(self, lab):
        story = SHORT["pieman"]
        content = alignment(story, missing=(3, 4), early=(0,))
        path = write_json(lab.root, "pieman", content)
        passage, phones = read_alignment(path, "pieman", story)
        whole, _ = read_alignment(write_json(lab.root, "black", alignment(story)), "pieman", story)
        assert passage.text == whole.text
        assert passage.items == whole.items
        assert passage.onsets[0] == whole.onsets[1]
        # from the end of the third word (16.4 s) to the start of the sixth (17.5 s)
        np.testing.assert_allclose(passage.onsets[3:5], [16.4, 16.95])
        assert phones[:6].tolist() == [1, 2, 3, 0, 0, 3]

    def test_two_stories_of_one_sound_file(self, tmp_path):
        words = [
            {"word": w, "case": "success", "start": t, "end": t + 0.3, "phones": []}
            for w, t in (("one", 30.0), ("two", 900.0), ("three", 970.0), ("four", 980.0))
        ]
        words.insert(3, {"word": "lost", "case": "not-found-in-audio"})
        path = tmp_path / "align.json"
        text = "One: one, two. Three? three lost four!"
        path.write_text(json.dumps({"transcript": text, "words": words}))
        first, _ = read_alignment(path, "slumlord", STORIES["slumlord"])
        second, phones = read_alignment(path, "reach", STORIES["reach"])
        assert first.items == ("one", "two")
        assert second.items == ("three", "lost", "four")
        assert second.text == "three lost four"
        assert len(phones) == 3

    def test_phonemes_are_nuisance(self, lab):
        nuisance = build().data.nuisance
        assert set(nuisance) == {"word rate", "word length", "log frequency", "phoneme rate"}
        ratio = nuisance["phoneme rate"].sum() / nuisance["word rate"].sum()
        assert ratio == pytest.approx(2.0, rel=0.02)  # 1, 2, 3, 1, 2, 3, ...


class TestScores:
    @pytest.mark.parametrize("resolution", ["roi", "voxel"])
    def test_one_person_of_a_first_evening(self, lab, resolution):
        benchmark = build(participants="sub-002", resolution=resolution)
        (request,) = benchmark.requests()
        score = benchmark.score({request: lab.recording()})
        assert float(score["value"]) > 0.3
        assert score["participant"].values.tolist() == ["sub-002"]

    def test_by_region_with_whole_stories_held_out(self, lab):
        benchmark = build()
        (request,) = benchmark.requests()
        score = benchmark.score({request: lab.recording()})
        assert float(score["value"]) > 0.7
        assert (score["layer_best"] == 1).all()
        assert 0.7 < float(score["ceiling"]) < 1
        options = json.loads(score.attrs["encoding_options"])
        assert options["n_outer"] == 3
        assert options["delays"] == [1, 2, 3, 4, 5]

    def test_one_story_in_blocks(self, lab, monkeypatch):
        """With fewer than three stories blocks of a story are held out, with a gap."""
        story = Story("tunnel", 3.0, 3.0, 2, 190)
        monkeypatch.setitem(SHORT, "tunnel", story)
        write_json(lab.root, "tunnel", alignment(story))
        lab.signal["tunnel"] = np.random.default_rng(4).normal(size=200)
        for i, person in enumerate(PEOPLE):
            values = noisy(late(lab.signal["tunnel"], 2), seed=i)
            write_image(scan_path(lab.root, person, "tunnel"), values)
        benchmark = build(stories="tunnel", participants="sub-001+sub-003")
        assert benchmark.people == ("sub-001", "sub-003")
        (request,) = benchmark.requests()
        score = benchmark.score({request: lab.recording(("tunnel",))})
        assert json.loads(score.attrs["encoding_options"])["n_outer"] == 5
        assert json.loads(score.attrs["encoding_options"])["gap"] == 11
        assert float(score["value"]) > 0.6
        assert "ceiling_loo" not in score  # of two people there is none

    def test_by_voxel(self, lab):
        benchmark = build(resolution="voxel")
        (request,) = benchmark.requests()
        score = benchmark.score({request: lab.recording()})
        assert float(score["value"]) > 0.5
        assert float(score["ceiling"]) == pytest.approx(3**-0.5, abs=0.07)
        assert float(score["unique_r2"].mean()) > 0.2
        assert "phoneme rate" in score.attrs["nuisance"]

    def test_end_to_end_with_the_mock_model(self, lab):
        spec = replace(
            narratives.brainpress_benchmarks()[0],
            options={"stories": tuple(SHORT), "context": "words(3)"},
        )
        findings = benchmark_findings(spec)
        assert [f.outcome for f in findings] == ["passed"] * 5, findings


class TestFaults:
    def test_a_missing_scan(self, lab):
        scan_path(lab.root, "sub-001", "pieman").unlink()
        with pytest.raises(OfflineError, match=r"sub-001_task-pieman_run-2.*not on this") as caught:
            build()
        assert "brainpress fetch 'narratives:stories=black+pieman+tunnel'`" in caught.value.hint

    def test_a_missing_alignment(self, lab):
        (lab.root / "stimuli" / "gentle" / "tunnel" / "align.json").unlink()
        with pytest.raises(OfflineError, match=r"gentle/tunnel/align\.json"):
            build()

    def test_a_participant_who_did_not_hear_a_story(self, lab):
        with pytest.raises(DataError, match="no usable scan of sub-004 with black") as caught:
            build(participants="sub-001+sub-004")
        assert "sub-003" in caught.value.hint
        assert build(stories="tunnel+black").people == PEOPLE

    @pytest.mark.parametrize("stories", ["pieman+milkyway", "", "pieman+pieman"])
    def test_stories_that_are_not_there(self, lab, stories):
        with pytest.raises(DataError, match="stories"):
            build(stories=stories)

    def test_too_few_volumes(self, lab):
        write_image(scan_path(lab.root, "sub-002", "pieman"), noisy(np.zeros(64), seed=1))
        with pytest.raises(DataError, match=r"sub-002, pieman: .* has 64 volumes.*volume 65"):
            build()

    def test_a_scan_cut_short(self, lab):
        cut(scan_path(lab.root, "sub-003", "black"))
        benchmark = build()
        (request,) = benchmark.requests()
        with pytest.raises(DataError, match=r"sub-003_task-black.*not a whole NIfTI file"):
            benchmark.score({request: lab.recording()})

    def test_nan_columns(self, lab):
        values = noisy(late(lab.signal["tunnel"], 2), seed=1)
        values[2, ..., 9] = np.nan
        write_image(scan_path(lab.root, "sub-002", "tunnel"), values)
        benchmark = build()
        (request,) = benchmark.requests()
        assert float(benchmark.score({request: lab.recording()})["value"]) > 0.7
        values[..., 9] = np.nan
        write_image(scan_path(lab.root, "sub-002", "tunnel"), values)
        score = build().score({request: lab.recording()})
        assert "sub-002" in score.attrs["left_out"]
        assert "no usable voxel" in score.attrs["left_out"]

    def test_scans_of_different_grids(self, lab):
        story = SHORT["tunnel"]
        other = AFFINE.copy()
        other[2, 3] += 3.0
        for i, person in enumerate(PEOPLE):
            values = noisy(late(lab.signal["tunnel"], 2), seed=100 * i + story.volumes)
            write_image(scan_path(lab.root, person, "tunnel"), values, other)
        with pytest.raises(
            DataError, match=r"sub-001: sub-001_task-tunnel.*other voxels"
        ) as caught:
            build(resolution="voxel")
        assert "resolution=roi" in caught.value.hint
        benchmark = build()
        (request,) = benchmark.requests()
        assert float(benchmark.score({request: lab.recording()})["value"]) > 0.7

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("{", "not an alignment of Gentle"),
            ("[]", "not an alignment of Gentle"),
            ('{"transcript": "a b", "words": [{"case": "success"}]}', "not an alignment"),
            ('{"transcript": "a b", "words": [{"word": "c", "start": 1}]}', "word 1, 'c'"),
            ('{"transcript": "a b", "words": [{"word": "a"}]}', "no word has a time"),
        ],
    )
    def test_alignments(self, lab, content, said):
        path = lab.root / "stimuli" / "gentle" / "black" / "align.json"
        path.write_text(content)
        with pytest.raises(DataError, match=rf"align\.json.*{said}"):
            build()

    @pytest.mark.parametrize(("option", "value"), [("resolution", "x"), ("derivative", "raw")])
    def test_options(self, lab, option, value):
        with pytest.raises(DataError, match=value):
            build(**{option: value})


def test_who_heard_what():
    four = narratives_files.listeners(narratives_files.SHARED)
    assert len(four) == 45
    assert set(narratives_files._scans()) == {s.task for s in STORIES.values()}
    assert len(narratives_files.listeners(("pieman",))) == 75  # 82, less those excluded
    assert "sub-001" not in narratives_files.listeners(("pieman",))
    assert "sub-001" in narratives_files.listeners(("tunnel",))
    with pytest.raises(DataError, match="nobody heard all of 21styear, black, tunnel"):
        narratives_files.listeners(("21styear", "black", "tunnel"))


def test_published_files():
    resources = narratives.Narratives.resources(stories="pieman+tunnel", participants=("sub-005",))
    assert [r.where.removeprefix("narratives/") for r in resources] == [
        "stimuli/gentle/pieman/align.json",
        "stimuli/gentle/tunnel/align.json",
        f"derivatives/afni-nosmooth/sub-005/func/sub-005_task-pieman_run-1_{END}",
        f"derivatives/afni-nosmooth/sub-005/func/sub-005_task-tunnel_{END}",
    ]
    both = narratives.Narratives.resources(stories="slumlord+reach")
    assert len(both) == 1 + 17  # one sound file, one scan each


def test_chosen_stories_are_fetched(tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from harness.cli import app

    monkeypatch.setenv("BRAINPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BRAINPRESS_OFFLINE", "1")  # sizes are asked of the host
    arguments = ["fetch", "narratives:stories=pieman+tunnel", "--participants", "sub-005"]
    result = CliRunner().invoke(app, [*arguments, "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "4 files, 0 of them on this machine" in result.output
    assert "sub-005_task-tunnel" in result.output.replace("\n", "")
    refused = CliRunner().invoke(app, ["fetch", "narratives:stories=milkyway", "--dry-run"])
    assert refused.exit_code != 0
    assert "milkyway" in str(refused.exception)
