"""How a run is done, apart from where: see :mod:`harness.place.place`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.errors import SelectionError

DTYPES = ("float32", "bfloat16", "float16")


class Overwrite(StrEnum):
    """Which stored results are computed again."""

    NEVER = "never"
    """Compute nothing: assemble what is there."""
    MISSING = "missing"
    """Compute what is not there, cells that failed before included."""
    ALWAYS = "always"
    """Compute everything again."""


@dataclass(frozen=True)
class RunOptions:
    """Settings of a run.

    Parameters
    ----------
    dtype : str
        Precision of weights and activations. Part of every key.
    overwrite : Overwrite
    batch_size : int, optional
        Most windows of a batch. Does not change results, and is in no key.
    keep_weights : bool
        Whether the weights of models that were compressed with calibration stay in the store, so
        that a later benchmark need not compress again.

    Raises
    ------
    SelectionError
        The dtype is not one of ``DTYPES``.
    """

    dtype: str = "float32"
    overwrite: Overwrite = Overwrite.MISSING
    batch_size: int | None = None
    keep_weights: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "overwrite", Overwrite(self.overwrite))
        if self.dtype not in DTYPES:
            raise SelectionError(f"no dtype {self.dtype!r}", f"one of {', '.join(DTYPES)}")
