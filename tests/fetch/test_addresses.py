"""Every address of every benchmark, composed and looked up in a stored tree of its host."""

from __future__ import annotations

import os
import re

import pytest
from trees import blob_hash, entry_at, trees

from harness.errors import SelectionError
from harness.fetch.resource import Resource
from harness.runner.resources import benchmark_resources
from harness.spec.registry import registry
from harness.spec.settings import with_settings

NOT_STORED = {
    "https://gin.g-node.org/denizenslab/narratives_reading_listening_fmri/raw/": (
        "no tree of this host is to be had; names are those of its documentation and public readers"
    ),
    "https://fcp-indi.s3.amazonaws.com/data/Projects/narratives/": (
        "no tree of the derivatives is to be had; scans are looked up in the raw data set"
    ),
    "https://ndownloader.figshare.com/files/": (
        "no tree of this host is to be had; addresses and md5 are those that MNE-Python fetches"
    ),
    "https://raw.githubusercontent.com/kanishkamisra/comps/main/": (
        "no tree of the repository is to be had, so that no commit is known to pin it by"
    ),
    "https://huggingface.co/datasets/jumelet/multiblimp/resolve/main/": (
        "no tree of the data set is to be had, so that no commit is known to pin it by"
    ),
}
"""Addresses that no stored tree proves, and why."""


def offered(*variants: str) -> dict[str, tuple[Resource, ...]]:
    found = {}
    for spec in registry().benchmarks.specs.values():
        try:
            found[spec.name] = benchmark_resources(spec)
        except SelectionError:
            continue  # it is part of brainpress
    for name in variants:
        plain, _, settings = name.partition(":")
        chosen = with_settings(registry().benchmarks.specs[plain], settings)
        found[name] = benchmark_resources(chosen)
    return found


DATA = os.environ.get("BRAINPRESS_DATA", "")
OFFERED = offered(
    "deniz2019-listening:participants=01+02+03+04+05+06+07+08+09",
    "lebel2023:participants=UTS04;stories=26",
)


@pytest.mark.parametrize("name", OFFERED)
def test_the_host_has_the_file_of_that_size_and_hash(name: str) -> None:
    for resource in OFFERED[name]:
        if resource.address.startswith(tuple(NOT_STORED)):
            continue
        entry = entry_at(resource.address)
        assert entry is not None, f"no stored tree has {resource.address}"
        if entry.size is not None and resource.size is not None:
            assert resource.size == entry.size, resource.address
        if entry.checksum.startswith(("md5:", "sha1:")) and resource.checksum:
            assert resource.checksum == entry.checksum, resource.address


def test_every_entry_of_every_listing_is_in_the_tree() -> None:
    """The table of docs/datasets.md: n of n, with the size and hash that the host has."""
    from brainpress_plugins.benchmarks.neural import (
        brennan2016_alice,
        brennan2019_alice_eeg,
        deniz2019_files,
        lebel2023,
        podcast_ecog,
    )
    from brainpress_plugins.benchmarks.neural.littleprince_files import EDITIONS

    listed = {
        "brennan": brennan2016_alice.FILES.resources(),
        "deniz": [deniz2019_files.resource_of(name) for name in deniz2019_files.listed()],
        "lebel": lebel2023.FILES.resources(),
        "podcast": podcast_ecog.FILES.resources(),
        "alice-eeg": brennan2019_alice_eeg.AliceEEG.resources(),
        **{language: edition.files.resources() for language, edition in EDITIONS.items()},
    }
    proved = {}
    for name, resources in listed.items():
        entries = [(r, entry_at(r.address)) for r in resources]
        proved[name] = sum(e is not None and r.size in (e.size, None) for r, e in entries)
        for resource, entry in entries:
            if resource.checksum and entry is not None and entry.checksum.startswith("md5:"):
                assert resource.checksum == entry.checksum
    assert proved == {name: len(resources) for name, resources in listed.items()}
    assert proved == {
        "brennan": 86,
        "deniz": 34,
        "lebel": 525,
        "podcast": 28,
        "alice-eeg": 4,
        "en": 443,
        "fr": 254,
        "zh": 317,
    }


@pytest.mark.parametrize("name", OFFERED)
def test_what_is_on_this_machine_is_the_hosts_file(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file is in a data folder, its content has the hash that git gave it."""
    from harness.fetch.download import located

    monkeypatch.setenv("BRAINPRESS_DATA", DATA)
    for resource in OFFERED[name]:
        entry = entry_at(resource.address)
        if entry is not None and entry.checksum.startswith("git:") and (path := located(resource)):
            assert blob_hash(path) == entry.checksum, resource.address


def test_commits_are_whole() -> None:
    for resources in OFFERED.values():
        for resource in resources:
            if resource.address.startswith(tuple(NOT_STORED)):
                continue
            if re.match(r"https://(raw\.githubusercontent|github)\.com", resource.address):
                assert re.search(r"/[0-9a-f]{40}/", resource.address), resource.address


def test_an_address_that_lacks_a_folder_is_found_out() -> None:
    """What deniz2019 had: right size, right checksum, and no file at that place."""
    root = trees()["deniz2019-stimuli"].root
    right = f"{root}/brain-informed-fine-tuning/grid_files/avatar.TextGrid"
    assert entry_at(right) is not None
    assert entry_at(f"{root}/grid_files/avatar.TextGrid") is None


def test_scans_of_narratives_are_those_of_the_raw_data_set() -> None:
    from brainpress_plugins.benchmarks.neural.narratives_files import _scans

    raw = trees()["ds002345"].entries
    names = [name for scans in _scans().values() for name in scans.values()]
    assert len(names) > 500
    for name in names:
        person = name.partition("_")[0]
        assert f"{person}/func/{name}_bold.nii.gz" in raw


def test_the_parcellation_is_the_one_that_mne_fetches() -> None:
    import inspect

    from brainpress_plugins.benchmarks.neural.cortical_areas import parcellation_files

    utils = pytest.importorskip("mne.datasets.utils")
    source = inspect.getsource(utils.fetch_hcp_mmp_parcellation)
    for resource in parcellation_files():
        assert f'"{resource.address}"' in source
        assert f'"{resource.checksum.removeprefix("md5:")}"' in source


def test_repeats_of_lebel_are_as_many_as_the_sizes_say() -> None:
    """The file of the test story holds its mean and each repeat: float64, 291 x voxels each."""
    entries = trees()["ds003020"].entries
    times = {}
    for number in range(1, 10):
        start = f"derivative/preprocessed_data/UTS0{number}"
        other, lengths = (
            entries[f"{start}/alternateithicatom.hf5"].size,
            {"other": 343, "test": 291},
        )
        test = entries[f"{start}/wheretheressmoke.hf5"].size
        times[number] = round(test / lengths["test"] / (other / lengths["other"]))
    assert times == {1: 11, 2: 11, 3: 11, 4: 6, 5: 6, 6: 6, 7: 6, 8: 6, 9: 6}
