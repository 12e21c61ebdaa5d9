"""The command that prints the guards: each holds, and a broken one would be seen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from typer.testing import CliRunner

from harness.check import guards
from harness.cli import app
from harness.stats import permutation


def test_findings_hold_or_not() -> None:
    finding = guards.Rate(1, "noise", 0.01, -0.02, 0.02)
    assert finding.holds
    assert not dataclasses.replace(finding, value=0.03).holds
    assert not dataclasses.replace(finding, value=np.nan).holds


def test_quick_guards_hold_with_another_seed() -> None:
    found = [*guards.permutation_rates(3), *guards.equivalence_rates(3)]
    assert len(found) == 4
    assert all(item.holds for item in found), found


def test_cross_validated_noise_is_significant_too_often_without_widening(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def worst() -> float:
        return max(f.value for f in guards.noise_scores(5, draws=25) if f.guard == 2)

    assert worst() < 0.08
    monkeypatch.setattr(permutation, "CROSS_VALIDATED", 1.0)
    assert worst() > 0.09


def test_confounds_leave_both_sides_of_every_piece_and_whole_runs_would_leak(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = list(guards.confounded(3, draws=6))
    assert [item.guard for item in found] == [8, 8, 8]
    assert all(item.holds for item in found), found
    monkeypatch.setattr(guards, "held_out_pieces", lambda runs, folds: runs)
    *_, noise = guards.confounded(3, draws=6)
    assert noise.value > 0.1


def test_the_command_fails_where_a_guard_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        guards.Rate(1, "noise", 0.01, -0.02, 0.02),
        guards.Rate(2, "null", 0.2, 0.0, 0.07),
    ]
    monkeypatch.setattr(guards, "findings", lambda seed: iter(found))
    result = CliRunner().invoke(app, ["guards"])
    assert result.exit_code == 1
    assert "BROKEN" in result.output
    assert "1 of 2 hold" in result.output
    monkeypatch.setattr(guards, "findings", lambda seed: iter(found[:1]))
    assert CliRunner().invoke(app, ["guards"]).exit_code == 0
