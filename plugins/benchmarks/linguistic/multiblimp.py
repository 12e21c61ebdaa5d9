"""MultiBLiMP, minimal pairs of agreement in 101 languages (Jumelet, Weissweiler & Bisazza 2025)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from harness.errors import DataError, SelectionError
from harness.probe.pair_benchmark import PairBenchmark
from harness.spec.hooks import hookimpl
from harness.spec.specs import BenchmarkSpec

if TYPE_CHECKING:
    from harness.fetch.resource import Resource
    from harness.probe.minimal_pairs import Pair

ADDRESS = "https://huggingface.co/datasets/jumelet/multiblimp/resolve/main"
_CODES = (
    "abk aln amh apu aqz arb azz bel ben bho bor bre bua bul cat ces chu cym dan deu egy ell "
    "eng est eus fao fas fin fra frm fro gla gle glg got grc guj hbo hbs heb hin hit hsb hun "
    "hye hyw isl ita kat kaz kir kmr koi kpv krl kxh lat lav lij lit mar mdf mkd myv nds nhi "
    "nld olo orv ota pcm pol por quc ron rus sah san slk slv sme sms spa sqi swe tam tpn ttc "
    "tur uig ukr urb urd uzb vep wbp wol xcl xnr xpg yrl"
)
LANGUAGES = tuple(_CODES.split())
"""ISO 639-3 codes."""
FREQUENCIES = {
    "arb": "ar", "ben": "bn", "bul": "bg", "cat": "ca", "ces": "cs", "dan": "da", "deu": "de",
    "ell": "el", "eng": "en", "fas": "fa", "fin": "fi", "fra": "fr", "hbs": "sh", "heb": "he",
    "hin": "hi", "hun": "hu", "isl": "is", "ita": "it", "lav": "lv", "lit": "lt", "mkd": "mk",
    "nld": "nl", "pol": "pl", "por": "pt", "ron": "ro", "rus": "ru", "slk": "sk", "slv": "sl",
    "spa": "es", "swe": "sv", "tam": "ta", "tur": "tr", "ukr": "uk", "urd": "ur",
}  # fmt: skip
"""Code of the word list of each language that has one."""
PHENOMENA = {
    "SV": "subject-verb agreement",
    "SP": "subject-participle agreement",
}
FEATURES = {"#": "number", "P": "person", "G": "gender"}


@dataclass(frozen=True)
class MultiBlimp(PairBenchmark):
    """Pairs from treebanks, one paradigm for each language and kind of agreement.

    Parameters
    ----------
    languages : tuple of str
        ISO 639-3 codes; empty: all 101.
    first : int, optional
        Only so many pairs of each language, from its beginning.

    Raises
    ------
    SelectionError
        There is no such language.
    DataError
        ``first`` is not positive, or a file does not hold what it should.
    OfflineError
        A file is not on this machine and the network is off.
    """

    stimuli: ClassVar = "multiblimp"

    languages: tuple[str, ...] = ()
    first: int | None = None

    def __post_init__(self) -> None:
        if self.first is not None and self.first < 1:
            raise DataError(f"the first {self.first} pairs of a language are none")
        _ = self.pairs  # data that is missing is found when the run is planned

    @staticmethod
    def resources(languages: tuple[str, ...] = (), **_: object) -> tuple[Resource, ...]:
        """Files of the languages that are wanted."""
        return tuple(resource(language) for language in chosen(languages))

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs, by language in the order that they were given in."""
        from harness.fetch.download import fetch

        return tuple(
            pair
            for language in chosen(self.languages)
            for pair in read_language(fetch(resource(language)), language, self.first)
        )


def chosen(languages: tuple[str, ...]) -> tuple[str, ...]:
    """Return the languages, all where none is named.

    Raises
    ------
    SelectionError
        There is no such language.
    """
    if unknown := [language for language in languages if language not in LANGUAGES]:
        raise SelectionError(
            f"MultiBLiMP has no language {unknown[0]!r}", f"one of {', '.join(LANGUAGES)}"
        )
    return languages or LANGUAGES


def resource(language: str) -> Resource:
    """Return the file of a language. The host's branch may move, and no checksum is published."""
    from harness.fetch.resource import Resource

    return Resource(
        name="data.tsv",
        address=f"{ADDRESS}/{language}/data.tsv",
        sha256="",
        licence="CC-BY-4.0",
        where=f"multiblimp/{language}/data.tsv",
    )


def read_language(path: Path, language: str, first: int | None = None) -> Iterator[Pair]:
    """Read the file of a language.

    Parameters
    ----------
    path : Path
        A table with tabs between its columns, of which ``sen``, ``wrong_sen`` and ``phenomenon``
        are read.
    language : str
        ISO 639-3 code.
    first : int, optional
        Stop after so many pairs.

    Yields
    ------
    Pair
        The paradigm is ``language/phenomenon``, as ``deu/SV-#``. Agreement counts as morphology,
        as in BLiMP's fields. Sentences stand as they are published, with spaces where a treebank
        has them.

    Raises
    ------
    DataError
        A column is missing, a row has no pair, or there is none.
    """
    from harness.probe.minimal_pairs import Pair

    number = 0
    with path.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        if missing := set(_COLUMNS) - set(rows.fieldnames or ()):
            raise DataError(
                f"{path} has no column {min(missing)!r}",
                f"a file of MultiBLiMP has the columns {', '.join(_COLUMNS)}, between tabs",
            )
        for number, row in enumerate(islice(rows, first), start=1):
            good, bad, phenomenon = (row[name] or "" for name in _COLUMNS)
            if not (good and bad and phenomenon) or good == bad:
                raise DataError(f"{path}, line {rows.line_num} holds no pair: {good!r}, {bad!r}")
            kind, _, feature = phenomenon.partition("-")
            described = f"{PHENOMENA.get(kind, kind)}, {FEATURES.get(feature, feature)}"
            yield Pair(
                good=good,
                bad=bad,
                paradigm=f"{language}/{phenomenon}",
                category="morphology",
                identifier=f"{language}/{number}",
                phenomenon=described,
                language=FREQUENCIES.get(language, ""),
            )
    if not number:
        raise DataError(f"{path} holds no pair")


_COLUMNS = ("sen", "wrong_sen", "phenomenon")


@hookimpl
def brainpress_benchmarks() -> list[BenchmarkSpec]:
    """Offer all languages, and English."""
    common: dict[str, Any] = {
        "target": "brainpress_plugins.benchmarks.linguistic.multiblimp:MultiBlimp",
        "kind": "linguistic",
        "metric": "accuracy, mean over languages and kinds of agreement",
        "chance": 0.5,
        "margin": 0.02,
        "tags": ("minimal-pairs", "multilingual", "real"),
        "licence": "CC-BY-4.0",
        "citation": (
            "Jumelet, Weissweiler & Bisazza (2025). MultiBLiMP 1.0: A massively multilingual"
            " benchmark of linguistic minimal pairs. arXiv:2504.02768."
        ),
        "homepage": "https://huggingface.co/datasets/jumelet/multiblimp",
        "notes": (
            "Agreement of subject with verb or participle in number, person or gender, from"
            " Universal Dependencies and UniMorph. multiblimp:languages=deu+fra takes some. A"
            " paradigm is a language and a kind of agreement, and all weigh the same. Files have no"
            " published checksum: their content is part of a score's key."
        ),
    }
    return [
        BenchmarkSpec("multiblimp", data="101 languages, over 125,000 pairs", **common),
        BenchmarkSpec(
            "multiblimp-eng", options={"languages": ("eng",)}, data="770 pairs", **common
        ),
    ]
