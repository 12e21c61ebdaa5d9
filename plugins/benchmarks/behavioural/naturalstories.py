"""Natural Stories (Futrell et al. 2021): self-paced reading of ten stories."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import DataError
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.fetch.resource import Resource
    from harness.record.request import Recordings, Request
    from harness.stimuli.passages import Passage

    from .naturalstories_times import ReadingTimes

COMMIT = "4700daad696e942f5aba23c957a7423d0de66612"
ADDRESS = f"https://github.com/languageMIT/naturalstories/raw/{COMMIT}/naturalstories_RTS"


class Linking(StrEnum):
    """What of the model is linked to reading times."""

    SURPRISAL = "surprisal"
    WHOLE_WORDS = "whole-words"
    """Surprisal, corrected for where a word ends (Pimentel & Meister 2024)."""
    STATES = "states"


@dataclass(frozen=True)
class NaturalStories:
    """Predict how long readers stay on each word of ten stories.

    Parameters
    ----------
    linking : str
        ``whole-words`` (surprisal corrected for where words end), ``surprisal`` (as tokens have it)
        or ``states`` (hidden states of the layer that training stories favour).
    context : str
        Context policy of the recording.

    Raises
    ------
    DataError
        There is no such linking, or the reading times do not sit on their words.
    """

    linking: str = "whole-words"
    context: str = "strided(256,128)"

    def __post_init__(self) -> None:
        if self.linking not in list(Linking):
            raise DataError(
                f"no linking {self.linking!r}", f"one of {', '.join(str(k) for k in Linking)}"
            )
        _ = self.passages  # data that is missing is found when the run is planned

    @staticmethod
    def resources(**_: object) -> tuple[Resource, ...]:
        """Files the benchmark reads."""
        from harness.fetch.resource import Resource

        return (
            Resource(
                name="processed_wordinfo.tsv",
                address=f"{ADDRESS}/processed_wordinfo.tsv",
                sha256="047d2a0b84eff99d90535d1517f7fa7d466b81fbd60e990f2f08caac04d8aa56",
                size=901515,
                licence="CC-BY-NC-SA-4.0",
                where="natural_stories/processed_wordinfo.tsv",
            ),
        )

    def requests(self) -> tuple[Request, ...]:
        """Ask for the log-probability of every word, or its hidden states; and for its tokens."""
        from harness.record.context import Context, Start
        from harness.record.request import Measure, Request
        from harness.stimuli.passages import Stimuli
        from harness.stimuli.readouts import Items, Pool

        stimuli = Stimuli("natural-stories", self.passages)
        context = Context.parse(self.context, start=Start.BOS)

        def asked(measure: Measure, pool: Pool) -> Request:
            return Request(stimuli, measure, context, Items(pool))

        tokens = asked(Measure.TOKENS, Pool.SUM), asked(Measure.UNIGRAM, Pool.SUM)
        if self.linking == Linking.STATES:
            return asked(Measure.HIDDEN, Pool.MEAN), *tokens
        logprobs = asked(Measure.LOGPROB, Pool.SUM)
        if self.linking == Linking.SURPRISAL:
            return logprobs, *tokens
        return logprobs, *tokens, asked(Measure.BOUNDARY, Pool.LAST)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Score what the model adds to form, frequency and place of words, and to their tokens.

        See :func:`brainpress_plugins.benchmarks.behavioural.naturalstories_times.score_times`.
        """
        from .naturalstories_times import TokensOfWords, check_alignment, score_times

        recording, tokens, unigram, *ends = (recordings[request] for request in self.requests())
        if ends:
            from harness.record.boundary import whole_word_surprisal

            words = recording.values[:, 0, 0], ends[0].values[:, 0, 0]
            values = -whole_word_surprisal(*words, recording["passage"].values.tolist())
            recording = recording.copy(data=values[:, None, None].astype("float32"))
        check_alignment(self.times)
        known = TokensOfWords(tokens.values[:, 0, 0], unigram.values[:, 0, 0])
        states = self.linking == Linking.STATES
        score = score_times(recording, self.times, known, surprisal=not states)
        return score.assign_attrs(linking=self.linking)

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """The ten stories, each a running text."""
        from harness.stimuli.passages import Passage

        return tuple(Passage.from_words(f"story {s}", w) for s, w in self.times.stories.items())

    @cached_property
    def times(self) -> ReadingTimes:
        """Reading times on the words they were measured at."""
        from .naturalstories_times import read_times, realigned

        return realigned(read_times(self._file()))

    def _file(self) -> Path:
        from harness.fetch.download import fetch

        (resource,) = self.resources()
        return fetch(resource)


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return the benchmark with surprisal (under two names), and with hidden states."""
    common: dict[str, Any] = {
        "target": "brainpress_plugins.benchmarks.behavioural.naturalstories:NaturalStories",
        "kind": "behavioural",
        "version": 2,
        "margin": 0.005,
        "headline_reason": "The value is already what a model adds to a baseline.",
        "licence": "CC-BY-NC-SA-4.0",
        "citation": (
            "Futrell, Gibson, Tily, Blank, Vishnevetsky, Piantadosi & Fedorenko (2021). The Natural"
            " Stories corpus: a reading-time corpus of English texts containing rare syntactic"
            " constructions. Language Resources and Evaluation 55, 63-77."
        ),
        "homepage": "https://github.com/languageMIT/naturalstories",
        "data": "10 stories, 10,256 words, self-paced reading, 62 to 97 readers a word",
        "notes": (
            "Value: held-out log-likelihood per word (nats) that the model adds to a regression on"
            " smooth terms of frequency and length, punctuation, unigram surprisal and number of"
            " the model's own tokens, of the word and the two before it (spill-over), and on"
            " position; whole stories are held out, two at a time. Surprisal is of whole words:"
            " that a word ends where it does is counted with it, not with the next one. The file is"
            " the one before the realignment of May 2025: each time belongs to the next word and is"
            " moved there, which"
            " every score checks: with two earlier words accounted for, the word itself must matter"
            " and the word after it must not. (Comparing the word with the next one is not enough:"
            " spill-over lets even the misaligned file pass.) Times are means of log times over"
            " readers; the ceiling is what is left when only the sampling error of these means"
            " remains, which counts differences in speed between readers as error: it is low."
        ),
    }
    gain = "log-likelihood per word beyond frequency, length, tokens and position (nats)"
    return [
        BenchmarkSpec(
            "naturalstories",
            metric=f"{gain}, surprisal",
            tags=("behavioural", "reading-times", "real"),
            **common,
        ),
        BenchmarkSpec(
            "futrell2018",  # the same corpus, by the name that other suites know
            metric=f"{gain}, surprisal",
            tags=("behavioural", "reading-times", "real"),
            **common,
        ),
        BenchmarkSpec(
            "naturalstories-states",
            options={"linking": "states"},
            metric=f"{gain}, hidden states",
            tags=("behavioural", "reading-times", "real"),
            **common,
        ),
    ]
