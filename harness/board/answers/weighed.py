"""What the weights of a variant weigh."""

from __future__ import annotations

import math

import xarray as xr

from harness.board.answers.alignment import BASE

HALF = 2
"""Bytes a weight of a model that nobody compressed and nobody weighed: 16 bits."""


def bytes_of(board: xr.DataTree, model: str, compressor: str) -> float:
    """Return the bytes of a variant's packed weights.

    An uncompressed model of which they were not measured has 16 bits a weight; a compressed one
    is NaN.

    Parameters
    ----------
    board : DataTree
    model, compressor : str
    """
    known = board["compression"].to_dataset()
    if "bytes_packed" in known:
        measured = float(known["bytes_packed"].sel(model=model, compressor=compressor))
        if math.isfinite(measured):
            return measured
    if compressor != BASE:
        return math.nan
    return HALF * float(board["models"].to_dataset()["parameters"].sel(model=model))
