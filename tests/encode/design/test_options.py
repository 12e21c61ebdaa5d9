"""What an option of an encoding analysis says of the benchmark that it is set for."""

from __future__ import annotations

import pytest

from harness.spec.measures import ScoreMeasure
from harness.spec.registry import registry
from harness.spec.settings import with_settings


@pytest.mark.parametrize(("metric", "what"), [("rsa", "r of distances"), ("cka", "linear CKA")])
def test_geometries_have_a_metric_of_their_own_and_no_unique_part(metric: str, what: str) -> None:
    plain = registry().benchmarks.get("brennan2016-alice")
    spec = with_settings(plain, f"metric={metric}")
    assert what in spec.metric
    assert "Pearson" not in spec.metric
    assert spec.metric.endswith("mean over 6 regions and 27 participants")
    assert spec.headline == ScoreMeasure.NORMALISED
    assert spec.margin is None
    assert spec.margin_of(ScoreMeasure.UNIQUE) is None
    assert spec.margin_of(ScoreMeasure.NORMALISED) == plain.margin_of(ScoreMeasure.NORMALISED)


def test_what_predicts_is_described_as_before() -> None:
    plain = registry().benchmarks.get("brennan2016-alice")
    spec = with_settings(plain, "metric=correlation")
    assert (spec.metric, spec.margin, spec.headline) == (plain.metric, plain.margin, plain.headline)
