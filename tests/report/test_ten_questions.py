"""Ten questions of a reader, each answered on the page in at most two clicks.

In a browser where there is one; what the page's text and data hold is tested without.
"""

import datetime
import shutil
from pathlib import Path

import pytest
from simulated_boards import Truth, simulate

pytest.importorskip("altair", reason="needs the extra `report`")
pytest.importorskip("vl_convert", reason="needs the extra `report`")

import harness
from harness.board.submission.entry import Entry
from harness.board.submission.records import Records
from harness.report.page import write_page
from harness.report.page_data import page_data
from harness.report.page_frame import Page

LEADERBOARD = Path(__file__).parents[2] / "leaderboard"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
VARIANT = "a-1+gptq-int4"
MINUS = "\N{MINUS SIGN}"
DAY = datetime.date(2026, 11, 3).isoformat()
ENTRY = Entry(
    {
        "model": {"name": "a-1"},
        "benchmark": {"name": "brain-00"},
        "cells": [{"compressor": {"name": "gptq-int4"}, "value": 0.2}],
        "submitter": {"name": "Ada Lovelace"},
        "revision": 1,
        "note": "",
    }
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    truth = Truth(
        {"a-1": ("a", 1e8, 0.2), "a-2": ("a", 1e9, 0.21)},
        {"gptq-int4": 0.0, "magnitude-50": 0.1},
        falls={"magnitude-50": {"syntax": 0.2}},
        linguistic=1,
        noise=0.01,
    )
    board = simulate(truth)
    cells = board["cells"].to_dataset()
    who = cells["status"].astype(object).copy(data=cells["status"].values.astype(object))
    who[:] = "Ada Lovelace"
    entry = who.copy(data=who.values.copy())
    entry[:] = ENTRY.id
    board["cells"].dataset = cells.assign(submitter=who, entry=entry)
    finding = {"outcome": "agrees", "submitted": 0.2, "computed": 0.2, "tolerance": 0.002}
    records = Records([ENTRY], {ENTRY.id: DAY}, {(ENTRY.id, "gptq-int4"): finding})
    path = tmp_path_factory.mktemp("page") / "index.html"
    data = page_data(board, draws=100)
    return write_page(board, path, data, Page(records=records)), data


@pytest.fixture(scope="module")
def where(made):
    return made[0]


@pytest.fixture(scope="module")
def numbers(made):
    """What the board's own numbers are, written as the page writes them."""
    data = made[1]
    said = data.answers["smallest"]["sentence"].values
    rows = data.tables["cells"]["brain-00"].set_index("variant")
    pairs = data.tables["cells"]["pairs-00"].set_index("variant")
    row = rows.loc[VARIANT]
    ends = f"[{row['change_low']:+.3f}, {row['change_high']:+.3f}]".replace("-", MINUS)
    half = [f"{frame.loc['a-1+magnitude-50', 'value']:.3f}" for frame in (rows, pairs)]
    return {
        "smallest model at a margin": [str(said[0]).partition("; ")[0]],
        "does GPTQ differ": [f"{row['change']:+.3f} {ends}".replace("-", MINUS), "equivalent"],
        "what does 50 % pruning lose": [f"a-1 + magnitude-50\t50.7\t{half[0]} ▼\t{half[1]}"],
        "does anything beat nuisance": [str(said[-1]).partition("; ")[0]],
        "how sure": [f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"],
        "how big on disk": [f"{row['mebibytes']:.3g} MiB"],
    }


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


ROW = f'[data-variant="{VARIANT}"]'
MATRIX = "#matrix > summary"
QUESTIONS = {
    "smallest model at a margin": ([], ["#answer ~ .first .tiles", ".answer .claims"], "within"),
    "does GPTQ differ": ([ROW], ["#drawer"], "change from base"),
    "what does 50 % pruning lose": ([MATRIX], ["#matrix-table"], "magnitude-50"),
    "does anything beat nuisance": ([], [".answer:not([hidden])"], "controls"),
    "which regions": (['nav a[href="#figures-start"]'], ["#draw-rois"], "roi0"),
    "how sure": ([ROW], ["#drawer"], "95 % interval"),
    "how to have a row again": ([ROW], ["#drawer code"], "brainpress run -m a-1"),
    "how big on disk": ([ROW], ["#drawer"], "MiB"),
    "who submitted": ([ROW], ["#drawer"], "Ada Lovelace"),
    "what changed since last month": (['nav a[href="#changes"]'], ["#changes ~ .scroll"], DAY),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_at_most_two_clicks(browser, where, numbers, question):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    clicks, places, text = QUESTIONS[question]
    assert len(clicks) <= 2
    browser.get("about:blank")
    browser.get(where.as_uri())
    wait = WebDriverWait(browser, 30)
    wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "#ranking tbody td"))
    for selector in clicks:
        node = browser.find_element(By.CSS_SELECTOR, selector)
        browser.execute_script(
            "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'}); "
            "arguments[0].click()", node
        )  # fmt: skip
    # Figures are drawn in idle time; what is not displayed has no text.
    read = (
        "return [...document.querySelectorAll(arguments[0])]"
        ".map(n => n.innerText || n.textContent).join(' ')"
    )
    for place in places:
        assert browser.find_elements(By.CSS_SELECTOR, place), place
    wait.until(lambda b: any(text in b.execute_script(read, place) for place in places))
    shown = [n for p in places for n in browser.find_elements(By.CSS_SELECTOR, p)]
    assert any(node.is_displayed() for node in shown)
    told = " ".join(browser.execute_script(read, place) for place in places)
    for number in numbers.get(question, ()):
        assert number in told


def test_whether_anything_beats_nuisance_on_the_real_board(browser):
    """Simulated boards have no nuisance regressors."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    said = harness.answer(harness.open_board(LEADERBOARD / "board.nc"), "smallest")
    claims = [str(s).partition("; ")[0] for s in said["sentence"].values if "nuisance" in str(s)]
    browser.get((LEADERBOARD / "index.html").as_uri())
    wait = WebDriverWait(browser, 30)
    wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "#ranking tbody td"))
    told = browser.find_element(By.CSS_SELECTOR, ".answer:not([hidden])").text
    assert claims
    assert any(claim in told for claim in claims)


def test_the_file_holds_the_answers(where):
    """Without a browser: the texts and data that the ten questions ask for."""
    html = where.read_text()
    for text in (
        'class="tiles"', "within", "gptq-int4", "magnitude-50", "nuisance", "roi0", "change_low",
        "brainpress run -m a-1 -b brain-00 -c none,gptq-int4", "mebibytes", "Ada Lovelace", DAY,
        "agrees: handed in 0.200000, computed 0.200000",
    ):  # fmt: skip
        assert text in html, text


def test_the_address_holds_what_is_chosen(browser, where):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    def arrive(end):
        browser.get("about:blank")
        browser.get(where.as_uri() + end)
        WebDriverWait(browser, 30).until(
            lambda b: b.find_elements(By.CSS_SELECTOR, "#ranking tbody td")
        )

    arrive("#compressor=gptq-int4&controls=no&sort=-value&row=a-1%2Bgptq-int4")
    assert browser.find_element(By.ID, "controls").get_attribute("value") == "no"
    assert browser.find_element(By.ID, "drawer").is_displayed()
    assert "a-1 + gptq-int4" in browser.find_element(By.ID, "drawer-title").text
    browser.find_element(By.ID, "drawer-close").click()
    address = browser.current_url
    assert "compressor=gptq-int4" in address
    assert "row=" not in address
    rows = "#ranking tbody tr:not(.group)"
    found = browser.find_elements(By.CSS_SELECTOR, rows)
    kinds = {row.get_attribute("class").split()[0] for row in found}
    assert kinds == {"base", "compressed"}
    arrive("#model-a-2")
    section = browser.find_element(By.ID, "model-a-2")
    assert section.get_attribute("open")
    assert 0 <= section.rect["y"] - browser.execute_script("return window.scrollY") < 850


def test_points_are_reached_by_keyboard(browser, where):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get("about:blank")
    browser.get(where.as_uri())
    first = '#draw-size path[tabindex="0"]'
    wait = WebDriverWait(browser, 30)
    wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, first))
    browser.execute_script("document.querySelector(arguments[0]).focus()", first)
    before = browser.switch_to.active_element.get_attribute("aria-label")
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    after = browser.switch_to.active_element.get_attribute("aria-label")
    assert before
    assert after
    assert before != after
    wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "#vg-tooltip-element.visible"))
