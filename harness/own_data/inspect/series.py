"""What pictures of responses are drawn from: spectrum, change from volume to volume, spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.numeric.arrays import Doubles, Floats
from harness.own_data.inspect.values import ValueCounts, usable
from harness.stimuli.passages import Passage


def spectra(sampled: Mapping[str, Floats], labels: Mapping[str, Any], tr: float) -> pd.DataFrame:
    """Return the power of responses by frequency, a share of all, mean over columns and runs.

    Parameters
    ----------
    sampled : mapping
        Responses (n_samples, n_columns) by participant.
    labels : mapping
        Run of every row, (n_samples,), by participant.
    tr : float
        s.
    """
    from scipy.signal import periodogram

    rows = []
    every = [int(n) for own in labels.values() for n in np.unique(own, return_counts=True)[1]]
    if not every:
        return pd.DataFrame()
    length = min(every)  # the same frequencies for all
    for person, values in sampled.items():
        own = labels[person]
        runs = [np.flatnonzero(own == label) for label in np.unique(own)]
        total: Any = 0.0
        for run in runs:
            part = values[run[:length]]
            part = (part - part.mean(axis=0)) / part.std(axis=0)
            frequencies, power = periodogram(part, 1 / tr, axis=0)
            total = total + power[1:].mean(axis=1)
        share = total / np.sum(total)
        rows += [
            {"participant": person, "frequency": f, "power": p}
            for f, p in zip(frequencies[1:], share, strict=True)
        ]
    return pd.DataFrame(rows)


def changes(
    sampled: Mapping[str, Floats], labels: Mapping[str, Any], names: Sequence[str]
) -> pd.DataFrame:
    """Return the root mean square change of z-scored columns from volume to volume."""
    rows = []
    for person, values in sampled.items():
        for number, name in enumerate(names):
            part = values[labels[person] == number]
            if not len(part):
                continue
            part = (part - part.mean(axis=0)) / np.maximum(part.std(axis=0), 1e-30)
            step = np.sqrt(np.square(np.diff(part, axis=0)).mean(axis=1))
            rows += [
                {"participant": person, "run": name, "volume": i, "change": s}
                for i, s in enumerate(step, start=1)
            ]
    return pd.DataFrame(rows)


def spreads(counts: Mapping[tuple[str, str], ValueCounts]) -> pd.DataFrame:
    """Return quantiles over columns and runs of the deviation over volumes, by participant."""
    rows = []
    for person in dict.fromkeys(person for person, _ in counts):
        own = [c for (p, _), c in counts.items() if p == person]
        values = np.concatenate([c.deviation[usable(c)] for c in own])
        if len(values):
            low, q1, middle, q3, high = np.quantile(values, (0.02, 0.25, 0.5, 0.75, 0.98))
            row = {"low": low, "q1": q1, "median": middle, "q3": q3, "high": high}
            rows.append({"participant": person, **row})
    return pd.DataFrame(rows)


def array_table(counts: Mapping[tuple[str, str], ValueCounts]) -> pd.DataFrame:
    """Return a row a participant and run: shape, what is missing, mean and deviation."""
    rows = []
    for (person, run), each in counts.items():
        whole = usable(each)
        rows.append(
            {
                "participant": person,
                "run": run,
                "volumes": each.shape[0],
                "columns": each.shape[1],
                "missing": each.missing,
                "constant": each.constant,
                "stopped": each.stopped,
                "mean": float(each.mean[whole].mean()) if whole.any() else np.nan,
                "deviation": float(np.median(each.deviation[whole])) if whole.any() else np.nan,
            }
        )
    return pd.DataFrame(rows)


def word_paces(
    passages: Mapping[str, Passage], clocks: Mapping[str, Doubles], tr: float
) -> pd.DataFrame:
    """Return words a second at each volume, by run."""
    rows = []
    for name, clock in clocks.items():
        if passage := passages.get(name):
            rate = word_rate(passage, clock) / tr
            rows += [{"run": name, "time": t, "rate": r} for t, r in zip(clock, rate, strict=True)]
    return pd.DataFrame(rows)


def word_rate(passage: Passage, clock: Doubles) -> Doubles:
    """Words a volume, Lanczos-filtered as the nuisance regressor is, (n_volumes,)."""
    from harness.stimuli.lanczos import lanczos_matrix

    onto = lanczos_matrix(np.asarray(passage.midpoints), clock)
    return np.asarray(onto @ np.ones(len(passage.spans)))
