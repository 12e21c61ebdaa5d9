"""What pages say of the real board and of the commands is what these say now."""

import json
import runpy
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import pages

RENEW = "python tests/support/pages.py renews it"


@pytest.fixture(scope="module")
def made():
    return pages.pages()


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/index.md",
        "docs/commands.md",
        "docs/compression-study.md",
        "docs/models.md",
    ],
)
def test_a_page_says_what_the_board_and_the_commands_say(made, name):
    path = pages.ROOT / name
    assert path.read_text(encoding="utf-8") == made[path], RENEW


@pytest.mark.parametrize("path", sorted(pages.PICTURES.glob("*.png")), ids=lambda path: path.stem)
def test_a_picture_is_of_this_board(path):
    image = pytest.importorskip("PIL.Image")
    assert path.stem in pages.CAPTIONS
    with image.open(path) as picture:
        assert picture.text["Source"] == pages.fingerprint(), RENEW


def test_the_first_screen_of_the_readme_has_picture_and_answer():
    lines = (pages.ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    screen = "\n".join(lines[:30])
    assert "docs/img/size.png" in screen
    assert "brainpress answer smallest" in screen
    assert any(line.startswith("- **") for line in lines[:30])


def test_every_command_has_a_section():
    import typer.main

    from harness.cli import app

    text = pages.commands()
    for name in typer.main.get_command(app).commands:
        assert f"## `brainpress {name}`" in text
    assert "## `brainpress board check`" in text
    assert "`--width`" in text


@pytest.mark.needs_smollm2
def test_the_notebook_runs_from_a_board_to_a_figure(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    notebook = pages.ROOT / "docs" / "first-board.ipynb"
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BRAINPRESS_STORE", str(tmp_path / "store"))
    script = tmp_path / "notebook.py"
    script.write_text("\n\n".join(code), encoding="utf-8")
    found = runpy.run_path(str(script), run_name="__main__")
    assert found["board"]["cells"]["value"].notnull().any()
    assert list(tmp_path.rglob("figures/*/size.png"))
