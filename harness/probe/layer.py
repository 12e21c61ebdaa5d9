"""All probes of one task on one layer: every seed, its control task and its online code at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.errors import ScoreError
from harness.numeric.arrays import Doubles, Floats, Ints
from harness.probe.adam import Schooling, fit_adam
from harness.probe.agreement import Counts, Moments
from harness.probe.batch import fit_batch, penalty_batch, seed_batch
from harness.probe.chance import code_stops
from harness.probe.code_length import code_length
from harness.probe.features import Basis
from harness.probe.labelled import Labelled
from harness.probe.options import Probe, ProbeOptions
from harness.probe.tasks import Part


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
    if options.probe is Probe.ADAM:
        return _trained(labelled, x)
    basis, train = Basis.fit(x[labelled.train])
    z = {name: basis.rotate(x[getattr(labelled, name)]) for name in ("dev", "test")}
    z["train"] = train
    penalty = choose_penalty(labelled, z, options)
    return _judged(labelled, z, penalty, options)


def _trained(labelled: Labelled, x: Floats) -> LayerResult:
    """Train as Holmes does: features as they are, all training items, a seed for the first weights.

    There is neither a penalty nor an online code.
    """
    if not np.isfinite(x[labelled.train]).all():
        raise ScoreError(
            "a feature of a training item is not finite",
            "record again in float32; a compressed model that gives NaN is broken",
        )
    seeds = len(labelled.weights)
    own = labelled.labels
    if not labelled.is_class:
        own = np.array([float(item.label) for item in labelled.task.items])
    at = {name: x[getattr(labelled, name)].astype(np.float32) for name in ("train", "dev", "test")}
    known = (
        np.flatnonzero(own[labelled.dev] < labelled.n_classes) if labelled.is_class else slice(None)
    )

    def outputs(labels: npt.NDArray[Any], chosen: Ints) -> tuple[Floats, Floats]:
        dev = labels[labelled.dev]
        items = Schooling(
            at["train"], labels[labelled.train], at["dev"][known], dev[known], labelled.n_classes
        )
        fitted = fit_adam(items, chosen)
        return fitted.outputs(at["dev"]), fitted.outputs(at["test"])

    dev, test = outputs(own, np.arange(seeds))
    control = [outputs(one, np.array([k]))[1] for k, one in enumerate(labelled.control)]
    bits = np.full(seeds, np.nan)
    return _result(labelled, np.nan, (dev, test, np.concatenate(control)), bits)


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
    test = fitted.of(slice(2 * seeds)).outputs(z["test"])
    outputs = (fitted.of(slice(seeds)).outputs(z["dev"]), test[:seeds], test[seeds:])
    return _result(labelled, penalty, outputs, bits)


def _result(
    labelled: Labelled, penalty: float, outputs: tuple[Floats, Floats, Floats], bits: Doubles
) -> LayerResult:
    """Count what was right of outputs on dev and test, and of the control task's on test."""
    dev, test, control = (said(labelled, out) for out in outputs)
    labels, n_groups = labelled.labels, len(labelled.group_names)
    one = np.zeros(len(labelled.dev), np.int64)
    of_dev = agreement(labelled, labels[labelled.dev], dev, one, 1)
    seen, groups, of_test = labelled.seen, labelled.groups, labels[labelled.test]
    return LayerResult(
        penalty,
        score(of_dev, np.ones((1, 1)))[0],
        agreement(labelled, of_test, test, groups, n_groups),
        agreement(labelled, of_test[seen], test[:, seen], groups[seen], n_groups),
        _control_agreement(labelled, control),
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


def _control_agreement(labelled: Labelled, said: npt.NDArray[Any]) -> Counts | Moments:
    """Each seed has control labels of its own: agreement one by one, then side by side."""
    n_groups, seen = len(labelled.group_names), labelled.seen
    groups = labelled.groups[seen]
    parts = [
        agreement(labelled, labels[labelled.test][seen], said[k : k + 1, seen], groups, n_groups)
        for k, labels in enumerate(labelled.control)
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
