"""Which end of a benchmark's scale is the better one."""

from __future__ import annotations

import xarray as xr


def lower_is_better(metric: str) -> bool:
    """Whether a metric says of itself that lower values are better.

    Parameters
    ----------
    metric : str
        What a spec says its value is: ``bits per UTF-8 byte, lower is better``.
    """
    return "lower is better" in metric.lower()


def metrics(board: xr.DataTree) -> dict[str, str]:
    """Say what the value of every benchmark on a board is."""
    about = board["benchmarks"].to_dataset()
    pairs = zip(about["benchmark"].values, about["metric"].values, strict=True)
    return {str(name): str(metric) for name, metric in pairs}
