"""Keys: what a stored result is of, said once and hashed.

A key is made from what a thing *is*: the identity of a plugin (its distribution and name), its
options and version, the content of the model's files, and the versions of the stages that the
result went through. Where the code stands is in no key, so that a module may be renamed; nor is a
stage that the result never saw, so that a new penalty grid leaves minimal pairs alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any

from harness.record.request import Request
from harness.runner.cells import Variant
from harness.spec.specs import BenchmarkSpec, CompressorSpec
from harness.store import stages
from harness.store.keys import content_key

LAYOUT = 2
"""Version of what keys are made of. 1 held import paths, and every stage in every score."""


@dataclass(frozen=True)
class Keys:
    """The keys of everything that is stored of one variant.

    Parameters
    ----------
    fingerprint : str
        Of the model's files; a control has its own.
    compressor : CompressorSpec
        Any compressor of the method ``none`` gives the same keys.
    dtype : str
        Of the weights as they run.
    """

    fingerprint: str
    compressor: CompressorSpec
    dtype: str

    @cached_property
    def variant(self) -> str:
        """Key of the weights, and of the report of their compression."""
        return content_key(**self._variant_parts)

    def recording(self, request: Request) -> str:
        """Key of the answer to a request."""
        return _recording(self.variant, request.key, stages.RECORD)

    def score(self, spec: BenchmarkSpec, requests: Sequence[Request], content: str = "") -> str:
        """Key of a score.

        Parameters
        ----------
        spec : BenchmarkSpec
        requests : sequence of Request
            What the benchmark asks, in its order.
        content : str
            Checksum of the files that the benchmark's version does not pin, see
            :func:`harness.runner.resources.unpinned_content`.
        """
        return keys_of(self.parts(spec, requests, content))[1]

    def parts(
        self, spec: BenchmarkSpec, requests: Sequence[Request], content: str = ""
    ) -> dict[str, Any]:
        """Return what the keys of a cell are made of, for whoever has to make them again.

        Takes the arguments of :meth:`score`; :func:`keys_of` makes the keys.
        """
        return {
            "variant": self._variant_parts,
            "requests": [request.key for request in requests],
            "record": stages.RECORD,
            "score": score_parts(spec, content),
        }

    @cached_property
    def _variant_parts(self) -> dict[str, object]:
        parts: dict[str, object] = {
            "layout": LAYOUT,
            "model": self.fingerprint,
            "dtype": self.dtype,
        }
        if self.compressor.method != "none":
            parts["compressor"] = compressor_parts(self.compressor)
        return parts


def compressor_parts(spec: CompressorSpec) -> dict[str, object]:
    """Return what a compressor is, as a part of a variant's key."""
    return {
        "identity": spec.identity or spec.method or spec.name,
        "options": contents(spec.options),
        "version": spec.version,
        "seed": spec.seed,
        "torch": _torch(),
        "stage": stages.COMPRESS,
    }


@cache
def _torch() -> str:
    # Read off the metadata anew for every cell, it is half of what planning one takes.
    return version("torch")


def score_parts(spec: BenchmarkSpec, content: str = "") -> dict[str, object]:
    """Return what a benchmark is, as a part of a score's key; its recordings are apart."""
    parts: dict[str, object] = {
        "identity": spec.identity or spec.name,
        "options": contents(spec.options),
        "version": spec.version,
        "stages": stage_versions(spec),
    }
    return {**parts, "content": content} if content else parts


def stage_versions(spec: BenchmarkSpec) -> dict[str, int]:
    """Return the versions of the stages that turn recordings into a benchmark's score."""
    return {name: stages.version_of(name) for name in sorted(spec.scored_by)}


def stages_of(parts: Mapping[str, Any]) -> dict[str, int]:
    """Return the versions of all stages that a score went through, from its parts."""
    compressed = parts["variant"].get("compressor")
    through = {"record": parts["record"], **parts["score"]["stages"]}
    return through | ({"compress": compressed["stage"]} if compressed else {})


def contents(options: Mapping[str, Any]) -> dict[str, object]:
    """Return what options stand for: a text or a data set in a file is what the file says."""
    return {name: _content(value) for name, value in options.items()}


def failure_key(variant: Variant, spec: BenchmarkSpec) -> str:
    """Key of why a cell failed: a model that could not be fetched has no fingerprint."""
    compressor = variant.compressor
    return content_key(
        layout=LAYOUT,
        model=variant.model.name,
        source=variant.model.source,
        revision=variant.model.revision,
        compressor=compressor.name,
        compressor_version=compressor.version,
        benchmark=spec.identity or spec.name,
        benchmark_options={name: str(value) for name, value in spec.options.items()},
        benchmark_version=spec.version,
    )


def keys_of(parts: Mapping[str, Any]) -> tuple[list[str], str]:
    """Make the keys of a cell's recordings and of its score from :meth:`Keys.parts`.

    Raises
    ------
    KeyError, TypeError
        Something is missing, or has no canonical form.
    """
    variant = content_key(**parts["variant"])
    recordings = [_recording(variant, key, parts["record"]) for key in parts["requests"]]
    return recordings, content_key(**parts["score"], recordings=recordings)


def _recording(variant: str, request: str, stage: int) -> str:
    return content_key(variant=variant, request=request, stage=stage)


def _content(value: object) -> object:
    fingerprint = getattr(value, "fingerprint", None)
    return fingerprint() if callable(fingerprint) else value
