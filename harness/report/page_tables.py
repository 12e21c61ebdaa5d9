"""Tables of single figures of a page, each of one benchmark; empty where there is nothing."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import scipy.stats
import xarray as xr

from harness.board.answers.alignment import detail, mean_present, region_scores
from harness.spec.layout import CURVE
from harness.stats.replicates import replicate_of


def layers_table(board: xr.DataTree, name: str) -> pd.DataFrame:
    """Return scores of every variant by layer, mean over whatever else there is."""
    known = detail(board, name)
    if known is None or not CURVE.fits(known):
        return pd.DataFrame()
    curve = known[CURVE.name]
    over = [d for d in curve.dims if d not in ("variant", "layer")]
    values = curve.transpose("variant", "layer", *over).values
    curves = mean_present(values.reshape(*values.shape[:2], -1), axis=2)
    variant = np.repeat(known["variant"].values.astype(object), curves.shape[1])
    layer = np.tile(known["layer"].values, curves.shape[0])
    frame = pd.DataFrame({"variant": variant, "layer": layer, "score": curves.ravel()})
    return frame[np.isfinite(frame["score"])]


def rois_table(board: xr.DataTree, name: str) -> pd.DataFrame:
    """Return the mean of every region with its 95 % interval and ceiling."""
    known = detail(board, name)
    replicate = replicate_of(known)
    if known is None or replicate is None:
        return pd.DataFrame()
    scores = region_scores(known, replicate)
    if scores is None:
        return pd.DataFrame()
    values = scores.transpose(replicate.dim, "variant", "roi").values
    n = len(values)
    mean = mean_present(values, axis=0)
    half = np.zeros_like(mean)
    if n > 1:
        half = scipy.stats.t.ppf(0.975, n - 1) * np.nanstd(values, axis=0, ddof=1) / math.sqrt(n)
    ceiling = np.full_like(mean, math.nan)
    for variable in (variable for variable in replicate.ceilings if variable in known):
        each = known[variable].transpose(replicate.dim, "variant", "roi").values
        ceiling = np.where(np.isnan(ceiling), mean_present(each, axis=0), ceiling)
    variants, rois = known["variant"].values.astype(object), known["roi"].values.astype(object)
    return pd.DataFrame(
        {
            "variant": np.repeat(variants, len(rois)),
            "roi": np.tile(rois, len(variants)),
            "mean": mean.ravel(),
            "low": (mean - half).ravel(),
            "high": (mean + half).ravel(),
            "ceiling": ceiling.ravel(),
        }
    )


def robustness_table(said: xr.Dataset, name: str, smallest: xr.Dataset) -> pd.DataFrame:
    """Return changes under compression with their intervals, margin and outcome."""
    if "benchmark" not in said.dims or name not in said["benchmark"].values:
        return pd.DataFrame()
    columns = ["difference", "low90", "high90", "p_holm", "p_equivalence_holm", "dz", "n"]
    frame = said[[*columns, "outcome"]].sel(benchmark=name).to_dataframe().reset_index()
    frame = frame[np.isfinite(frame["difference"])].drop(columns="benchmark")
    frame["variant"] = frame["model"] + "+" + frame["compressor"]
    tested = "benchmark" in smallest.dims and name in smallest["benchmark"].values
    margin = float(smallest["margin"].sel(benchmark=name)) if tested else math.nan
    frame = frame.assign(margin=margin, zero=0.0)
    order = frame.groupby("compressor")["difference"].transform("mean")
    return frame.loc[order.sort_values(ascending=False, kind="stable").index]


def categories_table(said: xr.Dataset, name: str) -> pd.DataFrame:
    """Return scores of categories of competence, and what compression changed."""
    if "linguistic" not in said.dims or name not in said["linguistic"].values:
        return pd.DataFrame()
    columns = ["score", "low", "high", "change", "change_low", "change_high", "standardised", "p"]
    own = said[columns].sel(linguistic=name)
    own = own.transpose("model", "compressor", "category")
    frame = own.to_dataframe().reset_index().drop(columns="linguistic")
    frame = frame[np.isfinite(frame["score"])]
    frame["variant"] = frame["model"] + "+" + frame["compressor"]
    mean = frame.groupby("variant")["score"].transform("mean")
    return frame.assign(mean=mean).sort_values("mean", ascending=False, kind="stable")


def dissociation_table(said: xr.Dataset, name: str) -> pd.DataFrame:
    """Return changes of competence and alignment as shares of the base's height."""
    if "benchmark" not in said.dims or name not in said["benchmark"].values:
        return pd.DataFrame()
    columns = ["competence_change", "competence_low", "competence_high", "alignment_change"]
    columns += ["alignment_low", "alignment_high", "difference", "p", "dissociates"]
    frame = said[columns].sel(benchmark=name).to_dataframe().reset_index()
    frame = frame[np.isfinite(frame["difference"])].drop(columns="benchmark")
    frame["variant"] = frame["model"] + "+" + frame["compressor"]
    return frame
