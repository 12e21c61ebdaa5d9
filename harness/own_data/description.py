"""``benchmark.toml``: what it says, and everything that can be wrong with it."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DataError
from harness.own_data.bids.layout import PREFIX as BIDS
from harness.own_data.bids.layout import Bids
from harness.own_data.heard import WORDS, adds_to, check_nuisance
from harness.own_data.presence import check_presence
from harness.own_data.typed import checked
from harness.place.place import folder
from harness.spec.specs import BenchmarkSpec

PREFIX = "data:"


@dataclass(frozen=True)
class Located:
    """A description on this machine, known by its content wherever it lies.

    Parameters
    ----------
    path : str
    content : str
        Checksum of the description and of every file that it names.
    """

    path: str
    content: str

    def fingerprint(self) -> str:
        """Return what stands for it in keys."""
        return self.content

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        """Without the path: provenance is published."""
        return f"content {self.content}"


@dataclass(frozen=True)
class Run:
    """One stretch of volumes, and the words during it.

    Parameters
    ----------
    name : str
    events : str
        Table of words, tab-separated: ``onset``, ``duration`` (or ``offset``), ``word``; s.
    start : float
        Time of the first volume (its middle) on the clock of the events, s.
    tier : str
        Tier of the words, where ``events`` is a TextGrid with several.
    text : str
        The running text of the run, with its punctuation, in which the words are looked for.
    bids : str
        Of BIDS derivatives, the entities of the run: ``run-1``, ``ses-2_task-story``.
    skip : int
        Volumes at the beginning that are not used; ``start`` is the first one's of the file.
    volumes : int
        Volumes that are used after those; all for 0.
    test : bool
        Whether models are tested on this run, and fitted to those without ``test`` alone.
    absent : tuple of str
        Participants who have no responses to this run. Everybody else must have them.
    repeats : tuple of str
        Where the run was presented several times to everybody: each presentation's name (what goes
        in the place of ``{run}``) or, of BIDS derivatives, its entities. Responses are their mean.
    sound : str
        WAV file of what was heard, for speech models and sound features.
    sound_start : float
        Time of its first sample on the clock of the events, s.
    """

    name: str
    events: str
    start: float = 0.0
    tier: str = ""
    text: str = ""
    bids: str = ""
    skip: int = 0
    volumes: int = 0
    test: bool = False
    absent: tuple[str, ...] = ()
    repeats: tuple[str, ...] = ()
    sound: str = ""
    sound_start: float = 0.0

    @property
    def presentations(self) -> tuple[str, ...]:
        """Names of its arrays: its own, or those of its repeats."""
        return self.repeats or (self.name,)

    @property
    def recorded(self) -> tuple[str, ...]:
        """Entities of its files, of BIDS derivatives: one text, or one for each repeat."""
        return self.repeats or (self.bids,)


@dataclass(frozen=True)
class Description:
    """What a ``benchmark.toml`` says.

    Parameters
    ----------
    name : str
        Of the benchmark.
    participants : tuple of str
    responses : str
        Where the responses (volumes, voxels) of a participant to a run are, relative to the file,
        with ``{participant}`` and ``{run}``: an ``.npy`` file, or ``FILE:KEY`` in HDF5 (``.h5``,
        ``.hdf``, ``.hf5``), netCDF (``.nc``), MATLAB (``.mat``) or ``.npz``. Or ``bids:FOLDER``,
        a folder of BIDS derivatives.
    tr : float
        Seconds from one volume to the next.
    runs : tuple of Run
    rois : tuple of str
        Names of the columns, where they are regions (or electrodes) and not voxels. Of BIDS
        derivatives, which parcels: names or globs.
    masks : str
        Where the regions of a participant are, with ``{participant}``: an ``.npz`` file of boolean
        arrays (n_voxels,), one a region.
    mappers : str
        Where the way of a participant's voxels to the cortical surface is, with
        ``{participant}``: an ``.npz`` file that ``scipy.sparse.save_npz`` wrote, (n_vertices,
        n_voxels) to fsaverage5 or a finer one, left hemisphere first; or ``FILE:NAME`` in HDF5.
    resolution : str
        ``roi`` or ``voxel``. Default: ``roi`` where regions are known.
    delays : tuple of int
        FIR delays, in volumes.
    folds : int
        Parts that are held out in turn: whole runs where there are enough, else blocks with a gap.
    gap : int
        Volumes between a block that is held out and the rest of its run.
    cutoff : float, optional
        Longest period that is kept in responses, features and nuisance, s. Default: no filter.
    confounds : str
        Where a participant's confounds (volumes, columns) in a run are (motion, aCompCor), as
        ``responses``; they are taken out of responses, features and nuisance.
    context : str
        Context policy of the recording.
    language : str
        Code of the language of the word frequencies: ``en``, ``fr``, ``zh``.
    separator : str
        What stands between two words in the text that a model reads; nothing in Chinese.
    bids : Bids, optional
        Which files of BIDS derivatives, which atlas, which confounds.
    nuisance : tuple of str
        What a model must add to: ``words`` (rate, length, frequency), ``sound`` (envelope, bands of
        mel) of every run.
    margin_normalised, margin_unique : float, optional
        Margins of a share of the ceiling, and of unique R2.
    headline : str
        The measure that the benchmark is read by: ``unique``, ``value`` or ``normalised``.
    margin, kind, citation, licence, homepage, notes, simulated
        See :class:`harness.spec.specs.BenchmarkSpec`.
    """

    name: str
    participants: tuple[str, ...]
    responses: str
    tr: float
    runs: tuple[Run, ...]
    rois: tuple[str, ...] = ()
    masks: str = ""
    mappers: str = ""
    resolution: str = ""
    delays: tuple[int, ...] = (1, 2, 3, 4)
    folds: int = 5
    gap: int = 8
    cutoff: float | None = None
    confounds: str = ""
    context: str = "strided(256,128)"
    language: str = "en"
    separator: str = " "
    bids: Bids | None = None
    nuisance: tuple[str, ...] = (WORDS,)
    margin: float | None = None
    margin_normalised: float | None = None
    margin_unique: float | None = None
    headline: str = "unique"
    kind: str = "neural"
    citation: str = ""
    licence: str = ""
    homepage: str = ""
    notes: str = ""
    simulated: bool = False

    def __post_init__(self) -> None:
        if self.tr <= 0:
            raise DataError(f"tr is {self.tr} s", "give the time between volumes, in seconds")
        for what, names in (
            ("participants", self.participants),
            ("runs", tuple(r.name for r in self.runs)),
        ):
            if not names or len(set(names)) < len(names):
                raise DataError(f"{what} are {list(names)}", "name at least one, each once")
        if all(run.test for run in self.runs):
            raise DataError("every run is a test run", "leave `test` out of those to fit to")
        check_presence(self.runs, self.participants)
        check_nuisance(self.nuisance, self.runs)
        if self.kind not in ("neural", "behavioural"):
            raise DataError(f"kind is {self.kind!r}", "neural or behavioural")
        if self.is_bids or self.bids is not None:
            self._check_bids()
            return
        if "{participant}" not in self.responses and len(self.participants) > 1:
            raise DataError(
                f"responses are at {self.responses!r} for every participant",
                "put {participant} where their names go",
            )
        if "{run}" not in self.responses and len(self.runs) > 1:
            raise DataError(
                f"responses are at {self.responses!r} in every run", "put {run} where it goes"
            )

    def _check_bids(self) -> None:
        if self.bids is None or not self.is_bids:
            raise DataError(
                "responses in BIDS derivatives need two things",
                'responses = "bids:FOLDER", and a table [bids] with task and space',
            )
        if self.confounds or self.masks:
            raise DataError(
                "confounds and masks are addresses of arrays",
                "of BIDS derivatives, say `confounds`, `atlas` and `mask` in [bids]",
            )
        wanted = []
        for run in self.runs:
            if run.bids and run.repeats:
                raise DataError(
                    f"run {run.name} says bids and repeats", "repeats have the entities"
                )
            for recorded in run.recorded:
                try:
                    wanted.append(tuple(sorted(self.bids.wanted(recorded).items())))
                except DataError as error:
                    raise DataError(f"run {run.name}: {error.message}", error.hint) from None
        if len(set(wanted)) < len(wanted):
            raise DataError(
                "two runs have the same entities", 'say in each run which it is: bids = "run-1"'
            )

    @property
    def is_bids(self) -> bool:
        """Whether responses are in BIDS derivatives."""
        return self.responses.startswith(BIDS)

    @property
    def by(self) -> str:
        """``roi`` or ``voxel``."""
        atlas = self.bids and (self.bids.atlas or self.bids.extension == "ptseries.nii")
        return self.resolution or ("roi" if self.rois or self.masks or atlas else "voxel")

    def runs_of(self, participant: str) -> tuple[Run, ...]:
        """Return the runs that a participant has."""
        return tuple(run for run in self.runs if participant not in run.absent)

    def response_address(self, participant: str, run: str) -> str:
        """Where the responses of a participant to a run are."""
        return self.responses.replace("{participant}", participant).replace("{run}", run)

    def confound_address(self, participant: str, run: str) -> str:
        """Where the confounds of a participant in a run are."""
        return self.confounds.replace("{participant}", participant).replace("{run}", run)

    def files(self) -> tuple[str, ...]:
        """Return every file that is named, relative to the description, without keys."""
        named = [run.events for run in self.runs]
        named += [name for run in self.runs for name in (run.text, run.sound) if name]
        if self.is_bids:
            return tuple(dict.fromkeys(named))
        for person in self.participants:
            arrays = [name for run in self.runs_of(person) for name in run.presentations]
            named += [self.response_address(person, name).partition(":")[0] for name in arrays]
            if self.confounds:
                each = [self.confound_address(person, name) for name in arrays]
                named += [address.partition(":")[0] for address in each]
            if self.masks:
                named.append(self.masks.replace("{participant}", person))
        return tuple(dict.fromkeys(named))


def read_description(path: Path) -> Description:
    """Read and check a ``benchmark.toml``.

    Raises
    ------
    DataError
        It is not there, is not TOML, or says something wrong; the message names the field.
    """
    if path.is_dir():
        path = path / "benchmark.toml"
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"no description at {path}",
            "give the path of a benchmark.toml; `brainpress new data NAME` writes one",
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not TOML: {error}") from error
    try:
        runs = said.pop("runs", [])
        if not isinstance(runs, list) or not all(isinstance(r, dict) for r in runs):
            raise DataError("runs are not tables", "write [[runs]] before each")
        made = [Run(**checked(run, Run, f"runs[{i}]")) for i, run in enumerate(runs)]
        if "bids" in said:
            table = said["bids"]
            if not isinstance(table, dict):
                raise DataError(f"bids is {table!r}", "it must be a table: [bids]")
            said["bids"] = Bids(**checked(table, Bids, "[bids]"))
        return Description(**checked({**said, "runs": made}, Description, "it"))
    except DataError as error:
        raise DataError(f"{path}: {error.message}", error.hint) from None


def spec_from_data(address: str) -> BenchmarkSpec:
    """Make a spec from ``data:PATH``: a ``benchmark.toml``, or the folder it is in.

    The key of every score is made of the content of the description and of every file it names, and
    not of where they lie: responses that change are scored again, a folder that moves is not.

    Raises
    ------
    DataError
        The description is wrong, or a file it names is not there.
    """
    path = folder(address.removeprefix(PREFIX), "a data set").resolve()
    if path.is_dir():
        path = path / "benchmark.toml"
    said = read_description(path)
    margins = {"normalised": said.margin_normalised, "unique": said.margin_unique}
    return BenchmarkSpec(
        said.name,
        target="harness.own_data.benchmark:OwnData",
        kind=said.kind,
        version=2 if said.by == "roi" else 3,
        options={"path": Located(str(path), _content(path, said))},
        identity="brainpress/own-data",
        stages=("encode",),
        metric=f"Pearson r, mean over {'regions' if said.by == 'roi' else 'voxels'}"
        " and participants",
        margin=said.margin,
        margins={name: margin for name, margin in margins.items() if margin is not None},
        headline=said.headline,
        headline_reason="said by the description"
        if said.headline != "unique"
        else f"What a model adds to {adds_to(said.nuisance)} is the question.",
        tags=(said.kind, "own-data"),
        citation=said.citation,
        licence=said.licence,
        homepage=said.homepage,
        notes=said.notes,
        simulated=said.simulated,
        data=f"{len(said.participants)} participants, {len(said.runs)} runs, from {path}",
    )


def _content(path: Path, said: Description) -> str:
    from harness.fetch.checksum import content_sha256

    digest = hashlib.sha256()
    for name in (path.name, *said.files()):
        file = path.parent / name
        if not file.is_file():
            raise DataError(
                f"{path} names {name}, which is not there",
                f"looked at {file}; a run that somebody lacks says: absent = [NAME]",
            )
        digest.update(f"{name}\0{content_sha256(file)}\n".encode())
    if said.is_bids:
        from harness.own_data.responses import bids_files

        each = dict(bids_files(path.parent, said))
        for name, file in sorted(each.items()):
            digest.update(f"{name}\0{content_sha256(file)}\n".encode())
    return digest.hexdigest()
