"""How probes are fitted and judged."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.errors import ScoreError


class Probe(StrEnum):
    """Kind of probe that is fitted to the states of a layer."""

    LINEAR = "linear"
    HIDDEN = "hidden"
    """One hidden layer."""
    ADAM = "adam"
    """Linear, trained as Holmes trains it: :mod:`harness.probe.adam`."""


@dataclass(frozen=True)
class ProbeOptions:
    """How probes are fitted and judged.

    Parameters
    ----------
    probe : Probe
    seeds : int
        Fits of each probe. A seed draws the training groups (four fifths of them), the labels of
        the control task and the order of the online code.
    penalties : tuple of float
        L2 penalties to choose from by the loss on the dev part: the fit minimises the mean loss of
        the training items, every class weighing the same, + penalty / 2 * |weights|^2 (ridge:
        without the half), of standardised features.
    n_hidden : int
        Units of the hidden layer, where there is one.
    draws : int
        Bootstrap draws of test groups and seeds, for the intervals.
    tolerance : float
        See :func:`harness.probe.minimise.minimise`.

    Raises
    ------
    ScoreError
        A number is too small, or there is no penalty.
    """

    probe: Probe = Probe.LINEAR
    seeds: int = 5
    penalties: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
    n_hidden: int = 32
    draws: int = 1000
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        if self.seeds < 1 or self.draws < 1 or self.n_hidden < 1:
            raise ScoreError(
                f"{self.seeds} seeds, {self.draws} draws, {self.n_hidden} hidden units",
                "each is at least 1",
            )
        if not self.penalties or min(self.penalties) <= 0:
            raise ScoreError(f"penalties {self.penalties}", "give at least one, all positive")
