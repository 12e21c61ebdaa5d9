"""Cells computed again."""

import json

import numpy as np
import pytest
from submission_fixtures import done, edited

from harness.board.submission import verify as module
from harness.board.submission.bundle import write_bundle
from harness.board.submission.desk import accept, read_all, record
from harness.board.submission.shelf import verification
from harness.board.submission.verify import address, chosen, compare, draw, tolerance, verify
from harness.errors import HarnessError, SubmissionError
from harness.place.place import Place
from harness.spec.registry import Registry, Shelf
from harness.spec.specs import ModelSpec


@pytest.fixture
def entry(handed):
    return next(e for e in handed.entries if not e.record["model"]["control"])


@pytest.fixture
def again(handed, monkeypatch):
    """Stand in for the run: the board as it was computed, one cell of it."""
    asked = []

    def run(entry, cell, *_):
        asked.append(cell["compressor"]["name"])
        board = handed.board
        names = {"model": [entry.record["model"]["name"]], "compressor": [asked[-1]]}
        cells = board["cells"].to_dataset().sel(names)
        detail = board["neural/toy-listening"].to_dataset()
        detail = detail.sel(variant=[f"{names['model'][0]}+{asked[-1]}"])
        detail = detail.sel(layer=entry.dataset()["layer"])
        from xarray import DataTree

        return DataTree.from_dict({"/cells": cells, "/neural/toy-listening": detail})

    monkeypatch.setattr(module, "_again", run)
    return asked


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


def test_an_honest_submission_is_verified(handed, again):
    found = verify(handed.entries, handed.registry, Place.make(), sample=99)
    assert {v.outcome for v in found} == {"verified"}
    assert sorted(again) == ["none"] * 5 + ["round"] * 4
    assert all(f.key and f.detail == 0 for v in found for f in v.findings)


@pytest.mark.parametrize("step", [0.0025, 0.5])
def test_a_consistent_lie_is_found(handed, entry, again, step):
    """Value, interval, share and detail all moved together pass every check but this."""

    def change(said):
        for cell in said["cells"]:
            for name in ("value", "low", "high"):
                cell[name] += step
            cell["normalised"] = cell["value"] / cell["ceiling"]

    lie = edited(entry, change, r_best=entry.dataset()["r_best"] + step)
    (found,) = verify([lie], handed.registry, Place.make(), sample=9)
    assert found.outcome == "failed"
    assert "was handed in as" in found.findings[0].reason


def test_scores_that_changed_hands_are_found(handed, entry, again):
    """The mean is true; who and where is not."""
    best = entry.dataset()["r_best"]
    lie = edited(entry, lambda r: None, r_best=best.copy(data=best.values[::-1, ::-1, ::-1]))
    (found,) = verify([lie], handed.registry, Place.make(), sample=9)
    assert found.outcome == "failed"
    assert "r_best differs" in found.findings[0].reason


def test_rounding_is_no_lie(handed, entry, again):
    nearly = edited(entry, lambda r: done(r).update(value=done(r)["value"] + 1e-4))
    (found,) = verify([nearly], handed.registry, Place.make(), sample=9)
    assert found.outcome == "verified"
    assert tolerance(entry, done(json.loads(entry.text))) == pytest.approx(0.002)


@pytest.mark.parametrize(
    ("size", "moved", "outcome"),
    [(700, 1.0, "agrees"), (700, 10.0, "differs"), (0.7, 0.1, "differs")],
)
def test_large_numbers_are_compared_by_their_own_size(handed, entry, again, size, moved, outcome):
    """A code of 700 bits moves by a bit between processors; a correlation does not."""
    cell = done(json.loads(entry.text))
    board = module._again(entry, cell)
    told = edited(entry, lambda r: None, bits=entry.dataset()["r_best"] * 0 + size)
    mine = board["neural/toy-listening"].to_dataset()
    board["neural/toy-listening"] = mine.assign(bits=mine["r_best"] * 0 + size + moved)
    assert compare(told, cell, board).outcome == outcome


class TestCalibrated:
    """Another processor draws other weights: averages come back, single scores nearly."""

    @pytest.fixture
    def calibrated(self, entry):
        def change(said):
            done(said)["compressor"]["options"] = '{"bits": 4, "calibration": "self"}'
            done(said)["compressor"]["calibrated"] = 1

        return edited(entry, change)

    def compared(self, entry, again, noise=0.0, step=0.0, change=lambda values: values):
        cell = done(json.loads(entry.text))
        board = module._again(entry, cell)
        mine = board["neural/toy-listening"].to_dataset()
        r = mine["r_best"]
        drawn = np.random.default_rng(0).normal(0, noise * float(r.std()), r.shape)
        board["neural/toy-listening"] = mine.assign(r_best=r.copy(data=change(r.values + drawn)))
        board["cells"] = board["cells"].to_dataset().assign(value=board["cells"]["value"] + step)
        return compare(entry, cell, board)

    def test_another_draw_agrees(self, entry, calibrated, again):
        assert self.compared(calibrated, again, noise=0.3, step=0.008).outcome == "agrees"
        assert self.compared(entry, again, noise=0.3, step=0.008).outcome == "differs"

    def test_another_value_differs(self, calibrated, again):
        assert self.compared(calibrated, again, step=0.012).outcome == "differs"

    def test_scores_that_changed_hands_differ(self, calibrated, again):
        found = self.compared(calibrated, again, change=lambda r: r[:, ::-1, ::-1])
        assert found.outcome == "differs"
        assert "r_best differs by" in found.reason


def test_what_cannot_be_had_is_not_verified(handed, entry):
    (found,) = verify([entry], handed.registry, Place.make(), sample=1)
    assert found.outcome == "unverified"
    assert "cannot be had" in found.findings[0].reason
    failed = handed.board.copy(deep=True)
    failed["cells"]["status"][...] = "failed"
    one = failed["cells"].to_dataset().isel(model=[0], compressor=[0], benchmark=[0])
    from xarray import DataTree

    finding = compare(entry, entry.record["cells"][0], DataTree.from_dict({"/cells": one}))
    assert finding.outcome == "not computed"


def test_models_are_addressed_as_they_can_be_had():
    known = Registry(
        Shelf("model", {"ours": ModelSpec("ours", "hf:a/b")}),
        Shelf("compressor"),
        Shelf("benchmark"),
    )
    empty = Registry(Shelf("model"), Shelf("compressor"), Shelf("benchmark"))
    said = {"name": "ours", "base": "", "control": "", "source": "hf:a/b", "revision": "c0ffee"}
    assert address(said, known) == "ours"
    assert address(said, empty) == "hf:a/b@c0ffee"
    untrained = said | {"name": "untrained:ours#2", "base": "ours", "control": "untrained"}
    assert address(untrained, known) == "untrained:ours#2"
    web = said | {"source": "https://x/y.gguf", "control": "static", "base": "ours"}
    assert address(web, empty) == "static:https://x/y.gguf#sha256=c0ffee"
    with pytest.raises(HarnessError, match="cannot be had"):
        address(said | {"source": "file:here"}, empty)


def test_the_result_stays_beside_the_submission(handed, again, tmp_path):
    bundle = write_bundle(handed.entries, tmp_path / "ada.zip")
    board = tmp_path / "leaderboard"
    entries = read_all([bundle], board)
    found = verify(entries, handed.registry, Place.make(), sample=2, seed=4)
    (path,) = record(found, [bundle], board, sample=2, seed=4)
    assert path.name == "ada.zip.verified.json"
    accept(entries, [bundle], board)
    for each in found:
        kept = verification(board, each.entry)
        assert (kept["outcome"], kept["seed"]) == ("verified", 4)
    # A bundle that is verified after it was accepted: what is found is kept with what was accepted.
    later = verify(entries, handed.registry, Place.make(), sample=2, seed=5)
    assert len(record(later, [bundle], board, sample=2, seed=5)) == 1 + len(later)
    assert all(verification(board, each.entry)["seed"] == 5 for each in later)
    again_found = verify(read_all([board], board), handed.registry, Place.make(), sample=99, seed=4)
    assert len(record(again_found, [board], board, sample=99, seed=4)) == 5
    assert all(verification(board, e)["outcome"] == "verified" for e in entries)


def test_a_verification_of_another_entry_does_not_count(handed, tmp_path):
    entry = handed.entries[0]
    accept([entry], [], tmp_path)
    path = tmp_path / "submissions" / entry.folder / f"{entry.id}.verified.json"
    path.write_text(json.dumps({"entry": "0" * 16, "outcome": "verified", "cells": []}))
    with pytest.raises(SubmissionError, match="another entry"):
        verification(tmp_path, entry)
