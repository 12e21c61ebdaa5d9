"""Optional methods of a benchmark: found by what it has, and by nothing that it is called."""

import pytest

from harness.errors import SelectionError
from harness.fetch.resource import Resource
from harness.record.benchmark import HasFiles, HasFilesByParticipant, HasSurface
from harness.runner.resources import benchmark_resources, unpinned_content
from harness.spec.registry import registry
from harness.spec.specs import BenchmarkSpec, target_of


class Without:
    """A field of this name is no way to fetch participants apart."""

    participants = ("01",)


class Files(Without):
    @staticmethod
    def resources(participants=("01", "02"), **_):
        return tuple(Resource(p, f"https://x/{p}", "") for p in participants)


class Apart(Files):
    @staticmethod
    def resources_of(participants, **options):
        return Apart.resources(**{**options, "participants": participants})

    @staticmethod
    def surface(participant, **_):
        return participant


def spec(target, **options):
    return BenchmarkSpec("one", f"{__name__}:{target.__name__}", "neural", options)


def test_what_is_offered_is_what_there_is():
    found = {
        target: tuple(isinstance(target, p) for p in (HasFiles, HasFilesByParticipant, HasSurface))
        for target in (Without, Files, Apart)
    }
    assert found == {
        Without: (False, False, False),
        Files: (True, False, False),
        Apart: (True, True, True),
    }


def test_participants_take_the_place_of_those_among_the_options():
    one = spec(Apart, participants=("05",))
    assert [r.name for r in benchmark_resources(one)] == ["05"]
    assert [r.name for r in benchmark_resources(one, ["03", "04"])] == ["03", "04"]
    with pytest.raises(SelectionError, match="does not tell participants apart"):
        benchmark_resources(spec(Files), ["01"])
    with pytest.raises(SelectionError, match="names no files"):
        benchmark_resources(spec(Without))
    assert unpinned_content(spec(Without)) == ""


@pytest.mark.parametrize(
    "name", ["lebel2023", "narratives", "deniz2019-listening", "littleprince-en", "podcast-ecog"]
)
def test_built_in_benchmarks_with_participants_tell_them_apart(name):
    one = registry().benchmarks.specs[name]
    assert isinstance(target_of(one), HasFilesByParticipant)
    assert len(benchmark_resources(one)) > 5
