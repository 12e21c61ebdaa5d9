"""Directions and calibration are fields; records from before are read by what they say."""

import numpy as np
import pytest
import xarray as xr

from harness.spec.direction import lower_is_better, was_calibrated


@pytest.mark.parametrize(
    ("about", "lower"),
    [
        ({"metric": "bits per byte", "lower_is_better": 1}, True),
        ({"metric": "lower is better, some say", "lower_is_better": 0}, False),
        ({"metric": "bits per UTF-8 byte, lower is better"}, True),
        ({"metric": "accuracy"}, False),
    ],
)
def test_which_end_is_better(about, lower):
    assert lower_is_better(about) is lower
    row = {name: ("benchmark", np.array([value, value])) for name, value in about.items()}
    board = xr.Dataset(row, coords={"benchmark": ["a", "b"]})
    assert lower_is_better(board.sel(benchmark="b")) is lower


@pytest.mark.parametrize(
    ("about", "drawn"),
    [
        ({"calibrated": 1, "options": "{}"}, True),
        ({"calibrated": 0, "options": '{"calibration": 1}'}, False),
        ({"options": '{"calibration": {"samples": 8}}'}, True),
        ({"options": '{"bits": 4}'}, False),
        ({"options": ""}, False),
        ({}, False),
    ],
)
def test_who_was_calibrated(about, drawn):
    assert was_calibrated(about) is drawn
