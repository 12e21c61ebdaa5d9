"""Answers to the questions a board is made for, from the board alone."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.errors import SelectionError
from harness.spec.measures import ScoreMeasure
from harness.spec.names import nearest

if TYPE_CHECKING:
    import xarray as xr


class Question(StrEnum):
    """What can be asked."""

    SMALLEST = "smallest"
    CONTROLS = "controls"
    SATURATION = "saturation"
    ROBUSTNESS = "robustness"
    DISSOCIATION = "dissociation"
    PROFILE = "profile"
    COMPARE = "compare"


DRAWS = 2000
"""Resamples of an answer, wherever it is shown: command, page and Python give the same numbers."""


def asked(name: str, variants: Sequence[str] = ()) -> Question:
    """Return the question that a name is of.

    Parameters
    ----------
    name : str
    variants : sequence of str
        What the question is about; only ``compare`` takes any.

    Raises
    ------
    SelectionError
        There is no such question, or it takes no variants, or two.
    """
    try:
        question = Question(name)
    except ValueError:
        near = nearest(name, list(Question))
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(Question)}"
        raise SelectionError(f"no answer is called {name!r}", hint) from None
    boards = [v for v in variants if v.endswith(".nc")]
    if boards:
        raise SelectionError(
            f"{boards[0]!r} is no variant", f"a board goes with its option: --board {boards[0]}"
        )
    if question is Question.COMPARE and len(variants) != 2:
        raise SelectionError("compare takes two variants", "as MODEL or MODEL+COMPRESSOR")
    if question is not Question.COMPARE and variants:
        raise SelectionError(
            f"{name} takes no variants, it is about all", "`answer compare A B` takes two"
        )
    return question


def answer(
    board: xr.DataTree,
    name: str,
    *variants: str,
    benchmarks: Sequence[str] | str | None = None,
    measure: ScoreMeasure | str | None = None,
    alpha: float = 0.05,
    draws: int = DRAWS,
    seed: int = 0,
    partly: bool = False,
) -> xr.Dataset:
    """Answer a question from a board.

    Parameters
    ----------
    board : DataTree
        From :func:`harness.open_board` or :func:`harness.run`.
    name : str
        ``smallest``, ``controls``, ``saturation``, ``robustness``, ``dissociation``,
        ``profile`` or ``compare``.
    *variants : str
        For ``compare``, two of them: ``MODEL`` or ``MODEL+COMPRESSOR``.
    benchmarks : str or sequence of str, optional
        Names and globs; all.
    measure : ScoreMeasure or str, optional
        What of a neural score: ``value``, ``normalised`` (its share of the ceiling) or ``unique``
        (R2 beyond nuisance). Default: each benchmark's headline where the board has it, else the
        value, and the answer says so. ``profile`` is of linguistic scores and takes none.
    alpha : float
        Level of the tests.
    draws, seed : int
        Number of resamples, and their seed.
    partly : bool
        For ``robustness``: count variants of which less than 90 % of the blocks' weights were
        compressed, too.

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
    from harness.board.answers.against_controls import against_controls
    from harness.board.answers.compare import compare
    from harness.board.answers.dissociation import dissociation
    from harness.board.answers.profile import profile
    from harness.board.answers.robustness import robustness
    from harness.board.answers.saturation import saturation
    from harness.board.answers.smallest import smallest

    question = asked(name, variants)
    what = measure_of(measure)
    if question is Question.PROFILE and what is not None:
        raise SelectionError("profile takes no measure", "it is about linguistic scores")
    chosen = [benchmarks] if isinstance(benchmarks, str) else benchmarks
    if question is Question.COMPARE:
        return compare(board, variants, chosen, measure=what, alpha=alpha, draws=draws, seed=seed)
    if question is Question.CONTROLS:
        return against_controls(board, chosen, measure=what, alpha=alpha)
    if question is Question.ROBUSTNESS:
        return robustness(
            board, chosen, measure=what, alpha=alpha, draws=draws, seed=seed, partly=partly
        )
    if question is Question.PROFILE:
        return profile(board, chosen, alpha=alpha, draws=draws, seed=seed)
    if question is Question.SMALLEST:
        return smallest(board, chosen, measure=what, alpha=alpha, draws=draws, seed=seed)
    ask = saturation if question is Question.SATURATION else dissociation
    return ask(board, chosen, measure=what, alpha=alpha, draws=draws, seed=seed)


def measure_of(name: ScoreMeasure | str | None) -> ScoreMeasure | None:
    """Return the measure of a name; None for none, which leaves it to each benchmark.

    Raises
    ------
    SelectionError
        There is no such measure.
    """
    if name is None:
        return None
    try:
        return ScoreMeasure(name)
    except ValueError:
        near = nearest(name, list(ScoreMeasure))
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(ScoreMeasure)}"
        raise SelectionError(f"no measure is called {name!r}", hint) from None
