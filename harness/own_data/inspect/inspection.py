"""Everything that an inspection looks at: clocks, values, spectrum, words against responses."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.errors import HarnessError
from harness.numeric.arrays import Doubles, Floats
from harness.own_data.benchmark import OwnData
from harness.own_data.description import Description
from harness.own_data.inspect.findings import Finding, Level, refused, told
from harness.own_data.inspect.judged import of_lags, of_values
from harness.own_data.inspect.lags import LagCurve, lag_curve
from harness.own_data.inspect.series import (
    array_table,
    changes,
    spectra,
    spreads,
    word_paces,
    word_rate,
)
from harness.own_data.inspect.sides import lies_on_its_side
from harness.own_data.inspect.values import ValueCounts, count_values, usable
from harness.stimuli.passages import Passage

SAMPLED = 500
"""Columns of a participant, evenly spaced, that spectrum, change and lags are taken from."""
SHORTEST = 40
"""Volumes of a run from which on lags say something."""
SLOW_SIGNAL = 0.4
"""Seconds between samples from which on responses are of the blood, and late."""


@dataclass(frozen=True, eq=False)
class Inspection:
    """What a data set looks like.

    Parameters
    ----------
    name, where : str
    tr : float
        s.
    cutoff : float, optional
        Longest period that the description keeps, s.
    findings : list of Finding
        What cannot be meant first.
    runs : DataFrame
        A row a run: words and volumes, when they begin and end, s.
    arrays : DataFrame
        A row a participant and run: volumes, columns, missing, constant, mean, deviation.
    paces : DataFrame
        Words a second by run and volume.
    spectrum : DataFrame
        Power by participant and frequency (Hz), as a share of all.
    change : DataFrame
        Root mean square change from one volume to the next, by participant, run and volume.
    spread : DataFrame
        Quantiles over columns of the standard deviation over volumes, by participant.
    lags : LagCurve, optional
    participants : tuple of str
        Of whom there are responses to all runs, in the order of ``lags``.
    """

    name: str
    where: str
    tr: float
    cutoff: float | None = None
    findings: list[Finding] = field(default_factory=list)
    runs: pd.DataFrame = field(default_factory=pd.DataFrame)
    arrays: pd.DataFrame = field(default_factory=pd.DataFrame)
    paces: pd.DataFrame = field(default_factory=pd.DataFrame)
    spectrum: pd.DataFrame = field(default_factory=pd.DataFrame)
    change: pd.DataFrame = field(default_factory=pd.DataFrame)
    spread: pd.DataFrame = field(default_factory=pd.DataFrame)
    lags: LagCurve | None = None
    participants: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """Whether nothing was found that cannot be meant."""
        return all(finding.level is not Level.REFUSED for finding in self.findings)


def inspect_data(address: str) -> Inspection:
    """Look at a folder of one's own data without scoring it, and without stopping at a fault.

    Parameters
    ----------
    address : str
        ``data:PATH``, or the path.

    Returns
    -------
    Inspection

    Raises
    ------
    DataError
        There is no description, or it is wrong: nothing can be looked at.
    """
    from harness.own_data.description import PREFIX, read_description
    from harness.place.place import folder

    path = folder(address.removeprefix(PREFIX), "a data set").resolve()
    path = path / "benchmark.toml" if path.is_dir() else path
    return _Look(path, read_description(path)).done()


class _Look:
    """One look at a data set; what fails is a finding, and the rest is looked at."""

    def __init__(self, path: Path, said: Description) -> None:
        self.path, self.said = path, said
        self.folder = path.parent
        self.findings: list[Finding] = []
        self.arrays: dict[tuple[str, str], Any] = {}
        self.counts: dict[tuple[str, str], ValueCounts] = {}
        self.passages: dict[str, Passage] = {}

    def done(self) -> Inspection:
        self._open()
        self._words()
        self._shapes()
        clocks = self._clocks()
        self._benchmark()
        self._values()
        people = self._people()
        sampled = {p: self._sampled(p) for p in people}
        labels = {p: self._labels(p) for p in people}
        curve = self._lags(sampled, clocks)
        self.findings.sort(key=lambda f: f.level is not Level.REFUSED)
        return Inspection(
            self.said.name,
            str(self.path),
            self.said.tr,
            self.said.cutoff,
            list(dict.fromkeys(self.findings)),
            self._run_table(clocks),
            array_table(self.counts),
            word_paces(self.passages, clocks, self.said.tr),
            spectra(sampled, labels, self.said.tr),
            changes(sampled, labels, [r.name for r in self.said.runs]),
            spreads(self.counts),
            curve,
            tuple(p for p in people if len(self.said.runs_of(p)) == len(self.said.runs)),
        )

    def _open(self) -> None:
        from harness.own_data.repeats import Presentations
        from harness.own_data.responses import open_run

        for person in self.said.participants:
            for run in self.said.runs_of(person):
                try:
                    array = open_run(self.folder, self.said, person, run)
                except HarnessError as error:
                    self.findings.append(refused(error))
                    continue
                mean = array.averaged if isinstance(array, Presentations) else array
                self.arrays[person, run.name] = mean

    def _words(self) -> None:
        from harness.own_data.words import words_of_run

        for run in self.said.runs:
            try:
                self.passages[run.name] = words_of_run(self.folder, self.said, run)
            except (HarnessError, OSError) as error:
                found = error if isinstance(error, HarnessError) else HarnessError(str(error))
                self.findings.append(refused(found))

    def _shapes(self) -> None:
        """Volumes differ between participants, or columns between runs; arrays on their side."""
        spans = {
            name: max(p.offsets or (0.0,)) - min(p.onsets or (0.0,))
            for name, p in self.passages.items()
        }
        shapes = {at: tuple(a.shape) for at, a in self.arrays.items()}
        if reason := lies_on_its_side(shapes, spans, self.said):
            self.findings.append(
                Finding(
                    Level.REFUSED,
                    f"{self.path}: {reason}",
                    "arrays are (volumes, columns), not (columns, volumes): transpose them",
                )
            )
        for run in self.said.runs:
            lengths = {p: s[0] for (p, r), s in shapes.items() if r == run.name}
            if len(set(lengths.values())) > 1:
                self._odd(f"run {run.name}: volumes differ: {_listed(lengths)}")
        for person in self.said.participants:
            widths = {r: s[1] for (p, r), s in shapes.items() if p == person}
            if len(set(widths.values())) > 1:
                self._odd(f"participant {person}: columns differ by run: {_listed(widths)}")

    def _odd(self, what: str) -> None:
        self.findings.append(
            Finding(Level.REFUSED, f"{self.path}: {what}", "give all the same rows and columns")
        )

    def _clocks(self) -> dict[str, Doubles]:
        from harness.own_data.clocks import compare_clocks

        clocks: dict[str, Doubles] = {}
        for run in self.said.runs:
            lengths = [a.shape[0] for (_, r), a in self.arrays.items() if r == run.name]
            if not lengths:
                continue
            clock = run.start + self.said.tr * (run.skip + np.arange(lengths[0]))
            clocks[run.name] = clock
            if run.name not in self.passages:
                continue
            try:
                odd = compare_clocks(
                    self.passages[run.name], [float(t) for t in clock], self.said.tr, str(self.path)
                )
            except HarnessError as error:
                self.findings.append(refused(error))
                continue
            if odd:
                self.findings.append(told(odd))
        return clocks

    def _benchmark(self) -> None:
        """Whatever else a run would refuse or tell: masks, confounds, languages."""
        if any(f.level is Level.REFUSED for f in self.findings):
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # ``told`` has them
                benchmark = OwnData(str(self.path))
        except HarnessError as error:
            self.findings.append(refused(error))
            return
        known = {f.what for f in self.findings}
        self.findings += [told(t) for t in benchmark.told if t not in known]

    def _values(self) -> None:
        by_roi = self.said.by == "roi" and bool(self.said.rois)
        for (person, run), array in self.arrays.items():
            counts = self.counts[person, run] = count_values(array)
            self.findings += of_values(counts, f"participant {person}, run {run}", by_roi)

    def _people(self) -> tuple[str, ...]:
        """Participants with all the runs that they should have, as long as everybody's."""
        lengths: dict[str, int] = {}
        for (_, run), array in self.arrays.items():
            lengths.setdefault(run, array.shape[0])
        found = []
        for person in self.said.participants:
            runs = [r.name for r in self.said.runs_of(person)]
            own = [self.arrays[person, r] for r in runs if (person, r) in self.arrays]
            alike = [a.shape[0] for a in own] == [lengths.get(r) for r in runs]
            if alike and len({a.shape[1] for a in own}) == 1 and self._usable(person).any():
                found.append(person)
        return tuple(found)

    def _usable(self, person: str) -> Any:
        own = self.said.runs_of(person)
        return np.all([usable(self.counts[person, r.name]) for r in own], axis=0)

    def _sampled(self, person: str) -> Floats:
        columns = np.flatnonzero(self._usable(person))
        chosen = columns[np.linspace(0, len(columns) - 1, min(SAMPLED, len(columns))).astype(int)]
        parts = [
            np.concatenate([_column(self.arrays[person, r.name], c) for c in chosen], axis=1)
            for r in self.said.runs_of(person)
        ]
        return np.asarray(np.concatenate(parts), np.float64)

    def _labels(self, person: str) -> Any:
        own = self.said.runs_of(person)
        lengths = [self.arrays[person, r.name].shape[0] for r in own]
        return np.repeat([self.said.runs.index(r) for r in own], lengths)

    def _lags(
        self, sampled: Mapping[str, Floats], clocks: Mapping[str, Doubles]
    ) -> LagCurve | None:
        whole = [p for p in sampled if len(self.said.runs_of(p)) == len(self.said.runs)]
        if not whole or len(self.passages) < len(self.said.runs):
            return None
        rate = np.concatenate(
            [word_rate(self.passages[r.name], clocks[r.name]) for r in self.said.runs]
        )
        if np.ptp(rate) == 0 or min(map(len, clocks.values())) < SHORTEST:
            return None
        curve = lag_curve(
            rate,
            [sampled[p] for p in whole],
            self._labels(whole[0]),
            self.said.tr,
            self.said.cutoff,
        )
        sound = all(f.level is not Level.REFUSED for f in self.findings)
        if sound and self.said.tr >= SLOW_SIGNAL:
            self.findings += of_lags(curve, self.said.tr)
        return curve

    def _run_table(self, clocks: Mapping[str, Doubles]) -> pd.DataFrame:
        rows = []
        for run in self.said.runs:
            passage, clock = self.passages.get(run.name), clocks.get(run.name)
            row: dict[str, Any] = {"run": run.name}
            if passage is not None:
                row["words"] = len(passage.spans)
                row["untimed"] = len(passage.text.split()) - len(" ".join(passage.items).split())
                row["first word"] = min(passage.onsets or (np.nan,))
                row["last word"] = max(passage.offsets or (np.nan,))
            if clock is not None:
                row["volumes"] = len(clock)
                row["first volume"], row["last volume"] = float(clock[0]), float(clock[-1])
            rows.append(row)
        return pd.DataFrame(rows)


def _column(array: Any, column: int) -> Floats:
    return np.asarray(array[:, int(column) : int(column) + 1])


def _listed(values: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
