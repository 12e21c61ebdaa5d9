"""Each way to tamper with a submission whose checksums are right, and what is said of it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from submission_fixtures import LISTENING, done, edited

from harness.board.submission import plausible
from harness.board.submission.bundle import open_bundle, write_bundle
from harness.board.submission.check import _company, check
from harness.board.submission.desk import accept
from harness.board.submission.entry import Entry
from harness.board.submission.keys import key_faults
from harness.compress.text.calibration import CalibrationSpec
from harness.errors import SubmissionError
from harness.spec.registry import Registry, Shelf
from harness.spec.specs import CompressorSpec, ModelSpec


@pytest.fixture
def board(tmp_path):
    return tmp_path / "leaderboard"


@pytest.fixture
def problems(handed, board, tmp_path):
    """Hand in entries, and return what is said, one problem a line."""

    def examine(entries):
        path = write_bundle(entries, tmp_path / "handed-in.zip")
        report = check([path], board, handed.registry)
        return "\n".join(f"{p.where}: {p.what}" for p in report.problems)

    return examine


def tampered(handed, change, only=None, **detail):
    """Return the entries with one of the model itself (not a control) changed."""
    entries = handed.entries
    (at,) = [i for i, e in enumerate(entries) if not e.record["model"]["control"]]
    entries[at] = edited(entries[at], change, **detail)
    return entries


def test_an_honest_submission_has_no_problem(handed, bundle, board):
    report = check([bundle], board, handed.registry)
    assert report.problems == ()
    assert {c.kind for c in report.changes} == {"new"}
    assert len(report.changes) == 9  # five models, two compressors, static without one
    assert len(report.entries) == 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: done(r).update(value=0.3), "does not contain its value"),
        (lambda r: done(r).update(value=done(r)["value"] + 0.001), "is not the mean of r_best"),
        (lambda r: done(r).update(value=None), "has no value"),
        (lambda r: r["benchmark"].update(lower_is_better=1), "the other end of the scale"),
        (lambda r: done(r)["compressor"].update(calibrated=1), "is not calibrated here"),
        (lambda r: done(r).update(high=None), "one end"),
        (lambda r: done(r).update(ceiling=0.01, normalised=None), "above its ceiling"),
        (lambda r: done(r).update(ceiling=-1), "its ceiling is -1"),
        (lambda r: done(r).update(normalised=0.9), "is not the share"),
        (lambda r: done(r)["compression"].update(sparsity=1.5), "sparsity is 1.5"),
        (lambda r: done(r).update(key="0" * 64), "does not follow from its parts"),
        (lambda r: done(r)["provenance"].update(participants=30), "30 participants"),
        (lambda r: done(r)["provenance"].update(fingerprint="0" * 64), "fingerprint of the model"),
        (lambda r: done(r)["provenance"].update(benchmark="another"), "provenance says benchmark"),
        (lambda r: done(r)["provenance"].pop("recordings"), "lacks what its key is made of"),
        (lambda r: done(r)["provenance"].update(parts="[]"), "parts of its key"),
        (lambda r: r["benchmark"].update(version=2), "of version 2"),
        (lambda r: r["benchmark"].update(margin=0.5), "margin of toy-listening is 0.5"),
        (lambda r: r["benchmark"].update(simulated=1), "simulated of toy-listening"),
        (lambda r: r["benchmark"].update(name="unheard-of"), "not known here"),
        (lambda r: r.update(harness="99.0"), "made with brainpress 99.0"),
        (lambda r: r.update(harness="latest"), "no version"),
        (lambda r: r["cells"].append(done(r)), "is there twice"),
        (lambda r: done(r, "round").update(key=done(r)["key"]), "has the key of another cell"),
        (lambda r: r["cells"].remove(done(r)), "uncompressed base is missing"),
    ],
)
def test_tampering(handed, problems, change, said):
    assert said in problems(tampered(handed, change))


def test_an_edited_key_with_edited_parts(handed, problems):
    """Parts that make the key, but are of another benchmark option, are not those of the spec."""

    def change(record):
        from harness.runner.keys import keys_of

        cell = done(record)
        parts = json.loads(cell["provenance"]["parts"])
        parts["score"]["options"] = {"words": 3}
        recordings, cell["key"] = keys_of(parts)
        cell["provenance"] |= {"parts": json.dumps(parts), "recordings": json.dumps(recordings)}

    assert "options of toy-listening" in problems(tampered(handed, change))


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("round", {"steps": 4000}, "options of round"),
        ("round:steps=9", {"steps": 9}, ""),
        ("round:steps=9", {"steps": 8}, "options of round:steps=9"),
        ("round:steps=9", {}, "options of round:steps=9"),
        ("round:steps=4", {"steps": 4}, "round:steps=4 is called round"),
        ("round:steps=09", {"steps": 9}, "round:steps=09 is called round:steps=9"),
        ("calibrated:calibration=file:/dev/zero", {}, "nobody can compute it again"),
    ],
)
def test_a_compressors_options_are_those_of_its_name(
    handed, problems, monkeypatch, name, options, said
):
    def change(record):
        from harness.runner.keys import keys_of

        cell = done(record, "round")
        cell["compressor"]["name"] = name
        parts = json.loads(cell["provenance"]["parts"])
        parts["variant"]["compressor"]["options"] = options
        recordings, cell["key"] = keys_of(parts)
        cell["provenance"] |= {"parts": json.dumps(parts), "recordings": json.dumps(recordings)}

    spec = CompressorSpec(
        "calibrated",
        target="toys:Calibrated",
        options={"calibration": CalibrationSpec()},
        method="round",
        calibrated=True,
    )
    monkeypatch.setitem(handed.registry.compressors.specs, "calibrated", spec)
    found = problems(tampered(handed, change))
    # Its layers' reports stay under the old name: nothing here is about them.
    faults = [line for line in found.splitlines() if "options of" in line or "call" in line]
    assert (said in found) if said else not faults


def test_a_registered_model_on_disk_is_the_one_whose_path_was_cut(handed, problems, monkeypatch):
    """Bundles do not hold the submitter's folders; where the plugin is installed the spec does."""
    said = handed.entries[0].record["model"]
    name = said["base"] or said["name"]
    last = said["source"].rpartition("/")[2].removeprefix("file:")
    spec = ModelSpec(name, source=f"file:/home/ada/{last}")
    monkeypatch.setitem(handed.registry.models.specs, name, spec)
    assert "/home/ada" not in (found := problems(handed.entries))
    assert f"{name} is file:" not in found
    other = ModelSpec(name, source="file:/home/ada/other-weights")
    monkeypatch.setitem(handed.registry.models.specs, name, other)
    found = problems(handed.entries)
    assert f"{name} is file:other-weights, not {said['source']}" in found
    assert "/home/ada" not in found


@pytest.mark.parametrize("control", ["untrained", "static"])
def test_a_removed_control(handed, problems, control):
    kept = [e for e in handed.entries if e.record["model"]["control"] != control]
    assert f"its {control} control is missing" in problems(kept)


@pytest.mark.parametrize("layers", [True, False])
def test_reading_times_from_probabilities_need_no_static_control(handed, problems, layers):
    """A static embedding has hidden states and no probabilities."""

    def behavioural(entry):
        record = json.loads(json.dumps(entry.record))
        record["benchmark"]["kind"] = "behavioural"
        detail = entry.dataset()
        return Entry.make(record, detail if layers else detail.isel(layer=[-1]))

    kept = [e for e in handed.entries if e.record["model"]["control"] != "static"]
    said = problems([behavioural(e) for e in kept])
    assert ("its static control is missing" in said) is layers
    assert "its untrained control is missing" not in said


def test_controls_that_were_accepted_before_count(handed, problems, board):
    controls = [e for e in handed.entries if e.record["model"]["control"]]
    accept(controls, [], board)
    assert problems([e for e in handed.entries if not e.record["model"]["control"]]) == ""


def test_nan_and_infinity_in_the_detail(handed, problems):
    entry = next(e for e in handed.entries if not e.record["model"]["control"])
    best = entry.dataset()["r_best"]
    said = problems(tampered(handed, lambda r: None, r_best=best * np.nan))
    assert "r_best holds no number" in said
    assert "is not the mean of r_best" in said
    said = problems(tampered(handed, lambda r: None, r_best=best.where(best > best.min(), np.inf)))
    assert "infinite" in said


def test_responses_and_text_are_not_accepted(handed, problems):
    said = problems(
        tampered(
            handed,
            lambda r: None,
            bold=("volume", np.zeros(3)),
            story=("item", np.array(["once upon a time " * 9], object)),
        )
    )
    assert "its detail is over volume" in said
    assert "holds text (story)" in said


def test_other_participants_than_everybody_else(handed, problems, board):
    accept(handed.entries, [], board)

    def change(record):
        record["revision"] = 2

    entry = next(e for e in handed.entries if not e.record["model"]["control"])
    dataset = entry.dataset().assign_coords(participant=["ann", "bob", "eve"])
    record = json.loads(entry.text)
    change(record)
    assert "3 participants" in problems([Entry.make(record, dataset)])


def test_an_accepted_result_is_not_changed_in_passing(handed, problems, board):
    accept(handed.entries, [], board)
    entry = next(e for e in handed.entries if not e.record["model"]["control"])
    assert problems(handed.entries) == "", "what is there already changes nothing"
    best = entry.dataset()["r_best"] + 0.001

    def change(record):
        for cell in record["cells"]:
            for name in ("value", "low", "high"):
                cell[name] += 0.001
            cell["normalised"] = cell["value"] / cell["ceiling"]

    other = edited(entry, change, r_best=best)
    assert "would change an accepted result" in problems([other])
    corrected = edited(other, lambda r: r.update(revision=2, note="a mended bug"), r_best=best)
    assert problems([corrected]) == ""


def test_swapping_people_is_a_change(handed, problems, board):
    """Values stay; only who had which score moves."""
    accept(handed.entries, [], board)
    entry = next(e for e in handed.entries if not e.record["model"]["control"])
    best = entry.dataset()["r_best"]
    swapped = best.copy(data=best.values[:, ::-1])
    assert "would change" in problems([edited(entry, lambda r: None, r_best=swapped)])


def test_a_pull_request_that_removes_or_edits(handed, board, tmp_path):
    accept(handed.entries, [], board)
    theirs = tmp_path / "theirs"
    accept(handed.entries, [], theirs)
    assert check([theirs], board, handed.registry).problems == ()
    record, *_ = sorted(theirs.rglob("*.json"))
    record.write_text(record.read_text().replace('"value": 0.', '"value": 0.9', 1))
    said = {p.what for p in check([theirs], board, handed.registry).problems}
    assert "was accepted, and is removed" in said
    assert any("was edited" in what for what in said)
    record.unlink()
    record.symlink_to("/etc/passwd")
    said = {p.what for p in check([theirs], board, handed.registry).problems}
    assert "is a link" in said


def test_a_folder_that_is_a_link_leads_nowhere(handed, board, tmp_path):
    entry = handed.entries[0]
    outside = tmp_path / "outside"
    outside.mkdir()
    (board / "submissions").mkdir(parents=True)
    (board / "submissions" / entry.folder.partition("/")[0]).symlink_to(outside)
    with pytest.raises(SubmissionError, match="through a link"):
        accept([entry], [], board)
    assert not list(outside.iterdir())


def test_everything_is_listed_at_once(handed, problems):
    def change(record):
        done(record).update(value=2.0, key="0" * 64)
        record["benchmark"]["version"] = 3

    said = problems(tampered(handed, change))
    for part in ("correlation of 2", "does not contain", "follow", "of version 3", "uncompressed"):
        assert part in said or part == "uncompressed"
    assert said.count("\n") >= 4


def test_html_in_a_name(handed, tmp_path, bundle):
    record = json.loads(handed.entries[0].text)
    record["model"]["name"] = "<script>alert(1)</script>"
    with pytest.raises(SubmissionError, match=r"model\.name is no name"):
        write_bundle([Entry.make(record, None)], tmp_path / "x.zip")


def test_a_score_says_what_its_key_is_made_of(handed, problems):
    def change(record):
        done(record)["provenance"].pop("parts")

    assert "lacks what its key is made of" in problems(tampered(handed, change))


def test_where_the_code_stands_is_in_no_key(handed):
    """The module of a benchmark is renamed here: what was handed in before still fits."""
    entry = handed.entries[0]
    cell = done(json.loads(entry.text))
    moved = replace(LISTENING, target="elsewhere:Other")
    registry = Registry(
        Shelf("model"), Shelf("compressor"), Shelf("benchmark", {LISTENING.name: moved})
    )
    assert list(key_faults(entry, cell, registry)) == []
    other = replace(LISTENING, identity="elsewhere/toy-listening")
    registry.benchmarks.specs[LISTENING.name] = other
    assert "identity of toy-listening" in " ".join(key_faults(entry, cell, registry))


def test_stages_are_those_of_the_key(handed, problems):
    def change(record):
        done(record)["provenance"]["stages"] = json.dumps({"record": 1})

    assert "stages that it names are not those" in problems(tampered(handed, change))


@pytest.mark.parametrize("stages", ['"none"', "[]", '{"dreaming": 1}', '{"RECORD": 1}'])
def test_stages_that_are_none(handed, problems, stages):
    def change(record):
        done(record)["provenance"]["stages"] = stages

    found = problems(tampered(handed, change))
    assert "stage" in found or "lacks what its key is made of" in found


def test_no_such_bundle(handed, board, tmp_path):
    with pytest.raises(SubmissionError, match="no bundle"):
        check([tmp_path / "none.zip"], board, handed.registry)


def test_handed_in_twice(handed, bundle, board, tmp_path):
    again = write_bundle(open_bundle(bundle).entries, tmp_path / "again.zip")
    report = check([bundle, again], board, handed.registry)
    assert {p.what for p in report.problems} == {"is handed in twice"}


def test_probes_are_held_against_their_scores_not_their_accuracies():
    # a regression has no accuracy, and a class-weighted score is another mean
    detail = xr.Dataset(
        {"score": ("task", [0.5, 0.7]), "accuracy": ("task", [0.9, np.nan])},
        coords={"task": ["tense", "depth"]},
    )
    cell = {"value": 0.6, "provenance": {}}
    assert list(plausible.variant_faults(detail, cell)) == []
    said = list(plausible.variant_faults(detail, {**cell, "value": 0.61}))
    assert said == ["its value 0.61 is not the mean of score, 0.6"]


def test_a_new_leaderboard_is_an_empty_folder_that_git_keeps(handed, problems, board):
    (board / "submissions").mkdir(parents=True)
    (board / "submissions" / ".gitkeep").touch()
    assert problems(handed.entries) == ""


def test_base_and_controls_are_of_one_precision(handed):
    """A difference between float32 and bfloat16 is none of compression."""
    (mixed,) = [e for e in handed.entries if any(c["compressor"]["name"] == "round" for c in
                e.record["cells"]) and not e.record["model"]["control"]][:1]  # fmt: skip

    def halve(record):
        for cell in record["cells"]:
            if cell["compressor"]["name"] == "round":
                cell["provenance"]["dtype"] = "bfloat16"

    others = [entry for entry in handed.entries if entry.id != mixed.id]
    pool = [*others, edited(mixed, halve)]
    said = [problem.what for problem in _company(pool[-1], pool)]
    assert "its uncompressed base is missing in bfloat16 (-c none --dtype bfloat16)" in said
    assert any(s.startswith("its untrained control is missing in bfloat16") for s in said)
    assert not any("float32" in text for text in said)
    whole = [edited(entry, _all_in_half) for entry in handed.entries]
    assert not [p for entry in whole for p in _company(entry, whole)]


def _all_in_half(record):
    for cell in record["cells"]:
        if cell["provenance"]:
            cell["provenance"]["dtype"] = "bfloat16"
