"""Low rank: the part of a layer's output that varies most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from harness.compress.text.calibration import CalibrationSpec
from harness.errors import CompressionError
from harness.spec.hooks import hookimpl
from harness.spec.specs import CompressorSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.compress.compressor import Compressed
    from harness.compress.layers.observe import SharedInput
    from harness.compress.layers.workspace import Workspace
    from harness.compress.report.summary import CompressionReport
    from harness.compress.text.calibration import Calibration


@dataclass(frozen=True)
class LowRank:
    """Replace each layer by the product of two thin matrices (Wang et al. 2025, SVD-LLM).

    Of all matrices of the rank that the share allows, the one is taken whose output on the
    calibration text is nearest.

    Parameters
    ----------
    keep : float
        Share of each layer's numbers that both factors together may have, in (0, 1).
    order : {"sequential", "true-sequential", "dense"}
        What a block is measured on; see :class:`harness.compress.layers.walk.Order`.
    calibration : CalibrationSpec
        The text.
    """

    keep: float = 0.8
    order: Literal["sequential", "true-sequential", "dense"] = "sequential"
    calibration: CalibrationSpec = field(default_factory=CalibrationSpec)

    def compress(
        self,
        model: nn.Module,
        calibration: Calibration | None = None,
        workspace: Workspace | None = None,
    ) -> CompressionReport:
        """Replace every linear layer of the blocks, in place.

        Raises
        ------
        CompressionError
            The share is not in (0, 1), or leaves a layer without rank; or there is no calibration
            text.
        """
        from harness.compress.layers.walk import walk

        if not 0 < self.keep < 1:
            raise CompressionError(
                f"keeping a share of {self.keep} cannot be", "give a share in (0, 1), such as 0.8"
            )
        return walk(model, calibration, self._replace, order=self.order, workspace=workspace)

    def _replace(self, weights: Sequence[Tensor], shared: SharedInput) -> list[Compressed]:
        from harness.compress.compressor import Compressed
        from harness.compress.report.accounting import low_rank_bits

        replaced = []
        for weight in weights:
            shape = (weight.shape[0], weight.shape[1])
            rank = int(self.keep * shape[0] * shape[1] / sum(shape))
            if rank < 1:
                raise CompressionError(
                    f"a share of {self.keep} leaves a layer of {shape} without rank",
                    "keep a larger share",
                )
            thin = low_rank(weight, shared.statistics.moments, rank)
            replaced.append(Compressed(thin, low_rank_bits(shape, rank), {"rank": rank}))
        return replaced


def low_rank(weight: Tensor, moments: Tensor, rank: int) -> Tensor:
    """Return the matrix of a given rank whose output is nearest.

    The outputs ``W x`` are projected on their leading principal directions: with E the leading
    eigenvectors of ``W M W'``, the answer is ``E E' W``. It is the truncated singular value
    decomposition of W times a root of M, times the inverse of that root (Eckart & Young 1936, in
    the metric of M), without the root or the inverse, so M need not be positive definite.

    Parameters
    ----------
    weight : Tensor
        (out, in).
    moments : Tensor
        (in, in): second moments of the input.
    rank : int
        Largest rank.

    Returns
    -------
    Tensor
        (out, in), float32.
    """
    import torch

    # Metal has no float64, and a decomposition is faster on a CPU than on most devices.
    place = "cpu" if weight.device.type == "mps" else weight.device
    exact, metric = weight.to(place).double(), moments.to(place).double()
    rows, width = exact.shape
    if rows <= width:
        basis: Tensor = torch.linalg.eigh(exact @ metric @ exact.T).eigenvectors[:, -rank:]
    else:
        # From the narrow side: with M = R R', E spans W R V, where V are the leading eigenvectors
        # of R' W' W R; directions without power are left out, as R may be singular.
        values, vectors = torch.linalg.eigh(metric)
        seen = exact @ (vectors * values.clamp(min=0).sqrt())
        powers, right = torch.linalg.eigh(seen.T @ seen)
        kept = powers[-rank:] > powers[-1] * torch.finfo(torch.float64).eps * width
        basis = torch.linalg.qr(seen @ right[:, -rank:][:, kept]).Q
    return (basis @ (basis.T @ exact)).to(weight)


@hookimpl
def brainpress_compressors() -> list[CompressorSpec]:
    """Return low rank at 90, 80 and 60 percent of the numbers."""
    return [_spec("svd-90", 0.9), _spec("svd-80", 0.8), _spec("svd-60", 0.6)]


def _spec(name: str, keep: float) -> CompressorSpec:
    return CompressorSpec(
        name,
        target="brainpress_plugins.compressors.svd:LowRank",
        options={"keep": keep, "calibration": CalibrationSpec()},
        method="svd",
        bits=16 * keep,
        calibrated=True,
        tags=("low-rank", "structured"),
        citation=(
            "Wang, Zheng, Wan, Zhang 2025, SVD-LLM: truncation-aware singular value decomposition "
            "for large language model compression, ICLR"
        ),
        homepage="https://arxiv.org/abs/2403.07378",
        notes="Without the paper's second step, which trains the factors.",
    )
