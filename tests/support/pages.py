"""What pages say of the real board and of the commands, made from them.

``python tests/support/pages.py`` writes the pictures of ``docs/img``, the results between the marks
in ``README.md`` and ``docs/index.md``, ``docs/commands.md``, ``docs/compression-study.md`` and the
table of scores in ``docs/models.md``.
``tests/docs/test_generated.py`` says whether they are current: run this after the board or a
command has changed.
"""

from __future__ import annotations

import hashlib
import re
import sys
import textwrap
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import study

ROOT = Path(__file__).parents[2]
BOARD = ROOT / "leaderboard" / "board.nc"
PICTURES = ROOT / "docs" / "img"
BEGIN, END = "<!-- results of the board: begin -->", "<!-- results of the board: end -->"
MEASURED = ("<!-- measured -->", "<!-- end of measured -->")
MODELS_SCORE = (
    "bits-per-byte", "brennan2016-alice", "naturalstories", "minimal-pairs", "syntaxgym",
)  # fmt: skip
"""Benchmarks of the table of models."""
WIDTH = 110
"""Characters of a line of a page."""
CAPTIONS = {
    "size": "Scores against bytes, and competence on the same axis",
    "robustness": "What compression changes, over the margin",
    "dissociation": "Loss of competence against loss of alignment",
    "regions": "Where: regions, controls and ceilings",
    "layers": "Every layer by itself",
    "categories": "Categories of competence",
}


def fingerprint() -> str:
    """Digest of the board that pages are made from."""
    return hashlib.sha256(BOARD.read_bytes()).hexdigest()


def draw(folder: Path = PICTURES) -> list[Path]:
    """Draw each figure of the first benchmark that has it, with the board's digest in it."""
    import harness
    from harness.report.journal import DPI, journal_figures
    from harness.report.page_data import page_data

    data = page_data(harness.open_board(BOARD))
    folder.mkdir(exist_ok=True)
    written: dict[str, Path] = {}
    for _, name, figure in journal_figures(data, 120.0):
        if name in written:
            continue
        path = written[name] = folder / f"{name}.png"
        figure.savefig(path, dpi=DPI // 2, facecolor="white", metadata={"Source": fingerprint()})
    for name in CAPTIONS.keys() - written.keys():  # of an earlier board
        (folder / f"{name}.png").unlink(missing_ok=True)
    return list(written.values())


def headline() -> str:
    """Name the benchmark that the first screen is about: the first that the page shows."""
    import harness

    board = harness.open_board(BOARD)
    about = board["benchmarks"].to_dataset()
    rows = [
        (str(name), str(about["kind"].sel(benchmark=name).item()),
         bool(about["simulated"].sel(benchmark=name)))
        for name in about["benchmark"].values
    ]  # fmt: skip
    return next(n for n, kind, simulated in rows if kind == "neural" and not simulated)


def results(pictures: str) -> str:
    """Write the answer of the board in words, beside its picture.

    Parameters
    ----------
    pictures : str
        Where they are, from the page.
    """
    import harness
    from harness.spec.measures import ScoreMeasure

    board, name = harness.open_board(BOARD), headline()
    cells = board["cells"].to_dataset()["value"].sel(benchmark=name)
    scored = int(cells.notnull().sum())
    about = board["benchmarks"].to_dataset().sel(benchmark=name)
    read_by = ScoreMeasure(str(about["headline"].item()))
    lines = [f"![Scores of language models against their size, on {name}]({pictures}/size.png)", ""]
    asked = f"`brainpress answer smallest -b {name}`"
    head = f"What the accepted results say on `{name}`, {scored} variants, by {read_by.named}"
    lines += [*textwrap.wrap(f"{head} ({asked}):", WIDTH, break_on_hyphens=False), ""]
    lines += _claims(harness.answer(board, "smallest", benchmarks=name), name)
    if read_by is not ScoreMeasure.VALUE:
        plain = harness.answer(board, "smallest", benchmarks=name, measure=ScoreMeasure.VALUE)
        head = f"By {str(about['metric'].item()).partition(',')[0]} alone (`--measure value`):"
        lines += ["", head, "", *_claims(plain, name)]
    notice = ROOT / "leaderboard" / "notice.txt"
    if notice.exists():
        lines.append("")
        quoted = textwrap.wrap(
            " ".join(notice.read_text(encoding="utf-8").split()), WIDTH, break_on_hyphens=False
        )
        lines += [f"> {line}" for line in quoted]
    return "\n".join(lines)


def _claims(said: Any, name: str) -> list[str]:
    """Write the claims of an answer about one benchmark as a list."""
    rows = zip(said["subject"].values, said["sentence"].values, said["verdict"].values, strict=True)
    lines = []
    for subject, sentence, verdict in rows:
        clause = str(sentence).partition("; ")[0]
        model = str(subject).partition(" on ")[0]
        about = "" if model.startswith(name) else f"{model}: "
        text = f"- **{verdict}**: {about}{clause}"
        lines += textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return lines


def gallery() -> str:
    """Lay out the other figures for the site's first page."""
    parts = [
        f"### {caption}\n\n![{caption}](img/{name}.png)"
        for name, caption in CAPTIONS.items()
        if name != "size" and (PICTURES / f"{name}.png").exists()
    ]
    return "\n\n".join(parts)


def measured() -> str:
    """Lay out what the models of the board score as they are."""
    return study.Study(BOARD).models(*MODELS_SCORE)


def with_results(page: str, text: str, marks: tuple[str, str] = (BEGIN, END)) -> str:
    """Put text between the marks of a page."""
    begin, end = marks
    before, _, rest = page.partition(begin)
    after = rest.partition(end)[2]
    return f"{before}{begin}\n{text}\n{end}{after}"


def pages() -> dict[Path, str]:
    """Return every page that is made, as it should be."""
    readme, index, models = (
        ROOT / name for name in ("README.md", "docs/index.md", "docs/models.md")
    )
    of_index = f"{results('img')}\n\n## Figures\n\n{gallery()}"
    return {
        readme: with_results(readme.read_text(encoding="utf-8"), results("docs/img")),
        index: with_results(index.read_text(encoding="utf-8"), of_index),
        ROOT / "docs" / "commands.md": commands(),
        study.PAGE: study.page(BOARD),
        models: with_results(models.read_text(encoding="utf-8"), measured(), MEASURED),
    }


def commands() -> str:
    """Write the reference of the command line from the commands themselves."""
    import typer.main

    from harness.cli import app

    root: Any = typer.main.get_command(app)
    lines = [
        "# Commands",
        "",
        "Made from the commands; `brainpress COMMAND --help` says the same in a terminal.",
        "",
        *_section(root, ["brainpress"], top=True),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _section(command: Any, words: list[str], *, top: bool = False) -> Iterator[str]:
    if not top:
        yield from (f"## `{' '.join(words)}`", "", *_prose(command.help or ""))
    yield from _parameters(command)
    for name in sorted(getattr(command, "commands", {})):
        yield from _section(command.commands[name], [*words, name])


def _prose(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", textwrap.dedent(text).strip()):
        yield from textwrap.wrap(" ".join(paragraph.split()), WIDTH)
        yield ""


def _parameters(command: Any) -> Iterator[str]:
    rows = []
    for parameter in command.params:
        if getattr(parameter, "hidden", False) or parameter.name == "help":
            continue
        names = [*parameter.opts, *parameter.secondary_opts]
        if not names[0].startswith("-"):  # an argument
            names = [parameter.name.upper() + ("..." if parameter.nargs == -1 else "")]
        said = " ".join((getattr(parameter, "help", None) or "").split())
        kind = parameter.type_descriptor.annotation
        if isinstance(kind, type) and issubclass(kind, Enum):
            said = f"{said} One of {', '.join(str(choice.value) for choice in kind)}.".strip()
        default = _default(parameter)
        rows.append((", ".join(f"`{n}`" for n in names), said.replace("|", "\\|"), default))
    if rows:
        yield from ("| parameter | what it is | default |", "|---|---|---|")
        yield from (f"| {' | '.join(row)} |" for row in rows)
        yield ""


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    shown = getattr(parameter, "show_default", None)
    if isinstance(shown, str):
        return shown
    default = parameter.default
    if default in (None, "", ()) or isinstance(default, bool) or callable(default):
        return {True: "yes", False: "no"}.get(default, "") if isinstance(default, bool) else ""
    return f"`{getattr(default, 'value', default)}`"


if __name__ == "__main__":
    for path in draw():
        print(f"written: {path.relative_to(ROOT)}")
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        print(f"written: {path.relative_to(ROOT)}")
    sys.exit()
