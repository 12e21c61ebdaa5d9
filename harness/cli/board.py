"""``board``: show one, export it; check, verify, accept and build what others hand in."""

from __future__ import annotations

import datetime
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from harness.cli.app import app, console, print_next, stderr
from harness.cli.boards import SuiteOption, read_board
from harness.cli.options import Benchmarks, Device, Offline, StoreOption
from harness.errors import SelectionError
from harness.report.board_text import Format
from harness.spec.names import nearest, split_names

if TYPE_CHECKING:
    import xarray as xr


class ShowByDefault(TyperGroup):
    """A group whose command is ``show`` where none is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``show`` before arguments that do not start with a command.

        Raises
        ------
        SelectionError
            They start with a command that is mistyped.
        """
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            near = nearest(args[0], self.commands)
            if near and not Path(args[0]).exists():
                raise SelectionError(
                    f"no board, and no command of `board`, is called {args[0]!r}",
                    f"did you mean {near[0]}?",
                )
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["show", *args]
        return super().parse_args(ctx, args)


board = typer.Typer(cls=ShowByDefault, help="Show a board (`board [PATH]`); accept submissions.")
app.add_typer(board, name="board")

Bundles = Annotated[
    list[Path],
    typer.Argument(help="Bundles, or a leaderboard's folder as a pull request would leave it."),
]
Leaderboard = Annotated[
    Path, typer.Option("--leaderboard", help="The folder that holds `submissions`.")
]
LEADERBOARD = Path("leaderboard")


@board.command()
def show(
    path: Annotated[
        Path | None, typer.Argument(help="A board.", show_default="STORE/board.nc")
    ] = None,
    benchmark: Benchmarks = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the cells here, too.")] = None,
    parquet: Annotated[Path | None, typer.Option("--parquet", help="Likewise.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How it is printed.")] = Format.TABLE,
    suite: SuiteOption = None,
    store: StoreOption = None,
) -> None:
    """Show a board, and export it."""
    from harness.board.files import export
    from harness.report.board_text import board_text
    from harness.report.board_view import board_view

    result = read_board(path, suite, store)
    for target in (csv, parquet):
        if target is not None:
            stderr.print(f"written: {export(result, target)}", soft_wrap=True)
    if form is not Format.TABLE:
        typer.echo(board_text(result, form, benchmark))
        return
    console.print(board_view(result, console.width, benchmark))


@board.command()
def check(bundles: Bundles, leaderboard: Leaderboard = LEADERBOARD) -> None:
    """Check submissions without computing anything. Exit code 1 if there is a problem."""
    from harness.board.submission.check import check as examine
    from harness.spec.registry import registry

    report = examine(bundles, leaderboard, registry())
    _print_changes(report)
    if not (leaderboard / "submissions").is_dir():
        alone = f"note: nothing is accepted at {leaderboard}: checked as if it came first"
        console.print(Text(alone, style="yellow"), soft_wrap=True)
    remarks: dict[str, list[str]] = {}
    for remark in report.remarks:
        remarks.setdefault(remark.what, []).append(remark.where)
    for what, (first, *rest) in remarks.items():
        where = first + (f" and {len(rest)} more" if rest else "")
        console.print(Text(f"note: {where}: {what}", style="yellow"), soft_wrap=True)
    _print_problems(report)
    console.print(_verdict(report))
    if report.entries and not report.problems:
        print_next(
            [
                f"brainpress board add {' '.join(shlex.quote(str(b)) for b in bundles)}"
                f"{_at(leaderboard)}"
                "   (where the leaderboard is; a pull request with the new files hands them in)"
            ]
        )
    raise typer.Exit(1 if report.problems else 0)


@board.command()
def verify(
    bundles: Bundles,
    sample: Annotated[int, typer.Option("--sample", min=1, help="Cells to compute again.")] = 3,
    seed: Annotated[int, typer.Option("--seed", help="Of the draw.")] = 0,
    model: Annotated[
        list[str] | None, typer.Option("-m", "--model", help="Draw from these: names and globs.")
    ] = None,
    benchmark: Annotated[
        list[str] | None, typer.Option("-b", "--benchmark", help="Likewise.")
    ] = None,
    leaderboard: Leaderboard = LEADERBOARD,
    device: Device = "auto",
    offline: Offline = False,
) -> None:
    """Compute cells of submissions again, and compare. Exit code 1 if one differs."""
    from harness.api import carry_out
    from harness.board.submission.desk import read_all, record
    from harness.board.submission.verify import chosen
    from harness.board.submission.verify import verify as examine
    from harness.place.place import Place
    from harness.report.live import Bars
    from harness.runner.plan import make_plan
    from harness.spec.registry import registry

    entries = read_all(bundles, leaderboard)
    entries = chosen(entries, split_names(model), split_names(benchmark))
    place = Place.make(offline=offline, device=device)

    def run(*asked: Any) -> xr.DataTree:
        selection, options, there, progress = asked
        return carry_out(make_plan(selection, there, options), progress)[1]

    with Bars(console, min(sample, len(entries))) as bars:
        found = examine(entries, registry(), run, place, sample=sample, seed=seed, progress=bars)
    for verification in found:
        for finding in verification.findings:
            where = f"{verification.entry.name}, {finding.compressor}"
            console.print(Text(f"{where}: {finding.outcome}. {_numbers(finding)}"), soft_wrap=True)
        console.print(Text(verification.sentence()), soft_wrap=True)
    for path in record(found, bundles, leaderboard, sample=sample, seed=seed):
        console.print(f"written: {path}", soft_wrap=True)
    raise typer.Exit(1 if any(v.outcome == "failed" for v in found) else 0)


@board.command()
def add(bundles: Bundles, leaderboard: Leaderboard = LEADERBOARD) -> None:
    """Check submissions, and accept them if there is no problem."""
    from harness.board.submission.check import check as examine
    from harness.board.submission.desk import accept
    from harness.spec.registry import registry

    report = examine(bundles, leaderboard, registry())
    _print_problems(report)
    if report.problems:
        console.print(_verdict(report))
        raise typer.Exit(1)
    _print_changes(report)
    today = datetime.datetime.now(datetime.UTC).date()
    for path in accept(report.entries, bundles, leaderboard, today):
        console.print(f"written: {path}", soft_wrap=True)
    print_next([f"brainpress board build{_at(leaderboard)}"])


@board.command()
def build(leaderboard: Leaderboard = LEADERBOARD) -> None:
    """Merge the accepted submissions into LEADERBOARD/board.nc, and make the page and the feed.

    What is written in LEADERBOARD/notice.txt stands on top of the page.
    """
    from harness.board.submission.desk import build as make

    for path in make(leaderboard, _write_page):
        console.print(f"written: {path}", soft_wrap=True)


def _write_page(board: xr.DataTree, path: Path) -> Path:
    from harness.board.submission.desk import BOARD
    from harness.board.submission.feed import FEED
    from harness.board.submission.records import read_records
    from harness.report.page import write_page  # needs the extra `report`
    from harness.report.page_frame import Page

    notice = path.with_name("notice.txt")
    said = notice.read_text(encoding="utf-8").strip() if notice.is_file() else ""
    files = {"board": BOARD, "feed": FEED, "how to hand in": "README.md"}
    beside = {what: name for what, name in files.items() if path.with_name(name).is_file()}
    page = Page(notice=said, records=read_records(path.parent), beside=beside)
    return write_page(board, path, page=page)


def _print_changes(report: Any) -> None:
    if not report.changes:
        if not report.problems:
            console.print("nothing would change: all of it is accepted already")
        return
    console.print(Text("what would change", style="italic"))
    table = Table(box=None)
    for column in ("benchmark", "model", "compressor"):
        table.add_column(column, no_wrap=True)
    for column in ("accepted", "handed in"):
        table.add_column(column, justify="right")
    table.add_column("")
    for c in report.changes:
        before, after = ("" if v is None else f"{v:.4f}" for v in (c.before, c.after))
        table.add_row(*map(Text, (c.benchmark, c.model, c.compressor, before, after, c.kind)))
    console.print(table)


def _print_problems(report: Any) -> None:
    for problem in report.problems:
        line = Text(f"problem: {problem.where}: {problem.what}", style="red")
        console.print(line, soft_wrap=True)


def _verdict(report: Any) -> Text:
    entries = f"{len(report.entries)} entries, {len(report.changes)} cells"
    count = len(report.problems)
    if not count:
        return Text(f"{entries}: no problem", style="green")
    return Text(
        f"{entries}: {'1 problem' if count == 1 else f'{count} problems'}", style="bold red"
    )


def _numbers(finding: Any) -> str:
    if finding.computed is None:
        return str(finding.reason)
    said = (
        f"handed in {finding.submitted:.6f}, computed {finding.computed:.6f}, "
        f"tolerance {finding.tolerance:.4g}"
    )
    return said + (f"; {finding.reason}" if finding.reason else "")


def _at(leaderboard: Path) -> str:
    """Write the option of a leaderboard that is not the default one, for a command to copy."""
    return "" if leaderboard == LEADERBOARD else f" --leaderboard {shlex.quote(str(leaderboard))}"
