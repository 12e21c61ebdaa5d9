"""Bits per byte: which texts there are, and a model that can be worked out by hand."""

import math
from importlib.resources import files

import numpy as np
import pytest
import xarray as xr
from brainpress_plugins.benchmarks.linguistic.bits_per_byte import (
    BLOCK_BYTES,
    BitsPerByte,
    brainpress_benchmarks,
    embedded_texts,
)

from harness.compress.text.contamination import shared_ngrams
from harness.errors import DataError


def test_the_embedded_texts():
    bench = BitsPerByte()
    assert [d.name for d in bench.documents] == list(embedded_texts())
    assert len(bench.documents) == 12
    # each is one block, so that the interval is over documents and nothing is cut
    assert all(len(d.text.encode()) <= BLOCK_BYTES for d in bench.documents)
    assert len(bench.request.stimuli.passages) == 12
    assert all(d.text == d.text.strip() and d.text.isascii() for d in bench.documents)


def test_they_share_nothing_with_the_embedded_calibration_texts():
    folder = files("harness.compress") / "texts"
    calibration = [f.read_text() for f in folder.iterdir() if f.name.endswith(".txt")]
    assert len(calibration) > 1
    stimuli = {d.name: d.text for d in BitsPerByte().documents}
    assert shared_ngrams(calibration, stimuli, n=8) == ()
    assert shared_ngrams([*calibration, stimuli["tale"]], stimuli)


def test_one_of_them():
    (document,) = BitsPerByte("tale").documents
    assert document.text.startswith("Once a fox")


def test_uniform_bytes_need_eight_bits():
    bench = BitsPerByte()
    sizes = np.array([len(d.text.encode()) for d in bench.documents], float)
    values = (-sizes * math.log(256)).reshape(-1, 1, 1)
    answer = xr.DataArray(values, dims=("sample", "layer", "unit"))
    assert float(bench.score({bench.request: answer})["value"]) == pytest.approx(8)
    (spec,) = brainpress_benchmarks()
    assert spec.chance == 8


def test_a_file_and_a_folder(tmp_path):
    (tmp_path / "b.txt").write_text("Second é.\n", encoding="utf-8")
    (tmp_path / "a.txt").write_text("First.\n")
    (tmp_path / "c.md").write_text("Not read.")
    bench = BitsPerByte(f"file:{tmp_path}")
    assert [(d.name, d.text) for d in bench.documents] == [("a", "First.\n"), ("b", "Second é.\n")]
    assert [p.text for p in bench.request.stimuli.passages] == ["First.", "Second é."]
    (one,) = BitsPerByte(f"file:{tmp_path / 'b.txt'}").documents
    assert one.name == "b"


def test_what_the_file_says_is_in_the_key(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("First.")
    before = BitsPerByte(f"file:{path}").request.key
    path.write_text("Another.")
    assert BitsPerByte(f"file:{path}").request.key != before


@pytest.mark.parametrize("block_bytes", [20, 100])
def test_blocks_have_the_size_asked_for(block_bytes):
    bench = BitsPerByte(block_bytes=block_bytes)
    sizes = [len(p.text.encode()) for p in bench.request.stimuli.passages]
    assert max(sizes) <= block_bytes
    assert len(sizes) > 12


def test_texts_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match="no text named 'novel'") as caught:
        BitsPerByte("novel")
    assert "tale" in caught.value.hint
    with pytest.raises(DataError, match="no text at"):
        BitsPerByte(f"file:{tmp_path / 'nothing.txt'}")
    with pytest.raises(DataError, match="no text at"):
        BitsPerByte(f"file:{tmp_path}")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match="cannot be read as UTF-8"):
        BitsPerByte(f"file:{tmp_path / 'latin.txt'}")
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(DataError, match="is empty"):
        BitsPerByte(f"file:{tmp_path / 'empty.txt'}")
    with pytest.raises(DataError, match="blocks of 0 bytes"):
        BitsPerByte(block_bytes=0)
