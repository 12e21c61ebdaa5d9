"""Which participants have which runs, and what about that cannot be meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.errors import DataError


class Attended(Protocol):
    """What is looked at of a run."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def test(self) -> bool:
        """Whether models are tested on it."""
        ...

    @property
    def absent(self) -> tuple[str, ...]:
        """Participants who lack it."""
        ...

    @property
    def repeats(self) -> tuple[str, ...]:
        """Its presentations, where there are several."""
        ...


def check_presence(runs: Sequence[Attended], participants: Sequence[str]) -> None:
    """Refuse absences and repeats that cannot be meant.

    Raises
    ------
    DataError
        Somebody absent is no participant, nobody has a run, somebody has none, none to be fitted
        to or none to be tested on; a run has one repeat, or two of one name.
    """
    for run in runs:
        if unknown := sorted(set(run.absent) - set(participants)):
            raise DataError(
                f"run {run.name}: {', '.join(unknown)} are absent and no participants",
                f"participants are {', '.join(participants)}",
            )
        if set(run.absent) == set(participants):
            raise DataError(f"everybody is absent from run {run.name}", "leave the run out")
        if run.repeats and (len(run.repeats) < 2 or len(set(run.repeats)) < len(run.repeats)):
            raise DataError(
                f"run {run.name}: repeats are {list(run.repeats)}", "name at least two, each once"
            )
    for person in participants:
        own = [run for run in runs if person not in run.absent]
        if not own:
            raise DataError(f"{person} is absent from every run", "leave the participant out")
        if any(run.test for run in runs) and len({run.test for run in own}) < 2:
            what = "fit to" if own[0].test else "test on"
            raise DataError(
                f"{person} lacks every run to {what}", "leave the participant out, or mend `test`"
            )
