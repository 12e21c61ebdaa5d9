"""Numbers that decide a score, held to tables that were typed: none moves unseen.

``tests/golden/benchmarks.toml`` and ``compressors.toml`` hold what every plugin runs with,
``constants.toml`` the constants, field defaults and default arguments behind them. Where a number
moves on purpose, the table, the version of what it moves and the changelog change with it.
"""

from __future__ import annotations

import math

import golden
import pytest

from harness.encode.design.options import EncodingOptions
from harness.spec.registry import registry

MAKERS = {
    "benchmarks": golden.benchmarks,
    "compressors": golden.compressors,
    "constants": golden.constants,
}


def flat(numbers: golden.Numbers) -> dict[str, object]:
    return {f"{name}: {key}": v for name, row in numbers.items() for key, v in row.items()}


@pytest.mark.parametrize("name", MAKERS)
def test_no_number_moved(name: str) -> None:
    """Every row is in the table, no row of the table is gone, and all are equal."""
    now, then = flat(MAKERS[name]()), flat(golden.table(name))
    moved = [
        f"{key} = {now.get(key, 'gone')!r}, was {then.get(key, 'not there')!r}"
        for key in sorted(now.keys() | then.keys())
        if now.get(key, "gone") != then.get(key, "gone") or (key in now) != (key in then)
    ]
    again = f"python tests/support/golden.py {name} prints the table as it would be"
    assert not moved, "\n".join([*moved, again])


def test_a_moved_number_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = EncodingOptions(delays=(0, 1, 2, 3), gap=1)
    assert golden.plain(moved) == {"delays": [0, 1, 2, 3], "gap": 1}
    assert golden.plain(EncodingOptions()) == {}
    before = flat(golden.constants())
    monkeypatch.setattr(golden, "DECIDING", golden.DECIDING[1:])
    assert flat(golden.constants()) != before


TR = {
    "brennan2016-alice": 2.0,
    "deniz2019": 2.0045,
    "lebel2023": 2.0,
    "littleprince": 2.0,
    "narratives": 1.5,
    "simulated-listening": 2.0,
}
"""Seconds from one volume to the next, as the papers of the data sets say."""


def scans() -> dict[str, EncodingOptions]:
    """Benchmarks of volumes in time, and how they are encoded."""
    rows = golden.table("benchmarks")
    return {
        name: EncodingOptions(**row["encoding"])
        for name, row in rows.items()
        if name.startswith(tuple(TR))
    }


@pytest.mark.parametrize("name", scans())
def test_volumes_are_encoded_as_the_definitions_say(name: str) -> None:
    """Delays that hold the peak of the response, a gap that its noise cannot cross."""
    options = scans()[name]
    tr = next(t for start, t in TR.items() if name.startswith(start))
    lags = [tr * delay for delay in options.delays]
    assert min(lags) > 0, "a volume is no answer to the word of its own time"
    assert max(lags) - min(lags) <= 8, "more regressors, no more of the response"
    assert min(lags) <= 5 <= max(lags), "the response peaks 4 to 6 s after a word"
    assert options.gap * tr >= 16, "eight volumes of 2 s bring noise to a score of 0"
    assert options.penalties == 20
    assert options.penalty_high / options.penalty_low >= 1e3


@pytest.mark.parametrize("name", golden.table("benchmarks"))
def test_margin_and_chance_are_those_of_the_measure(name: str) -> None:
    row = golden.table("benchmarks")[name]
    spec = registry().benchmarks.specs[name]
    assert 0 < row["margin"] <= 0.05
    if spec.kind in ("neural", "behavioural"):
        assert row["chance"] == 0
    elif spec.lower_is_better:
        assert row["chance"] == 8, "a byte costs a guess 8 bits"
    elif spec.metric.startswith("accuracy"):
        assert row["chance"] > 0, "a guess is right sometimes"
    if row["chance"] == 0.5:
        of_two = ("blimp", "minimal-pairs", "multiblimp", "zorro", "comps", "ewok")
        assert name.startswith(of_two), "one of two sentences, or contexts"


def test_the_study_of_2026_is_as_the_paper_says() -> None:
    """Twenty preceding words, four delays, listening and reading of the participants with masks."""
    rows = {n: r for n, r in golden.table("benchmarks").items() if n.endswith("-oota2026")}
    assert len(rows) == 2
    for row in rows.values():
        assert row["context"] == "words(20)"
        assert EncodingOptions(**row["encoding"]).delays == (1, 2, 3, 4)
        assert row["profile"] == "oota2026"


def test_constants_of_the_definitions() -> None:
    """What SCIENCE says in words, beside the table that holds it in numbers."""
    options = EncodingOptions()
    assert options.delays == (1, 2, 3, 4)
    assert (options.penalties, options.gap) == (20, 8)
    constants = golden.table("constants")
    assert constants["harness.stimuli.lanczos"]["LOBES"] == 3
    assert constants["harness.stimuli.triggers"]["DROPPED"] == 10
    assert constants["harness.stats.permutation"]["SHORTEST"] == 20
    assert constants["harness.probe.options"]["ProbeOptions.seeds"] == 5
    deniz = constants["plugins.benchmarks.neural.deniz2019"]
    stories = [volumes for name, volumes in deniz.items() if name.startswith("STORIES[")]
    assert stories == [343, 367, 354, 400, 430, 358, 421, 404, 355, 304, 291]
    assert math.isclose(sum(stories[:-1]), 3737, abs_tol=1)


def test_what_a_benchmark_is_read_by_is_the_quantity_of_its_study() -> None:
    """The paper's suite: normalised alignment. Sets of ours: what a model adds to nuisance."""
    for name, row in golden.table("benchmarks").items():
        spec = registry().benchmarks.specs[name]
        if name.endswith("-oota2026"):
            assert row["headline"] == "normalised"
        elif spec.kind == "neural" and row["stages"] == ["encode"]:
            assert row["headline"] == "unique", name
        margins = {k.split()[1]: v for k, v in row.items() if k.startswith("margin ")}
        assert margins == dict(spec.margins)
        for measure, margin in margins.items():
            assert measure in ("normalised", "unique")
            assert 0 < margin <= 0.1
