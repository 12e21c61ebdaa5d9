"""A task as arrays, with what its seeds draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.numeric.arrays import Bools, Floats, Ints
from harness.probe.chance import code_order, control_labels, training_weights
from harness.probe.tasks import Part, ProbeTask, Target


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


def all_groups(tasks: Sequence[Labelled]) -> tuple[str, ...]:
    """Names of the test groups of all tasks, sorted."""
    return tuple(sorted({name for t in tasks for name in t.group_names}))
