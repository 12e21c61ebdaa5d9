"""Brennan et al. (2016): fMRI of people listening to the first chapter of Alice in Wonderland."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.encode.design.options import EncodingOptions
from harness.errors import DataError
from harness.fetch.listing import Listing
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.encode.score.protocol import Responses
    from harness.fetch.resource import Resource
    from harness.record.request import Recordings, Request
    from harness.stimuli.passages import Passage

COMMIT = "ec54039b6ac5ad7bf8c81b91768108e5be5c1ce0"
FILES = Listing(
    "brainpress_plugins.benchmarks.neural",
    "brennan2016_alice.json",
    f"https://raw.githubusercontent.com/daandouwe/Thesis/{COMMIT}/brain-data/syntax-in-rnng",
    where="brennan2016_alice",
    licence="CC-BY-4.0",
)
TEXTGRID = "alice_stim_shared/DownTheRabbitHoleFinal_exp120_pad_1.TextGrid"
SOUND_POWER = "alice_data_shared/s18-sndpwr.txt"
ROIS = ("LATL", "RATL", "LPTL", "LIPL", "LPreM", "LIFG")
SILENCE = ("", "sp", "sil", "{sl}", "{ns}")
TR = 2.0
VOLUMES = 362
FIRST_VOLUME = 20.0
"""Audio time of the first volume kept, s: ten were discarded, and ten more trimmed."""
TRIMMED = 10
"""Rows of the motion files before the first volume kept."""
HIGH_PASS = 128.0


ENCODING = EncodingOptions(n_outer=8)


@dataclass(frozen=True)
class Alice:
    """Predict six regions of 27 listeners from a model that reads the same chapter.

    Parameters
    ----------
    radius : int
        Of the spheres the regions are averages of, in mm: 6 or 10.
    context : str
        Context policy of the recording.
    encoding : EncodingOptions
        Delays, folds, penalties, solver: typed by their names (``delays=1-6;solver=himalaya``).
    motion : bool
        Whether each participant's six motion parameters are taken out of responses, features and
        nuisance, as slow drifts are.

    Raises
    ------
    DataError
        There is no such radius.
    """

    radius: int = 6
    context: str = "strided(256,128)"
    encoding: EncodingOptions = ENCODING
    motion: bool = False

    def __post_init__(self) -> None:
        if self.radius not in (6, 10):
            raise DataError(f"spheres of {self.radius} mm were not extracted", "radius is 6 or 10")
        _ = self.passage  # data that is missing is found when the run is planned

    @staticmethod
    def resources(**_: object) -> tuple[Resource, ...]:
        """Files of the stimulus and of all participants."""
        return FILES.resources()

    def requests(self) -> tuple[Request, ...]:
        """Ask for the hidden states of all layers, filtered onto the volumes."""
        from harness.record.context import Context
        from harness.record.request import Measure, Request
        from harness.stimuli.passages import Stimuli
        from harness.stimuli.readouts import Lanczos

        stimuli = Stimuli("alice", (self.passage,))
        context = Context.parse(self.context)
        return (Request(stimuli, Measure.HIDDEN, context, Lanczos((_times(),))),)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Score the recording against every participant, region and layer."""
        from harness.encode.score.protocol import score_responses

        (recording,) = recordings.values()
        return score_responses(recording, self.responses, self.encoding)

    @cached_property
    def passage(self) -> Passage:
        """The 2,127 words of the chapter, with their times in the audio."""
        from harness.stimuli.passages import Passage
        from harness.stimuli.textgrid import read_textgrid

        intervals = read_textgrid(FILES.path(TEXTGRID))["word"]
        words = [i for i in intervals if i.label.strip() not in SILENCE]
        return Passage.from_words(
            "chapter 1",
            [i.label.strip() for i in words],
            [i.onset for i in words],
            [i.offset for i in words],
        )

    @cached_property
    def responses(self) -> Responses:
        """Z-scored; with nuisance regressors, and what is to be taken out: drift and motion."""
        import numpy as np

        from harness.encode.score.protocol import prepare
        from harness.stimuli.nuisance import LEXICAL, lexical_nuisance
        from harness.stimuli.position import bands

        values = {p: _columns(f, VOLUMES, len(ROIS)) for p, f in _timecourses(self.radius)}
        motion = {p: _motion(p) for p in values}
        lexical = lexical_nuisance(self.passage, _times())
        power = _columns(SOUND_POWER, VOLUMES, 1)[:, 0]
        return prepare(
            values,
            ROIS,
            np.zeros(VOLUMES, np.int64),
            tr=TR,
            cutoff=HIGH_PASS,
            confounds=motion if self.motion else None,
            nuisance={**dict(zip(LEXICAL, lexical.T, strict=True)), "sound power": power},
            bands=bands(self.passage, _times()),
        )


def _times() -> tuple[float, ...]:
    return tuple(FIRST_VOLUME + TR * i for i in range(VOLUMES))


def _timecourses(radius: int) -> Iterator[tuple[str, str]]:
    folder = f"alice_data_shared/{radius}mm/"
    for name in sorted(FILES.entries):
        if name.startswith(folder):
            yield name.removeprefix(folder).partition("-")[0], name


def _motion(participant: str) -> Any:
    names = [n for n in FILES.entries if n.startswith(f"alice_data_shared/{participant}-rp_")]
    return _columns(names[0], None, 6)[TRIMMED : TRIMMED + VOLUMES]


def _columns(relative: str, rows: int | None, columns: int) -> Any:
    import numpy as np

    path = FILES.path(relative)
    try:
        table = np.loadtxt(path, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path} is not a table of numbers: {error}") from error
    if table.shape[1] != columns or (rows is not None and len(table) != rows):
        raise DataError(f"{path} has shape {table.shape}, not {(rows, columns)}")
    return table


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Return the benchmark in our default profile and in the paper's context."""
    common: dict[str, Any] = {
        "target": "brainpress_plugins.benchmarks.neural.brennan2016_alice:Alice",
        "version": 2,
        "kind": "neural",
        "metric": "Pearson r, mean over 6 regions and 27 participants",
        "margin": 0.02,
        # A twentieth of what there is to explain: of the ceiling, and of its mean square (.085).
        "margins": {"normalised": 0.05, "unique": 0.004},
        "headline": "unique",
        "headline_reason": (
            "Word rate, word length, frequency and sound power alone predict these regions nearly"
            " as well as language models do: what a model adds is the question."
        ),
        "licence": "CC-BY-4.0",
        "citation": (
            "Brennan, Stabler, Van Wagenen, Luh & Hale (2016). Abstract linguistic structure"
            " correlates with temporal activity during naturalistic comprehension."
            " Brain and Language 157-158, 81-94."
        ),
        "homepage": f"https://github.com/daandouwe/Thesis/tree/{COMMIT}",
        "data": "27 listeners, 6 regions, 362 volumes (TR 2 s), 12 minutes of one audiobook",
        "notes": (
            "Participant s33 is all zeros and left out. One run of 12 minutes: held-out parts are"
            " contiguous, with a purge gap of 8 volumes. Periods above 128 s are taken out of"
            " responses, features and nuisance, of each held-out part on its own; motion=true takes"
            " six motion parameters out, too. Nuisance is word rate, word length, log"
            " frequency and sound power; it alone predicts these regions well: look at the unique"
            " part, and at static:NAME."
        ),
    }
    return [
        BenchmarkSpec(
            "brennan2016-alice", tags=("neural", "fmri", "listening", "roi", "real"), **common
        ),
        BenchmarkSpec(
            "brennan2016-alice-words20",
            options={"context": "words(20)"},
            tags=("neural", "fmri", "listening", "roi", "real", "oota2026"),
            **common,
        ),
    ]
