"""The commands a submitter and a maintainer type."""

from __future__ import annotations

import sys

import pytest
from submission_fixtures import done, edited

from harness.board.files import open_board, save_board
from harness.board.submission.bundle import write_bundle
from harness.cli import main


@pytest.fixture
def brainpress(handed, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAINPRESS_STORE", str(tmp_path))
    monkeypatch.setattr("harness.spec.registry.registry", lambda: handed.registry)
    save_board(handed.board, tmp_path / "board.nc")

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["brainpress", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        # Where lines break depends on the width that the console found when it was made.
        return end.value.code or 0, " ".join((printed.out + printed.err).split())

    return call


def test_from_a_board_to_the_leaderboard(brainpress, tmp_path):
    code, said = brainpress("submit", "--as", "Ada", "--contact", "ada@example.org", "-o", "a.zip")
    assert code == 0, said
    assert "5 entries" in said
    code, said = brainpress("board", "check", "a.zip")
    assert code == 0, said
    assert "9 cells: no problem" in said
    assert "nothing is accepted at leaderboard" in said, (
        "a mistyped folder looks like a first bundle"
    )
    code, said = brainpress("board", "add", "a.zip")
    assert code == 0, said
    assert said.rstrip().endswith("brainpress board build")
    code, said = brainpress("board", "build")
    assert code == 0, said
    board = open_board(tmp_path / "leaderboard/board.nc")
    assert (board["cells"]["verified"] == "unverified").sum() == 9
    code, said = brainpress("board", "leaderboard/board.nc")
    assert code == 0, said
    assert "toy-listening" in said
    code, said = brainpress("board", "check", "a.zip")
    assert "0 cells: no problem" in said, "what is there already is not offered again"
    assert "all of it is accepted already" in said
    assert "nothing is accepted" not in said


def test_problems_are_printed_and_keep_a_bundle_out(brainpress, handed, tmp_path):
    entries = [
        edited(e, lambda r: done(r).update(value=0.9, key="0" * 64)) for e in handed.entries[:1]
    ]
    write_bundle(entries, tmp_path / "bad.zip")
    for command in ("check", "add"):
        code, said = brainpress("board", command, "bad.zip")
        assert code == 1
        for problem in ("does not contain its value", "does not follow", "control is missing"):
            assert problem in said
    assert not (tmp_path / "leaderboard").exists()


@pytest.mark.parametrize("arguments", [["board"], ["board", "--csv", "x.csv"], ["board", "show"]])
def test_a_board_is_shown_where_no_command_is_named(brainpress, tmp_path, arguments):
    code, said = brainpress(*arguments)
    assert code == 0, said
    assert "toy-listening" in said
    assert (tmp_path / "x.csv").exists() == ("--csv" in arguments)


def test_names_that_the_board_does_not_have(brainpress):
    code, said = brainpress("submit", "--as", "A", "--contact", "b", "-b", "toy-listning")
    assert code == 2
    assert "did you mean toy-listening?" in said
    code, said = brainpress("board", "bord.nc")
    assert code == 2
    assert "did you mean board.nc?" in said


def test_a_mistyped_command_of_the_board(brainpress):
    code, said = brainpress("board", "verifiy", "a.zip")
    assert code == 2
    assert "did you mean verify?" in said


def test_a_submission_says_who_hands_it_in(brainpress):
    code, said = brainpress("submit", "--as", "Ada")
    assert code == 2
    assert "--contact" in said
    code, said = brainpress("board", "check", "missing.zip")
    assert code == 2
    assert "no bundle at missing.zip" in said


def test_a_board_is_no_bundle(brainpress, tmp_path):
    (tmp_path / "mine.nc").write_bytes(b"CDF")
    code, said = brainpress("board", "check", "mine.nc")
    assert code == 1
    assert "brainpress submit mine.nc" in said
    assert "what would change" not in said


def test_what_comes_next_repeats_the_leaderboard_that_is_meant(brainpress, tmp_path):
    code, said = brainpress("submit", "--as", "Ada", "--contact", "ada@example.org", "-o", "a.zip")
    assert code == 0, said
    assert said.rstrip().endswith("brainpress board check a.zip")
    code, said = brainpress("board", "check", "a.zip", "--leaderboard", "my lb")
    assert code == 0, said
    assert "brainpress board add a.zip --leaderboard 'my lb'" in said
    code, said = brainpress("board", "add", "a.zip", "--leaderboard", "my lb")
    assert code == 0, said
    assert said.rstrip().endswith("brainpress board build --leaderboard 'my lb'")
