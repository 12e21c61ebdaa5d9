"""Large files: used where they are, fetched only when a user says so."""

from __future__ import annotations

from pathlib import Path

from harness.errors import NotFetchedError
from harness.fetch.download import located
from harness.fetch.resource import Resource
from harness.place.locate import DATA_VARIABLE


def present(resource: Resource, benchmark: str) -> Path:
    """Return where a resource is on this machine; never use the network.

    Parameters
    ----------
    resource : Resource
    benchmark : str
        Whose resource it is, for the message.

    Raises
    ------
    NotFetchedError
        It is not here.
    ChecksumError
        A data folder has another file in its place.
    """
    found = located(resource)
    if found is None:
        raise NotFetchedError(
            f"{benchmark} needs {resource.where or resource.name}, which is not on this machine",
            f"run `brainpress fetch {benchmark}`, which shows sizes first, or put the file at"
            f" {resource.where} in a folder of {DATA_VARIABLE}",
        )
    return found
