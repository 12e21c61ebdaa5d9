"""Responses and confounds of a participant in a run, wherever the description says they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.own_data.description import Description, Run
from harness.own_data.tables import open_array


def open_run(folder: Path, said: Description, participant: str, run: Run) -> Any:
    """Open the responses of a participant to a run.

    Returns
    -------
    array-like, shape (n_volumes, n_columns)

    Raises
    ------
    DataError
        There is no such array, or it is not whole.
    """
    return open_array(folder, said.response_address(participant, run.name))
