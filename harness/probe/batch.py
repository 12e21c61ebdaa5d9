"""Probes of one task and layer that are fitted together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.numeric.arrays import Doubles, Floats, Ints
from harness.probe.chance import code_stops
from harness.probe.code_length import prefix_weights
from harness.probe.hidden import fit_hidden
from harness.probe.labelled import Labelled
from harness.probe.linear import fit_logistic, fit_ridge
from harness.probe.options import Probe, ProbeOptions


class Fitted(Protocol):
    """A batch of fitted probes."""

    def of(self, problems: slice) -> Fitted:
        """Return some of the batch."""

    def outputs(self, x: Floats) -> Floats:
        """Logits or predicted numbers, (n_problems, n_outputs, n_items)."""


@dataclass(frozen=True)
class Batch:
    """Probes that are fitted together: they share their features, and each is one row.

    Parameters
    ----------
    targets : array (n_problems, n_train)
    penalties : array (n_problems,)
    weights : array (n_problems, n_train)
        0 leaves an item out.
    seeds : array (n_problems,)
        Of weights that are drawn, where the probe has a hidden layer.
    """

    targets: npt.NDArray[Any]
    penalties: Doubles
    weights: Floats
    seeds: Ints

    def of(self, problems: slice) -> Batch:
        """Return some of the batch."""
        return Batch(
            self.targets[problems],
            self.penalties[problems],
            self.weights[problems],
            self.seeds[problems],
        )


def penalty_batch(labelled: Labelled, options: ProbeOptions) -> Batch:
    """Return fits of all training items, one under each penalty."""
    m = len(options.penalties)
    targets = np.tile(labelled.labels[labelled.train], (m, 1))
    weights = np.ones(targets.shape, np.float32)
    if labelled.is_class:
        weights = even_weights(targets, weights)
    return Batch(targets, np.array(options.penalties), weights, np.zeros(m, np.int64))


def even_weights(labels: npt.NDArray[Any], weights: Floats) -> Floats:
    """Give each class the same weight in all, as it has in macro-F1.

    A probe that is fitted to items as they come never says a class that is rare enough.

    Parameters
    ----------
    labels, weights : array (n_problems, n_items)

    Returns
    -------
    array (n_problems, n_items)
        Each row's sum is as before.
    """
    n_classes = int(labels.max()) + 1
    cell = np.arange(len(labels))[:, None] * n_classes + labels
    sums = np.bincount(cell.ravel(), weights.ravel(), len(labels) * n_classes)
    present = (sums.reshape(len(labels), -1) > 0).sum(axis=1, keepdims=True)
    share = weights / np.where(sums > 0, sums, 1)[cell]
    return np.asarray(share * weights.sum(axis=1, keepdims=True) / present, np.float32)


def seed_batch(labelled: Labelled, penalty: float, options: ProbeOptions) -> Batch:
    """Return the fits of every seed: of the task, of its control task, of the online code.

    Seeds of the task come first, then seeds of the control task, then for each seed the fits of
    :func:`harness.probe.code_length.prefix_weights`; numbers have none of these.
    """
    seeds, n_train = labelled.weights.shape
    own = np.tile(labelled.labels[labelled.train], (seeds, 1))
    targets: list[npt.NDArray[Any]] = [own, labelled.control[:, labelled.train]]
    weights = [labelled.weights] * 2
    if labelled.is_class:
        # The code is of the labels as they come: its fits are not weighted.
        weights = [even_weights(t, w) for t, w in zip(targets, weights, strict=True)]
    penalties: list[Doubles] = [np.full(2 * seeds, penalty)]
    numbers = [np.tile(np.arange(seeds), 2)]
    stops = code_stops(n_train)
    n_fits = len(stops) - 1 if labelled.is_class else 0
    if n_fits:
        targets.append(np.repeat(own, n_fits, axis=0))
        weights.append(prefix_weights(labelled.order, stops).reshape(-1, n_train))
        # The same prior whatever was sent: a penalty a training item grows as they are fewer.
        penalties.append(np.tile(penalty * n_train / np.asarray(stops[:-1]), seeds))
        numbers.append(np.repeat(np.arange(seeds), n_fits))
    return Batch(
        np.concatenate(targets),
        np.concatenate(penalties),
        np.concatenate(weights),
        np.concatenate(numbers),
    )


def fit_batch(labelled: Labelled, x: Floats, batch: Batch, options: ProbeOptions) -> Fitted:
    """Fit a batch.

    Parameters
    ----------
    labelled : Labelled
    x : array (n_train, n_axes)
        Training items in the coordinates of :class:`harness.probe.features.Basis`.
    batch : Batch
    options : ProbeOptions
    """
    targets, penalties, weights = batch.targets, batch.penalties, batch.weights
    if options.probe is Probe.HIDDEN:
        goals = targets if labelled.is_class else targets.astype(x.dtype)
        n_outputs, n_hidden = labelled.n_classes, options.n_hidden
        return fit_hidden(x, goals, n_outputs, penalties, weights, batch.seeds, n_hidden)
    if labelled.is_class:
        return fit_logistic(x, targets, labelled.n_classes, penalties, weights, options.tolerance)
    return fit_ridge(x, targets, penalties, weights)
