"""Scores of participants who do not all have the same runs.

Whoever has the same runs is encoded together, in these rows alone; then scores stand side by side.
A layer is chosen by those who are encoded together. The mean of participants is that of those who
have all runs. A participant's ceiling is the correlation with the mean of whoever else has a row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from harness.encode.ceilings.cross_fit import Parts
from harness.encode.design.lacking import folds_of_rows, sharing
from harness.encode.design.options import EncodingOptions
from harness.encode.design.splits import Fold, held_out_pieces
from harness.encode.score.ceilings import (
    FEWEST,
    others_ceilings,
    parts_of_others,
    parts_of_repeats,
    relative_to_others,
    repeat_ceilings,
)
from harness.encode.score.encoded import encode_people, permuted, said_of, score_table, summarised
from harness.encode.score.responses import Responses
from harness.encode.score.unique import unique_part
from harness.errors import DataError
from harness.numeric.arrays import Doubles, Positions


def alike_for_all(options: EncodingOptions) -> None:
    """Refuse what needs the same rows of everybody: bands, other participants, similarity.

    Raises
    ------
    DataError
        One was asked for.
    """
    if options.metric.compares or options.partition or options.cross:
        asked = options.metric if options.metric.compares else "partition and cross"
        raise DataError(
            f"{asked} need the same runs of everybody, and some participants lack runs",
            "leave these participants out, or score by r2",
        )


def score_lacking(
    recording: xr.DataArray,
    data: Responses,
    options: EncodingOptions,
    seed: int,
    folds: Sequence[Fold],
) -> xr.Dataset:
    """Score a recording against participants of whom some lack runs.

    Parameters
    ----------
    recording : DataArray (sample, layer, unit)
    data : Responses
        With ``absent``.
    options : EncodingOptions
    seed : int
    folds : sequence of Fold
        Of the whole recording.

    Returns
    -------
    Dataset
        As :func:`harness.encode.score.protocol.score_responses` has it. ``fold_…`` is NaN in parts
        that a participant lacks: crossed intervals are of those who have all. ``group_…`` is of
        the participants who have all runs, and not there where nobody has.

    Raises
    ------
    DataError
        Something was asked for that needs the same rows of everybody, or of the runs that somebody
        has none is held out.
    """
    alike_for_all(options)
    features, layers = np.asarray(recording.values), np.asarray(recording["layer"].values)
    names, k = list(data.participants), len(data.rois)
    clean_values = np.full(data.values.shape, np.nan)
    tables: list[xr.Dataset] = []
    shared: dict[str, tuple[Doubles, list[Positions]]] = {}
    repeated: dict[str, Parts | None] = {}
    whole = xr.Dataset()
    accounts: dict[str, dict[str, Any]] = {}
    for group in sharing(data.absent, names, data.runs):
        own = data.of(group.participants, group.rows)
        there, numbers = folds_of_rows(folds, group.rows, group.participants)
        clean = own.cleaned(held_out_pieces(own.runs, there))
        who = np.array([names.index(p) for p in own.participants], np.intp)
        clean_values[np.ix_(who, group.rows)] = clean.values
        result, mean = encode_people(features[group.rows], own, clean, options, there)
        tested = permuted(result, mean, own, clean, seed)
        table = score_table(result, mean, own, layers).merge(tested)
        if group.whole:
            whole = table[[v for v in table.data_vars if str(v).startswith("group_")]]
            ceilings = others_ceilings(clean.values, seed)
            whole = whole.merge(ceilings.drop_vars("ceiling_loo", errors="ignore"))
        table = table[[v for v in table.data_vars if not str(v).startswith("group_")]]
        tables.append(table.assign_coords(fold=numbers))
        tests = [fold.test for fold in result.folds]
        own_parts = parts_of_repeats(own, result.predictions, tests)
        for i, name in enumerate(own.participants):
            predicted = result.predictions[:, i * k : (i + 1) * k]
            shared[name] = predicted, [group.rows[test] for test in tests]
            repeated[name] = None if own_parts is None else own_parts[name]
        accounts[" ".join(own.participants)] = said_of(result, own, clean, options, seed) | dict(
            tested.attrs
        )
    score = xr.concat(tables, "participant", join="outer").sel(participant=names)
    score = score.reindex(fold=np.arange(len(folds))).drop_vars("fold").merge(whole)
    score = score.merge(_others(clean_values, data)).merge(repeat_ceilings(data))
    score = score.merge(unique_part(score, seed))
    score = summarised(score, seed)
    parts: dict[str, Parts | None] = repeated
    if not any(repeated.values()):
        enough = len(names) >= FEWEST
        parts = {
            name: parts_of_others(clean_values, *shared[name], i) if enough else None
            for i, name in enumerate(names)
        }
    reason = f"{len(names)} participants have no ceiling"
    share = relative_to_others(names, data.rois, parts, seed, reason=reason)
    return score.assign(share.data_vars).assign_attrs(_said(data, accounts) | share.attrs)


def _others(values: Doubles, data: Responses) -> xr.Dataset:
    """Correlate each participant with the mean of whoever else has a row; needs three."""
    n, _, k = values.shape
    if n < FEWEST:
        return xr.Dataset()
    present = np.asarray(np.isfinite(values).all(axis=2))
    filled = np.where(present[:, :, None], values, 0.0)
    found = np.full((n, k), np.nan)
    for i in range(n):
        count = present.sum(axis=0) - present[i]
        rows = present[i] & (count > 0)
        if rows.sum() < 3:
            continue
        others = (filled.sum(axis=0) - filled[i])[rows] / count[rows, None]
        both = [x - x.mean(axis=0) for x in (values[i][rows], others)]
        norms = np.sqrt([np.square(x).sum(axis=0) for x in both])
        with np.errstate(invalid="ignore", divide="ignore"):
            found[i] = (both[0] * both[1]).sum(axis=0) / (norms[0] * norms[1])
    return xr.Dataset({"ceiling_loo": (("participant", "roi"), found)})


def _said(data: Responses, accounts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Join what is said of each group; what is one for all is said once."""
    first = next(iter(accounts.values()))
    said: dict[str, Any] = {
        key: value
        if all(account.get(key) == value for account in accounts.values())
        else json.dumps({who: account.get(key, "") for who, account in accounts.items()})
        for key, value in first.items()
    }
    return said | {
        "participants": len(data.participants),
        "left_out": json.dumps(dict(data.left_out)),
        "absent_runs": json.dumps({p: [str(r) for r in runs] for p, runs in data.absent.items()}),
    }
