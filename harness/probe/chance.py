"""What a seed draws: training groups, labels of the control task, the order of the online code."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.numeric.arrays import Doubles, Floats, Ints

SHARE = 0.8
"""Of the training groups, for each seed."""
FEW_GROUPS = 5
"""With fewer training groups, items are drawn instead."""
FIRST_BLOCK = 8
"""Fewest items of the first block of the online code."""


def generator(name: str, purpose: str, seed: int) -> np.random.Generator:
    """Return random numbers that depend on a task's name and not on the tasks beside it."""
    return np.random.default_rng([zlib.crc32(f"{name}/{purpose}".encode()), seed])


def training_weights(name: str, groups: Sequence[str], seeds: int) -> Floats:
    """Draw four fifths of the training groups for each seed.

    A linear probe has one optimum, so the seed of its first weights would change nothing: what is
    random about it is what it was trained on.

    Parameters
    ----------
    name : str
        Of the task.
    groups : sequence of str (n_items,)

    Returns
    -------
    array (seeds, n_items), float32
        1 for items that are drawn, 0 for others.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < FEW_GROUPS:
        names, member = np.arange(len(groups)), np.arange(len(groups))
    drawn = np.zeros((seeds, len(names)), np.float32)
    for seed in range(seeds):
        order = generator(name, "training", seed).permutation(len(names))
        drawn[seed, order[: math.ceil(SHARE * len(names))]] = 1
    return drawn[:, member]


def control_labels(
    name: str, types: Sequence[str], labels: npt.NDArray[Any], training: Ints, seeds: int
) -> npt.NDArray[Any]:
    """Give each type one random label, drawn as the training labels are distributed.

    Parameters
    ----------
    name : str
    types : sequence of str (n_items,)
    labels : array (n_items,)
        The task's own labels.
    training : array (n_training,)
        Which items are training items.

    Returns
    -------
    array (seeds, n_items)

    References
    ----------
    Hewitt & Liang (2019), Designing and interpreting probes with control tasks, EMNLP, section 2.
    """
    names, member = np.unique(np.asarray(types), return_inverse=True)
    source = np.sort(labels[training])
    out = np.empty((seeds, len(labels)), labels.dtype)
    for seed in range(seeds):
        picked = generator(name, "control", seed).integers(len(source), size=len(names))
        out[seed] = source[picked][member]
    return out


def code_order(name: str, groups: Sequence[str], seeds: int) -> Ints:
    """Order the training items for the online code, groups whole and shuffled.

    Returns
    -------
    array (seeds, n_items)
        Item numbers in the order in which they are sent.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    orders = []
    for seed in range(seeds):
        rng = generator(name, "code", seed)
        place = rng.permutation(len(names))[member] + rng.random(len(member))
        orders.append(np.argsort(place))
    return np.stack(orders)


def code_stops(n_items: int) -> tuple[int, ...]:
    """Where the blocks of the online code end: 1/2, 1/4, 1/8 … of the items, and all of them.

    The fractions of Voita & Titov (2020) from 6.25 % on; below, down to 8 items, theirs are close
    to halves too.
    """
    stops = [n_items]
    while stops[-1] > 2 * FIRST_BLOCK:
        stops.append(math.ceil(stops[-1] / 2))
    return tuple(reversed(stops))


def resampled(names: Sequence[str], draws: int, seed: int = 0) -> Doubles:
    """How often each of the named groups counts in each bootstrap draw, (draws, n_groups)."""
    rng = np.random.default_rng(seed)
    share = np.full(len(names), 1 / len(names))
    return np.asarray(rng.multinomial(len(names), share, size=draws).astype(np.float64))
