"""Confounds of a run in the tables of fMRIPrep: by name, or by a set that nilearn knows."""

from __future__ import annotations

import fnmatch
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.errors import DataError, ExtraMissing
from harness.numeric.arrays import Doubles
from harness.own_data.bids.layout import BidsFile, find_beside
from harness.spec.extras import install_command

TABLES = ("_desc-confounds_timeseries.tsv", "_desc-confounds_regressors.tsv")
"""How names of tables end, since fMRIPrep 20 and before."""
SETS: dict[str, dict[str, Any]] = {
    "motion-6": {"strategy": ("motion",), "motion": "basic"},
    "motion-12": {"strategy": ("motion",), "motion": "derivatives"},
    "motion-24": {"strategy": ("motion",), "motion": "full"},
    "wm-csf": {"strategy": ("wm_csf",), "wm_csf": "basic"},
    "wm-csf-8": {"strategy": ("wm_csf",), "wm_csf": "full"},
    "global-signal": {"strategy": ("global_signal",), "global_signal": "basic"},
    "cosines": {"strategy": ("high_pass",)},
    "acompcor": {"strategy": ("high_pass", "compcor"), "compcor": "anat_combined"},
    "tcompcor": {"strategy": ("high_pass", "compcor"), "compcor": "temporal"},
}
"""Sets by name, and what :func:`nilearn.interfaces.fmriprep.load_confounds` is asked for. Both
kinds of CompCor come with the cosines, which fMRIPrep took out before it found the components
(Behzadi et al. 2007); ``acompcor-5`` has the first five."""
STEADY = "non_steady_state_outlier"


def confounds_table(root: Path, response: BidsFile, participant: str) -> Path:
    """Find the table of confounds that goes with responses.

    Raises
    ------
    DataError
        There is none.
    """
    for ending in TABLES:
        if found := find_beside(root, response, participant, ending):
            return found
    raise DataError(
        f"no table of confounds beside {response.path}",
        f"its name ends in {TABLES[0]}; or leave out `confounds`",
    )


def read_confounds(table: Path, wanted: Sequence[str]) -> pd.DataFrame:
    """Read confounds of a run.

    Parameters
    ----------
    table : Path
    wanted : sequence of str
        Names of columns, globs of them, or names of ``SETS``.

    Returns
    -------
    DataFrame, shape (n_volumes, k)
        The first value of a derivative, which there is not, is the second one's, as in nilearn.

    Raises
    ------
    DataError
        There is no such column, or a value is missing.
    """
    raw = _table(table)
    parts = []
    for name in wanted:
        asked = _set(name)
        if asked is not None:
            parts.append(_of_nilearn(table, name, asked))
            continue
        columns = fnmatch.filter(raw.columns, name)
        if not columns:
            raise DataError(
                f"{table} has no confound {name!r}",
                f"a column ({', '.join(raw.columns[:6])}, …), a glob, or {', '.join(SETS)}",
            )
        own = raw[columns].copy()
        first = own.iloc[0].isna()
        if len(own) > 1 and first.any():
            own.iloc[0] = own.iloc[0].where(~first, own.iloc[1])
        parts.append(own)
    joined = pd.concat(parts, axis=1)
    joined = joined.loc[:, ~joined.columns.duplicated()]
    if holes := [c for c in joined.columns if not np.isfinite(joined[c]).all()]:
        raise DataError(f"{table}: {', '.join(holes)} has values that are missing")
    return joined


def unsteady_volumes(table: Path) -> int:
    """Return how many volumes at the beginning fMRIPrep found before the steady state."""
    return sum(column.startswith(STEADY) for column in _table(table).columns)


def as_array(frame: pd.DataFrame) -> Doubles:
    """Return the values, (n_volumes, k)."""
    return np.asarray(frame.to_numpy(), np.float64)


def _set(name: str) -> dict[str, Any] | None:
    if name in SETS:
        return SETS[name]
    if found := re.fullmatch(r"([at]compcor)-(\d+)", name):
        return SETS[found[1]] | {"n_compcor": int(found[2])}
    return None


def _of_nilearn(table: Path, name: str, asked: dict[str, Any]) -> pd.DataFrame:
    try:
        from nilearn.interfaces.fmriprep import load_confounds
    except ImportError as error:
        raise ExtraMissing("nilearn is not installed", install_command("report")) from error
    # nilearn finds the table by the name of an image in volumes, whichever the responses are.
    stem = table.name.partition("_desc-confounds")[0]
    response = table.with_name(f"{stem}_desc-preproc_bold.nii.gz")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, _ = load_confounds(str(response), demean=False, **asked)
    except (ValueError, OSError, KeyError) as error:
        said = " ".join(str(error).split())
        raise DataError(
            f"{table}: nilearn has no confounds {name!r} of it: {said}",
            "name the columns of the table instead, with globs: a_comp_cor_0[0-4]",
        ) from error
    return pd.DataFrame(found)


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, sep="\t", na_values=["n/a"])
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not a table of confounds: {error}") from error
