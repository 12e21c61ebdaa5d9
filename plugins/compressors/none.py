"""The model as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import nn

    from harness.compress.layers.workspace import Workspace
    from harness.compress.report.summary import CompressionReport
    from harness.compress.text.calibration import Calibration


@dataclass(frozen=True)
class Identity:
    """Leave a model alone, and say so: the baseline of every contrast."""

    calibration: ClassVar[None] = None
    changes_no_weight: ClassVar[bool] = True

    def compress(
        self,
        model: nn.Module,
        calibration: Calibration | None = None,
        workspace: Workspace | None = None,
    ) -> CompressionReport:
        """Return a report of no change."""
        del calibration, workspace
        from harness.compress.layers.rewrite import count_parameters
        from harness.compress.report.summary import CompressionReport

        parameters = count_parameters(model)
        skipped = {
            name: "nothing is compressed"
            for name, module in model.named_modules()
            if any(True for _ in module.parameters(recurse=False))
        }
        return CompressionReport((), skipped, parameters=parameters, remaining=parameters)


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return the compressor that changes nothing."""
    return [
        CompressorSpec(
            "none",
            target="brainpress_plugins.compressors.none:Identity",
            method="none",
            bits=16,
            sparsity=0.0,
            tags=("baseline",),
            notes="The model as released, in the precision of the run.",
        )
    ]
