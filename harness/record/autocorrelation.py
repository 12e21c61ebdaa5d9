"""A control without a network: nothing but the order in which rows follow each other.

Every row of the stimulus (a volume, a word, a sentence) has a unit of its own, smoothed over its
neighbours: such features know no word and can predict any response that changes slowly, wherever
rows that are held out have neighbours among those that a fit has seen (Feghhi, Hadidi, Song,
Blank & Kao 2024; Hadidi, Feghhi, Song, Blank & Kao 2025). What a language model scores no higher
than these is nothing about language.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from harness.errors import Unsupported
from harness.record.request import Measure, Request
from harness.stimuli.neighbours import SMOOTHING, rows_in_order


@dataclass(frozen=True)
class AutocorrelationSubject:
    """Answers requests for hidden states with smoothed identity rows."""

    def record_all(self, requests: Sequence[Request]) -> dict[str, xr.DataArray]:
        """Answer requests.

        Returns
        -------
        dict
            By the key of the request: arrays (sample, layer, unit), float32, as
            :meth:`harness.record.subject.LanguageSubject.record_all` returns; a layer is a width of
            smoothing.

        Raises
        ------
        Unsupported
            Something other than hidden states is asked for.
        """
        return {request.key: self._record(request) for request in requests}

    def _record(self, request: Request) -> xr.DataArray:
        if request.measure is not Measure.HIDDEN:
            raise Unsupported(f"autocorrelation alone has no {request.measure} of words")
        counts = request.readout.rows(request.stimuli)
        names = np.repeat([p.name for p in request.stimuli.passages], counts)
        return xr.DataArray(
            rows_in_order(counts),
            dims=("sample", "layer", "unit"),
            coords={"layer": np.arange(len(SMOOTHING)), "passage": ("sample", names)},
            name="recording",
            attrs={
                "measure": str(request.measure),
                "context": "none: rows are told apart by their place alone",
                "stimuli": request.stimuli.name,
            },
        )
