"""What predictions of the held-out rows of an inner fold score."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.encode.design.options import Metric

if TYPE_CHECKING:
    from torch import Tensor

Slabs = Iterable[tuple[slice, "Tensor"]]
"""Responses - predictions, (n_penalties, n_rows, n_voxels), a few rows at a time."""


class HeldOut:
    """Responses in the held-out rows of an inner fold.

    Parameters
    ----------
    held : Tensor, shape (n_test, n_voxels)
    metric : Metric
        What inner cross-validation maximises.
    """

    def __init__(self, held: Tensor, metric: Metric) -> None:
        import torch

        self.metric = metric
        self.centred = held - held.mean(dim=0)
        self.total = self.centred.square().sum(dim=0, dtype=torch.float64)
        # A response that does not vary leaves rounding: no score.
        self.total[(held == held[0]).all(dim=0)] = torch.nan

    def sums(self, errors: Slabs) -> tuple[Tensor, ...]:
        """Sum up what a score is made of, each (n_penalties, n_voxels).

        For R2 squared errors; for correlation products of responses and predictions about their
        mean, and squares of these predictions.
        """
        import torch

        if self.metric is Metric.R2:
            lost: Tensor = sum(part.square().sum(dim=1).double() for _, part in errors)  # type: ignore[assignment]
            return (lost,)
        predictions = self.centred - torch.cat([part for _, part in errors], dim=1)
        predictions -= predictions.mean(dim=1, keepdim=True)
        together = (self.centred * predictions).sum(dim=1, dtype=torch.float64)
        return together, predictions.square_().sum(dim=1, dtype=torch.float64)

    def score(self, *sums: Tensor) -> Tensor:
        """Score sums, whatever their leading dimensions."""
        import torch

        if self.metric is Metric.R2:
            return 1 - sums[0] / self.total
        together, square = sums
        norm = square.clamp(min=0).sqrt() * self.total.sqrt()
        return torch.where(norm == 0, 0.0, together / norm)
