"""Data that `new data` made are marked as simulated until their description says otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import harness
from harness.check.mocks import write_mock_model
from harness.cli import app
from harness.own_data.description import spec_from_data
from harness.runner.cells import NONE
from harness.runner.keys import Keys

pytest.importorskip("altair", reason="needs the extra `report`")
pytest.importorskip("vl_convert", reason="needs the extra `report`")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    found = CliRunner().invoke(app, ["new", "data", "our-story", "--into", str(tmp_path)])
    assert found.exit_code == 0, found.output
    return tmp_path / "our-story"


def test_board_and_page_say_that_they_are_simulated(made: Path, tmp_path: Path) -> None:
    from harness.report.page import page_html
    from harness.report.page_data import page_data
    from harness.report.page_frame import Page
    from harness.report.page_sections import SIMULATED

    write_mock_model(tmp_path / "mock")
    board = harness.run(
        models=f"file:{tmp_path / 'mock'}", benchmarks=f"data:{made}", store=tmp_path / "store"
    )
    name = spec_from_data(f"data:{made}").name
    assert bool(board["benchmarks"].to_dataset()["simulated"].sel(benchmark=name))
    assert bool(board["cells"].to_dataset()["value"].notnull().all())
    html = page_html(board, page_data(board, draws=10), Page())
    # Two stand there for every board, hidden; the third is of the benchmark itself.
    assert html.count(SIMULATED) == 3


def test_a_description_says_that_its_data_are_real(made: Path) -> None:
    description = made / "benchmark.toml"
    text = description.read_text(encoding="utf-8")
    assert "simulated = true" in text
    description.write_text(text.replace("simulated = true", ""), encoding="utf-8")
    assert not spec_from_data(f"data:{made}").simulated


def test_the_field_is_in_no_key_but_as_the_text_of_a_description(made: Path) -> None:
    """Descriptions that were written before there was such a field keep their scores."""
    spec = spec_from_data(f"data:{made}")
    assert spec.simulated
    keys = Keys("a" * 64, NONE, "float32")
    assert keys.score(spec, ()) == keys.score(replace(spec, simulated=False), ())
