"""Bits per byte: blocks, the arithmetic, and comparability across tokenizers."""

import math

import numpy as np
import pytest
import xarray as xr

from harness.errors import ScoreError, StimulusError
from harness.probe.language_modelling import Document, block_request, cut, score_bits
from harness.record.context import Start

TEXT = "One two three. Four five six seven! Eight, nine? Ten eleven twelve thirteen."


def recording(values):
    return xr.DataArray(
        np.asarray(values, float).reshape(-1, 1, 1), dims=("sample", "layer", "unit")
    )


@pytest.mark.parametrize("size", [10, 16, 30, 50, 1000])
def test_blocks_are_the_text_and_fit(size):
    blocks = cut(TEXT, size)
    assert " ".join(blocks) == TEXT
    assert all(len(block.encode()) <= size for block in blocks)


def test_blocks_end_with_sentences():
    assert cut(TEXT, 38) == (
        "One two three. Four five six seven!",
        "Eight, nine? Ten eleven twelve",  # the only end is in the first half
        "thirteen.",
    )
    quoted = 'He said he would "go." Then he left'
    assert cut(quoted, 32) == ('He said he would "go."', "Then he left")


def test_a_word_that_is_too_long_is_a_block():
    assert cut("a incomprehensibilities b", 5) == ("a", "incomprehensibilities", "b")


def test_size_is_in_bytes_and_white_space_within_a_block_counts():
    assert cut("éé éé", 8) == ("éé", "éé")
    assert cut("éé éé", 9) == ("éé éé",)
    assert cut("  ab \n\n cd\n", 8) == ("ab \n\n cd",)
    assert cut("  ab \n\n cd\n", 7) == ("ab", "cd")


@pytest.mark.parametrize(("text", "size"), [("  \n", 10), ("words", 0)])
def test_nothing_to_cut(text, size):
    with pytest.raises(StimulusError):
        cut(text, size)


def documents(n):
    return [Document(f"d{i}", " ".join(["word"] * (3 + i))) for i in range(n)]


def test_by_hand():
    made = [Document("a", "x" * 10), Document("b", "é" * 10)]
    score = score_bits(made, recording([-10 * math.log(2), -60 * math.log(2)]))
    np.testing.assert_allclose(score["bits_per_byte"], [1.0, 3.0])
    assert float(score["value"]) == pytest.approx(70 / 30)
    assert score["bytes"].values.tolist() == [10, 20]
    assert score.attrs["resampled"] == "blocks"


def test_a_uniform_scorer_of_bytes_needs_eight_bits():
    made = documents(12)
    sizes = [len(d.text.encode()) for d in made]
    score = score_bits(made, recording([-n * math.log(256) for n in sizes]))
    for name in ("value", "low", "high"):
        assert float(score[name]) == pytest.approx(8)


def test_the_interval_covers_the_ratio():
    """In nine of ten cases and more, for documents drawn around 2 bits per byte."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(60):
        made = [Document(f"d{i}", "w" * int(rng.integers(50, 150))) for i in range(25)]
        bits = [len(d.text) * rng.normal(2, 0.4) for d in made]
        score = score_bits(made, recording([-b * math.log(2) for b in bits]))
        assert score.attrs["resampled"] == "documents"
        hits += float(score["low"]) <= 2 <= float(score["high"])
    assert hits >= 51


def test_one_block_has_no_interval():
    score = score_bits([Document("a", "word")], recording([-1.0]))
    assert np.isnan(float(score["low"]))
    assert np.isnan(float(score["high"]))


def test_blocks_of_a_document_are_put_together():
    made = [Document("a", TEXT), Document("b", "Short.")]
    blocks = [*cut(TEXT, 38), "Short."]
    bits = np.arange(1.0, len(blocks) + 1)
    score = score_bits(made, recording(-bits * math.log(2)), block_bytes=38)
    assert score["blocks"].values.tolist() == [3, 1]
    size = sum(len(b) for b in blocks[:3])
    np.testing.assert_allclose(score["bits_per_byte"], [6 / size, 4 / 6])


def test_the_request_reads_each_block_by_itself():
    request = block_request("made", [Document("a", TEXT)], 38)
    assert [p.text for p in request.stimuli.passages] == list(cut(TEXT, 38))
    assert str(request.context) == "prefix"
    assert request.context.start is Start.BOS
    assert request.readout.rows(request.stimuli) == (1, 1, 1)


def test_another_recording_is_refused():
    with pytest.raises(ScoreError, match=r"shape \(3, 1, 1\)"):
        score_bits([Document("a", TEXT)], recording([-1.0]), block_bytes=38)
    with pytest.raises(ScoreError, match="not finite"):
        score_bits([Document("a", "word")], recording([np.nan]))
