"""A hostile bundle for every field of the schema, from the check to the built page.

An audit hook hears of every file that is opened and of every address that is asked, by whatever
code: none but the bundle, the leaderboard, temporary files and Python's own modules; no address.
"""

from __future__ import annotations

import gc
import io
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import pytest
from submission_fixtures import edited

from harness.board.files import export, inert, open_board
from harness.board.submission import schema
from harness.board.submission.check import check
from harness.board.submission.desk import accept, build, read_all
from harness.board.submission.verify import verify
from harness.errors import HarnessError, SubmissionError
from harness.place.place import Place
from harness.report.visible import VisibleConsole, visible
from tests.torture.hostile import CALC, IMAGE, SCREEN, fields, payloads, put, write_raw

HEARD: list[tuple[str, str]] = []
LISTENING: list[bool] = []
ASKED = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request")
RUN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "exec.eval")


def _hear(event, arguments):
    if not LISTENING:
        return
    if event == "open" and isinstance(arguments[0], str | bytes):
        path = arguments[0]
        HEARD.append((event, path.decode() if isinstance(path, bytes) else path))
    elif event in (*ASKED, *RUN):
        HEARD.append((event, repr(arguments)))


@pytest.fixture(scope="module")
def hook():
    sys.addaudithook(_hear)  # it cannot be taken away; it hears nothing when nobody listens


@pytest.fixture
def heard(hook):
    gc.collect()
    HEARD.clear()
    LISTENING.append(True)
    yield HEARD
    LISTENING.clear()
    HEARD.clear()


@pytest.fixture
def secret(tmp_path_factory):
    folder = tmp_path_factory.mktemp("private")
    (folder / "benchmark.toml").write_text('name = "private"\n')
    path = folder / "secret.txt"
    path.write_text("secret")
    return path


def forbidden(heard, allowed, secret):
    """Return what was heard of beside the allowed folders."""
    roots = [str(p) for p in (*allowed, sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev")]
    code = Path(__file__).resolve().parents[2]
    own = ("harness", "plugins", "tests", "brainpress.py", "brainpress.egg-info")
    roots += [str(code / name) for name in own]
    roots += [str(Path(p).resolve()) for p in sys.path if "site-packages" in p]
    return [
        (event, what)
        for event, what in heard
        if event != "open"
        or str(secret.parent) in what
        or not any(what.startswith(root) for root in roots)
    ]


def refuse(*_):
    raise HarnessError("nothing is run here")


def test_every_field_of_the_schema_is_tried(handed):
    record = handed.entries[0].record
    tried = set(fields(record))
    for group in ("SUBMITTER", "MODEL", "BENCHMARK", "DETAIL"):
        for name in getattr(schema, group):
            assert (group.lower(), name) in tried
    for name in schema.CELL:
        assert ("cells", 0, name) in tried
    assert {("cells", 0, "provenance", "parts"), ("cells", 0, "compressor", "options")} <= tried
    assert len(tried) > 90


def test_a_hostile_bundle_for_every_field(handed, tmp_path, secret, heard, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    entry = next(e for e in handed.entries if not e.record["model"]["control"])
    board = tmp_path / "leaderboard"
    kinds = payloads(secret)
    accepted = 0
    for number, path in enumerate(fields(entry.record)):
        # Each field takes each kind in some place; all of them in every place is the torture's.
        for value in kinds[number % 3 :: 3]:
            bundle = write_raw(put(entry.record, path, value), entry.detail, tmp_path / "x.zip")
            try:
                report = check([bundle], board, handed.registry)
                if not report.problems:
                    accepted += 1
                entries = read_all([bundle], board)
            except SubmissionError:
                continue
            for found in verify(entries, handed.registry, refuse, Place.make(), sample=2):
                assert {f.outcome for f in found.findings} == {"not computed"}
            assert not forbidden(heard, [tmp_path], secret), (path, value)
            heard.clear()
    assert not accepted  # alone it has no controls beside it


def text_everywhere(record, payload):
    """Put a text into every field of a record that takes it."""
    for path in list(fields(record)):
        if "provenance" in path or path[-1] in ("schema", "key", "status", "kind", "control"):
            continue
        changed = put(record, path, payload)
        if not list(schema.faults(changed)):
            record = changed
    return record


@pytest.mark.parametrize("payload", [IMAGE, CALC, "javascript:document.title='taken'"])
def test_all_the_way_to_the_built_page(handed, tmp_path, secret, heard, payload):
    """What the schema lets through is put on the shelf whatever `check` says, and built."""
    pytest.importorskip("vl_convert", reason="needs the extra `report`")
    from harness.report.page import write_page

    hostile = [edited(e, lambda r: r.update(text_everywhere(r, payload))) for e in handed.entries]
    assert any(payload in json.dumps(e.record, ensure_ascii=False).replace('\\"', '"')
               for e in hostile)  # fmt: skip
    accept(hostile, [], tmp_path)
    written = build(tmp_path, write_page)
    assert not forbidden(heard, [tmp_path, tempfile.gettempdir()], secret)
    html = next(p for p in written if p.suffix == ".html").read_text(encoding="utf-8")
    assert "<img src=x" not in html
    assert "<script>alert(1)" not in html
    assert 'href="javascript:' not in html
    board = open_board(written[0])
    csv = export(board, tmp_path / "cells.csv").read_text(encoding="utf-8")
    assert not [line for line in csv.splitlines() if ",=" in line or line.startswith("=")]


def test_the_hook_hears(heard, secret):
    heard.clear()
    secret.read_text()
    assert forbidden(heard, [secret.parent.parent], secret) == [("open", str(secret))]


def test_the_built_page_in_a_browser(handed, tmp_path):
    pytest.importorskip("vl_convert", reason="needs the extra `report`")
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("needs chromium and chromedriver")
    from harness.report.page import write_page

    hostile = [edited(e, lambda r: r.update(text_everywhere(r, IMAGE))) for e in handed.entries]
    accept(hostile, [], tmp_path)
    page = next(p for p in build(tmp_path, write_page) if p.suffix == ".html")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        browser.get(page.resolve().as_uri())
        time.sleep(2)
        assert browser.title not in ("taken", "")
        assert not browser.find_elements("css selector", "img[src=x]")
        assert not browser.find_elements("css selector", "a[href^=javascript]")
        assert browser.find_elements("css selector", "#ranking tbody td")
    finally:
        browser.quit()


def test_a_terminal_shows_what_would_act_on_it():
    stream = io.StringIO()
    console = VisibleConsole(file=stream, force_terminal=False, width=200)
    console.print(SCREEN + "a\tb", markup=False, highlight=False)
    said = stream.getvalue()
    assert not set(said) & set("\x1b\x07\x9b\u202e")
    assert "\\x1b]0;taken\\x1b[2J\\x9b31m\\u202e" in said
    assert visible("naïve 北京 \n\t") == "naïve 北京 \n\t"


def test_what_is_said_of_a_hostile_bundle_does_not_act(handed, tmp_path):
    """Not even the names of its files."""
    import zipfile

    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("manifest.json", json.dumps({"schema": 1, "files": {SCREEN: {}}}))
        bundle.writestr(f"{SCREEN}.json", "{}")
    report = check([path], tmp_path / "board", handed.registry)
    stream = io.StringIO()
    for problem in report.problems:
        VisibleConsole(file=stream, width=200).print(problem.what, problem.where, markup=False)
    assert report.problems
    assert not set(stream.getvalue()) & set("\x1b\x07\x9b\u202e")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_of_a_csv_file_is_a_formula(text):
    assert inert(text) == f"'{text}"
    assert inert(-1.5) == -1.5
    assert inert("a=b") == "a=b"
