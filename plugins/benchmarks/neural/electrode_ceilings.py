"""Ceilings of electrodes: each is predicted from all electrodes of the other participants."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from harness.encode.design.options import EncodingOptions
from harness.encode.design.sources import array_responses
from harness.encode.design.targets import usable_columns
from harness.encode.voxels.stream import stream_layers
from harness.numeric.arrays import Bools, Doubles, Singles
from harness.store.stages import ENCODE

from .kept_arrays import digest_of_arrays, kept

VERSION = 2
"""Bumped when the same activity comes to have other ceilings."""


def electrode_ceilings(
    activity: Mapping[str, Singles],
    lags: Sequence[float],
    options: EncodingOptions,
    *,
    present: Mapping[str, Bools] | None = None,
    runs: npt.NDArray[np.int64] | None = None,
) -> dict[str, Doubles]:
    """Predict each electrode from all electrodes of the other participants, at the same time.

    Those who hear one stimulus share what it drives (Schrimpf et al. 2021, without extrapolation
    to more participants: a lower bound). Lags shift all electrodes alike, so one is enough: the one
    closest to the onset.

    Parameters
    ----------
    activity : mapping
        By participant, (n_words, n_electrodes, n_lags).
    lags : sequence of float
        In s.
    options : EncodingOptions
    present : mapping, optional
        Words that each participant heard, (n_words,); all by default. Who lacks words of a
        participant predicts nothing of them.
    runs : array, shape (n_words,), optional
        Run of each word; one by default.

    Returns
    -------
    dict
        By participant, held-out r of each fold (n_folds, n_electrodes). Empty for fewer than two
        participants.
    """
    if len(activity) < 2:
        return {}
    lag = int(np.argmin(np.abs(np.asarray(lags))))
    now = {person: np.ascontiguousarray(values[:, :, lag]) for person, values in activity.items()}
    heard = [] if present is None else [present[person] for person in now]
    values = once(
        "electrode ceilings",
        [*now.values(), *heard, *([] if runs is None else [runs])],
        options,
        lambda: np.concatenate(
            [_from_others(now, person, options, present, runs) for person in now], axis=1
        ),
    )
    ends = np.cumsum([own.shape[1] for own in now.values()])
    each = np.split(values, ends[:-1], axis=1)
    return dict(zip(now, each, strict=True))


def _from_others(
    now: Mapping[str, Singles],
    person: str,
    options: EncodingOptions,
    present: Mapping[str, Bools] | None,
    runs: npt.NDArray[np.int64] | None,
) -> Doubles:
    """Predict the electrodes of a participant in each fold, (n_folds, n_electrodes)."""
    rows = slice(None) if present is None else np.flatnonzero(present[person])
    own = now[person][rows]
    others = np.concatenate([values[rows] for p, values in now.items() if p != person], axis=1)
    labels = np.zeros(len(own), np.int64) if runs is None else runs[rows]
    # Who was not there for some of these words has NaN, and is left out.
    usable = usable_columns(others, labels)
    if not usable.any():
        return np.full((options.n_outer, own.shape[1]), np.nan)
    recording = xr.DataArray(
        others[:, None, usable],
        dims=("sample", "layer", "unit"),
        coords={"layer": np.array([0])},
    )
    source = array_responses({person: own}, labels)
    scores = stream_layers(recording, source, options=options)[person]
    return np.asarray(scores["fold_r_best"].values, np.float64)


def once(
    stage: str,
    arrays: Sequence[npt.NDArray[Any]],
    options: EncodingOptions,
    compute: Callable[[], Doubles],
) -> Doubles:
    """Compute what takes minutes and is the same for every model, or find it in the cache.

    Parameters
    ----------
    stage : str
        What it is.
    arrays : sequence of array
        All that goes in.
    options : EncodingOptions
    compute : callable
    """
    return kept(
        compute,
        stage=stage,
        version=[VERSION, ENCODE],
        arrays=digest_of_arrays(arrays),
        options=json.loads(json.dumps(asdict(options), default=str)),
    )
