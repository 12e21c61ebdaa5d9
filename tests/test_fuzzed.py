"""Arguments, settings and files that no one meant: a sentence, never a traceback."""

from __future__ import annotations

import os
import random
import traceback
from typing import Any

import pytest

from harness.cli import main
from tests.torture.arguments import ENVIRONMENTS, KNOWN, drawn, suites


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capfd: Any) -> Any:
    """Run a command in this process: its code and what it printed."""
    monkeypatch.setenv("BRAINPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BRAINPRESS_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("BRAINPRESS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)

    def call(arguments: list[str]) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["brainpress", *arguments])
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except BaseException as error:
            pytest.fail(
                f"{[a[:60] for a in arguments]}: " + "".join(traceback.format_exception(error)[-3:])
            )
        return code, "".join(capfd.readouterr())

    return call


@pytest.mark.parametrize("number", range(len(KNOWN)))
def test_what_once_was_a_traceback(said, number):
    code, text = said(KNOWN[number])
    assert code in (0, 1, 2)
    assert len(text) < 20_000
    if code:  # 1: a plan of what cannot be done here
        assert "error" in text.lower() or (code == 1 and "cannot be done" in text)


def test_files_of_settings(said, tmp_path):
    codes = {arguments[-1]: said(arguments)[0] for arguments in suites(tmp_path)}
    planned = {str(tmp_path / "utf16.toml"), str(tmp_path / "huge.toml")}
    assert {name for name, code in codes.items() if code != 2} >= planned
    assert set(codes.values()) == {1, 2}, "1: a plan of a model that is not on this machine"


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=str)
def test_odd_environments(said, monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, text = said(["run", "--dry-run", "--offline", "-m", "gpt2"])
    assert code in (1, 2), text
    if "BRAINPRESS_OFFLINE" in environment:
        assert code == 2
        assert "BRAINPRESS_OFFLINE='maybe' is neither yes nor no" in text


def test_drawn_arguments(said):
    draw = random.Random(int(os.environ.get("BRAINPRESS_FUZZ", "7")))
    for _ in range(40):
        code, _ = said(drawn(draw))
        assert code in (0, 1, 2)
