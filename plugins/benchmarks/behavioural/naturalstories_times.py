"""Self-paced reading times: read, put on their words, checked, and scored."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from harness.encode.design.scores import pearson
from harness.encode.score.gain import RIDGE, UNPENALISED, Gain, likelihood_gain
from harness.errors import DataError, ScoreError
from harness.numeric.arrays import Doubles, Ints, Singles
from harness.stats.bootstrap import bootstrap_interval
from harness.stats.permutation import block_permutation

from .reading_baseline import SAID, SPILL, baseline, lexical

LEAKAGE = 0.1
"""Largest unique variance of the next word, relative to the current one's, in aligned data. It is
.01 in Natural Stories; a shift by one word makes it .45 or more."""
_FIELDS = ("word", "zone", "item", "nItem", "gmeanItemRT", "gsdItemRT")


@dataclass(frozen=True, eq=False)
class ReadingTimes:
    """Reading times of words in running texts.

    Parameters
    ----------
    stories : mapping
        Words of each story, as they were shown.
    log_time : mapping
        For each story, the mean over readers of the logarithm of the time (ms) at each word; NaN
        where there is none. (n_words,)
    error : mapping
        Its sampling variance: variance over readers by their number. (n_words,)
    """

    stories: Mapping[int, tuple[str, ...]]
    log_time: Mapping[int, Doubles]
    error: Mapping[int, Doubles]


@dataclass(frozen=True, eq=False)
class TokensOfWords:
    """What a model's tokenizer makes of the words of all stories.

    Parameters
    ----------
    number : array, shape (n_words,)
        Tokens of each word.
    unigram : array, shape (n_words,)
        Their surprisal to a model without context (nats).
    """

    number: Doubles
    unigram: Doubles


def read_times(path: Path) -> ReadingTimes:
    """Read ``processed_wordinfo.tsv``, as it is.

    Raises
    ------
    DataError
        A field is missing or no number, or a story's words are not numbered 1, 2, 3, …
    """
    with path.open(encoding="utf-8", newline="") as lines:
        # Words begin with quotation marks that are theirs.
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or (missing := [f for f in _FIELDS if f not in rows[0]]):
        raise DataError(f"{path} lacks the columns {missing if rows else list(_FIELDS)}")
    try:
        numbers = np.array([[float(r[f]) for f in _FIELDS[1:]] for r in rows])
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} holds something that is not a number: {error}") from error
    words = np.array([r["word"] for r in rows], object)
    zone, story, n, mean, spread = numbers.T
    stories, times, errors = {}, {}, {}
    for number in np.unique(story):
        own = np.flatnonzero(story == number)
        own = own[np.argsort(zone[own])]
        if not np.array_equal(zone[own], np.arange(1, len(own) + 1)):
            raise DataError(
                f"{path}: the words of story {number:g} are not numbered 1 to {len(own)}"
            )
        stories[int(number)] = tuple(words[own])
        times[int(number)] = np.log(mean[own])
        errors[int(number)] = np.log(spread[own]) ** 2 / n[own]
    return ReadingTimes(stories, times, errors)


def realigned(times: ReadingTimes) -> ReadingTimes:
    """Move every time to the next word of its story.

    The file from before May 2025 gives each word the time of the word after it. The first word of a
    story then has no time, and the last one's belonged to no word.
    """

    def moved(values: Doubles) -> Doubles:
        return np.concatenate([[np.nan], values[:-1]])

    return replace(
        times,
        log_time={s: moved(v) for s, v in times.log_time.items()},
        error={s: moved(v) for s, v in times.error.items()},
    )


@dataclass(frozen=True, eq=False)
class SignTest:
    """Variance that frequency and length of one word explain, the others accounted for.

    Parameters
    ----------
    current, following : float
        Unique R2 of the word itself, and of the word after it, beside the two words before.
    """

    current: float
    following: float

    @property
    def passed(self) -> bool:
        """Whether the word matters and the word after it does not."""
        return self.following < LEAKAGE * self.current


def sign_test(times: ReadingTimes) -> SignTest:
    """Compare a word's frequency and length with the next word's.

    A word that was not read yet cannot slow its reader down.
    """
    lags = (-1, 0, 1, 2)  # -1 is the next word
    parts: dict[int, list[Doubles]] = {lag: [] for lag in lags}
    response = []
    for story, words in times.stories.items():
        known = lexical(words)[:, :2]
        rows = np.arange(SPILL, len(words) - 1)
        rows = rows[np.isfinite(times.log_time[story][rows])]
        for lag in lags:
            parts[lag].append(known[rows - lag] - known[rows - lag].mean(axis=0))
        y = times.log_time[story][rows]
        response.append(y - y.mean())
    y = np.concatenate(response)
    columns = {lag: np.concatenate(part) for lag, part in parts.items()}

    def explained(kept: tuple[int, ...]) -> float:
        design = np.concatenate([columns[lag] for lag in kept], axis=1)
        rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        return float(1 - rest @ rest / (y @ y))

    full = explained(lags)
    return SignTest(full - explained((-1, 1, 2)), full - explained((0, 1, 2)))


def check_alignment(times: ReadingTimes) -> SignTest:
    """Refuse reading times that do not sit on their words.

    Raises
    ------
    DataError
        The word after the current one explains them, too.
    """
    test = sign_test(times)
    if not test.passed:
        raise DataError(
            "reading times are shifted against their words: frequency and length explain"
            f" {test.current:.3f} of the variance for the word itself and {test.following:.3f} for"
            " the word after it, which had not been read",
            "use the file that this benchmark fetches",
        )
    return test


def score_times(
    recording: xr.DataArray,
    times: ReadingTimes,
    tokens: TokensOfWords,
    *,
    surprisal: bool,
) -> xr.Dataset:
    """Score what a model adds to the baseline.

    Parameters
    ----------
    recording : DataArray (sample, layer, unit)
        A row a word, story after story: log-probabilities, or hidden states.
    times : ReadingTimes
    tokens : TokensOfWords
        They are in the baseline.
    surprisal : bool
        Whether the recording is of log-probabilities: they are entered without a penalty.

    Returns
    -------
    Dataset
        ``value``: mean gain over stories (nats per word) with ``low`` and ``high`` (95 % bootstrap
        over stories), ``ceiling``, ``normalised``; ``gain`` (story); ``gain_by_layer`` (layer);
        ``layer_best``; ``baseline_r2``, ``joint_r2``, ``unique_r2`` of held-out words;
        ``partial_r`` between what the baseline leaves and what the model adds, ``p`` by permuting
        blocks of words; ``sign_current`` and ``sign_following`` (:class:`SignTest`); for surprisal,
        ``slope`` (lag): change of log time per nat, jointly with the baseline, all words.

    Raises
    ------
    ScoreError
        The recording has not a row for every word.
    """
    n_words = sum(map(len, times.stories.values()))
    rows = recording.sizes["sample"], len(tokens.number), len(tokens.unigram)
    if set(rows) != {n_words}:
        raise ScoreError(f"the recordings have {rows} rows for {n_words} words")
    table = _table(recording.values, times, tokens)
    penalties = UNPENALISED if surprisal else RIDGE
    gain = likelihood_gain(
        table.predictors, table.baseline, table.response, table.story, penalties=penalties
    )
    test = sign_test(times)
    interval = bootstrap_interval(gain.groups)
    value = float(gain.groups.mean())
    ceiling = 0.5 * math.log(gain.variance / float(np.mean(table.error)))
    total = table.centred_variance
    joint = float(np.mean((gain.residual - gain.change) ** 2))
    permuted = block_permutation(gain.residual[:, None], gain.change[:, None], table.story)
    layers = np.asarray(recording["layer"].values)
    score = xr.Dataset(
        {
            "value": value,
            "low": float(interval.low),
            "high": float(interval.high),
            "ceiling": ceiling,
            "normalised": value / ceiling if ceiling > 0 else np.nan,
            "gain": ("story", gain.groups),
            "gain_by_layer": ("layer", gain.layers),
            "layer_best": float(np.median(layers[gain.chosen])),
            "baseline_r2": 1 - gain.variance / total,
            "joint_r2": 1 - joint / total,
            "unique_r2": (gain.variance - joint) / total,
            "partial_r": float(pearson(gain.residual[:, None], gain.change[:, None])[0]),
            "p": float(permuted.p[0]),
            "sign_current": test.current,
            "sign_following": test.following,
        },
        coords={"story": np.array(list(times.stories)), "layer": layers},
    )
    if surprisal:
        lags = np.arange(SPILL + 1)
        score = score.assign(slope=("lag", _slopes(table))).assign_coords(lag=lags)
    return score.assign_attrs(
        ceiling_kind="nothing left but the sampling error of each word's mean over readers",
        interval_kind="95 % bootstrap over stories",
        baseline=SAID,
        penalties=", ".join(f"{p:g}" for p in gain.penalty),
        warnings=_warnings(gain, penalties),
    )


@dataclass(frozen=True, eq=False)
class _Table:
    """A row a word that has a time and two words before it."""

    predictors: Singles | Doubles
    baseline: Doubles
    response: Doubles
    error: Doubles
    story: Ints

    @property
    def centred_variance(self) -> float:
        groups = [self.response[self.story == s] for s in np.unique(self.story)]
        return float(np.mean(np.concatenate([(g - g.mean()) ** 2 for g in groups])))


def _table(values: Singles, times: ReadingTimes, tokens: TokensOfWords) -> _Table:
    predictors, known, response, error, story = [], [], [], [], []
    start = 0
    for number, words in times.stories.items():
        here = slice(start, start + len(words))
        own, counted = values[here], (tokens.number[here], tokens.unigram[here])
        start += len(words)
        rows = np.arange(SPILL, len(words))
        rows = rows[np.isfinite(times.log_time[number][rows])]
        lagged = [own[rows - lag] for lag in range(SPILL + 1)]
        predictors.append(np.concatenate(lagged, axis=2))
        known.append(baseline(words, *counted, rows))
        response.append(times.log_time[number][rows])
        error.append(times.error[number][rows])
        story.append(np.full(len(rows), number))
    return _Table(
        np.concatenate(predictors),
        np.concatenate(known),
        np.concatenate(response),
        np.concatenate(error),
        np.concatenate(story),
    )


def _slopes(table: _Table) -> Doubles:
    """Change of log time per nat of surprisal, by lag; log-probability is minus surprisal."""
    design = np.concatenate([-table.predictors[:, 0], table.baseline], axis=1).astype(np.float64)
    y = table.response.copy()
    for story in np.unique(table.story):
        rows = table.story == story
        design[rows] -= design[rows].mean(axis=0)
        y[rows] -= y[rows].mean()
    return np.asarray(np.linalg.lstsq(design, y, rcond=None)[0][: SPILL + 1])


def _warnings(gain: Gain, penalties: tuple[float, ...]) -> str:
    if len(penalties) == 1:
        return ""
    ends = np.isin(gain.penalty, (penalties[0], penalties[-1]))
    return (
        f"penalties at the ends of their grid in {ends.mean():.0%} of folds" if ends.any() else ""
    )
