"""Probes of what a model's states say about the annotations of GUM."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from harness.errors import DataError
from harness.probe.options import Probe, ProbeOptions
from harness.probe.tasks import ProbeTask, probe_request

from . import (
    discourse,
    morphology,
    reasoning,
    semantics,
    syntax,
)
from .choose import make_task
from .corpus import fetch_documents, listed, resources, texts
from .kept import (
    Prepared,
    prepared_key,
    recall,
    remember,
)

if TYPE_CHECKING:
    import xarray as xr

    from harness.fetch.resource import Resource
    from harness.record.request import Recordings, Request

DEFINITIONS = (
    *morphology.TASKS,
    *syntax.TASKS,
    *semantics.TASKS,
    *reasoning.TASKS,
    *discourse.TASKS,
)


@cache
def prepared() -> Prepared:
    """All tasks and their texts, made once for the process, and once for the machine.

    Raises
    ------
    OfflineError
        A file is not on this machine and the network is off.
    """
    # Before anything that was kept is asked for: a file that is missing or has changed is an error.
    fetch_documents()
    key = prepared_key(listed())
    if found := recall(key):
        return found
    made = tuple(make_task(definition, texts()) for definition in DEFINITIONS)
    read = {place.text for task in made for item in task.items for place in item.places}
    found = Prepared({t.name: t.text for t in texts() if t.name in read}, made)
    remember(key, found)
    return found


def tasks() -> tuple[ProbeTask, ...]:
    """All tasks."""
    return prepared().tasks


@dataclass(frozen=True)
class GumProbes:
    """33 probing tasks in five categories.

    Parameters
    ----------
    probe : str
        ``linear`` or ``hidden``.

    Raises
    ------
    DataError
        There is no such probe.
    OfflineError
        A file of the corpus is not on this machine and the network is off.
    """

    probe: str = "linear"

    def __post_init__(self) -> None:
        if self.probe not in tuple(Probe):
            raise DataError(f"no probe {self.probe!r}", f"one of {', '.join(Probe)}")
        _ = prepared()  # data that is missing is found when the run is planned

    @staticmethod
    def resources(**_: object) -> tuple[Resource, ...]:
        """Return the annotated documents."""
        return resources()

    @cached_property
    def request(self) -> Request:
        """Hidden states of every place that a task looks at."""
        return probe_request("gum", prepared().texts, tasks())

    def requests(self) -> tuple[Request, ...]:
        """Return the one request."""
        return (self.request,)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Fit and score all probes, see :func:`harness.probe.score.score_probes`."""
        from harness.probe.score import score_probes

        options = ProbeOptions(probe=Probe(self.probe))
        return score_probes(tasks(), self.request, recordings[self.request], options)
