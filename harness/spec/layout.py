"""The layout of a score: the names that mean something, over which dimensions, and who reads them.

A benchmark's ``score()`` returns an xarray Dataset. Every part of brainpress that reads one (the
board, answers, the page, the check of submissions, ``brainpress check``) takes names from here.
Names that do not stand here are kept on the board for people to read.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.spec.measures import ScoreMeasure

if TYPE_CHECKING:
    import xarray as xr

KINDS = ("neural", "behavioural", "linguistic")
"""Kinds of benchmark, in the order of the page."""
REQUIRED = ("value", "low", "high")
"""Numbers that every score has: the value and its 95 % interval."""
NUMBERS = (*REQUIRED, "ceiling", "normalised")
"""Numbers of a cell of the board."""
TOLERANCE = 1e-6
"""Largest difference between a value and the mean of its own detail: rounding."""


class _Array(Protocol):
    @property
    def dims(self) -> tuple[Hashable, ...]: ...


class Detail(Protocol):
    """What of a Dataset the layout looks at: names, and the dimensions of each."""

    def __contains__(self, name: object, /) -> bool: ...

    def __getitem__(self, name: str, /) -> _Array: ...


@dataclass(frozen=True)
class Variable:
    """A variable that is read.

    Parameters
    ----------
    name : str
    dims : tuple of str
        Dimensions that it must have.
    use : str
        What is made of it.
    others : bool
        Whether it may have other dimensions as well.
    """

    name: str
    dims: tuple[str, ...]
    use: str
    others: bool = False

    def fits(self, score: Detail) -> bool:
        """Whether a score has it, over the right dimensions (``variant``, of boards, apart)."""
        if self.name not in score:
            return False
        dims = [str(dim) for dim in score[self.name].dims if dim != "variant"]
        return set(self.dims) <= set(dims) if self.others else sorted(self.dims) == sorted(dims)

    @property
    def over(self) -> str:
        """Its dimensions, as the documentation writes them."""
        return ", ".join((*self.dims, "…") if self.others else self.dims)


@dataclass(frozen=True)
class Replicate:
    """A unit that was drawn, independently of the others, from what a result is about.

    Parameters
    ----------
    dim : str
        Its dimension in a benchmark's detail.
    variable : str
        The score of each, in the unit of the benchmark's value.
    plural : str
        What n counts.
    regions : str
        The score of each in each region (roi), where there are regions.
    ceilings : tuple of str
        Its ceiling there: the first that there is.
    folds : str
        The score of each on every part of the stimulus that is held out (fold).
    nuisance : tuple of str
        What is reached without a model, in the same unit: the first that there is.
    """

    dim: str
    variable: str
    plural: str
    regions: str = ""
    ceilings: tuple[str, ...] = ()
    folds: str = ""
    nuisance: tuple[str, ...] = ()


REPLICATES = (
    Replicate(
        dim="participant",
        variable="r_best",
        plural="participants",
        regions="r_best",
        ceilings=("ceiling_repeats", "ceiling_loo"),
        folds="fold_r",
        nuisance=("nuisance_r", "baseline_r"),
    ),
    # Of voxels and electrodes: the mean over them is no mean over regions, which differ in size.
    Replicate(
        "participant",
        "participant_value",
        "participants",
        "r_roi",
        ("ceiling_roi",),
        folds="fold_r",
        nuisance=("baseline_value",),
    ),
    Replicate("story", "gain", "stories"),
)
"""What differences are tested over, in order of preference: who took part before what was read."""


@dataclass(frozen=True)
class MeasurePlaces:
    """Where a score has a measure other than its value; of several names, the first that is there.

    Parameters
    ----------
    each : tuple of str
        Of each participant, averaged over whatever else it is over.
    regions : tuple of str
        Of each participant in each region.
    folds : str
        Of each participant on every held-out part of the stimulus, (fold, participant, …).
    """

    each: tuple[str, ...]
    regions: tuple[str, ...]
    folds: str = ""


MEASURED = {
    ScoreMeasure.NORMALISED: MeasurePlaces(
        ("normalised_participant", "normalised_r"), ("normalised_by_roi",)
    ),
    ScoreMeasure.UNIQUE: MeasurePlaces(
        ("unique_participant", "unique_r2"),
        ("unique_by_roi", "unique_r2", "unique_r2_roi"),
        "fold_unique_r2",
    ),
}
"""Of measures other than the value, which is a replicate's own."""


@dataclass(frozen=True)
class Counted:
    """Items that are answered right or wrong, one by one.

    Parameters
    ----------
    unit : str
        Dimension of the items.
    variable : str
        How right each answer was, 0 to 1; or, where ``signed``, positive where right.
    signed : bool
    """

    unit: str
    variable: str
    signed: bool = False

    @property
    def task(self) -> str:
        """Coordinate that numbers each item's task."""
        return f"{self.unit}_task"

    def fits(self, score: Detail) -> bool:
        """Whether a score has such items, with tasks and the category of each task."""
        return all(n in score for n in (self.variable, self.task, TASK_CATEGORY))


TASK_CATEGORY = "task_category"
"""Coordinate: the linguistic category of each task."""
COUNTED = (
    Counted("pair", "margin", signed=True),
    Counted("item", "passed"),
    Counted("question", "right"),
)
CATEGORY_ACCURACY, CATEGORY_SCORE = "category_accuracy", "category_score"
"""Headline of a category: of items that are counted, and of probes."""
PROBED = tuple(f"category_{name}" for name in ("score", "low", "high"))
"""What a score of probes has for each category, at least; all over (category,)."""
PROBED_CHANCE = ("category_majority", "category_tasks")
PROBED_SPREAD = "category_sd"
PROBED_LEXICAL = "category_lexical"
UNIGRAM = "unigram_right"
"""Of each pair, how right the sum of its words' log frequencies is."""
COUNTED_GAIN = "counted_gain"
"""Of each task of probes, what its score gains over the best score without context."""
PROBED_DRAWS = "category_draws"
PROBED_LEXICAL_DRAWS = "category_lexical_draws"

CURVE = Variable("r", ("layer",), "layer curves", others=True)
UNIQUE = Variable("unique_r2", (), "the unique part: a column, and answers", others=True)
_NORMALISED, _UNIQUE = "answers of `--measure normalised`", "answers of `--measure unique`"
_PARTS = "intervals that cross participants with parts of the stimulus"
BY_MEASURE = (
    Variable("normalised_participant", ("participant",), _NORMALISED),
    Variable("normalised_by_roi", ("participant", "roi"), _NORMALISED),
    Variable("unique_participant", ("participant",), _UNIQUE),
    Variable("unique_by_roi", ("participant", "roi"), _UNIQUE),
    Variable("fold_r", ("fold", "participant"), _PARTS, others=True),
    Variable("fold_unique_r2", ("fold", "participant"), _PARTS, others=True),
)
"""What answers read of measures other than the value, and of parts of the stimulus."""
VOXEL = "voxel_"
"""Prefix of what is said of voxels, of all participants one after the other."""
GROUP_R = "group_r_best"
"""r with the mean brain of the group, a column of the terminal's board."""

VARIABLES = (
    Variable(
        "r_best",
        ("participant",),
        "paired tests of every answer; with roi, regions; `value` is its mean",
        others=True,
    ),
    Variable(
        "participant_value",
        ("participant",),
        "the same, where `value` is no mean over regions; `value` is its mean",
    ),
    Variable("r_roi", ("participant", "roi"), "regions, beside `participant_value`"),
    Variable("ceiling_loo", ("participant", "roi"), "ceilings of regions, beside `r_best`"),
    Variable(
        "ceiling_repeats",
        ("participant", "roi"),
        "ceilings of regions from repeats: `ceiling` and `normalised` are of them",
    ),
    Variable("ceiling_roi", ("participant", "roi"), "ceilings of regions, beside `r_roi`"),
    Variable("gain", ("story",), "paired tests over stories; `value` is its mean"),
    CURVE,
    UNIQUE,
    *BY_MEASURE,
    Variable("group_r_best", ("roi",), "a column of `brainpress board`", others=True),
    *(
        Variable(
            c.variable,
            (c.unit,),
            f"`profile`, `dissociation`, `compare`; with `{c.task}` and `{TASK_CATEGORY}`",
        )
        for c in COUNTED
    ),
    Variable(UNIGRAM, ("pair",), "the floor of `dissociation`"),
    Variable("accuracy", ("task",), "winning rates; `value` is its mean"),
    Variable(COUNTED_GAIN, ("task",), "probes over their lexical baseline; `value` is its mean"),
    Variable("score", ("task",), "winning rates of probes; without a gain, `value` is its mean"),
    Variable(CATEGORY_ACCURACY, ("category",), "a column of `brainpress board`"),
    *(
        Variable(name, ("category",), "`profile`, `dissociation` and `compare` of probes")
        for name in (*PROBED, *PROBED_CHANCE, PROBED_SPREAD, PROBED_LEXICAL)
    ),
    *(
        Variable(name, ("category", "draw"), "pairs the changes of probed categories")
        for name in (PROBED_DRAWS, PROBED_LEXICAL_DRAWS)
    ),
    *(
        Variable(name, ("participant",), "the floor of `dissociation`", others=True)
        for name in ("nuisance_r", "baseline_r", "baseline_value")
    ),
    Variable(f"{VOXEL}participant", ("voxel",), "`brainpress map`; beside it `voxel_r`, `voxel_…`"),
)
"""Everything that is read, whatever the kind of benchmark."""
MEANS = ("r_best", "participant_value", "gain", COUNTED_GAIN, "score", "accuracy")
"""What ``value`` is the mean of: the first that a score has."""
_SAME_TESTS = {"neural": "participants or stories", "linguistic": "pairs, items, questions, probes"}


def variable(name: str) -> Variable | None:
    """Return what the layout says of a name, or None."""
    return next((known for known in VARIABLES if known.name == name), None)


def headline(score: Detail) -> Variable | None:
    """Return the variable whose mean a score's value is; None where it has none of them."""
    known = (variable(name) for name in MEANS)
    return next((one for one in known if one is not None and one.fits(score)), None)


def mean_of(score: xr.Dataset, one: Variable) -> float:
    """Average a headline variable as its benchmark does.

    Over regions or experiments of each participant first, so that participants weigh the same;
    what is NaN is left out.
    """
    values = score[one.name]
    values = values.mean([dim for dim in values.dims if dim not in one.dims])
    return float(values.mean())


def found_by_answers(score: Detail) -> str:
    """Return the variable that answers test differences over; empty where there is none."""
    for replicate in REPLICATES:
        known = variable(replicate.variable)
        if known is not None and known.fits(score):
            return known.name
    for counted in COUNTED:
        if counted.fits(score):
            return counted.variable
    return CATEGORY_SCORE if all(name in score for name in PROBED) else ""


def faults(score: xr.Dataset, kind: str) -> Iterator[tuple[str, str]]:
    """Say what is wrong with a score.

    Parameters
    ----------
    score : Dataset
        What ``score()`` returned.
    kind : str
        Of the benchmark.

    Yields
    ------
    what, hint : str
    """
    for name in REQUIRED:
        if name not in score or score[name].ndim:
            yield f"score() returns no single number {name!r}", "`value`, `low`, `high`"
            return
    value, low, high = (float(score[name]) for name in REQUIRED)
    if not low <= value <= high:  # NaN, too
        yield (
            f"its interval [{low}, {high}] does not contain its value {value}",
            "low and high are the ends of the 95 % interval of value",
        )
    for known in VARIABLES:
        if known.name in score and not known.fits(score):
            has = ", ".join(map(str, score[known.name].dims))
            yield (
                f"{known.name} is over ({has}), not over ({known.over})",
                f"{known.name} is read for {known.use}: give it these dimensions, or another name",
            )
    mine = headline(score)
    if mine is not None:
        mean = mean_of(score, mine)
        if not abs(mean - value) <= TOLERANCE * max(1.0, abs(value)):
            yield (
                f"its value {value:.6g} is not the mean of {mine.name}, {mean:.6g}",
                f"{mine.name} is what differences are tested on: its mean is the value",
            )
    arrays = [str(name) for name in score.data_vars if score[name].ndim]
    if arrays and not found_by_answers(score):
        side = "linguistic" if kind == "linguistic" else "neural"
        if side == "neural" or any(set(score[name].dims) & _units() for name in arrays):
            yield (
                f"no answer would find its scores: {', '.join(arrays)}",
                f"answers of a {kind} benchmark are over {_SAME_TESTS[side]}; they read "
                + ", ".join(f"{v.name} ({v.over})" for v in _tested_of(side)),
            )


def _units() -> set[str]:
    return {"participant", "story", *(counted.unit for counted in COUNTED)}


def _tested_of(side: str) -> Iterable[Variable]:
    if side == "neural":
        names = [replicate.variable for replicate in REPLICATES]
    else:
        names = [*(counted.variable for counted in COUNTED), *PROBED]
    return (known for known in VARIABLES if known.name in names)


def table() -> str:
    """Return the layout as a table in Markdown: that of ``docs/your-data.md``."""
    rows = ["| variable | dimensions | what is made of it |", "|---|---|---|"]
    together: dict[tuple[str, str], list[str]] = {}
    for known in VARIABLES:
        together.setdefault((known.over or "any", known.use), []).append(f"`{known.name}`")
    for (over, use), names in together.items():
        rows.append(f"| {', '.join(names)} | {over} | {use} |")
    return "\n".join(rows)
