"""What specs and docs say of data, against what listings and file trees hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from brainpress_plugins.benchmarks.neural import alice_eeg_files, lebel2023, narratives_files
from brainpress_plugins.benchmarks.neural.lags import Lags
from trees import trees

from harness.errors import SelectionError
from harness.fetch.resource import Resource
from harness.runner.resources import benchmark_resources
from harness.spec.registry import registry
from harness.spec.specs import BenchmarkSpec

DOCS = Path(__file__).parents[4] / "docs" / "datasets.md"
PERSON = re.compile(
    r"/(UTS\d\d|sub-(?:EN|FR|CN)?\d+)/|responses/subject(\d\d)_|/6mm/(s\d\d)-|(sub-\d\d)_"
)


def neural() -> dict[str, BenchmarkSpec]:
    specs = registry().benchmarks.specs
    return {n: s for n, s in specs.items() if s.kind == "neural" and not s.simulated}


def files(spec: BenchmarkSpec) -> tuple[Resource, ...]:
    try:
        return benchmark_resources(spec)
    except SelectionError:
        return ()


def people(spec: BenchmarkSpec) -> set[str]:
    found = (PERSON.search(resource.where) for resource in files(spec))
    return {next(filter(None, match.groups())) for match in found if match}


SOUNDS = (
    *(57.541, 60.845, 63.259, 69.989, 66.273, 63.778),
    *(62.897, 57.311, 57.226, 61.27, 56.17, 46.983),
)
"""Lengths of the sounds of *Alice* in ``pipeline/alice.py`` of Eelbrain/Alice at f1cc8145, s."""
LEFT_OUT = {"brennan2016-alice": 1, "brennan2016-alice-words20": 1}
"""s33 is all zeros, which the notes say."""


@pytest.mark.parametrize("name", neural())
def test_the_number_of_people_is_that_of_the_files(name: str) -> None:
    spec = neural()[name]
    counted = len(people(spec)) - LEFT_OUT.get(name, 0)
    said = re.match(r"(?:mean of )?(\d+) (?:people|listeners|readers|patients)", spec.data)
    assert said, spec.data
    if counted > 0:
        assert int(said[1]) == counted
    elif name == "brennan2019-alice-eeg":  # nobody states who is in which archive
        assert int(said[1]) == len(alice_eeg_files.PARTICIPANTS) == 33
    else:
        assert files(spec)[0].where.startswith("brainscore/")  # one file of all


@pytest.mark.parametrize("name", neural())
def test_the_licence_of_every_file_is_said(name: str) -> None:
    spec = neural()[name]
    for licence in {resource.licence for resource in files(spec)} - {""}:
        assert licence in spec.licence


def test_stories_are_as_many_as_there_are() -> None:
    specs = neural()
    grids = [n for n in trees()["ds003020"].entries if n.endswith(".TextGrid")]
    assert f"{len(grids)} stories" in specs["lebel2023-three"].data
    assert len(lebel2023.heard(lebel2023.THREE, lebel2023.ALL)) == len(grids)
    assert narratives_files.SHARED == ("black", "bronx", "forgot", "piemanpni")


def row(name: str) -> list[str]:
    lines = [line for line in DOCS.read_text().splitlines() if line.startswith("|")]
    found = [line for line in lines if f"`{name}`" in line.split("|")[1]]
    assert found, f"no row of {name} in docs/datasets.md"
    return [cell.strip() for cell in found[0].split("|")[1:-1]]


@pytest.mark.parametrize(
    "name",
    [n for n in neural() if not n.endswith(("-voxels", "-words20", "-oota2026", "-three"))],
)
def test_docs_say_the_same(name: str) -> None:
    """The table's people, size and licence are those of the spec and of the listing."""
    spec = neural()[name]
    _, data, size, licence, *_ = row(name)
    number = re.search(r"\d+", spec.data)
    assert number
    assert re.search(rf"\b{number[0]}\b", data), (data, spec.data)
    sizes = [resource.size for resource in files(spec)]
    if None not in sizes and sizes:
        total = sum(n or 0 for n in sizes)
        assert size == (f"{total / 1e9:.0f} GB" if total > 1e9 else f"{total / 1e6:.0f} MB")
    for each in {resource.licence.split(" ")[0] for resource in files(spec)} - {""}:
        assert each.replace("CC-BY", "CC BY").split("-1")[0].split("-4")[0] in licence


NUMBER = r"(\d[\d,]*)"


@pytest.mark.parametrize("name", neural())
def test_numbers_of_a_statement_are_those_of_the_code(name: str) -> None:
    """Stories, sections, minutes, regions and voxels that ``show`` and the page say."""
    from brainpress_plugins.benchmarks.neural import brennan2016_alice, deniz2019, lebel2023
    from brainpress_plugins.benchmarks.neural.littleprince_files import EDITIONS, TR

    said = neural()[name].data

    def number(unit: str) -> int:
        found = re.search(rf"{NUMBER} {unit}", said)
        assert found, (unit, said)
        return int(found[1].replace(",", ""))

    if name.startswith("deniz2019"):
        voxels = deniz2019.VOXELS.values()
        assert number("stories") == len(deniz2019.STORIES)
        low, high = min(voxels) / 1e3, max(voxels) / 1e3
        assert f"{low:.0f} to {high:.0f} thousand voxels" in said
        assert f"TR {deniz2019.TR} s" in said
    elif name.startswith("littleprince"):
        edition = EDITIONS[name.split("-")[1]]
        assert number("sections") == len(edition.volumes)
        assert number("min") == round(sum(edition.volumes) * TR / 60)
    elif name.startswith("lebel2023"):
        assert number("stories") == neural()[name].options.get("stories", 25)
        assert f"TR {lebel2023.TR:g} s" in said
    elif name.startswith("brennan2016"):
        assert number("regions") == len(brennan2016_alice.ROIS)
        assert number("volumes") == brennan2016_alice.VOLUMES
        assert number("minutes") == round(brennan2016_alice.VOLUMES * brennan2016_alice.TR / 60)
    elif name == "brennan2019-alice-eeg":
        assert number("channels") == len(alice_eeg_files.CHANNELS)
        assert number("segments") == len(alice_eeg_files.SEGMENTS)
        assert number("lags") == len(Lags.read(-0.05, 0.95, 0.1, 0.1).middles)
        assert number("min") == round(sum(SOUNDS) / 60)
    elif name.startswith("narratives"):
        assert len(narratives_files.listeners(narratives_files.SHARED)) == number("listeners")
        assert number("stories") == len(narratives_files.SHARED)


def test_docs_and_spec_of_the_assemblies_say_the_same() -> None:
    """Passages, sentences, stories and voxels of these sets stand in two places."""
    for name in ("pereira2018", "blank2014", "fedorenko2016", "tuckute2024", "podcast-ecog"):
        spec, told = neural()[name].data, row(name)[1]
        in_spec = set(re.findall(r"\d[\d,]*", spec))
        in_docs = set(re.findall(r"\d[\d,]*", told))
        assert in_docs <= in_spec | {"21"}, (name, in_docs - in_spec)


@pytest.mark.needs_data("natural_stories")
def test_natural_stories_are_as_many_words_and_readers_as_it_says() -> None:
    import numpy as np
    from brainpress_plugins.benchmarks.behavioural.naturalstories import NaturalStories
    from brainpress_plugins.benchmarks.behavioural.naturalstories_times import read_times

    benchmark = NaturalStories()
    times = read_times(benchmark._file())
    words = sum(map(len, times.stories.values()))
    readers = [int(line.split("\t")[3]) for line in benchmark._file().read_text().splitlines()[1:]]
    said = registry().benchmarks.specs["naturalstories"].data
    assert said == (
        f"{len(times.stories)} stories, {words:,} words, self-paced reading,"
        f" {np.min(readers)} to {np.max(readers)} readers a word"
    )
