"""Variants and cells, and the keys their results are stored under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from harness.record.request import Request
from harness.runner.status import Status
from harness.spec.specs import BenchmarkSpec, CompressorSpec, ModelSpec
from harness.store import stages
from harness.store.keys import content_key


@dataclass(frozen=True)
class Variant:
    """A model and a compressor."""

    model: ModelSpec
    compressor: CompressorSpec

    @property
    def name(self) -> str:
        """``model`` or ``model+compressor``."""
        return f"{self.model.name}+{self.compressor.name}"


NONE = CompressorSpec("none", target="", method="none")
"""Any compressor of the method ``none`` leaves the key of a variant alone."""


@dataclass(frozen=True)
class Cell:
    """A variant on a benchmark.

    Parameters
    ----------
    variant : Variant
    benchmark : BenchmarkSpec
    status : Status
    reason : str
        Why it failed or does not apply.
    key : str
        Key of its score; empty while what determines it is not known (a model still to fetch).
    """

    variant: Variant
    benchmark: BenchmarkSpec
    status: Status
    reason: str = ""
    key: str = ""

    @property
    def identity(self) -> str:
        """Key of the cell itself, whatever its data: failures are remembered under it."""
        return content_key(
            model=self.variant.model.name,
            source=self.variant.model.source,
            compressor=self.variant.compressor.name,
            benchmark=self.benchmark.name,
        )


def variant_key(fingerprint: str, compressor: CompressorSpec, dtype: str) -> str:
    """Key of a variant's weights as they run.

    Parameters
    ----------
    fingerprint : str
        Of the model's files.
    compressor : CompressorSpec
    dtype : str
    """
    return content_key(**variant_parts(fingerprint, compressor, dtype))


def variant_parts(fingerprint: str, compressor: CompressorSpec, dtype: str) -> dict[str, object]:
    """Return what the key of a variant is made of."""
    parts: dict[str, object] = {"model": fingerprint, "dtype": dtype}
    if compressor.method != "none":
        parts["compressor"] = {
            "target": compressor.target,
            "options": {k: _content(v) for k, v in compressor.options.items()},
            "version": compressor.version,
            "seed": compressor.seed,
            "torch": version("torch"),
            "stage": stages.COMPRESS,
        }
    return parts


def _content(value: object) -> object:
    """Return what an option stands for: a calibration text in a file is what the file says."""
    fingerprint = getattr(value, "fingerprint", None)
    return fingerprint() if callable(fingerprint) else value


def recording_key(variant: str, request: Request) -> str:
    """Key of a recording: the variant's key, the request's key, the stage's version."""
    return content_key(variant=variant, request=request.key, stage=stages.RECORD)


def score_key(spec: BenchmarkSpec, recordings: Sequence[str], content: str = "") -> str:
    """Key of a score: the recordings' keys, and what :func:`score_parts` names."""
    return content_key(**score_parts(spec, content), recordings=list(recordings))


def score_parts(spec: BenchmarkSpec, content: str = "") -> dict[str, object]:
    """Return what the key of a score is made of, its recordings apart.

    Parameters
    ----------
    spec : BenchmarkSpec
    content : str
        Checksum of the files that the benchmark's version does not pin, see
        :func:`harness.runner.resources.unpinned_content`.
    """
    parts: dict[str, object] = {
        "benchmark": spec.target,
        "options": dict(spec.options),
        "version": spec.version,
        "stages": [stages.ENCODE, stages.PROBE],
    }
    return {**parts, "content": content} if content else parts


def cell_parts(
    fingerprint: str,
    compressor: CompressorSpec,
    dtype: str,
    requests: Sequence[Request],
    spec: BenchmarkSpec,
    content: str = "",
) -> dict[str, object]:
    """Return what the keys of a cell are made of, for whoever has to make them again."""
    return {
        "variant": variant_parts(fingerprint, compressor, dtype),
        "requests": [request.key for request in requests],
        "record": stages.RECORD,
        "score": score_parts(spec, content),
    }


def keys_of(parts: Mapping[str, Any]) -> tuple[list[str], str]:
    """Make the keys of a cell's recordings and of its score from :func:`cell_parts`.

    Raises
    ------
    KeyError, TypeError
        Something is missing, or has no canonical form.
    """
    variant = content_key(**parts["variant"])
    recordings = [
        content_key(variant=variant, request=request, stage=parts["record"])
        for request in parts["requests"]
    ]
    return recordings, content_key(**parts["score"], recordings=recordings)
