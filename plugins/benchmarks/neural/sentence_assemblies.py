"""What the benchmarks on public assemblies share: items in running text, a baseline of length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from harness.encode.design.options import EncodingOptions
from harness.errors import DataError
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    import xarray as xr

    from harness.encode.ceilings.assembly_ceiling import NeuroidCeilings
    from harness.encode.items.assembly import Assembly
    from harness.fetch.resource import Resource
    from harness.record.request import Recordings, Request
    from harness.stimuli.passages import Passage

ADDRESS = "https://brainscore-storage.s3.amazonaws.com/brainscore-language"


ENCODING = EncodingOptions(delays=(0,), gap=0)


@dataclass(frozen=True)
class AssemblyBenchmark:
    """Predict every neuroid's response to items, in the text that each stood in.

    Parameters
    ----------
    context : str
        Context policy of the recording, within a passage.
    encoding : EncodingOptions
        Folds (groups of items stay together), penalties, solver: typed by their names
        (``n_outer=10;solver=himalaya``).
    ceiling : str or float
        ``participants``: extrapolated from other participants, where at least four had the same
        items; ``none``; a number; or the path of an ``.npy`` file of one a neuroid.
    """

    context: str = "prefix"
    encoding: EncodingOptions = ENCODING
    ceiling: str | float = "participants"

    name: ClassVar[str]
    file: ClassVar[str]
    sha1: ClassVar[str]
    columns: ClassVar[dict[str, Any]]
    gap: ClassVar[int] = 0
    separator: ClassVar[str] = " "
    """What stands between two items of a passage; empty: items are pieces of one published text."""

    def __post_init__(self) -> None:
        if self.encoding.delays != (0,):
            raise DataError("items were presented one by one: delays mean nothing", "delays=0")
        _ = self.data  # what is missing is found when the run is planned

    @classmethod
    def resources(cls, **_: object) -> tuple[Resource, ...]:
        """Return the assembly."""
        from harness.fetch.resource import Resource

        return (
            Resource(
                cls.file,
                f"{ADDRESS}/{cls.file}",
                "",
                where=f"brainscore/{cls.file}",
                checksum=f"sha1:{cls.sha1}",
            ),
        )

    def requests(self) -> tuple[Request, ...]:
        """Ask for the hidden states at the last token of every item."""
        from harness.record.context import Context
        from harness.record.request import Measure, Request
        from harness.stimuli.passages import Stimuli
        from harness.stimuli.readouts import Items, Pool

        stimuli = Stimuli(self.name, self.passages)
        return (Request(stimuli, Measure.HIDDEN, Context.parse(self.context), Items(Pool.LAST)),)

    def score(self, recordings: Recordings) -> xr.Dataset:
        """Score the recording; see :func:`harness.encode.items.assembly.score_assembly`."""
        from harness.encode.items.assembly import score_assembly

        (recording,) = recordings.values()
        return score_assembly(recording, self.data, self.baseline, self.options, self.ceilings)

    @property
    def options(self) -> EncodingOptions:
        """How models are fitted, and pools of participants."""
        return replace(self.encoding, gap=max(self.encoding.gap, self.gap))

    @cached_property
    def ceilings(self) -> NeuroidCeilings:
        """Ceilings, computed once for all models."""
        from harness.encode.ceilings.assembly_ceiling import assembly_ceilings

        return assembly_ceilings(self.data, self.options, self.ceiling)

    @cached_property
    def data(self) -> Assembly:
        """Responses."""
        from harness.encode.items.assembly import read_assembly
        from harness.fetch.present import present

        (resource,) = self.resources()
        return read_assembly(present(resource, self.name), **self.columns)

    @cached_property
    def passages(self) -> tuple[Passage, ...]:
        """Items of a passage in running text."""
        texts: dict[str, list[str]] = {}
        data = self.data
        for part, group, passage, item in zip(
            data.parts, data.groups, data.passages, data.items, strict=True
        ):
            name = f"{part}/{group}" if passage == group else f"{part}/{group}/{passage}"
            texts.setdefault(name, []).append(str(item))
        return tuple(running_text(name, own, self.separator) for name, own in texts.items())

    @cached_property
    def baseline(self) -> dict[str, list[float]]:
        """Length of each item, and its place in its passage."""
        places = [i for p in self.passages for i in range(len(p.spans))]
        items = [str(item) for item in self.data.items]
        return {
            "words": [float(len(item.split())) for item in items],
            "letters": [float(sum(c.isalnum() for c in item)) for item in items],
            "place": [float(i) for i in places],
        }


def running_text(name: str, items: Sequence[str], separator: str) -> Passage:
    """Set the items of a passage one after the other.

    Parameters
    ----------
    name : str
    items : sequence of str
    separator : str
        Between two items. With none, items are put together as they are: the blanks, quotes and
        hyphens at their ends are those of the text. Spans leave blanks out, because a tokenizer
        gives a blank to the word that follows, which is not the item's.
    """
    from harness.stimuli.passages import Passage

    pieces = list(items) if not separator else [item.strip() for item in items]
    spans, at = [], 0
    for piece in pieces:
        start = at + len(piece) - len(piece.lstrip())
        spans.append((start, start + len(piece.strip())))
        at += len(piece) + len(separator)
    return Passage(name, separator.join(pieces), tuple(spans))


def spec(benchmark: type[AssemblyBenchmark], version: int, **said: Any) -> BenchmarkSpec:
    """Make the spec of a benchmark on an assembly."""
    return BenchmarkSpec(
        benchmark.name,
        target=f"{benchmark.__module__}:{benchmark.__name__}",
        kind="neural",
        margin=0.02,
        margins={"normalised": 0.05},
        headline="unique",
        headline_reason=(
            "The length of an item and its place in the passage predict responses by themselves:"
            " what a model adds to them is the question."
        ),
        version=version,
        licence="see the paper",
        homepage="https://github.com/brain-score/language",
        **said,
    )
