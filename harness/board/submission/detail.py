"""The numbers behind a value, as a submission carries them: which, and in what form."""

from __future__ import annotations

import io

import numpy as np
import xarray as xr

from harness.board.submission.classic import check_header
from harness.errors import SubmissionError

DETAIL_LIMIT = 32 * 2**20
"""Most bytes of an entry's detail."""

RAW = frozenset(
    {"sample", "time", "tr", "volume", "timepoint", "word", "token", "sentence", "unit"}
)
"""Dimensions of stimuli, responses and hidden states: no variable that has one is handed in."""
MAPS = frozenset({"voxel", "vertex", "electrode_sample"})
"""Dimensions of maps: handed in where the submitter says so."""
NAME_LENGTH = 80
"""Most characters of a name on a dimension: longer text might be a stimulus."""


def without_raw(dataset: xr.Dataset, maps: bool = False) -> xr.Dataset:
    """Leave out what a submission does not carry.

    Parameters
    ----------
    dataset : Dataset
        Detail of a score.
    maps : bool
        Whether voxel maps stay.

    Returns
    -------
    Dataset
        Without variables over samples, words or (unless ``maps``) voxels, without text that is
        longer than a name, without attributes.
    """
    banned = RAW if maps else RAW | MAPS
    doomed = [
        name
        for name, variable in dataset.variables.items()
        if banned & {str(d).lower() for d in variable.dims} or _is_prose(variable)
    ]
    return dataset.drop_vars(doomed).drop_attrs()


def raw_dimensions(dataset: xr.Dataset) -> list[str]:
    """Return the dimensions that no submission has."""
    return sorted(str(d) for d in dataset.dims if str(d).lower() in RAW)


def prose(dataset: xr.Dataset) -> list[str]:
    """Return the variables that hold text longer than a name."""
    return sorted(str(n) for n, variable in dataset.variables.items() if _is_prose(variable))


def _is_prose(variable: xr.Variable) -> bool:
    if variable.dtype.kind not in "OUS":
        return False
    return any(len(str(v)) > NAME_LENGTH for v in variable.values.ravel())


def pack_detail(dataset: xr.Dataset) -> bytes:
    """Write a dataset as classic netCDF; the same numbers are always the same bytes.

    Raises
    ------
    SubmissionError
        The detail is larger than a submission may be.
    """
    plain = dataset.assign(
        {
            name: variable.astype(np.int32)
            for name, variable in dataset.variables.items()
            if variable.dtype.kind in "iub" and variable.dtype != np.int32
        }
    )
    plain = plain[sorted(plain.variables, key=str)].drop_attrs()
    for variable in plain.variables.values():
        variable.encoding = {}
    packed = bytes(plain.to_netcdf(engine="scipy", format="NETCDF3_64BIT"))
    if len(packed) > DETAIL_LIMIT:
        raise SubmissionError(
            f"the detail has {len(packed):,} bytes; at most {DETAIL_LIMIT:,}",
            "leave voxel maps out",
        )
    return packed


def unpack_detail(content: bytes) -> xr.Dataset:
    """Read what :func:`pack_detail` wrote, from somebody we do not know.

    Raises
    ------
    SubmissionError
        It is too large, cut short, or declares what it does not hold.
    """
    if len(content) > DETAIL_LIMIT:
        raise SubmissionError(f"the detail has {len(content):,} bytes; at most {DETAIL_LIMIT:,}")
    try:
        check_header(content)
        # Numbers are taken as they stand: no scaling, no calendar.
        with xr.open_dataset(
            io.BytesIO(content), engine="scipy", mask_and_scale=False, decode_times=False
        ) as opened:
            dataset = opened.load()
    # scipy's reader and xarray's decoder raise what their parts raise; a file that is wrong in
    # whatever way is one thing to us.
    except Exception as error:
        raise SubmissionError(f"the detail does not read back: {error}") from error
    return dataset.drop_attrs()
