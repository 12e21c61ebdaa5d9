"""Times of words that an aligner did not find, or found a little out of order."""

from __future__ import annotations

import numpy as np
import pytest
from brainpress_plugins.benchmarks.neural.aligned_words import settled

from harness.errors import DataError

NAN = np.nan


def test_times_that_are_whole_stay():
    onsets, offsets = [0.5, 1.0, 2.0], [0.9, 1.5, 2.2]
    on, off = settled(onsets, offsets, "story")
    assert on.tolist() == onsets
    assert off.tolist() == offsets


def test_words_between_neighbours_share_the_pause():
    on, off = settled([0.0, NAN, NAN, 4.0], [1.0, NAN, NAN, 5.0], "story")
    np.testing.assert_allclose(on, [0.0, 1.0, 2.5, 4.0])
    np.testing.assert_allclose(off, [1.0, 2.5, 4.0, 5.0])


def test_words_at_the_ends_have_no_length():
    on, off = settled([NAN, NAN, 3.0, NAN], [NAN, NAN, 3.5, NAN], "story")
    assert on.tolist() == [3.0, 3.0, 3.0, 3.5]
    assert off.tolist() == [3.0, 3.0, 3.5, 3.5]


def test_an_offset_without_an_onset_is_no_time():
    on, off = settled([1.0, NAN, 3.0], [2.0, 2.5, 4.0], "story")
    assert (on[1], off[1]) == (2.0, 3.0)


def test_overlaps_are_put_in_order():
    on, off = settled([1.0, 2.0, 1.8, 3.0], [1.5, 2.5, 1.9, 3.5], "story")
    assert on.tolist() == [1.0, 2.0, 2.0, 3.0]
    assert (np.diff(on) >= 0).all()
    assert (off >= on).all()


def test_words_missing_in_an_overlap_run_forwards():
    on, off = settled([1.0, NAN, 2.0], [4.0, NAN, 3.0], "story")
    assert on.tolist() == [1.0, 2.0, 2.0]
    assert (off >= on).all()


def test_words_that_run_backwards():
    with pytest.raises(DataError, match=r"story: word 3 starts at 5 s, 4 s before the one"):
        settled([8.0, 9.0, 5.0], [8.5, 9.5, 5.5], "story")


def test_no_word_has_a_time():
    with pytest.raises(DataError, match="story: no word has a time"):
        settled([NAN, NAN], [NAN, NAN], "story")
