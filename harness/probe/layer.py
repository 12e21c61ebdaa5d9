"""All probes of one task on one layer: every seed, its control task and its online code at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from harness.errors import ScoreError
from harness.numeric.arrays import Bools, Doubles, Floats, Ints
from harness.probe.agreement import Counts, Moments
from harness.probe.chance import code_order, code_stops, control_labels, training_weights
from harness.probe.code_length import code_length, prefix_weights
from harness.probe.features import Basis
from harness.probe.hidden import fit_hidden
from harness.probe.linear import fit_logistic, fit_ridge
from harness.probe.options import Probe, ProbeOptions
from harness.probe.tasks import Part, ProbeTask, Target


class Fitted(Protocol):
    """A batch of fitted probes."""

    def of(self, problems: slice) -> Fitted:
        """Return some of the batch."""

    def outputs(self, x: Floats) -> Floats:
        """Logits or predicted numbers, (n_problems, n_outputs, n_items)."""


@dataclass(frozen=True)
class Labelled:
    """A task as arrays, with what its seeds draw.

    Parameters
    ----------
    task : ProbeTask
    rows : array (n_items, n_places)
        Rows of the recording.
    labels : array (n_items,)
        Class numbers (those beyond ``n_classes`` do not occur in training) or numbers.
    n_classes, n_labels : int
        Classes of the training part; of all parts. 1 and 0 for numbers.
    train, dev, test : array
        Item numbers of each part.
    groups : array (n_test,)
        Group numbers of the test items.
    group_names : tuple of str
    weights : array (seeds, n_train)
        What each seed trains on.
    control : array (seeds, n_items)
        Labels of the control task.
    order : array (seeds, n_train)
        Order of the online code.
    seen : array (n_test,)
        Which test items have a type that a training item has.
    """

    task: ProbeTask
    rows: Ints
    labels: npt.NDArray[Any]
    n_classes: int
    n_labels: int
    train: Ints
    dev: Ints
    test: Ints
    groups: Ints
    group_names: tuple[str, ...]
    weights: Floats
    control: npt.NDArray[Any]
    order: Ints
    seen: Bools

    @classmethod
    def of(cls, task: ProbeTask, rows: Ints, seeds: int) -> Labelled:
        """Give the classes numbers and draw what is random; numbers are standardised."""
        items = task.items
        train, dev, test = (
            np.array([i for i, item in enumerate(items) if item.part is part]) for part in Part
        )
        if task.target is Target.CLASS:
            late = {str(i.label) for i in items} - set(task.classes)
            number = {label: k for k, label in enumerate([*task.classes, *sorted(late)])}
            labels = np.array([number[str(item.label)] for item in items])
            n_classes, n_labels = len(task.classes), len(number)
        else:
            labels = np.array([float(item.label) for item in items])
            labels = (labels - labels[train].mean()) / labels[train].std()
            n_classes, n_labels = 1, 0
        clusters = [item.cluster for item in items]
        names, groups = np.unique([clusters[i] for i in test], return_inverse=True)
        types = [item.type or f"item {i}" for i, item in enumerate(items)]
        trained = [clusters[i] for i in train]
        known = {types[i] for i in train}
        return cls(
            task,
            rows,
            labels,
            n_classes,
            n_labels,
            train,
            dev,
            test,
            groups.astype(np.int64),
            tuple(str(n) for n in names),
            training_weights(task.name, trained, seeds),
            control_labels(task.name, types, labels, train, seeds),
            code_order(task.name, trained, seeds),
            np.array([types[i] in known for i in test], bool),
        )

    @property
    def is_class(self) -> bool:
        """Whether labels are classes."""
        return self.task.target is Target.CLASS


@dataclass(frozen=True)
class LayerResult:
    """How the probes of one layer did; arrays over seeds unless said otherwise.

    Parameters
    ----------
    penalty : float
        Chosen by the loss on the dev part.
    dev : array (seeds,)
        Score on the dev part.
    test : Counts or Moments
        Of the test part.
    seen, control : Counts or Moments
        Of the test items whose type occurs in training: of the task, and of its control task,
        where a type that was never seen can only be guessed.
    bits : array (seeds,)
        Length of the online code; NaN for numbers, which have no code without a precision.
    """

    penalty: float
    dev: Doubles
    test: Counts | Moments
    seen: Counts | Moments
    control: Counts | Moments
    bits: Doubles


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


def probe_layer(labelled: Labelled, states: Floats, options: ProbeOptions) -> LayerResult:
    """Fit and judge the probes of one task on one layer.

    Parameters
    ----------
    labelled : Labelled
    states : array (n_rows, n_units)
        One layer of the recording.
    options : ProbeOptions

    Returns
    -------
    LayerResult

    Raises
    ------
    ScoreError
        No dev item has a label that occurs in training.
    """
    x = states[labelled.rows].reshape(len(labelled.rows), -1)
    if x.dtype not in (np.float32, np.float64):
        x = x.astype(np.float32)
    basis, train = Basis.fit(x[labelled.train])
    z = {name: basis.rotate(x[getattr(labelled, name)]) for name in ("dev", "test")}
    z["train"] = train
    penalty = choose_penalty(labelled, z, options)
    return _judged(labelled, z, penalty, options)


def choose_penalty(labelled: Labelled, z: dict[str, Floats], options: ProbeOptions) -> float:
    """Choose the penalty: fit all training items under each, and compare losses on dev.

    The loss is log loss with every class weighing the same, as in the score; squared error of
    numbers. Log loss of the items as they come is lowest, where one class is rare, for probes that
    never say that class.

    Parameters
    ----------
    labelled : Labelled
    z : mapping
        Items of ``train`` and ``dev`` in the coordinates of the fit.
    options : ProbeOptions

    Raises
    ------
    ScoreError
        No dev item has a label that occurs in training.
    """
    if len(options.penalties) == 1:
        return options.penalties[0]
    fitted = fit_batch(labelled, z["train"], penalty_batch(labelled, options), options)
    outputs = fitted.outputs(z["dev"]).astype(np.float64)
    loss = _even_loss(labelled, outputs, labelled.labels[labelled.dev])
    return options.penalties[int(np.argmin(loss))]


def _even_loss(labelled: Labelled, outputs: Floats, labels: npt.NDArray[Any]) -> Doubles:
    if not labelled.is_class:
        return np.asarray(np.square(outputs[:, 0] - labels).mean(axis=1), np.float64)
    known = labels < labelled.n_classes
    if not known.any():
        raise ScoreError(
            f"task {labelled.task.name!r}: no dev item has a label that occurs in training"
        )
    outputs, labels = outputs[:, :, known], labels[known]
    outputs = outputs - outputs.max(axis=1, keepdims=True)
    own = outputs[:, labels, np.arange(len(labels))]
    shares = 1 / np.bincount(labels)[labels]
    loss = (np.log(np.exp(outputs).sum(axis=1)) - own) @ (shares / shares.sum())
    return np.asarray(loss, np.float64)


def _judged(
    labelled: Labelled, z: dict[str, Floats], penalty: float, options: ProbeOptions
) -> LayerResult:
    seeds, n_train = labelled.weights.shape
    fitted = fit_batch(labelled, z["train"], seed_batch(labelled, penalty, options), options)
    stops = code_stops(n_train)
    n_fits = len(stops) - 1 if labelled.is_class else 0
    # Too few items for a second block are sent with the uniform code.
    uniform = n_train * np.log2(labelled.n_classes) if labelled.is_class else np.nan
    bits: Doubles = np.full(seeds, uniform)
    if n_fits:
        logits = fitted.of(slice(2 * seeds, None)).outputs(z["train"])
        shape = (seeds, n_fits, labelled.n_classes, n_train)
        bits = code_length(
            logits.reshape(shape), labelled.labels[labelled.train], labelled.order, stops
        )
    dev = fitted.of(slice(seeds)).outputs(z["dev"])
    test = fitted.of(slice(2 * seeds)).outputs(z["test"])
    one = np.zeros(len(labelled.dev), np.int64)
    labels = labelled.labels
    return LayerResult(
        penalty,
        score(
            agreement(labelled, labels[labelled.dev], said(labelled, dev), one, 1), np.ones((1, 1))
        )[0],
        agreement(
            labelled,
            labels[labelled.test],
            said(labelled, test[:seeds]),
            labelled.groups,
            len(labelled.group_names),
        ),
        agreement(
            labelled,
            labels[labelled.test][labelled.seen],
            said(labelled, test[:seeds])[:, labelled.seen],
            labelled.groups[labelled.seen],
            len(labelled.group_names),
        ),
        _control_agreement(labelled, test[seeds:]),
        bits,
    )


def score(agreement: Counts | Moments, weights: Doubles) -> Doubles:
    """Macro-F1 of classes, Pearson r of numbers: (n_draws, n_fits)."""
    if isinstance(agreement, Counts):
        return agreement.macro_f1(weights)
    return agreement.pearson(weights)


def plain(agreement: Counts | Moments, weights: Doubles) -> Doubles:
    """Accuracy of classes, Pearson r of numbers: what selectivity is a difference of."""
    if isinstance(agreement, Counts):
        return agreement.accuracy(weights)
    return agreement.pearson(weights)


def said(labelled: Labelled, outputs: Floats) -> npt.NDArray[Any]:
    """Class numbers of the highest logits, or the numbers themselves: (n_problems, n_items)."""
    return outputs.argmax(axis=1) if labelled.is_class else outputs[:, 0]


def agreement(
    labelled: Labelled,
    labels: npt.NDArray[Any],
    predicted: npt.NDArray[Any],
    groups: Ints,
    n_groups: int,
) -> Counts | Moments:
    """Count how predictions agree with labels.

    Parameters
    ----------
    labelled : Labelled
    labels : array (n_items,)
    predicted : array (n_fits, n_items)
        Class numbers, or numbers.
    groups : array (n_items,)
    n_groups : int
    """
    if labelled.is_class:
        numbers = predicted.astype(np.int64)
        return Counts.of(labels, numbers, groups, n_groups, labelled.n_labels)
    return Moments.of(labels, predicted, groups, n_groups)


def _control_agreement(labelled: Labelled, outputs: Floats) -> Counts | Moments:
    """Each seed has control labels of its own: agreement one by one, then side by side."""
    n_groups, seen = len(labelled.group_names), labelled.seen
    parts = [
        agreement(
            labelled,
            labels[labelled.test][seen],
            said(labelled, outputs[s : s + 1])[:, seen],
            labelled.groups[seen],
            n_groups,
        )
        for s, labels in enumerate(labelled.control)
    ]
    if labelled.is_class:
        counts = [p for p in parts if isinstance(p, Counts)]
        # Only accuracy is asked of the control task: its hits and its number of items.
        return Counts(
            np.concatenate([c.hits for c in counts], axis=1),
            np.concatenate([c.predicted for c in counts], axis=1),
            counts[0].actual,
        )
    return Moments(np.concatenate([p.sums for p in parts if isinstance(p, Moments)], axis=2))


def majority(labelled: Labelled, part: Part = Part.TEST) -> float:
    """Score of always saying the most frequent training class; 0 for numbers."""
    if not labelled.is_class:
        return 0.0
    common = int(np.bincount(labelled.labels[labelled.train]).argmax())
    items = getattr(labelled, part)
    always = np.full((1, len(items)), common)
    one = np.zeros(len(items), np.int64)
    counts = Counts.of(labelled.labels[items], always, one, 1, labelled.n_labels)
    return float(counts.macro_f1(np.ones((1, 1)))[0, 0])


def all_groups(tasks: Sequence[Labelled]) -> tuple[str, ...]:
    """Names of the test groups of all tasks, sorted."""
    return tuple(sorted({name for t in tasks for name in t.group_names}))
