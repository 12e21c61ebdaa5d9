"""Deniz 2019: real stimuli and triggers; responses written here in the published layout."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.neural import deniz2019

from harness.errors import DataError, OfflineError

h5py = pytest.importorskip("h5py")
pytestmark = pytest.mark.needs_data("deniz2019/textgrids", "deniz2019/trfiles")

USED = dict(deniz2019.STORIES)
SHORT = ("avatar", "undertheinfluence", "wheretheressmoke")
PEOPLE = ("01", "02", "03")
ROIS = {"AC": slice(0, 4), "Broca": slice(4, 8)}
N_VOXELS = 10


@pytest.fixture
def short(monkeypatch):
    """Three stories, few voxels."""
    monkeypatch.setattr(deniz2019, "STORIES", {s: USED[s] for s in SHORT})
    monkeypatch.setattr(deniz2019, "VOXELS", dict.fromkeys(PEOPLE, N_VOXELS))
    listed = deniz2019.listed()
    kept = {name: entry for name, entry in listed.items() if not name.startswith("noise")}
    monkeypatch.setattr(deniz2019, "listed", lambda: kept)  # ceilings are of all voxels


@pytest.fixture
def lab(tmp_path, monkeypatch, short):
    """A user's folder of responses; ``lab(person, extra=…)`` writes those of one person."""
    monkeypatch.setenv("BRAINPRESS_DATA", f"{tmp_path}{os.pathsep}{os.environ['BRAINPRESS_DATA']}")
    folder = tmp_path / "deniz2019"
    (folder / "responses").mkdir(parents=True)
    (folder / "mappers").mkdir()
    rng = np.random.default_rng(0)
    shared = {s: rng.normal(size=(USED[s] + 20, N_VOXELS)) for s in SHORT}

    def write(
        person,
        lengthen=0,
        drop=(),
        masks=True,
        voxels=N_VOXELS,
        modality="listening",
        wrapped=False,
    ):
        own = np.random.default_rng(int(person))

        def noisy(story):
            values = shared[story] + own.normal(size=shared[story].shape)
            values[:, 2] = np.nan
            longer = values[:lengthen] if lengthen < 0 else np.r_[values, values[:lengthen]]
            longer = longer[:, :voxels]
            # A public reader of all nine found stories of some people in an array of one.
            return longer.astype(np.float32)[None] if wrapped else longer.astype(np.float32)

        start = folder / "responses" / f"subject{person}_{modality}_fmri_data"
        with h5py.File(f"{start}_trn.hdf", "w") as file:
            for number, story in enumerate(SHORT[:-1], start=1):
                if story not in drop:
                    file[f"story_{number:02d}"] = noisy(story)
        with h5py.File(f"{start}_val.hdf", "w") as file:
            both = np.stack([np.squeeze(noisy(SHORT[-1])), np.squeeze(noisy(SHORT[-1]))])
            file["story_03"] = both[None] if wrapped else both
        with h5py.File(folder / "mappers" / f"subject{person}_mappers.hdf", "w") as file:
            file["voxel_to_fsaverage_shape"] = np.array([5, N_VOXELS])
            for name, rows in ROIS.items() if masks else ():
                mask = np.zeros(N_VOXELS, bool)
                mask[rows] = True
                file[f"roi_mask_{name}"] = mask
        return folder

    write.shared = shared
    return write


def everybody(lab, **options):
    for person in PEOPLE:
        folder = lab(person, **options)
    return folder


def build(**options):
    return deniz2019.Deniz2019(participants=PEOPLE, **options)


class TestStimuli:
    def test_volumes_of_all_stories(self):
        from harness.place.locate import find
        from harness.stimuli.triggers import read_report, story_clock

        fewer = {}
        for story, used in USED.items():
            report = read_report(find(f"deniz2019/trfiles/{story}.report"))
            assert report.tr == pytest.approx(deniz2019.TR, abs=1e-3)
            # volumes are regular: the clock is that of the triggers
            clock = np.array(story_clock(used, report.tr, report.start))
            triggers = np.array(report.triggers)[10 : 10 + used] - report.start + report.tr / 2
            np.testing.assert_allclose(clock[: len(triggers)], triggers, atol=0.015)
            if gap := used + 20 - len(report.triggers):
                fewer[story] = gap
        assert fewer == {"naked": 3, "wheretheressmoke": 5}  # the screen ran ahead of the sound
        assert sum(USED.values()) - USED["wheretheressmoke"] == 3736

    def test_words_heard(self, lab):
        everybody(lab)
        benchmark = build()
        (request,) = benchmark.requests()
        passages = request.stimuli.passages
        assert [p.name for p in passages] == list(SHORT)
        assert len(passages[2].items) == 1836
        assert passages[2].items[:5] == ("i", "reached", "over", "and", "secretly")
        assert not {"sp", "{br}", "br", "{ns_ap}"} & set(passages[2].items)
        assert sum(request.readout.rows(request.stimuli)) == sum(USED[s] for s in SHORT)

    def test_readers_saw_words_when_the_screen_showed_them(self, lab):
        """In wheretheressmoke the screen ran 9.8 s ahead of the recording at the end."""
        everybody(lab, modality="reading")
        shown = build(modality="reading").passages
        heard = build(modality="reading", profile="oota2026", resolution="voxel").passages
        ahead = [h.onsets[-1] - s.onsets[-1] for h, s in zip(heard, shown, strict=True)]
        assert np.abs(ahead[:2]) == pytest.approx([0, 0], abs=0.1)
        assert 9 < ahead[2] < 10.5
        assert shown[2].items[:5] == heard[2].items[:5]


class TestResponses:
    def test_trimmed_averaged_over_repeats_and_read_in_blocks(self, lab):
        everybody(lab)
        source = build().data.source
        block = source.block("02", 3, 6)
        assert block.shape == (sum(USED[s] for s in SHORT), 3)
        repeats = source.repeats("02", 3, 6)
        assert repeats.shape == (2, USED[SHORT[2]], 3)
        np.testing.assert_allclose(block[-USED[SHORT[2]] :], repeats.mean(axis=0), rtol=1e-6)
        signal = lab.shared["avatar"][10:-10, 3:6]
        assert np.corrcoef(signal[:, 0], block[: USED["avatar"], 0])[0, 1] > 0.5

    def test_stories_in_an_array_of_one(self, lab):
        everybody(lab)
        plain = build().data.source
        expected = plain.block("02", 3, 6), plain.repeats("02", 3, 6)
        del plain  # it has the file open
        lab("02", wrapped=True)
        source = build().data.source
        np.testing.assert_array_equal(source.block("02", 3, 6), expected[0])
        np.testing.assert_array_equal(source.repeats("02", 3, 6), expected[1])
        one = build(profile="oota2026", resolution="voxel").data.source
        np.testing.assert_array_equal(one.block("02", 3, 6)[-USED[SHORT[2]] :], expected[1][0])

    def test_trimmed_files_and_one_volume_more_are_taken(self, lab):
        everybody(lab)
        expected = build().data.source.block("01", 4, 5)
        lab("02", lengthen=1)  # cut to what all have
        np.testing.assert_array_equal(build().data.source.block("01", 4, 5), expected)
        everybody(lab, lengthen=1)
        assert len(build().data.source.runs) == len(expected) + len(SHORT)
        everybody(lab, lengthen=-20)  # trimmed
        assert len(build().data.source.runs) == len(expected)

    def test_regions_leave_out_voxels_with_nan(self, lab):
        from harness.encode.score.naturalistic import region_means

        everybody(lab)
        found = region_means(build().data)
        assert found.rois == ("AC", "Broca")
        assert np.isfinite(found.values).all()
        source = build().data.source
        block = source.block("01", 0, 4)[:, [0, 1, 3]].astype(float)
        start = USED["avatar"]
        z = (block[:start] - block[:start].mean(0)) / block[:start].std(0)
        mean = z.mean(1)
        np.testing.assert_allclose(found.values[0, :start, 0], mean / mean.std(), rtol=1e-5)

    def test_a_participant_without_masks_is_left_out_and_named(self, lab):
        from harness.encode.score.naturalistic import region_means

        everybody(lab)
        lab("03", masks=False)
        found = region_means(build().data)
        assert found.participants == ("01", "02")
        assert "no mask of AC" in found.left_out["03"]

    def test_nobody_with_masks(self, lab):
        from harness.encode.score.naturalistic import region_means

        everybody(lab, masks=False)
        with pytest.raises(DataError, match="no region"):
            region_means(build().data)


class TestFaults:
    def test_a_missing_story(self, lab):
        everybody(lab)
        lab("02", drop=("undertheinfluence",))
        with pytest.raises(DataError, match="story_02"):
            build()

    @pytest.mark.parametrize("lengthen", [2, 5])
    def test_a_wrong_number_of_volumes(self, lab, lengthen):
        everybody(lab)
        lab("02", lengthen=lengthen)
        with pytest.raises(DataError, match=f"avatar has {USED['avatar'] + 20 + lengthen} volumes"):
            build()

    def test_a_wrong_number_of_voxels(self, lab):
        everybody(lab)
        lab("02", voxels=8)
        with pytest.raises(DataError, match="10 voxels"):
            build()

    def test_a_file_cut_short(self, lab):
        folder = everybody(lab)
        path = folder / "responses" / "subject03_listening_fmri_data_trn.hdf"
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match="not a whole HDF5 file"):
            build()

    def test_no_responses(self, lab, tmp_path):
        everybody(lab)
        shutil.rmtree(tmp_path / "deniz2019" / "responses")
        with pytest.raises(OfflineError, match="brainpress fetch deniz2019-listening"):
            build()

    @pytest.mark.parametrize(
        ("option", "value"),
        [("modality", "smelling"), ("profile", "lax"), ("resolution", "neuron")],
    )
    def test_options(self, option, value):
        with pytest.raises(DataError, match=value):
            deniz2019.Deniz2019(**{option: value})

    def test_participants(self):
        with pytest.raises(DataError, match="10"):
            deniz2019.Deniz2019.resources(participants="01+10")


class TestScores:
    @pytest.fixture
    def recording(self, lab):
        """Layer 1 holds the shared responses of the voxels of two regions."""
        signal = np.concatenate([lab.shared[s][10:-10] for s in SHORT])
        early = np.r_[signal[2:], signal[:2]]  # what drove the responses two volumes later
        rng = np.random.default_rng(1)
        layers = np.stack([rng.normal(size=early.shape), early], axis=1).astype(np.float32)
        return xr.DataArray(layers, dims=("sample", "layer", "unit"), coords={"layer": [0, 1]})

    def test_by_region(self, lab, recording):
        everybody(lab)
        benchmark = build()
        (request,) = benchmark.requests()
        score = benchmark.score({request: recording})
        assert score["r"].dims == ("participant", "roi", "layer")
        assert float(score["value"]) > 0.5
        assert (score["group_layer_best"] == 1).all()
        assert float(score["ceiling"]) > 0.5

    @pytest.mark.parametrize("resolution", ["roi", "voxel"])
    def test_one_person_of_a_first_evening(self, lab, recording, resolution):
        lab("01")
        benchmark = deniz2019.Deniz2019(participants="01", resolution=resolution)
        (request,) = benchmark.requests()
        score = benchmark.score({request: recording})
        assert float(score["value"]) > 0.3
        assert np.isnan(float(score["low"]))  # nobody to resample

    def test_by_voxel_on_the_test_story(self, lab, recording):
        everybody(lab)
        benchmark = build(profile="oota2026", resolution="voxel", context="words(20)")
        (request,) = benchmark.requests()
        score = benchmark.score({request: recording})
        assert score.sizes["voxel"] == len(PEOPLE) * N_VOXELS
        assert np.isnan(score["voxel_r"].values[[2, 12, 22]]).all()  # NaN in the file
        assert float(score["value"]) > 0.4
        assert score["r_roi"].dims == score["ceiling_roi"].dims == ("participant", "roi")
        assert score.attrs["profile"] == "oota2026"
        assert score.attrs["penalty_scope"] == "participant"
        assert "unique_r2" not in score
        assert score.attrs["nuisance"] == ""

    def test_by_voxel_what_is_unique(self, lab, recording):
        everybody(lab)
        benchmark = build(resolution="voxel")
        (request,) = benchmark.requests()
        score = benchmark.score({request: recording})
        assert score.attrs["penalty_scope"] == "voxel"
        np.testing.assert_array_equal(
            np.isnan(score["voxel_unique_r2"]), np.isnan(score["voxel_r"])
        )
        assert (score["unique_r2"] > 0.1).all()
        assert score["unique_r2_roi"].dims == ("participant", "roi")

    def test_one_repeat_of_the_test_story(self, lab):
        everybody(lab)
        one = build(profile="oota2026", resolution="voxel").data.source
        both = build(resolution="voxel").data.source
        rows = slice(-USED[SHORT[2]], None)
        first = both.repeats("01", 0, 2)[0]
        np.testing.assert_array_equal(one.block("01", 0, 2)[rows], first)
        assert one.repeats("01", 0, 2) is None


@pytest.mark.needs_data("deniz2019/noise_ceiling")
def test_published_ceilings_that_did_not_converge_are_masked():
    from harness.place.locate import find

    raw = np.load(find("deniz2019/noise_ceiling/subject_01_listening.npy"))
    values = deniz2019.read_ceiling(find("deniz2019/noise_ceiling/subject_01_listening.npy"))
    assert len(values) == deniz2019.VOXELS["01"]
    known = np.isfinite(values)
    assert 0 < (~known).mean() < 0.9
    assert values[known].min() > 0
    assert values[known].max() <= 1
    np.testing.assert_array_equal(values[known], raw[known].astype(float))


def test_regions_by_name(lab, monkeypatch):
    everybody(lab)
    benchmark = build(rois="Broca")
    assert benchmark.regions == ("Broca",)
    (request,) = benchmark.requests()
    rows = sum(request.readout.rows(request.stimuli))
    values = np.random.default_rng(0).normal(size=(rows, 1, 3)).astype(np.float32)
    recording = xr.DataArray(values, dims=("sample", "layer", "unit"), coords={"layer": [0]})
    score = benchmark.score({request: recording})
    assert score["roi"].values.tolist() == ["Broca"]
    by_voxel = build(rois="Broca", resolution="voxel").score({request: recording})
    own = by_voxel["voxel_r"].values.reshape(3, N_VOXELS)[:, ROIS["Broca"]]
    np.testing.assert_allclose(by_voxel["participant_value"], np.nanmean(own, axis=1), rtol=1e-6)


def test_the_papers_regions_are_seventeen_areas():
    specs = {s.name: s for s in deniz2019.brainpress_benchmarks()}
    spec = specs["deniz2019-listening-oota2026"]
    assert spec.options["rois"] == "language"
    assert "17 language areas" in spec.metric
    names = [r.where for r in deniz2019.Deniz2019.resources(rois="AC+language")]
    assert names[-2:] == ["fsaverage/label/lh.HCPMMP1.annot", "fsaverage/label/rh.HCPMMP1.annot"]
    plain = deniz2019.Deniz2019.resources(rois="AC")
    assert not [r for r in plain if r.where.endswith(".annot")]


def test_by_voxel_over_two_regions(lab):
    """A voxel counts that lies in any of the regions, not one that lies in all of them."""
    everybody(lab)
    benchmark = build(resolution="voxel")
    (request,) = benchmark.requests()
    rows = sum(request.readout.rows(request.stimuli))
    values = np.random.default_rng(0).normal(size=(rows, 1, 3)).astype(np.float32)
    recording = xr.DataArray(values, dims=("sample", "layer", "unit"), coords={"layer": [0]})
    score = benchmark.score({request: recording})
    r = score["voxel_r"].values.reshape(3, N_VOXELS)[:, :8]  # AC and Broca; two are in neither
    np.testing.assert_allclose(score["participant_value"], np.nanmean(r, axis=1), rtol=1e-6)


def test_penalties_of_the_paper_are_ten(lab):
    everybody(lab)
    paper = build(profile="oota2026", resolution="voxel")
    assert paper.options.penalties == 10
    assert build().options.penalties == 20
    (fold,) = paper.folds
    assert fold.test.tolist() == list(range(len(paper.source.runs)))[-USED[SHORT[2]] :]


def test_clocks_count_from_the_start_of_the_story(lab):
    """Row 10 is 10.5 TR after the first trigger, and the story began 10.03 s after it."""
    everybody(lab)
    (request,) = build().requests()
    for clock, used in zip(request.readout.times, (USED[s] for s in SHORT), strict=True):
        assert 10.95 < clock[0] < 11.1
        assert len(clock) == used
        assert clock[1] - clock[0] == pytest.approx(2.0045, abs=2e-3)
