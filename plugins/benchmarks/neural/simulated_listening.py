"""``simulated-listening``: the neural benchmark that is part of brainpress and needs no download.

Listeners to a short story are simulated from what its words mean, how they are put together and
what is going on, so that everything a real data set leaves open is known: what drives each region,
how much of it is nuisance, how much is noise. It shows that the machinery works. It says nothing
about brains.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from harness.encode.design.options import EncodingOptions
from harness.errors import DataError
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.encode.score.protocol import Responses
    from harness.record.request import Recordings, Request

    from .simulated_story.listeners import SimulatedData


ENCODING = EncodingOptions(n_outer=8)


@dataclass(frozen=True)
class SimulatedListening:
    """Predict six simulated regions of eight simulated listeners.

    Parameters
    ----------
    context : str
        Context policy of the recording.
    encoding : EncodingOptions
        Delays, folds, penalties, solver: typed by their names (``delays=1-6;solver=himalaya``).
    seed : int
        Of the listeners.
    participants : int
        Number of listeners.

    Raises
    ------
    DataError
        There are fewer than three listeners.
    """

    context: str = "strided(256,128)"
    encoding: EncodingOptions = ENCODING
    seed: int = 0
    participants: int = 8

    def __post_init__(self) -> None:
        if self.participants < 3:
            raise DataError(
                f"{self.participants} simulated participants have no ceiling",
                "ask for three or more",
            )

    def requests(self) -> tuple[Request, ...]:
        """Ask for the hidden states of all layers, filtered onto the volumes."""
        from harness.record.context import Context
        from harness.record.request import Measure, Request
        from harness.stimuli.passages import Stimuli
        from harness.stimuli.readouts import Lanczos

        from .simulated_story.listeners import volume_times
        from .simulated_story.story import passages

        stimuli = Stimuli("simulated-story", passages())
        context = Context.parse(self.context)
        return (Request(stimuli, Measure.HIDDEN, context, Lanczos(volume_times())),)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Score the recording against every participant, region and layer.

        Returns
        -------
        Dataset
            From :func:`harness.encode.score.protocol.score_responses`, and beside it what is true,
            by
            region: ``true_language``, ``true_individual``, ``true_nuisance``, ``true_noise``,
            ``true_unique``, ``true_ceiling``, ``true_ceiling_loo``, ``true_reliability``,
            ``true_group_ceiling`` (see
            :func:`brainpress_plugins.benchmarks.neural.simulated_story.listeners.ground_truth`).
        """
        from harness.encode.score.protocol import score_responses

        (recording,) = recordings.values()
        truth = self.data.truth
        known = truth.drop_vars([name for name in truth if truth[name].dims != ("roi",)])
        known = known.rename({name: f"true_{name}" for name in known}).drop_vars("driver")
        score = score_responses(recording, self.responses, self.encoding, seed=self.seed)
        return score.assign({name: ("roi", known[name].values) for name in known})

    @cached_property
    def data(self) -> SimulatedData:
        """The simulated listeners, and the truth about them."""
        from .simulated_story.listeners import simulate

        return simulate(self.seed, self.participants)

    @cached_property
    def responses(self) -> Responses:
        """The responses as a real study would have them, with nuisance taken from the words."""
        import numpy as np

        from harness.encode.score.protocol import prepare
        from harness.stimuli.nuisance import LEXICAL, lexical_nuisance
        from harness.stimuli.position import bands, joined

        from .simulated_story.listeners import REGIONS, TR
        from .simulated_story.story import passages

        data = self.data
        heard = [
            lexical_nuisance(p, times) for p, times in zip(passages(), data.times, strict=True)
        ]
        return prepare(
            {f"sim{i + 1:02d}": values for i, values in enumerate(data.responses)},
            tuple(REGIONS),
            data.runs,
            tr=TR,
            cutoff=None,  # nothing drifts in a simulation
            nuisance=dict(zip(LEXICAL, np.concatenate(heard).T, strict=True)),
            bands=joined([bands(p, t) for p, t in zip(passages(), data.times, strict=True)]),
        )


SPEC = BenchmarkSpec(
    "simulated-listening",
    target="brainpress_plugins.benchmarks.neural.simulated_listening:SimulatedListening",
    kind="neural",
    metric="Pearson r, mean over 6 simulated regions and 8 simulated participants",
    margin=0.02,
    # A twentieth of what there is to explain: of the ceiling, and of its mean square (.345).
    margins={"normalised": 0.05, "unique": 0.015},
    headline="unique",
    headline_reason=(
        "Word rate, length and frequency alone predict the auditory region: what a model adds is"
        " the question."
    ),
    simulated=True,
    tags=("embedded", "offline", "neural", "simulated"),
    citation="simulated from a story written and annotated by the brainpress authors",
    licence="BSD-3-Clause",
    data="8 simulated listeners, 6 regions, two runs of a story of 1,438 words (TR 2 s)",
    notes=(
        "SIMULATED: it checks the machinery and says nothing about brains. Regions: semantic,"
        " syntactic, discourse, association (all three), auditory (word rate, length and frequency"
        " only), silent (noise only). Scores come with the truth (true_…)."
    ),
)


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Offer the benchmark."""
    return [SPEC]
