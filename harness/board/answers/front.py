"""Pareto front of value against size: variants that no smaller one matches."""

from __future__ import annotations

import numpy as np

from harness.numeric.arrays import Bools, Doubles


def pareto_front(cost: Doubles, value: Doubles) -> Bools:
    """Variants that no other, at most as costly, equals or exceeds.

    Parameters
    ----------
    cost : array, shape (n_variants,)
        Smaller is better. NaN is never on the front.
    value : array, shape (..., n_variants)
        Larger is better; any number of draws. NaN is never on the front.

    Returns
    -------
    array of bool, shape (..., n_variants)
        Of variants that tie in both, all are on the front.
    """
    known = np.isfinite(cost)
    order = np.argsort(cost[known], kind="stable")
    sorted_cost = cost[known][order]
    filled = np.where(np.isfinite(value), value, -np.inf)[..., known][..., order]
    best = np.maximum.accumulate(filled, axis=-1)
    # The best at most as costly, ties included, and the best that is strictly cheaper.
    last = np.searchsorted(sorted_cost, sorted_cost, side="right") - 1
    first = np.searchsorted(sorted_cost, sorted_cost, side="left")
    empty = np.full((*filled.shape[:-1], 1), -np.inf)
    cheaper = np.concatenate([empty, best], axis=-1)[..., first]
    on = (filled >= best[..., last]) & (filled > cheaper)
    out = np.zeros(value.shape, np.bool_)
    back = np.flatnonzero(known)[order]
    out[..., back] = on
    return out
