"""The page in a browser, from disk, without a network."""

import shutil
import time

import pytest
from simulated_boards import Truth, simulate

pytest.importorskip("altair", reason="needs the extra `report`")
pytest.importorskip("vl_convert", reason="needs the extra `report`")
pytest.importorskip("selenium", reason="needs selenium")

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from harness.report.page import write_page
from harness.report.page_data import page_data

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")

EVIL = "<img src=x onerror=\"document.title='taken'\">"
TRUTH = Truth(
    {"a-1": ("a", 1e8, 0.2), "b-2": ("b", 5e9, 0.25), EVIL: ("c", 2e9, 0.22)},
    {"rtn-int4": 0.0, "awq-int4": 0.05},
    falls={"rtn-int4": {"syntax": 0.2}},
    neural=2,
    linguistic=1,
    noise=0.01,
)


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    board = simulate(TRUTH)
    path = tmp_path_factory.mktemp("page") / "index.html"
    return write_page(board, path, page_data(board, draws=100)).as_uri()


@pytest.fixture
def page(browser, address):
    browser.get("about:blank")  # an address that differs in its end alone is not loaded anew
    browser.get(address)
    # Data are unpacked after the page's load event.
    rows = (By.CSS_SELECTOR, "#ranking tbody td")
    WebDriverWait(browser, 30).until(lambda b: b.find_elements(*rows))
    return browser


def cells(page, column):
    rows = f"#ranking tbody tr:not(.group) > :nth-child({column})"
    return page.execute_script(
        "return [...document.querySelectorAll(arguments[0])].map(c => c.innerText.trim())", rows
    )


def drawn(page, name):
    """Scroll to a figure and wait for its marks."""
    box = page.find_element(By.ID, f"draw-{name}")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
    for _ in range(100):
        marks = box.find_elements(By.CSS_SELECTOR, "svg .role-mark path, svg .role-mark line")
        if marks:
            return marks
        time.sleep(0.1)
    raise AssertionError(f"{name} has no marks: {box.text}")


def test_it_loads_without_a_request_and_without_an_error(page):
    import json

    page.get_log("performance")
    page.refresh()
    for name in ("size", "robustness", "dissociation", "layers", "rois"):
        drawn(page, name)
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert [u for u in asked if not u.startswith(("file:", "data:", "blob:"))] == []
    assert any(u.startswith("file:") for u in asked)  # the log does see requests
    assert [entry["message"] for entry in page.get_log("browser")] == []


@pytest.mark.parametrize("name", ["size", "robustness", "dissociation", "layers", "rois"])
def test_figures_have_marks(page, name):
    assert len(drawn(page, name)) >= 6


def number(text):
    return float(text.replace("\u2212", "-"))


def test_the_table_ranks_no_noise(page):
    """Groups by test; in a group the smaller first."""
    groups = page.execute_script(
        "return [...document.querySelectorAll('#ranking tbody')].map(b => "
        "[b.className, [...b.querySelectorAll('tr:not(.group) td:nth-child(3)')]"
        ".map(c => parseFloat(c.textContent))])"
    )
    assert len(groups) >= 3
    assert groups[-1][0] == "held-control"
    assert sum(len(sizes) for _, sizes in groups) == 11
    for _, sizes in groups:
        assert sizes == sorted(sizes)
    standing = {
        row["variant"]: row["standing"] for row in page.execute_script("return brainpress.cells()")
    }
    shaded = page.execute_script(
        "return [...document.querySelectorAll('tr.in-equal .open')].map(b => b.dataset.variant)"
    )
    assert set(shaded) == {v for v, s in standing.items() if s in ("best", "equivalent")}


def test_heads_sort(page):
    drawn(page, "size")  # above the table, which moves until it is there
    head = page.find_element(By.CSS_SELECTOR, '#ranking th[data-key="value"] button')
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", head)
    head.click()
    values = [number(v) for v in cells(page, 4)]
    assert len(values) == 11
    assert values == sorted(values, reverse=True)
    head.click()
    assert [number(v) for v in cells(page, 4)] == sorted(values)
    page.find_element(By.CSS_SELECTOR, '#ranking th[data-key="compressor"] button').send_keys(" ")
    assert cells(page, 2) == sorted(cells(page, 2))
    head = page.find_element(By.CSS_SELECTOR, '#ranking th[data-key="compressor"]')
    assert head.get_attribute("aria-sort") == "ascending"


def test_filters_filter(page):
    Select(page.find_element(By.ID, "family")).select_by_value("b")
    assert set(cells(page, 1)) == {"b-2"}
    Select(page.find_element(By.ID, "family")).select_by_value("")
    Select(page.find_element(By.ID, "size")).select_by_visible_text("1 B")
    assert "b-2" not in cells(page, 1)
    assert "a-1" in cells(page, 1)
    Select(page.find_element(By.ID, "size")).select_by_visible_text("any size")
    Select(page.find_element(By.ID, "controls")).select_by_value("only")
    assert all("(control)" in text for text in cells(page, 1))
    Select(page.find_element(By.ID, "controls")).select_by_value("no")
    Select(page.find_element(By.ID, "compressor")).select_by_value("rtn-int4")
    # The base stays: a change is a change from it.
    assert set(cells(page, 2)) == {"none", "rtn-int4"}
    assert "6 of 11 variants" in page.find_element(By.ID, "count").text


def test_another_benchmark_changes_the_figures(page):
    drawn(page, "rois")
    before = cells(page, 4)
    Select(page.find_element(By.ID, "benchmark")).select_by_index(2)
    assert cells(page, 4) != before
    assert "accuracy" in page.find_element(By.ID, "count").text
    time.sleep(0.5)
    # Figures that the board cannot draw for it are gone, and named.
    assert not page.find_element(By.CSS_SELECTOR, '[data-figure="rois"]').is_displayed()
    assert "regions" in page.find_element(By.ID, "undrawn").text
    assert len(drawn(page, "categories")) >= 6
    Select(page.find_element(By.ID, "benchmark")).select_by_index(0)
    assert page.find_element(By.CSS_SELECTOR, '[data-figure="rois"]').is_displayed()
    assert not page.find_element(By.CSS_SELECTOR, '[data-figure="categories"]').is_displayed()


def test_filters_that_leave_nothing_say_so(page):
    drawn(page, "robustness")
    Select(page.find_element(By.ID, "controls")).select_by_value("only")
    box = page.find_element(By.ID, "draw-robustness")
    WebDriverWait(page, 10).until(lambda _: "nothing to draw" in box.text)
    Select(page.find_element(By.ID, "controls")).select_by_value("yes")
    assert len(drawn(page, "robustness")) >= 6


def test_a_point_has_a_tooltip(page):
    drawn(page, "size")
    selector = "#draw-size svg .mark-symbol.role-mark path"
    for _ in range(30):
        # Found anew: figures above may still be drawn, and move this one.
        point = page.find_elements(By.CSS_SELECTOR, selector)[0]
        ActionChains(page).move_to_element(point).move_by_offset(1, 1).perform()
        tips = page.find_elements(By.CSS_SELECTOR, "#vg-tooltip-element.visible")
        if tips:
            break
        time.sleep(0.1)
    assert "variant" in tips[0].text
    assert "score" in tips[0].text


def test_text_from_a_board_is_text(page):
    assert page.title == "brainpress leaderboard"
    assert any(text.startswith("<img") for text in cells(page, 1))
    assert page.find_elements(By.CSS_SELECTOR, 'img[src="x"]') == []


def test_data_behind_a_figure_can_be_had(page):
    rows = page.execute_script("return brainpress.data('rois')")
    assert {row["roi"] for row in rows} == {"roi0", "roi1", "roi2"}
    assert len(page.find_elements(By.CSS_SELECTOR, "[data-download]")) == 7


def test_everything_fits_a_narrow_screen(page):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True},
    )
    page.refresh()
    drawn(page, "layers")
    wide = page.execute_script("return document.documentElement.scrollWidth")
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert wide <= 400


def test_filters_are_reached_and_used_by_keyboard(page):
    from selenium.webdriver.common.keys import Keys

    page.execute_script("window.scrollTo(0, 0); document.querySelector('.skip').focus()")
    reached = []
    for _ in range(16):
        reached.append(page.switch_to.active_element.get_attribute("id"))
        if reached[-1] == "controls":
            ActionChains(page).send_keys(Keys.ARROW_DOWN).perform()
        ActionChains(page).send_keys(Keys.TAB).perform()
    assert [name for name in reached if name] == [
        "benchmark",
        "family",
        "compressor",
        "size",
        "controls",
    ]
    assert not any("(control)" in text for text in cells(page, 1))
    focused = page.switch_to.active_element
    assert focused.tag_name == "button"
