"""The days on which entries were accepted, and the feed of them."""

import datetime
from xml.etree import ElementTree

import pytest

from harness.board.submission.entry import Entry
from harness.board.submission.feed import feed_xml
from harness.board.submission.records import Records, read_days, write_days
from harness.errors import SubmissionError
from harness.report.page_links import bibtex, linked
from harness.report.page_origin import cut_paths

ATOM = "{http://www.w3.org/2005/Atom}"


def entry(name, who="Ada & <b>"):
    return Entry(
        {
            "model": {"name": name, "revision": "r1"},
            "benchmark": {"name": "brain", "version": 1},
            "cells": [{"compressor": {"name": "none"}, "value": 0.25}],
            "submitter": {"name": who},
            "revision": 1,
            "note": "",
        }
    )


def test_a_day_that_was_written_stays(tmp_path):
    first, second = entry("a"), entry("b")
    write_days(tmp_path, [first], datetime.date(2026, 1, 2))
    write_days(tmp_path, [first, second], datetime.date(2026, 3, 4))
    assert read_days(tmp_path) == {first.id: "2026-01-02", second.id: "2026-03-04"}
    assert Records([first], read_days(tmp_path)).latest == "2026-01-02"


@pytest.mark.parametrize("line", ["nothing", "0123456789abcdef,yesterday", "<b>,2026-01-02"])
def test_a_line_that_is_none_is_named(tmp_path, line):
    (tmp_path / "accepted.csv").write_text(f"entry,day\n{line}\n")
    with pytest.raises(SubmissionError, match="line 2"):
        read_days(tmp_path)


def test_the_feed_is_atom_the_latest_first():
    first, second = entry("a"), entry("b")
    days = {first.id: "2026-01-02", second.id: "2026-03-04"}
    text = feed_xml(Records([first, second], days))
    assert text == feed_xml(Records([second, first], days))
    feed = ElementTree.fromstring(text)
    assert feed.findtext(f"{ATOM}updated") == "2026-03-04T00:00:00Z"
    assert [e.findtext(f"{ATOM}title") for e in feed.iter(f"{ATOM}entry")] == [
        "b on brain", "a on brain",
    ]  # fmt: skip
    assert next(feed.iter(f"{ATOM}entry")).findtext(f"{ATOM}author/{ATOM}name") == "Ada & <b>"
    assert next(feed.iter(f"{ATOM}entry")).findtext(f"{ATOM}summary") == "none: 0.25"


def test_addresses_are_links_and_all_else_is_text():
    said = linked("see https://a.org/x?b=1&c=2, doi:10.1000/abc.1; arXiv 2502.02737 <b>.")
    assert 'href="https://a.org/x?b=1&amp;c=2"' in said
    assert 'href="https://doi.org/10.1000/abc.1"' in said
    assert 'href="https://arxiv.org/abs/2502.02737"' in said
    assert "&lt;b&gt;." in said
    assert "<a" not in linked('javascript:alert(1) "onclick=')


def test_what_tex_acts_on_is_escaped():
    said = bibtex("a {b} 50 %", "2026-03-04", [("x/y", "A & B_c"), ("z", "")])
    assert r"a \{b\} 50 \%" in said
    assert "@misc{x-y,\n  note = {A \\& B\\_c}" in said
    assert "year = {2026}" in said
    assert "@misc{z" not in said


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("from /home/ada/data/mine", "from mine"),
        ("file:/home/ada/m.gguf", "file:m.gguf"),
        ("https://a.org/b/c.zip", "https://a.org/b/c.zip"),
        ("models/stories260K and 1/2", "models/stories260K and 1/2"),
        (r"from C:\Users\ada\mine", "from mine"),
    ],
)
def test_paths_are_cut_to_their_last_part(text, cut):
    assert cut_paths(text) == cut
