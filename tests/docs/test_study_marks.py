"""Marks of the study's template are what the board says; what is not there is an error."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
import pages
import study

import harness
from harness.errors import HarnessError

NAME = "brennan2016-alice"


@pytest.fixture(scope="module")
def made():
    return study.Study(pages.BOARD)


@pytest.fixture(scope="module")
def variants(made):
    frame = made.data.tables["cells"][NAME]
    return frame[frame["value"].notna()]


def test_values_and_intervals_are_the_boards(made, variants):
    cells = harness.open_board(pages.BOARD)["cells"].to_dataset().sel(benchmark=NAME)
    for _, row in variants.iterrows():
        cell = cells.sel(model=row["model"], compressor=row["compressor"])
        name = f"{row['model']}+{row['compressor']}"
        assert made.value(name, NAME) == study.number(float(cell["value"]))
        ends = f"{study.number(float(cell['low']))} to {study.number(float(cell['high']))}"
        assert made.fill(f"x {{{{interval {name} {NAME}}}}} y") == f"x {ends} y"


def test_tables_hold_every_variant_once(made, variants):
    plain = variants[variants["compressor"] == "none"]
    lines = made.sizes(NAME).splitlines()
    assert sorted(line.split("`")[1] for line in lines[2:]) == sorted(plain["model"])
    model = variants[variants["compressor"] != "none"]["model"].iloc[0]
    lines = made.compression(model, NAME, "minimal-pairs").splitlines()
    own = variants[variants["model"] == model]["compressor"]
    assert sorted(line.split("`")[1] for line in lines[2:]) == sorted(own)
    assert all(line.count("|") == lines[0].count("|") for line in lines)


def test_claims_are_those_of_the_answer(made):
    said = harness.answer(made.board, "controls", benchmarks=NAME)
    verdicts = [str(v) for v in said["verdict"].values]
    assert made.count("controls", NAME, "yes") == str(verdicts.count("yes"))
    listed = made.claims("controls", NAME, str(len(verdicts)))
    heads = [line[4:].partition("**")[0] for line in listed.splitlines() if line[0] == "-"]
    assert heads == verdicts
    assert made.claims("controls", NAME, "1").count("\n- ") == 0


def test_outcomes_are_counted_over_compressed_variants(made):
    said = harness.answer(made.board, "robustness", benchmarks=NAME)
    known = [str(outcome) for outcome in said["outcome"].values.ravel() if str(outcome)]
    assert made.outcomes(NAME) == str(len(known))
    kinds = sorted(set(known))
    assert sum(int(made.outcomes(NAME, kind)) for kind in kinds) == len(known)
    assert made.fill(f"{{{{outcomes {NAME} {' '.join(kinds)}}}}}") == str(len(known))


def test_a_claim_is_found_by_its_first_words(made):
    said = harness.answer(made.board, "controls", benchmarks=NAME)
    for subject, sentence in zip(said["subject"].values, said["sentence"].values, strict=True):
        words = f"{subject}: {sentence}"[:150].split()[:-1]
        found = made.fill(f"{{{{said controls {NAME} {' '.join(words)}}}}}")
        assert found == str(sentence).partition("; ")[0]


def test_an_answer_is_of_the_measure_that_is_named(made, variants):
    first, second = variants["variant"].iloc[:2]
    for measure in ("value", "unique"):
        try:
            said = harness.answer(
                made.board, "compare", first, second, benchmarks=NAME, measure=measure
            )
        except HarnessError:  # the board has no such measure
            continue
        clause = str(said["sentence"].values[0]).partition("; ")[0]
        found = made.fill(f"{{{{compare {first} {second} {NAME}@{measure}}}}}")
        assert found == clause


def test_what_could_have_been_shown_is_the_answers(made, variants):
    first, second = variants["variant"].iloc[:2]
    said = harness.answer(made.board, "compare", first, second, benchmarks=NAME)
    told = "; ".join(said["sentence"].values)
    if "smallest detectable difference" in told:
        found = made.detectable(first, second, NAME)
        assert f"smallest detectable difference {found}" in told
        assert float(found) > 0


def test_rank_correlations_are_scipys(made, variants):
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(1)
    x = generator.standard_normal(17)
    y = x + generator.standard_normal(17)
    r, low, high = study.spearman(x, y)
    assert r == pytest.approx(stats.spearmanr(x, y).statistic)
    assert low < r < high
    assert np.arctanh(high) - np.arctanh(low) == pytest.approx(
        2 * 1.959964 * np.sqrt((1 + r**2 / 2) / 14)
    )
    model = variants[variants["compressor"] != "none"]["model"].iloc[0]
    values = harness.open_board(pages.BOARD)["cells"]["value"].to_series()
    frame = values.xs(model, level="model").unstack("benchmark").drop(index="none")
    both = frame[[NAME, "minimal-pairs"]].dropna()
    expected = study.number(both.corr("spearman").iloc[0, 1])
    assert (
        made.ranks(model, NAME, "minimal-pairs")
        .splitlines()[2]
        .split("| ")[2]
        .startswith(f"{expected} (")
    )


def test_what_the_board_holds_is_counted(made):
    cells = harness.open_board(pages.BOARD)["cells"].to_dataset()
    frame = cells["value"].to_series().dropna()
    assert made.tally("cells") == str(len(frame))
    assert made.tally("variants") == str(len(frame.groupby(["model", "compressor"])))
    assert made.tally("compressors") == str(frame.index.get_level_values("compressor").nunique())
    controls = harness.open_board(pages.BOARD)["models"]["control"].to_series()
    models = set(frame.index.get_level_values("model")) - set(controls[controls != ""].index)
    assert made.tally("models") == str(len(models))


def test_a_recording_that_two_benchmarks_read_costs_once(made):
    cells = harness.open_board(pages.BOARD)["cells"].to_dataset()
    apart = {
        json.loads(str(made))["recordings"]: seconds
        for made, seconds in zip(
            cells["provenance"].values.ravel(), cells["record_seconds"].values.ravel(), strict=True
        )
        if made
    }
    assert float(made.cost("recording")) == pytest.approx(
        np.nansum(list(apart.values())) / 3600, abs=0.051
    )


@pytest.mark.parametrize(
    "mark",
    [
        "value nobody brennan2016-alice",
        f"value smollm2-135m {NAME} colour",
        "value smollm2-135m nothing",
        "median smollm2-135m brennan2016-alice",
        "value",
    ],
)
def test_what_the_board_has_not_is_an_error(made, mark):
    with pytest.raises(KeyError, match=mark.split()[0]):
        made.fill(f"{{{{{mark}}}}}")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1174, ".117"), (-0.0001, ".000"), (-0.5, "-.500"), (1.192, "1.192"), (24.31, "24.3")],
)
def test_numbers_are_written_as_the_docs_write_them(value, text):
    assert study.number(value) == text
    assert study.number(float("nan")) == ""
