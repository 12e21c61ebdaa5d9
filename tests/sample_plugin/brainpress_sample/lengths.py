"""A benchmark: does any unit of the last layer follow the length of words?"""

from harness import Context, Measure, Passage, Request, Stimuli
from harness.stimuli.readouts import Items

TEXT = "the old man said that he would bring his little boat across the river"


class Lengths:
    """Correlate word lengths with the best unit of the last layer."""

    def __init__(self, words):
        text = [
            "the",
            "old",
            "man",
            "said",
            "that",
            "he",
            "would",
            "bring",
            "his",
            "little",
            "boat",
            "across",
            "the",
            "river",
        ]
        self.words = text[:words]

    def requests(self):
        """Ask for the hidden state of each word."""
        stimuli = Stimuli("lengths", (Passage.from_words("run", self.words),))
        return (Request(stimuli, Measure.HIDDEN, Context.parse("words(5)"), Items()),)

    def score(self, recordings):
        """Score the last layer."""
        import numpy as np
        import xarray as xr

        (recording,) = recordings.values()
        lengths = np.array([len(w) for w in self.words], float)
        last = recording.isel(layer=-1).values
        r = [np.corrcoef(lengths, unit)[0, 1] for unit in last.T if unit.std() > 0]
        return xr.Dataset({"value": max(r), "low": min(r), "high": max(r), "ceiling": 1.0})
