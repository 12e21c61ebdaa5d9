"""Cells computed again."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from submission_fixtures import done, edited
from toys import NONE

from harness.board.submission.bundle import write_bundle
from harness.board.submission.desk import accept, read_all, record
from harness.board.submission.shelf import verification
from harness.board.submission.verified import cell_state, joined
from harness.board.submission.verify import Strictness, chosen, compare, draw, strictness, verify
from harness.errors import ChecksumError, SubmissionError
from harness.place.place import Place
from harness.runner.options import RunOptions
from harness.runner.select import Selection
from harness.spec.registry import Shelf
from harness.spec.specs import ModelSpec


@pytest.fixture
def entry(handed):
    return next(e for e in handed.entries if not e.record["model"]["control"])


@pytest.fixture
def known(handed):
    """The registry, with the model that is handed in as a plugin's."""
    names = {e.record["model"]["base"] or e.record["model"]["name"] for e in handed.entries}
    specs = {name: ModelSpec(name, "hf:a/b") for name in names}
    return replace(handed.registry, models=Shelf("model", specs))


@pytest.fixture
def again(handed):
    """Stand in for the run: the board as it was computed, one cell of it."""
    asked = []

    def run(selection, options=None, place=None, progress=None):
        models = [spec.name for spec in selection.models]
        compressors = [spec.name for spec in selection.compressors]
        asked.extend(compressors)
        board = handed.board
        (entry,) = [e for e in handed.entries if e.record["model"]["name"] == models[0]]
        names = {"model": models, "compressor": compressors}
        cells = board["cells"].to_dataset().sel(names)
        detail = board["neural/toy-listening"].to_dataset()
        detail = detail.sel(variant=[f"{names['model'][0]}+{asked[-1]}"])
        detail = detail.sel(layer=entry.dataset()["layer"])
        from xarray import DataTree

        return DataTree.from_dict({"/cells": cells, "/neural/toy-listening": detail})

    run.asked = asked
    return run


STRICT = Strictness(0.002)
CALIBRATED = Strictness(0.002, 5.0, redrawn=True)


def asked_again(entry, cell):
    """The selection of one cell, as far as the stand-in looks at it."""
    model, compressor = entry.record["model"]["name"], cell["compressor"]["name"]
    return Selection((ModelSpec(model, "hf:a/b"),), (replace(NONE, name=compressor),), ())


def test_the_draw_depends_on_the_seed_alone(handed):
    entries = handed.entries

    def names(drawn):
        return [(e.id, c["compressor"]["name"]) for e, c in drawn]

    assert names(draw(entries, 3, 1)) == names(draw(entries[::-1], 3, 1))
    assert len({tuple(names(draw(entries, 3, seed))) for seed in range(20)}) > 10
    assert len(draw(entries, 99, 0)) == 9


def test_what_was_corrected_is_not_drawn(handed, entry):
    corrected = edited(entry, lambda said: said.update(revision=2, note="a better one"))
    drawn = draw([corrected, *handed.entries], 99, 0)
    assert len(drawn) == 9
    ids = {e.id for e, _ in drawn}
    assert corrected.id in ids
    assert entry.id not in ids


def test_a_maintainer_draws_from_what_is_affordable(handed):
    models = {e.record["model"]["name"] for e in chosen(handed.entries, ["static:*"])}
    assert {m.partition(":")[0] for m in models} == {"static"}
    assert chosen(handed.entries, benchmarks=["toy-*"]) == list(handed.entries)
    with pytest.raises(SubmissionError, match="no such entry") as caught:
        chosen(handed.entries, benchmarks=["typo"])
    assert "toy-listening" in caught.value.hint


def test_an_honest_submission_is_verified(handed, known, again):
    found = verify(handed.entries, known, again, Place.make(), sample=99)
    assert {v.outcome for v in found} == {"verified"}
    assert sorted(again.asked) == ["none"] * 5 + ["round"] * 4
    assert all(f.key and f.detail == 0 for v in found for f in v.findings)


@pytest.mark.parametrize("step", [0.0025, 0.5])
def test_a_consistent_lie_is_found(handed, entry, known, again, step):
    """Value, interval, share and detail all moved together pass every check but this."""

    def change(said):
        for cell in said["cells"]:
            for name in ("value", "low", "high"):
                cell[name] += step
            cell["normalised"] = cell["value"] / cell["ceiling"]

    lie = edited(entry, change, r_best=entry.dataset()["r_best"] + step)
    (found,) = verify([lie], known, again, Place.make(), sample=9)
    assert found.outcome == "failed"
    assert "was handed in as" in found.findings[0].reason


def test_scores_that_changed_hands_are_found(handed, entry, known, again):
    """The mean is true; who and where is not."""
    best = entry.dataset()["r_best"]
    lie = edited(entry, lambda r: None, r_best=best.copy(data=best.values[::-1, ::-1, ::-1]))
    (found,) = verify([lie], known, again, Place.make(), sample=9)
    assert found.outcome == "failed"
    assert "r_best differs" in found.findings[0].reason


def test_rounding_is_no_lie(handed, entry, known, again):
    nearly = edited(entry, lambda r: done(r).update(value=done(r)["value"] + 1e-4))
    (found,) = verify([nearly], known, again, Place.make(), sample=9)
    assert found.outcome == "verified"
    assert found.findings[0].tolerance == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("size", "moved", "outcome"),
    [(700, 1.0, "agrees"), (700, 10.0, "differs"), (0.7, 0.1, "differs")],
)
def test_large_numbers_are_compared_by_their_own_size(
    handed, entry, known, again, size, moved, outcome
):
    """A code of 700 bits moves by a bit between processors; a correlation does not."""
    cell = done(json.loads(entry.text))
    board = again(asked_again(entry, cell))
    told = edited(entry, lambda r: None, bits=entry.dataset()["r_best"] * 0 + size)
    mine = board["neural/toy-listening"].to_dataset()
    board["neural/toy-listening"] = mine.assign(bits=mine["r_best"] * 0 + size + moved)
    assert compare(told, cell, board, STRICT).outcome == outcome


class TestCalibrated:
    """Another processor draws other weights: averages come back, single scores nearly."""

    def compared(self, entry, again, strict, noise=0.0, step=0.0, change=lambda values: values):
        cell = done(json.loads(entry.text))
        board = again(asked_again(entry, cell))
        mine = board["neural/toy-listening"].to_dataset()
        r = mine["r_best"]
        drawn = np.random.default_rng(0).normal(0, noise * float(r.std()), r.shape)
        board["neural/toy-listening"] = mine.assign(r_best=r.copy(data=change(r.values + drawn)))
        board["cells"] = board["cells"].to_dataset().assign(value=board["cells"]["value"] + step)
        return compare(entry, cell, board, strict)

    def test_another_draw_agrees(self, entry, again):
        moved = {"noise": 0.3, "step": 0.008}
        assert self.compared(entry, again, CALIBRATED, **moved).outcome == "agrees"
        assert self.compared(entry, again, STRICT, **moved).outcome == "differs"

    def test_another_value_differs(self, entry, again):
        assert self.compared(entry, again, CALIBRATED, step=0.012).outcome == "differs"

    def test_scores_that_changed_hands_differ(self, entry, again):
        found = self.compared(entry, again, CALIBRATED, change=lambda r: r[:, ::-1, ::-1])
        assert found.outcome == "differs"
        assert "r_best differs by" in found.reason

    @pytest.mark.parametrize(
        ("handed_in", "came_back", "strict", "outcome"),
        [
            (0.646, 0.575, CALIBRATED, "agrees"),  # a fifth of a standard error
            (0.04, 0.6, CALIBRATED, "differs"),
            (0.0, 1e-4, CALIBRATED, "agrees"),
            (0.646, 0.575, STRICT, "differs"),
            (0.646, 0.646, STRICT, "agrees"),
        ],
    )
    def test_a_probability_of_another_draw_may_move_by_a_standard_error(
        self, entry, again, handed_in, came_back, strict, outcome
    ):
        cell = done(json.loads(entry.text))
        board = again(asked_again(entry, cell))
        mine = board["neural/toy-listening"].to_dataset()
        board["neural/toy-listening"] = mine.assign(unique_p=("variant", [came_back]))
        theirs = entry.dataset()
        held = theirs.assign(unique_p=("compressor", [handed_in] * theirs.sizes["compressor"]))
        told = SimpleNamespace(record=entry.record, dataset=lambda: held)
        found = compare(told, cell, board, strict)
        assert found.outcome == outcome
        assert ("unique_p differs by" in found.reason) == (outcome == "differs")


def test_what_cannot_be_had_is_not_verified(handed, entry):
    (found,) = verify([entry], handed.registry, pytest.fail, Place.make(), sample=1)
    assert found.outcome == "unverified"
    assert "cannot be had" in found.findings[0].reason
    failed = handed.board.copy(deep=True)
    failed["cells"]["status"][...] = "failed"
    one = failed["cells"].to_dataset().isel(model=[0], compressor=[0], benchmark=[0])
    from xarray import DataTree

    finding = compare(entry, entry.record["cells"][0], DataTree.from_dict({"/cells": one}), STRICT)
    assert finding.outcome == "not computed"


def test_the_record_does_not_decide_how_strictly_it_is_verified(handed, entry, known, again):
    """A submitter who says that a compressor was calibrated, or that a margin is wide."""

    def loosened(said):
        said["benchmark"]["margin"] = 10.0
        for cell in said["cells"]:
            cell["compressor"]["calibrated"] = 1
            cell["compressor"]["options"] = '{"calibration": 1}'

    claimed = edited(entry, loosened)
    (honest,) = verify([entry], known, again, Place.make(), sample=9)
    (found,) = verify([claimed], known, again, Place.make(), sample=9)
    assert [f.tolerance for f in found.findings] == [f.tolerance for f in honest.findings]


def test_calibrated_and_half_precision_cells_have_wider_tolerances(handed):
    benchmark = handed.registry.benchmarks.get("toy-listening")
    plain = Selection((), (NONE,), (benchmark,))
    drawn = Selection((), (replace(NONE, calibrated=True),), (benchmark,))
    assert strictness(plain, RunOptions()).value == pytest.approx(0.002)
    assert strictness(drawn, RunOptions()) == Strictness(0.002, 5.0, redrawn=True)
    assert strictness(plain, RunOptions(dtype="bfloat16")).value == pytest.approx(0.01)


def test_one_bad_cell_stops_no_other(handed, known, again):
    def run(selection, *rest):
        if selection.compressors[0].name == "round":
            raise KeyError("whatever a stranger's bundle brings about")
        return again(selection, *rest)

    found = verify(handed.entries, known, run, Place.make(), sample=99)
    outcomes = [(f.compressor, f.outcome) for v in found for f in v.findings]
    assert outcomes.count(("none", "agrees")) == 5
    assert outcomes.count(("round", "not computed")) == 4


def test_hostile_names_are_findings_and_nothing_is_run(entry, known):
    def hostile(said):
        done(said)["compressor"]["name"] = "none,gptq-int4:calibration=file:/etc/secret.txt"

    (found,) = verify([edited(entry, hostile)], known, pytest.fail, Place.make(), sample=9)
    assert any("secret.txt" in f.reason for f in found.findings)
    assert {f.outcome for f in found.findings} == {"not computed"}


def test_what_a_host_answered_with_is_not_published(entry, known):
    def run(*_):
        raise ChecksumError("https://x/y.gguf gave a file with sha256 c0ffee where b is expected")

    (found,) = verify([entry], known, run, Place.make(), sample=9)
    assert all("c0ffee" not in f.reason for f in found.findings)


def test_the_result_stays_beside_the_submission(handed, known, again, tmp_path):
    bundle = write_bundle(handed.entries, tmp_path / "ada.zip")
    board = tmp_path / "leaderboard"
    entries = read_all([bundle], board)
    found = verify(entries, known, again, Place.make(), sample=2, seed=4)
    (path,) = record(found, [bundle], board, sample=2, seed=4)
    assert path.name == "ada.zip.verified.json"
    accept(entries, [bundle], board)
    for each in found:
        kept = verification(board, each.entry)
        assert (kept["outcome"], kept["seed"]) == (each.outcome, 4)
        assert (kept["agreed"], kept["of"]) == (len(each.findings), each.of)
    # A bundle that is verified after it was accepted: what is found is kept with what was accepted.
    later = verify(entries, known, again, Place.make(), sample=2, seed=5)
    assert len(record(later, [bundle], board, sample=2, seed=5)) == 1 + len(later)
    assert all(verification(board, each.entry)["seed"] == 5 for each in later)
    again_found = verify(read_all([board], board), known, again, Place.make(), sample=99, seed=4)
    assert len(record(again_found, [board], board, sample=99, seed=4)) == 5
    assert all(verification(board, e)["outcome"] == "verified" for e in entries)


def test_one_cell_of_two_verifies_one(handed, known, again):
    """What is verified is a cell; an entry says how many of how many."""
    entry = next(e for e in handed.entries if len(e.record["cells"]) == 2)
    (found,) = verify([entry], known, again, Place.make(), sample=1)
    assert (found.agreed, found.of, found.outcome) == (1, 2, "partly verified")
    assert found.sentence().endswith("1 of 2 cells verified (partly verified)")
    (mine,) = (f.compressor for f in found.findings)
    (theirs,) = {"none", "round"} - {mine}
    first = joined(None, found.to_json(1, 0))
    assert (cell_state(first, mine), cell_state(first, theirs)) == ("verified", "unverified")
    missing = [{"compressor": mine, "outcome": "not computed"}]
    second = joined(first, {"of": 2, "cells": [*missing, {"compressor": theirs, "outcome": "x"}]})
    assert (second["outcome"], second["agreed"]) == ("partly verified", 1)
    whole = joined(second, {"of": 2, "cells": [{"compressor": theirs, "outcome": "agrees"}]})
    assert (whole["outcome"], whole["agreed"]) == ("verified", 2)
    worse = joined(whole, {"of": 2, "cells": [{"compressor": mine, "outcome": "differs"}]})
    assert worse["outcome"] == "failed"
    assert cell_state(worse, mine) == "failed"
    assert cell_state(None, mine) == "unverified"


def test_a_verification_of_another_entry_does_not_count(handed, tmp_path):
    entry = handed.entries[0]
    accept([entry], [], tmp_path)
    path = tmp_path / "submissions" / entry.folder / f"{entry.id}.verified.json"
    path.write_text(json.dumps({"entry": "0" * 16, "outcome": "verified", "cells": []}))
    with pytest.raises(SubmissionError, match="another entry"):
        verification(tmp_path, entry)
