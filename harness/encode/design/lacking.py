"""Participants who lack runs: who shares which rows, and what of the folds these have.

Runs are z-scored, delayed and cleaned one by one, so that a participant without one is encoded in
the other rows exactly as if the run had never been; nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.encode.design.splits import MINIMUM_ROWS, Fold
from harness.errors import DataError
from harness.numeric.arrays import Positions

Absent = Mapping[str, Collection[Any]]
"""By participant, labels of the runs that they lack; those who have all are not in it."""


@dataclass(frozen=True, eq=False)
class Sharing:
    """Participants who have the same rows.

    Parameters
    ----------
    participants : tuple of str
    rows : array of int, shape (n_rows,)
        Rows of the whole recording, ascending.
    whole : bool
        Whether these are all rows.
    """

    participants: tuple[str, ...]
    rows: Positions
    whole: bool


def sharing(
    absent: Absent, participants: Sequence[str], runs: npt.ArrayLike
) -> tuple[Sharing, ...]:
    """Group participants by the runs that they have, in the order of the first of each group.

    Parameters
    ----------
    absent : mapping
    participants : sequence of str
    runs : array, shape (n_samples,)
        Run label of every row of the whole recording.
    """
    labels = np.asarray(runs)
    groups: dict[frozenset[Any], list[str]] = {}
    for name in participants:
        groups.setdefault(frozenset(absent.get(name, ())), []).append(name)
    return tuple(
        Sharing(tuple(names), np.flatnonzero(~np.isin(labels, list(lacked))), not lacked)
        for lacked, names in groups.items()
    )


def folds_of_rows(
    folds: Sequence[Fold], rows: Positions, who: Sequence[str]
) -> tuple[tuple[Fold, ...], Positions]:
    """Take what some rows have of outer folds.

    Parameters
    ----------
    folds : sequence of Fold
        Of the whole recording.
    rows : array of int, shape (n_rows,)
        Ascending.
    who : sequence of str
        Participants, for messages.

    Returns
    -------
    folds : tuple of Fold
        Positions among ``rows``; a fold of which too few rows are left is not there.
    numbers : array of int
        Which of the folds these are.

    Raises
    ------
    DataError
        None is left.
    """
    found, numbers = [], []
    for number, fold in enumerate(folds):
        train, test = (
            np.flatnonzero(np.isin(rows, part)).astype(np.intp) for part in (fold.train, fold.test)
        )
        if min(len(train), len(test)) >= MINIMUM_ROWS:
            found.append(Fold(train, test))
            numbers.append(number)
    if not found:
        raise DataError(
            f"of the runs that {', '.join(who)} have, none is held out while others are fitted to",
            "leave these participants out, or ask for other folds",
        )
    return tuple(found), np.array(numbers, np.intp)
