"""Answers to the questions a board is made for, from the board alone."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.errors import SelectionError

if TYPE_CHECKING:
    import xarray as xr


class Question(StrEnum):
    """What can be asked."""

    SATURATION = "saturation"
    ROBUSTNESS = "robustness"
    DISSOCIATION = "dissociation"
    PROFILE = "profile"
    COMPARE = "compare"


def answer(
    board: xr.DataTree,
    name: str,
    *variants: str,
    benchmarks: Sequence[str] | str | None = None,
    alpha: float = 0.05,
    draws: int = 2000,
    seed: int = 0,
) -> xr.Dataset:
    """Answer a question from a board.

    Parameters
    ----------
    board : DataTree
        From :func:`harness.open_board` or :func:`harness.run`.
    name : str
        ``saturation``, ``robustness``, ``dissociation``, ``profile`` or ``compare``.
    *variants : str
        For ``compare``, two of them: ``MODEL`` or ``MODEL+COMPRESSOR``.
    benchmarks : str or sequence of str, optional
        Names and globs; all.
    alpha : float
        Level of the tests.
    draws, seed : int
        Number of resamples, and their seed.

    Returns
    -------
    Dataset
        The numbers (see the functions of ``harness.board.answers``); over dim ``claim``:
        ``subject``, ``sentence``, ``verdict``; over dim ``gap``: ``missing``, what the board
        lacks for the rest.

    Raises
    ------
    SelectionError
        There is no such question, benchmark or variant.

    Examples
    --------
    >>> said = harness.answer(board, "robustness", benchmarks="brennan*")  # doctest: +SKIP
    >>> said["sentence"].values  # doctest: +SKIP
    """
    from harness.board.answers.compare import compare
    from harness.board.answers.dissociation import dissociation
    from harness.board.answers.profile import profile
    from harness.board.answers.robustness import robustness
    from harness.board.answers.saturation import saturation

    try:
        question = Question(name)
    except ValueError:
        known = ", ".join(Question)
        raise SelectionError(f"no answer is called {name!r}", f"there are: {known}") from None
    chosen = [benchmarks] if isinstance(benchmarks, str) else benchmarks
    if question is Question.COMPARE:
        return compare(board, variants, chosen, alpha=alpha, draws=draws, seed=seed)
    if variants:
        raise SelectionError(f"{name} takes no variants", "`compare` does: compare A B")
    ask = {
        Question.SATURATION: saturation,
        Question.ROBUSTNESS: robustness,
        Question.DISSOCIATION: dissociation,
        Question.PROFILE: profile,
    }[question]
    return ask(board, chosen, alpha=alpha, draws=draws, seed=seed)
