"""Every compressor on offer says what it is."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import brainpress_plugins.compressors as package
import pytest
from torch import nn

from harness.compress.text.calibration import CalibrationSpec
from harness.spec.specs import CompressorSpec, load_target
from harness.store.keys import canonical_json

TinyModel = Callable[..., nn.Module]

MODULES = [name for _, name, _ in pkgutil.iter_modules(package.__path__)]
OURS = [name for name in MODULES if "_library" not in name]


def specs(names: list[str]) -> list[CompressorSpec]:
    modules = [importlib.import_module(f"brainpress_plugins.compressors.{name}") for name in names]
    return [spec for module in modules for spec in module.brainpress_compressors()]


def test_names_are_unique() -> None:
    names = [spec.name for spec in specs(MODULES)]
    assert len(set(names)) == len(names)
    assert len(names) > 40


@pytest.mark.parametrize("spec", specs(MODULES), ids=lambda spec: spec.name)
def test_what_a_spec_says(spec: CompressorSpec) -> None:
    assert spec.name.startswith(spec.method)
    assert spec.tags
    assert (spec.citation and spec.homepage.startswith("https://")) or spec.name == "none"
    assert canonical_json(dict(spec.options))
    assert spec.calibrated == isinstance(spec.options.get("calibration"), CalibrationSpec)


@pytest.mark.parametrize("spec", specs(OURS), ids=lambda spec: spec.name)
def test_every_compressor_of_ours_does_what_its_spec_says(
    spec: CompressorSpec, tiny_model: TinyModel, random_calibration: Any
) -> None:
    size = {"hidden_size": 128, "head_dim": 32, "intermediate_size": 256, "num_hidden_layers": 6}
    model = tiny_model("llama", **size)
    compressor = load_target(spec)
    assert (compressor.calibration is not None) == spec.calibrated
    report = compressor.compress(model, random_calibration if spec.calibrated else None)
    if spec.sparsity is not None and spec.method != "depth":
        assert report.sparsity >= spec.sparsity - 0.002
    if spec.bits is not None and spec.sparsity is None:
        assert spec.bits - 0.3 < report.bits_per_weight <= spec.bits + 1


def test_listing_imports_no_heavy_library() -> None:
    code = (
        "import sys, importlib\n"
        f"for name in {MODULES!r}:\n"
        "    module = importlib.import_module(f'brainpress_plugins.compressors.{name}')\n"
        "    module.brainpress_compressors()\n"
        "heavy = {'torch', 'transformers', 'scipy', 'sklearn', 'xarray'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
