"""Addresses that strangers wrote: asked over https at public hosts only, and never for too much.

An address in a submission may name the maintainer's own machine, a router or a cloud's metadata
service, directly or behind a redirect. A guarded session refuses plain http at every hop, and
connects only to addresses that are globally reachable: what a name resolves to is looked at before,
and the peer of the connection again after it is made.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from harness.errors import FetchError


def guarded_session() -> requests.Session:
    """Return a session that reaches public hosts over https, and nothing else.

    Proxies and credentials of the environment are not used: they would be given to strangers.
    """
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _PublicAdapter())
    session.mount("http://", _Refusing())
    return session


def check_length(length: int | None, most: int) -> None:
    """Refuse an answer that is larger than allowed, or does not say how large it is.

    Parameters
    ----------
    length : int, optional
        Bytes that the host announces.
    most : int
        Bytes allowed.

    Raises
    ------
    FetchError
    """
    if length is None:
        raise FetchError("the host does not say how large the file is; it is not fetched")
    if length > most:
        raise FetchError(f"the file has {length:,} bytes where {most:,} are allowed")


def refused_address(host: str, port: int) -> str:
    """Return the address behind a host's name that is not public; empty where all are."""
    for *_, where in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if not _is_public(str(where[0])):
            return str(where[0])
    return ""


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    inside = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (inside is None or inside.is_global)


class _PublicConnection(HTTPSConnection):
    """Connects to public addresses only."""

    def _new_conn(self) -> socket.socket:
        if refused := refused_address(self.host, self.port or 443):
            raise FetchError(f"{self.host} is at {refused}, which is not a public address")
        made = super()._new_conn()
        peer = str(made.getpeername()[0])
        if not _is_public(peer):  # the name resolved to something else the second time
            made.close()
            raise FetchError(f"{self.host} is at {peer}, which is not a public address")
        return made


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _PublicConnection


class _PublicAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"https": _PublicPool}


class _Refusing(HTTPAdapter):
    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        raise FetchError(
            f"{(request.url or '').partition('?')[0]} is not https: a stranger's address, or a "
            "redirect of its host, is asked over https only"
        )
