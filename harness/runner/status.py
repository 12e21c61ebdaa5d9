"""How a cell stands, and what follows from it."""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

from harness.errors import DataError

NOT_COMPUTED = "not computed"
"""Reason of a cell of a board that nobody has begun."""


class Status(StrEnum):
    """Where a cell stands. Its value is what boards, bundles and tables say.

    A further status is a further case of each property here; mypy names those that lack it.
    """

    TODO = "to do"
    DONE = "done"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"

    @classmethod
    def read(cls, text: str) -> Status:
        """Read a status from a board.

        Raises
        ------
        DataError
            There is none of that name.
        """
        try:
            return cls(text)
        except ValueError:
            known = ", ".join(cls)
            raise DataError(
                f"a cell of the board has the status {text!r}, which is none of {known}",
                "the board was written by another version of brainpress",
            ) from None

    @property
    def has_score(self) -> bool:
        """Whether a score is in the store."""
        match self:
            case Status.DONE:
                return True
            case Status.TODO | Status.FAILED | Status.NOT_APPLICABLE:
                return False
            case _:
                assert_never(self)

    @property
    def handed_in(self) -> bool:
        """Whether a submission may hold such a cell."""
        match self:
            case Status.DONE | Status.NOT_APPLICABLE:
                return True
            case Status.TODO | Status.FAILED:
                return False
            case _:
                assert_never(self)

    @property
    def tried_again(self) -> bool:
        """Whether the same command computes the cell again: it is not finished."""
        match self:
            case Status.TODO | Status.FAILED:
                return True
            case Status.DONE | Status.NOT_APPLICABLE:
                return False
            case _:
                assert_never(self)

    @property
    def on_board(self) -> bool:
        """Whether a table of results has a row for it: something is known about the cell."""
        match self:
            case Status.DONE | Status.FAILED | Status.NOT_APPLICABLE:
                return True
            case Status.TODO:
                return False
            case _:
                assert_never(self)

    @property
    def explained(self) -> bool:
        """Whether a table of results says its reason below."""
        match self:
            case Status.FAILED | Status.NOT_APPLICABLE:
                return True
            case Status.DONE | Status.TODO:
                return False
            case _:
                assert_never(self)

    @property
    def style(self) -> str:
        """How a terminal shows it, in rich's words."""
        match self:
            case Status.DONE:
                return "green"
            case Status.TODO:
                return "cyan"
            case Status.FAILED:
                return "bold red"
            case Status.NOT_APPLICABLE:
                return "dim"
            case _:
                assert_never(self)

    @property
    def mark(self) -> str:
        """One character for it, where there is no room for words."""
        match self:
            case Status.DONE:
                return "+"
            case Status.TODO:
                return "."
            case Status.FAILED:
                return "!"
            case Status.NOT_APPLICABLE:
                return "-"
            case _:
                assert_never(self)

    def counted(self, cells: int) -> str:
        """Say how many cells of a plan stand so: ``3 cells to do``."""
        match self:
            case Status.TODO:
                return f"{cells} cell{'' if cells == 1 else 's'} to do"
            case Status.DONE:
                return f"{cells} cached"
            case Status.FAILED:
                return f"{cells} cannot be done"
            case Status.NOT_APPLICABLE:
                return f"{cells} not applicable"
            case _:
                assert_never(self)


NOT_ASKED = "no part of the suite asks for it"
"""Reason of a cell that is on a board because its model and its compressor are, in other parts."""
