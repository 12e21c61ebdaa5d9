"""Where threads help: inside large products, or across small problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

LARGE = 1500
"""From this many rows on, a product keeps several threads busy by itself."""

Each = Callable[[Callable[[int], None], Iterable[int]], None]


@contextmanager
def spread(n_rows: int) -> Iterator[Each]:
    """Offer a way to do independent pieces of work of a given size.

    Products of small matrices lose by being threaded: on a busy machine the threads wait for each
    other longer than they compute, by a factor of 30 and more. Below ``LARGE`` rows BLAS is held
    to one thread, and as many pieces are worked on at a time as BLAS would have used threads.
    NumPy and SciPy release the interpreter lock while they compute.

    Parameters
    ----------
    n_rows : int
        Rows of the matrices that pieces of work multiply.

    Yields
    ------
    callable
        ``each(work, numbers)`` calls ``work`` with every number; an error of one is raised.
    """
    if n_rows >= LARGE:
        yield _one_by_one
        return
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    controller = ThreadpoolController().select(user_api="blas")
    n_threads = max((info["num_threads"] for info in controller.info()), default=1)
    with controller.limit(limits=1):
        if n_threads == 1:
            yield _one_by_one
            return
        with ThreadPoolExecutor(n_threads, thread_name_prefix="encode") as pool:

            def each(work: Callable[[int], None], items: Iterable[int]) -> None:
                for _ in pool.map(work, items):
                    pass

            yield each


def _one_by_one(work: Callable[[int], None], items: Iterable[int]) -> None:
    for item in items:
        work(item)
