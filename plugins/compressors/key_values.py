"""Keys and values rounded as a cache of fewer bits would hold them, and no weight changed."""

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
class RoundKeysAndValues:
    """Round the keys and values of every attention, each token's vector of each head by itself.

    The model is as large as it was: what is smaller is the cache of a model that writes, to
    ``bits + 32 / channels`` bits a number. The grid, and what of KIVI's it is not, are in
    :mod:`harness.compress.methods.key_values`.

    Parameters
    ----------
    bits : {8, 4, 3, 2}
        Bits a code.
    """

    calibration: ClassVar[None] = None
    changes_no_weight: ClassVar[bool] = True

    bits: int = 8

    def compress(
        self,
        model: nn.Module,
        calibration: Calibration | None = None,
        workspace: Workspace | None = None,
    ) -> CompressionReport:
        """Make the attention of every block round its keys and values, in place.

        Raises
        ------
        CompressionError
            There is no such number of bits, the model is on disk, or an attention does not pass
            through transformers' attention interface.
        """
        del calibration, workspace
        from harness.compress.layers.key_values import check_attention
        from harness.compress.layers.restore import KEY_VALUE_BITS
        from harness.compress.layers.rewrite import count_parameters
        from harness.compress.methods.key_values import BITS, round_keys_and_values
        from harness.compress.report.meter import Meter
        from harness.compress.report.summary import CompressionReport
        from harness.errors import CompressionError

        if self.bits not in BITS:
            raise CompressionError(
                f"keys and values of {self.bits!r} bits cannot be",
                f"choose one of {', '.join(map(str, BITS))} bits",
            )
        with Meter(next(model.parameters()).device) as meter:
            check_attention(model)
            round_keys_and_values(model, self.bits)
        parameters = count_parameters(model)
        return CompressionReport(
            (),
            {
                name: "keys and values are rounded, and no weight"
                for name, module in model.named_modules()
                if any(True for _ in module.parameters(recurse=False))
            },
            parameters=parameters,
            remaining=parameters,
            seconds=meter.seconds,
            peak_memory=meter.peak_memory,
            restore={KEY_VALUE_BITS: self.bits},
        )


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return keys and values of 8 bits, and of 4."""
    return [_spec(8), _spec(4)]


def _spec(bits: int) -> CompressorSpec:
    return CompressorSpec(
        f"kv-int{bits}",
        target="brainpress_plugins.compressors.key_values:RoundKeysAndValues",
        options={"bits": bits},
        method="kv",
        bits=16,
        tags=("quantization", "cache-only"),
        citation=(
            "Liu, Yuan, Jin, Zhong, Xu, Braverman, Chen, Hu 2024, KIVI: a tuning-free asymmetric "
            "2bit quantization for KV cache, ICML"
        ),
        homepage="https://arxiv.org/abs/2402.02750",
        notes=(
            "No weight is changed: the size is the model's own, and its cache would be smaller. "
            "One scale and one least number for each token and head, keys and values alike."
        ),
    )
