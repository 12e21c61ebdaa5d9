"""Scores that several workers make: a task for each part, and one that goes on from all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.runner.cells import Cell
from harness.runner.work import Task


class Parts:
    """What follows from tasks that end, and the parts that are still open.

    Parameters
    ----------
    several : bool
        Whether there are several workers; one does a score in one piece, and plans once.
    """

    def __init__(self, several: bool) -> None:
        self._several = several
        self._left: dict[tuple[str, str], int] = {}

    def following(
        self, task: Task, cells: tuple[Cell, ...], counts: Sequence[int]
    ) -> tuple[Task, ...]:
        """Return the tasks that follow when one has ended.

        Parameters
        ----------
        task : Task
        cells : tuple of Cell
            As it left them.
        counts : sequence of int
            How many parts the score of each has, where it has prepared them.
        """
        if task.part is not None:
            return self._after(task)
        parts = {_name(cell): count for cell, count in zip(cells, counts, strict=False)}
        found: list[Task] = []
        for score in task.followed_by(cells):
            assert score.cell is not None
            count = parts.get(_name(score.cell), 1) if self._several else 1
            if count == 1:
                found.append(score)
                continue
            self._left[_name(score.cell)] = count
            found += [replace(score, part=part) for part in range(count)]
        return tuple(found)

    def lost(self, task: Task) -> None:
        """Forget the other parts of a score one part of which is lost: there is none to make."""
        if task.part is not None and task.cell is not None:
            self._left.pop(_name(task.cell), None)

    def _after(self, task: Task) -> tuple[Task, ...]:
        assert task.cell is not None
        name = _name(task.cell)
        if name not in self._left:
            return ()
        self._left[name] -= 1
        if self._left[name]:
            return ()
        del self._left[name]
        return (Task(task.job, task.cell),)


def _name(cell: Cell) -> tuple[str, str]:
    return cell.variant.name, cell.benchmark.name
