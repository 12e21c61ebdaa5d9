"""Figures for a journal: at the width that was asked for, no type below 6 pt, nothing cut off."""

import re

import numpy as np
import pytest
from simulated_boards import Truth, simulate

pytest.importorskip("matplotlib")
pytest.importorskip("nilearn")

from PIL import Image

from harness.errors import SelectionError
from harness.report.journal import journal_figures, width_of, write_journal_figures
from harness.report.journal_plots import PLOTS, TABLES
from harness.report.page_data import page_data
from harness.report.regions import REGIONS, region_name

TRUTH = Truth(
    {"m-1": ("m", 1e7, 0.2), "m-2": ("m", 1e8, 0.25)},
    {f"rtn-int{bits}": 0.003 * (8 - bits) for bits in (2, 4, 8)},
    falls={"rtn-int2": {"syntax": 0.3}},
    linguistic=1,
    noise=0.01,
)


@pytest.fixture(scope="module")
def data():
    return page_data(simulate(TRUTH), draws=50)


def texts(figure):
    from matplotlib.text import Text

    return [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]


@pytest.mark.parametrize("width", [85.0, 180.0])
def test_type_is_never_below_six_points_and_figures_are_as_wide_as_asked(data, width):
    drawn = {}
    for benchmark, name, figure in journal_figures(data, width):
        drawn.setdefault(name, []).append(benchmark)
        assert figure.get_figwidth() * 25.4 == pytest.approx(width)
        assert texts(figure)
        for text in texts(figure):
            assert text.get_fontsize() >= 6.0, (name, text.get_text())
    assert set(drawn) == set(PLOTS) == set(TABLES)


def test_no_text_is_cut_off_by_the_edge(data):
    for _, name, figure in journal_figures(data, 85.0):
        renderer = figure.canvas.get_renderer()
        figure.draw(renderer)
        width = figure.bbox.width
        for text in texts(figure):
            box = text.get_window_extent(renderer)
            number = re.fullmatch(r"[\d.\N{MINUS SIGN}]+", text.get_text())
            if number and not 0 <= (box.x0 + box.x1) / 2 <= width:
                continue  # of a tick beyond the axis: not drawn
            assert box.x0 >= -1, (name, text.get_text())
            assert box.x1 <= width + 1, (name, text.get_text())


def test_files_have_their_width_on_paper_and_300_dots_an_inch(data, tmp_path):
    list(write_journal_figures(data, tmp_path, 85.0, ("pdf", "png")))
    pdfs, pngs = sorted(tmp_path.rglob("*.pdf")), sorted(tmp_path.rglob("*.png"))
    assert len(pdfs) == len(pngs) >= 4
    for path in pdfs:
        box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+)", path.read_bytes())
        assert float(box[1]) / 72 * 25.4 == pytest.approx(85.0, abs=0.1)
        assert b"/Type3" not in path.read_bytes()  # type stays type
    for path in pngs:
        with Image.open(path) as image:
            assert image.info["dpi"][0] == pytest.approx(300, abs=1)
            assert image.width == pytest.approx(85 / 25.4 * 300, abs=1)
    assert all(path.with_suffix(".csv").exists() for path in pdfs)


def test_a_dissociation_is_drawn_on_one_scale(data):
    figures = [f for _, name, f in journal_figures(data, 85.0) if name == "dissociation"]
    for figure in figures:
        seen = [axes for axes in figure.axes if axes.get_visible()]
        limits = {(*axes.get_xlim(), *axes.get_ylim()) for axes in seen}
        assert len(limits) == 1
        (only,) = limits
        assert only[:2] == only[2:]


def test_markers_tell_what_colours_tell():
    from harness.report.journal_plots import COLOURS, MARKERS
    from harness.report.journal_regions import _LOOKS

    assert len(set(MARKERS)) == len(MARKERS) == len(COLOURS)
    assert len({look[0] for look in _LOOKS}) == len(_LOOKS)


def test_regions_are_spelled_out_and_lie_on_their_side():
    assert region_name("LIFG") == "left inferior frontal gyrus"
    assert region_name("nobody's") == "nobody's"
    for region in REGIONS.values():
        assert np.sign(region.place[0]) == (1 if region.name.startswith("right") else -1)


@pytest.mark.parametrize("text", ["85", "mm", "20mm", "5m", "1000mm"])
def test_a_width_that_is_none_is_told(text):
    with pytest.raises(SelectionError, match=r"width|wide"):
        width_of(text)


def test_widths():
    assert [width_of(t) for t in ("85mm", "18cm", "3.5 in")] == pytest.approx([85, 180, 88.9])


def test_names_cover_neither_points_nor_each_other():
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from harness.report.journal_labels import Named, place_names

    figure = Figure(figsize=(4, 3), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    points = [(100.0, 0.1), (110.0, 0.1), (125.0, 0.104), (140.0, 0.1), (3.0, 0.02)]
    axes.plot(*zip(*points, strict=True), "o")
    axes.axhline(0.1)
    axes.text(10, 0.1, "a line")
    axes.set(xscale="log", xlim=(1, 200), ylim=(0, 0.2))
    named = [Named(f"a-long-name-{i}", *point) for i, point in enumerate(points)]
    place_names(axes, named, points)
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    boxes = [Text.get_window_extent(text, renderer) for text in axes.texts]  # without its line
    assert len(boxes) == 6
    room = axes.get_window_extent()
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert box.x0 >= room.x0 - 1
        assert box.x1 <= room.x1 + 1
        for point in points:
            assert not box.contains(*axes.transData.transform(point))
    near = axes.texts[-1]
    assert near.xyann[1] == 0  # what has room stands beside its point, without a line
    assert near.arrow_patch is None
    assert any(text.arrow_patch for text in axes.texts[1:5])


def test_a_model_looks_the_same_in_every_figure():
    board = simulate(
        Truth({"small": ("z", 1e7, 0.25), "large": ("a", 1e8, 0.2)}, {"rtn-int4": 0.0, "nf4": 0.01})
    )
    figures = {name: figure for _, name, figure in journal_figures(page_data(board, draws=20), 120)}
    rows = figures["robustness"].axes[0]
    names = [label.get_text() for label in rows.get_yticklabels()]
    marks = [line for line in rows.get_lines() if line.get_marker() not in ("None", "")]
    looks = dict(zip((name.partition("+")[0] for name in names), marks, strict=False))
    filled = [
        line
        for line in figures["size"].axes[0].get_lines()
        if line.get_marker() not in ("None", "") and line.get_markerfacecolor() == line.get_color()
    ]
    by_size = sorted(filled, key=lambda line: line.get_xdata()[0])
    assert [looks[name].get_color() for name in ("small", "large")] == [
        line.get_color() for line in by_size
    ]
    assert by_size[0].get_marker() == "o"
    assert by_size[1].get_marker() == "s"


def test_options_of_a_compressor_are_named_where_they_tell_two_apart():
    import pandas as pd

    from harness.report.journal_plots import _names

    rows = pd.DataFrame(
        {"model": "m", "compressor": ["rtn-int4", "gptq-int4:samples=32", "gptq-int4:samples=8"]}
    )
    assert _names(rows, alone=True) == list(rows["compressor"])
    assert _names(rows[:2], alone=False) == ["m+rtn-int4", "m+gptq-int4"]


def test_layers_and_categories_are_those_of_the_board(data):
    figures = {name: figure for _, name, figure in journal_figures(data, 85.0)}
    rows = data.tables["layers"]["brain-00"]
    for line in figures["layers"].axes[0].get_lines():
        own = rows[rows["variant"] == f"{line.get_label()}+none"].sort_values("layer")
        np.testing.assert_allclose(line.get_ydata(), own["score"])
        assert line.get_xdata()[0] == 0
        assert line.get_xdata()[-1] == 100
    scores = data.tables["categories"]["pairs-00"]
    axes = figures["categories"].axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    for line in axes.get_lines():
        own = scores[scores["variant"] == f"{line.get_label()}+none"].set_index("category")
        np.testing.assert_allclose(line.get_xdata(), own["score"].reindex(names))
        assert (np.round(line.get_ydata()) == range(len(names))).all()
    # Two sizes of one family have one colour, and another stroke.
    colours = {line.get_color() for line in figures["layers"].axes[0].get_lines()}
    strokes = {line.get_linestyle() for line in figures["layers"].axes[0].get_lines()}
    assert (len(colours), len(strokes)) == (1, 2)
