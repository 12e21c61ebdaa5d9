"""How large files are that a list does not say the size of: their hosts are asked."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING

from harness.fetch.resource import Resource
from harness.place.place import here

if TYPE_CHECKING:
    import requests

_AT_ONCE = 8
_TIMEOUT = (5.0, 10.0)  # seconds: to connect, to answer


def asked_sizes(resources: Iterable[Resource]) -> dict[str, int]:
    """Ask hosts for the sizes of files, many at once.

    A size is shown before anybody agrees to a download; it is no check of the file.

    Parameters
    ----------
    resources : iterable of Resource
        Files; only those at ``http://`` or ``https://`` are asked for.

    Returns
    -------
    dict
        Bytes by address. Files that a host does not tell are left out; after the first host that
        cannot be reached nobody is asked any more. Empty while the network is off.
    """
    addresses = [r.address for r in resources if r.address.startswith(("http://", "https://"))]
    if not addresses or here().offline:
        return {}
    import requests

    unreachable = Event()
    with requests.Session() as session, ThreadPoolExecutor(_AT_ONCE) as pool:
        sizes = pool.map(lambda address: _size(session, address, unreachable), addresses)
        return {a: n for a, n in zip(addresses, sizes, strict=True) if n is not None}


def _size(session: requests.Session, address: str, unreachable: Event) -> int | None:
    import requests

    if unreachable.is_set():
        return None
    try:
        # A packed answer would tell the size of the packed file.
        answer = session.head(
            address,
            allow_redirects=True,
            timeout=_TIMEOUT,
            headers={"Accept-Encoding": "identity"},
        )
    except requests.exceptions.ConnectionError:
        unreachable.set()
        return None
    except requests.exceptions.RequestException:
        return None
    length = answer.headers.get("Content-Length", "")
    return int(length) if answer.ok and length.isdecimal() else None
