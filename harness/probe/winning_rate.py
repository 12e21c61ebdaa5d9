"""Mean winning rate: how often a variant beats the others, task by task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.stats

from harness.errors import ScoreError

if TYPE_CHECKING:
    import xarray as xr


def mean_winning_rate(scores: xr.DataArray) -> xr.DataArray:
    """Share of the other variants that a variant beats, mean over tasks.

    Unlike a mean of scores it does not depend on how far the scores of a task spread; it depends
    on the variants it is computed among, so it is not stored with a score.

    Parameters
    ----------
    scores : DataArray
        Dims (variant, task) in any order, higher is better; NaN where a task was not scored.

    Returns
    -------
    DataArray
        Dim (variant,), in [0, 1]; a tie counts half. NaN for a variant that shares no task with
        another.

    Raises
    ------
    ScoreError
        There are other dimensions, or fewer than two variants.

    References
    ----------
    Liang et al. (2023). Holistic evaluation of language models. TMLR. Used by Waldis et al. (2024).
    """
    if set(scores.dims) != {"variant", "task"} or scores.sizes["variant"] < 2:
        raise ScoreError(
            f"a winning rate is among two or more variants over tasks, not {dict(scores.sizes)}"
        )
    values = scores.transpose("variant", "task").values.astype(np.float64)
    # The mean rank of those that tie counts half of each tie.
    beaten = scipy.stats.rankdata(values, axis=0, nan_policy="omit") - 1
    with np.errstate(invalid="ignore", divide="ignore"):
        by_task = beaten / (np.isfinite(values).sum(axis=0) - 1)
    played = np.isfinite(by_task).sum(axis=1)
    with np.errstate(invalid="ignore"):
        rate = np.nansum(by_task, axis=1) / played
    return scores.isel(task=0, drop=True).copy(data=rate)
