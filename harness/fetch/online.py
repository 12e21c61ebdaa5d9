"""Whether hosts still have what listings name: they are asked for the head of one file a set."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from harness.fetch.resource import Resource

if TYPE_CHECKING:
    import requests

_AT_ONCE = 8
_TIMEOUT = (10.0, 20.0)  # seconds: to connect, to answer
_DEEP = 2
"""So many folders of an address tell two sources at one host apart (owner, repository)."""


@dataclass(frozen=True)
class Head:
    """What a host says of a file, without its content.

    Parameters
    ----------
    sets : tuple of str
        Benchmarks that need the file.
    address : str
    fault : str
        What is wrong; empty where nothing is.
    size : int, optional
        In bytes, where the host tells it.
    moved : str
        The host that answered, where it is another one.
    proved : bool
        Whether size or checksum of the file were known before it was asked for. What is not proved
        stands at an address that was composed from documentation.
    """

    sets: tuple[str, ...]
    address: str
    fault: str
    size: int | None = None
    moved: str = ""
    proved: bool = True


def representatives(
    sets: Mapping[str, Iterable[Resource]],
) -> dict[str, tuple[Resource, tuple[str, ...]]]:
    """Choose one file for each source of each set.

    A set may come from several hosts, or repositories of one host. Of the files of one source the
    first one of known size is taken; sets that need the same file share it.

    Parameters
    ----------
    sets : mapping
        Resources by name of the benchmark.

    Returns
    -------
    dict
        By address: a resource, and the sets that need it.
    """
    chosen: dict[str, tuple[Resource, tuple[str, ...]]] = {}
    for name, resources in sets.items():
        own: dict[str, Resource] = {}
        for resource in resources:
            if not resource.address.startswith(("http://", "https://")):
                continue
            source = _source(resource.address)
            known = own.get(source)
            if known is None or (known.address not in chosen and _better(resource, known, chosen)):
                own[source] = resource
        for resource in own.values():
            _, users = chosen.get(resource.address, (resource, ()))
            chosen[resource.address] = (resource, (*users, name))
    return chosen


def _better(resource: Resource, known: Resource, chosen: Collection[str]) -> bool:
    """Prefer a file that another set asks for already, then one whose size is known."""
    return resource.address in chosen or (known.size is None and resource.size is not None)


def _source(address: str) -> str:
    parts = urlsplit(address)
    folders = parts.path.strip("/").split("/")[:-1]
    return "/".join((f"{parts.scheme}://{parts.netloc}", *folders[:_DEEP]))


def ask_hosts(sets: Mapping[str, Iterable[Resource]]) -> list[Head]:
    """Ask each host for the head of one file of each source.

    Parameters
    ----------
    sets : mapping
        Resources by name of the benchmark.

    Returns
    -------
    list of Head
        In the order of the sets.
    """
    import requests

    chosen = representatives(sets)
    with requests.Session() as session, ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda pair: _head(session, *pair), chosen.values()))


def _head(session: requests.Session, resource: Resource, sets: tuple[str, ...]) -> Head:
    import requests

    address = resource.address
    proved = bool(resource.digest) or resource.size is not None
    try:
        # Without packing, Content-Length is the size of the file.
        answer = session.head(
            address,
            allow_redirects=True,
            timeout=_TIMEOUT,
            headers={"Accept-Encoding": "identity"},
        )
    except requests.exceptions.RequestException as error:
        return Head(sets, address, f"no answer: {type(error).__name__}", proved=proved)
    host = urlsplit(answer.url).netloc
    moved = host if host != urlsplit(address).netloc else ""
    length = answer.headers.get("Content-Length", "")
    size = int(length) if length.isdecimal() else None
    fault = ""
    if not answer.ok:
        fault = f"HTTP {answer.status_code} {answer.reason}"
    elif resource.size is not None and size is not None and size != resource.size:
        fault = f"{size} bytes where {resource.size} are listed"
    return Head(sets, address, fault, size, moved, proved)
