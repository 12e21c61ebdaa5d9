"""Regions of NIfTI images: places, scaling, damage, the cache, ceilings."""

from __future__ import annotations

import gzip
import sys

import numpy as np
import pytest
from brainpress_plugins.benchmarks.neural.mni_listening import (
    HighPassed,
    SphereMeans,
    region_responses,
    reliable_ceilings,
    voxel_ceilings,
)
from brainpress_plugins.benchmarks.neural.mni_volumes import (
    RADIUS,
    REGIONS,
    SphereVoxels,
    open_image,
    read_voxels,
    spheres,
)
from volumes import AFFINE, SHAPE, cut, noisy, write_image

from harness.encode.ceilings.estimates import leave_one_out
from harness.encode.design.sources import array_responses
from harness.encode.score.naturalistic import Resolution
from harness.errors import DataError, ExtraMissing

nibabel = pytest.importorskip("nibabel")
EVERY = slice(None)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def image(tmp_path):
    values = noisy(np.random.default_rng(0).normal(size=20), seed=1)
    return open_image(write_image(tmp_path / "run.nii.gz", values))


def test_spheres_hold_the_voxels_within_their_radius(image):
    found = spheres(image, REGIONS, RADIUS)
    assert list(found) == list(REGIONS)
    for name, centre in REGIONS.items():
        expected = []
        for flat, (z, y, x) in enumerate(np.ndindex(SHAPE[::-1])):  # first axis fastest
            mm = AFFINE @ [x, y, z, 1]
            if np.linalg.norm(mm[:3] - np.array(centre)) <= RADIUS:
                expected.append(flat)
        assert found[name].tolist() == expected, name
        assert expected


def test_a_region_outside_of_the_image(tmp_path):
    far = AFFINE.copy()
    far[0, 3] = 0.0  # the right hemisphere only
    image = open_image(write_image(tmp_path / "r.nii.gz", np.ones((*SHAPE, 3)), far))
    with pytest.raises(DataError, match=r"TP, .* no voxel in an image of shape \(9, 12, 9\)"):
        spheres(image, REGIONS, RADIUS)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
def test_voxels_are_scaled_as_the_header_says(tmp_path, suffix):
    """Integers with slope and intercept, as scanners' software writes them."""
    rng = np.random.default_rng(2)
    stored = nibabel.Nifti1Image(rng.normal(1000, 50, (*SHAPE, 7)), AFFINE)
    stored.set_data_dtype(np.int16)
    nibabel.save(stored, tmp_path / f"run{suffix}")
    image = open_image(tmp_path / f"run{suffix}")
    wanted = np.array([3, 100, 101, 700])
    whole = nibabel.load(image.path).get_fdata()
    expected = whole.reshape(-1, 7, order="F")[wanted].T
    np.testing.assert_allclose(read_voxels(image, wanted), expected, rtol=1e-6)


def test_what_was_read_is_kept_under_the_content_of_the_file(image, cache, monkeypatch):
    run = SphereVoxels(image, spheres(image, REGIONS, RADIUS))
    first = run[EVERY, EVERY]
    assert first.shape == run.shape == (20, len(run.voxels))
    (kept,) = (cache / "volumes").iterdir()
    monkeypatch.setattr(
        "brainpress_plugins.benchmarks.neural.mni_volumes.read_voxels",
        lambda *_: pytest.fail("the image was read again"),
    )
    np.testing.assert_array_equal(run[3:9, 1:4], first[3:9, 1:4])
    monkeypatch.undo()
    monkeypatch.setenv("BRAINPRESS_CACHE", str(cache))
    write_image(image.path, noisy(np.zeros(20), seed=9))
    assert not np.array_equal(run[EVERY, EVERY], first)
    assert len(list((cache / "volumes").iterdir())) == 2
    assert kept.is_file()


def test_means_leave_out_what_is_not_finite_or_constant(image):
    members = {"a": np.array([100, 101, 102, 103]), "b": np.array([104, 105])}
    values = nibabel.load(image.path).get_fdata().reshape(-1, 20, order="F").copy()
    values[101, 3] = np.nan
    values[102] = 7.0
    values[[104, 105], 5] = np.inf
    write_image(image.path, values.reshape((*SHAPE, 20), order="F"))
    means = SphereMeans(SphereVoxels(image, members))
    rows = slice(2, 18)
    found = means[rows, EVERY]
    kept = values[[100, 103], rows].T
    z = (kept - kept.mean(0)) / kept.std(0)
    np.testing.assert_allclose(found[:, 0], z.mean(1), atol=1e-5)
    assert np.isnan(found[:, 1]).all()
    assert means.shape == (20, 2)


def test_voxels_are_filtered_in_the_volumes_asked_for(image):
    voxels = SphereVoxels(image, {"a": np.array([100, 101, 102])})
    rows = slice(3, 19)
    found = HighPassed(voxels, 2.0, 20.0)[rows, 1:]
    values = voxels[rows, 1:].astype(float)
    n = len(values)
    k = np.arange(1, int(2 * n * 2.0 / 20.0) + 1)  # cosines slower than 20 s, and the mean
    slow = np.cos(np.pi * np.outer(np.arange(n) + 0.5, np.r_[0, k]) / n)
    rest = values - slow @ np.linalg.lstsq(slow, values, rcond=None)[0]
    differences = found - rest
    assert np.ptp(differences, axis=0).max() < 1e-9


class TestDamage:
    def test_content_that_ends_early(self, image):
        members = spheres(image, REGIONS, RADIUS)
        cut(image.path)
        run = SphereVoxels(open_image(image.path), members)
        with pytest.raises(DataError, match=r"run\.nii\.gz is not a whole.*volume 10 of 20"):
            run[EVERY, EVERY]

    def test_compression_that_ends_early(self, image):
        content = image.path.read_bytes()
        image.path.write_bytes(content[: len(content) // 2])
        run = SphereVoxels(open_image(image.path), {"a": np.array([5])})
        with pytest.raises(DataError, match=r"run\.nii\.gz is not a whole") as caught:
            run[EVERY, EVERY]
        assert "fetch it again" in caught.value.hint

    @pytest.mark.parametrize(
        "content", [b"", gzip.compress(b"no image", mtime=0), b"not compressed"]
    )
    def test_no_image_at_all(self, tmp_path, content):
        path = tmp_path / "run.nii.gz"
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"run\.nii\.gz is not a whole NIfTI file"):
            open_image(path)

    def test_nibabel_is_not_installed(self, image, monkeypatch):
        monkeypatch.setitem(sys.modules, "nibabel", None)
        with pytest.raises(ExtraMissing) as caught:
            open_image(image.path)
        assert "nibabel>=" in caught.value.hint

    def test_an_image_without_volumes(self, tmp_path):
        path = write_image(tmp_path / "t1.nii.gz", np.ones(SHAPE))
        with pytest.raises(DataError, match=r"shape \(9, 12, 9\); expected three axes"):
            open_image(path)


def test_by_voxel_all_images_must_have_one_grid(tmp_path):
    values = noisy(np.random.default_rng(0).normal(size=20), seed=1)
    other = AFFINE.copy()
    other[:3, 3] += 2.0
    runs = []
    for name, affine in (("one", AFFINE), ("two", other)):
        image = open_image(write_image(tmp_path / f"{name}.nii.gz", values, affine))
        runs.append(SphereVoxels(image, spheres(image, REGIONS, RADIUS)))
    arguments = ({"p": runs}, [EVERY, EVERY], ("one", "two"))
    source, masks = region_responses(*arguments, Resolution.ROI, tr=2.0, cutoff=None)
    assert source.block("p", 0, 6).shape == (40, 6)
    assert list(masks["p"]) == list(REGIONS)
    with pytest.raises(DataError, match=r"p: two\.nii\.gz has other voxels than one\.nii\.gz"):
        region_responses(*arguments, Resolution.VOXEL, tr=2.0, cutoff=None)


def test_ceilings_are_those_of_leaving_one_out():
    rng = np.random.default_rng(3)
    shared = rng.normal(size=(90, 150))
    values = {p: shared + rng.normal(size=shared.shape) for p in "abcd"}
    runs = np.repeat([0, 1], [40, 50])
    source = array_responses(values, runs)
    z = np.stack([_z(values[p], runs) for p in "abcd"])
    expected = leave_one_out(z).per_participant
    found = voxel_ceilings(source)
    np.testing.assert_allclose(np.stack(list(found.values())), expected, rtol=1e-9)

    # somebody's broken voxel is nobody else's
    values["b"][7, 5] = np.nan
    values["c"][:, 6] = 2.0
    found = voxel_ceilings(array_responses(values, runs))
    assert np.isnan(found["b"][5])
    assert np.isnan(found["c"][6])
    three = leave_one_out(z[[0, 2, 3]]).per_participant[:, 5]
    np.testing.assert_allclose([found[p][5] for p in "acd"], three, rtol=1e-9)
    assert voxel_ceilings(array_responses({p: values[p] for p in "ab"}, runs)) == {}


def _z(values, runs):
    out = values.copy()
    for run in np.unique(runs):
        rows = runs == run
        out[rows] = (out[rows] - out[rows].mean(0)) / out[rows].std(0)
    return out


def test_ceilings_of_voxels_that_share_nothing_are_left_out():
    rng = np.random.default_rng(11)
    shared = rng.normal(size=(300, 60)) * (np.arange(60) < 30)
    runs = np.repeat([0, 1], 150)
    values = {p: shared + rng.normal(size=shared.shape) for p in "abcd"}
    source = array_responses(values, runs)
    plain, found = voxel_ceilings(source), reliable_ceilings(source)
    for person in "abcd":
        assert np.isfinite(found[person][:30]).all()
        np.testing.assert_array_equal(found[person][:30], plain[person][:30])
        assert np.isfinite(found[person][30:]).mean() < 0.15
    # A threshold of .05 keeps a good part of what is noise.
    noise = np.concatenate([plain[person][30:] for person in "abcd"])
    assert (noise > 0.05).mean() > 0.15
