"""What a stranger writes to add a model, a compressor and a benchmark to brainpress."""

import os

from harness import BenchmarkSpec, CompressorSpec, ModelSpec, hookimpl


@hookimpl
def brainpress_models():
    """Return one model: a folder that an environment variable names."""
    folder = os.environ.get("BRAINPRESS_SAMPLE_MODEL", "sample-model")
    return [ModelSpec("sample-model", source=f"file:{folder}", tags=("sample",), licence="MIT")]


@hookimpl
def brainpress_compressors():
    """Return one compressor."""
    return [
        CompressorSpec(
            "sample-halve",
            target="brainpress_sample.halve:Halve",
            method="halve",
            tags=("sample",),
            citation="Nobody (2026)",
        )
    ]


@hookimpl
def brainpress_benchmarks():
    """Return one benchmark."""
    return [
        BenchmarkSpec(
            "sample-lengths",
            target="brainpress_sample.lengths:Lengths",
            kind="neural",
            options={"words": 12},
            metric="Pearson r",
            tags=("sample",),
        )
    ]
