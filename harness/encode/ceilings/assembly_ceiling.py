"""How well neuroids could be predicted at best: by infinitely many other participants, or given."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.encode.ceilings.extrapolation import FEWEST, extrapolated
from harness.encode.design.options import EncodingOptions
from harness.encode.items.assembly import Assembly, group_folds, measured
from harness.errors import DataError
from harness.numeric.arrays import Doubles

FROM_OTHERS = "participants"
"""Extrapolate from pools of other participants."""
NONE = "none"

PENALTIES = 10
"""Length of the grid that pools are fitted with: half the models', over the same range."""


@dataclass(frozen=True, eq=False)
class NeuroidCeilings:
    """Ceilings on the r of every neuroid, by experiment.

    Parameters
    ----------
    parts : tuple of str
        Experiments.
    value, low, high : array, shape (n_parts, n_neuroids)
        Ceiling and its 95 % interval; NaN where there is none.
    kind : str
        ``extrapolated``, ``given`` or ``none``.
    reason : str
        Why there is none, where there is none.
    """

    parts: tuple[str, ...]
    value: Doubles
    low: Doubles
    high: Doubles
    kind: str
    reason: str = ""


def assembly_ceilings(
    data: Assembly, options: EncodingOptions, ceiling: str | float = FROM_OTHERS
) -> NeuroidCeilings:
    """Make or read the ceilings of an assembly.

    Parameters
    ----------
    data : Assembly
    options : EncodingOptions
        The ones that models are scored with: the same folds, gap and metric.
    ceiling : str or float
        ``participants``: :func:`harness.encode.ceilings.extrapolation.extrapolated`, in every
        experiment
        that at least four participants did; ``none``; a number for all neuroids; or the path of an
        ``.npy`` file, (n_neuroids,) or (n_parts, n_neuroids) in the order of the assembly. What of
        given ones is not in (0, 1] is masked: such fits did not converge.

    Returns
    -------
    NeuroidCeilings

    Raises
    ------
    DataError
        What is given is no ceiling of these neuroids.
    """
    parts = tuple(dict.fromkeys(map(str, data.parts)))
    value, low, high = np.full((3, len(parts), data.values.shape[1]), np.nan)
    if ceiling == NONE:
        return NeuroidCeilings(parts, value, low, high, NONE, "none was asked for")
    if ceiling != FROM_OTHERS:
        given = _given(ceiling, value.shape)
        return NeuroidCeilings(parts, given, low, high, "given")
    reasons = []
    for i, part in enumerate(parts):
        rows, here = measured(data, part)
        people = len(set(data.participants[here]))
        if people < FEWEST:
            where = "" if len(parts) == 1 else f"{part}: "
            word = "participant has" if people == 1 else "participants have"
            reasons.append(
                f"{where}{people} {word} all items; extrapolation needs at least {FEWEST}"
            )
            continue
        found = extrapolated(
            data.values[np.ix_(rows, here)],
            data.participants[here],
            np.zeros(len(rows), np.int64),
            options=replace(options, penalties=min(PENALTIES, options.penalties)),
            folds=group_folds(data.groups[rows], options.n_outer),
        )
        assert found.low is not None
        assert found.high is not None
        value[i, here], low[i, here], high[i, here] = found.value, found.low, found.high
    kind = NONE if len(reasons) == len(parts) else "extrapolated"
    return NeuroidCeilings(parts, value, low, high, kind, "; ".join(reasons))


def _given(ceiling: str | float, shape: tuple[int, ...]) -> Doubles:
    try:
        found = np.asarray(float(ceiling))
    except ValueError:
        found = _from_file(Path(str(ceiling)))
    if found.shape not in ((), shape[1:], shape):
        raise DataError(
            f"ceilings of shape {found.shape} for {shape[1]} neuroids",
            f"give ({shape[1]},), or {shape} by experiment and neuroid, in the assembly's order",
        )
    kept = np.where((found > 0) & (found <= 1), found, np.nan)
    if not np.isfinite(kept).any():
        raise DataError(f"ceiling {ceiling}: no value is in (0, 1]", "a ceiling is a Pearson r")
    return np.array(np.broadcast_to(kept, shape))


def _from_file(path: Path) -> Doubles:
    if path.suffix != ".npy":
        raise DataError(
            f"no ceiling {str(path)!r}",
            f"{FROM_OTHERS}, {NONE}, a number, or the path of an .npy file",
        )
    try:
        return np.asarray(np.load(path), np.float64)
    except FileNotFoundError as error:
        raise DataError(f"no ceilings at {path}", "give the path of an .npy file") from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} is no array of numbers: {error}", "save it with np.save"
        ) from error
