"""The claims of an answer that are about some models, compressors or categories."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
import xarray as xr

from harness.errors import SelectionError
from harness.spec.names import nearest, split_names

_BETWEEN = re.compile(r"[\s,+]+")


def claims_about(
    answer: xr.Dataset,
    models: Sequence[str] | None = None,
    compressors: Sequence[str] | None = None,
    categories: Sequence[str] | None = None,
) -> xr.Dataset:
    """Keep the claims that name what is asked for; the numbers stay as they are.

    Parameters
    ----------
    answer : Dataset
        From :func:`harness.answer`.
    models, compressors, categories : sequence of str, optional
        Names and globs, of which a claim has to name one each.

    Raises
    ------
    SelectionError
        No claim names it.
    """
    kept = np.ones(answer.sizes.get("claim", 0), bool)
    said = [
        [word.strip("():;") for word in _BETWEEN.split(f"{subject} {sentence}")]
        for subject, sentence in zip(
            answer["subject"].values, answer["sentence"].values, strict=True
        )
    ]
    for what, patterns in (
        ("model", models), ("compressor", compressors), ("category", categories),
    ):  # fmt: skip
        wanted = split_names(patterns)
        if not wanted:
            continue
        kept &= [any(fnmatchcase(w, p) for w in words for p in wanted) for words in said]
        if not kept.any():
            near = nearest(wanted[0], sorted({word for words in said for word in words}))
            hint = f"did you mean {near[0]}?" if near else "without it all claims are shown"
            raise SelectionError(f"no claim is about the {what} {', '.join(wanted)}", hint)
    return answer.isel(claim=np.flatnonzero(kept))
