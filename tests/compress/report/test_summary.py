"""Totals of a report, by hand, and its way through JSON."""

from __future__ import annotations

import json

import pytest

from harness.compress.report.checks import check_changed
from harness.compress.report.summary import CompressionReport, LayerReport
from harness.errors import CompressionError


def report(**changes: object) -> CompressionReport:
    rows = (
        LayerReport(
            "a", (4, 8), packed_bits=4 * 8 * 4 + 3, zeros=8, weight_norm=3, weight_change=1
        ),
        LayerReport("b", (2, 8), packed_bits=2 * 8 * 8, zeros=0, weight_norm=4, weight_change=0),
    )
    fields = {"layers": rows, "skipped": {"c": "norm"}, "parameters": 68, "remaining": 20}
    return CompressionReport(**{**fields, **changes})  # type: ignore[arg-type]


def test_totals_by_hand() -> None:
    totals = report().totals()
    assert totals["bits_per_weight"] == (131 + 128) / 48
    assert totals["bits_per_weight_model"] == (131 + 128 + 20 * 16) / 68
    assert totals["sparsity"] == 8 / 48
    assert totals["bytes_base"] == 136
    assert totals["bytes_packed"] == 17 + 16 + 40  # 131 bits take 17 bytes
    assert totals["ratio"] == 136 / 73
    assert totals["weight_error"] == pytest.approx(1 / 5)
    assert totals["output_error"] is None


def test_layer_figures() -> None:
    first, second = report().layers
    assert (first.bits_per_weight, first.sparsity) == (131 / 32, 0.25)
    assert (first.weight_error, second.weight_error) == (1 / 3, 0)


def test_an_empty_report_is_of_the_model_as_it_was() -> None:
    empty = report(layers=(), remaining=68)
    assert empty.bits_per_weight == empty.bits_per_weight_model == 16
    assert empty.bytes_packed == empty.bytes_base
    assert (empty.sparsity, empty.weight_error, empty.ratio) == (0, 0, 1)


def test_a_dead_layer_has_no_error() -> None:
    assert LayerReport("z", (1, 1), 1, 1, weight_norm=0, weight_change=0).weight_error == 0


def test_json_round_trip() -> None:
    before = report(restore={"dropped_blocks": [3]}, seconds=1.5, peak_memory=7)
    assert CompressionReport.from_json(json.loads(json.dumps(before.to_json()))) == before


def test_no_change_is_an_error_that_says_what_was_looked_for() -> None:
    row = LayerReport("b", (2, 8), packed_bits=9, zeros=0, weight_norm=4, weight_change=0)
    with pytest.raises(CompressionError, match=r"nothing was changed: 1 linear layers .*Conv1D"):
        check_changed(report(layers=(row,)))
    check_changed(report())
