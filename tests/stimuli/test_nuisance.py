import numpy as np

from harness.stimuli.lanczos import lanczos_matrix
from harness.stimuli.nuisance import LEXICAL, lexical_nuisance
from harness.stimuli.passages import Passage


def test_columns_are_filtered_word_properties():
    words = ["the", "ferry", "xqzvk", "don't"]
    onsets = np.arange(4.0)
    passage = Passage.from_words("run", words, onsets, onsets + 0.4)
    times = np.arange(0.0, 5.0)
    columns = lexical_nuisance(passage, times)
    assert columns.shape == (5, len(LEXICAL))
    onto = lanczos_matrix(onsets + 0.2, times).toarray()
    np.testing.assert_allclose(columns[:, 0], onto.sum(axis=1))
    np.testing.assert_allclose(columns[:, 1], onto @ [3, 5, 5, 4])
    # "the" is frequent, "ferry" less so, a string that is no word has frequency 0
    frequency = np.linalg.pinv(onto) @ columns[:, 2]
    assert frequency[0] > 7
    assert 3 < frequency[1] < 5
    assert abs(frequency[2]) < 1e-9
