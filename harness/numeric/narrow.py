"""How many threads products may take while blocks are compressed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

LARGE = 2048
"""From this width on, a product keeps several threads of OpenBLAS busy."""


@contextmanager
def narrow_on_one_thread(width: int) -> Iterator[None]:
    """Hold OpenBLAS to one thread while matrices are narrow.

    On a busy machine its threads wait for each other, computing, longer than products of small
    matrices and their factors take: a walk over SmolLM2-135M took twice the time on two threads.
    torch's own threads, which share the linear layers, are left as they are.

    Parameters
    ----------
    width : int
        Of the widest matrix of second moments; from :data:`LARGE` on nothing is changed.
    """
    if width >= LARGE:
        yield
        return
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    with ThreadpoolController().select(internal_api="openblas").limit(limits=1):
        yield
