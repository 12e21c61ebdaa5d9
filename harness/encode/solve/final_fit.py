"""The final fit of an outer fold: all its training rows to its held-out rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.encode.design.kernel import DoubleArray, FloatArray, Spectrum
from harness.encode.design.options import Precision
from harness.encode.design.splits import IntArray
from harness.encode.solve.placed import blocks, put, size
from harness.numeric.products import product

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class FinalFit:
    """All training rows to the held-out rows. Made by :func:`plan_final_fit`."""

    device: str
    heldout: Tensor  # (n_heldout, rank)
    values: Tensor
    basis: Tensor  # (n_train, rank)
    grid: Tensor
    hats: Tensor | None  # (n_penalties, n_heldout, n_train): one product instead of two

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return size(self.basis, self.heldout, *(() if self.hats is None else (self.hats,)))

    def placed(self, responses: Tensor) -> tuple[Tensor, Tensor]:
        """Responses about their mean, on the device; and the mean."""
        y = responses.to(self.device, self.basis.dtype)
        mean = y.mean(dim=0)
        return y - mean, mean

    def predict(self, responses: Tensor, chosen: IntArray, width: int) -> FloatArray:
        """Held-out rows, (n_heldout, n_voxels), each voxel with its penalty."""
        import torch

        # As the products are.
        dtype = self.basis.new_empty(0).cpu().numpy().dtype
        predictions = np.empty((len(self.heldout), responses.shape[1]), dtype)
        if self.hats is None:
            for block in blocks(responses.shape[1], width):
                y, mean = self.placed(responses[:, block])
                at = self.grid[torch.from_numpy(chosen[block]).to(self.device)]
                axes = product(self.basis.T, y).div_(self.values[:, None] + at)
                predictions[:, block] = product(self.heldout, axes).add_(mean).cpu().numpy()
            return predictions
        for penalty in np.unique(chosen):
            voxels = np.flatnonzero(chosen == penalty)
            y, mean = self.placed(responses[:, torch.from_numpy(voxels)])
            predictions[:, voxels] = product(self.hats[penalty], y).add_(mean).cpu().numpy()
        return predictions


def plan_final_fit(
    spectrum: Spectrum,
    penalties: DoubleArray,
    *,
    precision: Precision,
    device: str,
    n_voxels: int,
    few: bool,
) -> FinalFit:
    """Put what voxels share in the final fit on a device.

    Parameters
    ----------
    spectrum : Spectrum
        Of the training rows.
    penalties : array, shape (n_penalties,)
        Positive, ascending.
    precision : Precision
        Of products with voxels.
    device : str
        Where they are made.
    n_voxels : int
        About how many voxels will go through.
    few : bool
        Whether those are few targets: no hat matrices are made.

    Returns
    -------
    FinalFit
    """
    import torch

    precise = torch.float64 if precision is Precision.DOUBLE else torch.float32
    shared = (spectrum.heldout, spectrum.values, spectrum.basis, penalties)
    heldout, values, basis, grid = (put(array, device, precise) for array in shared)
    pay = not few and _hats_pay(spectrum, len(penalties), n_voxels)
    hats = _hats(heldout, values, basis, grid) if pay else None
    return FinalFit(device, heldout, values, basis, grid, hats)


def _hats_pay(spectrum: Spectrum, n_penalties: int, n_voxels: int) -> bool:
    """Whether hat matrices of all penalties save more products than they take."""
    n_train, rank = spectrum.basis.shape
    n_heldout = len(spectrum.heldout)
    saved = n_train * rank + n_heldout * rank - n_heldout * n_train
    # No more memory than two kernels.
    small = n_penalties * n_heldout <= 4 * n_train
    return small and n_voxels * saved > n_penalties * n_heldout * rank * n_train


def _hats(heldout: Tensor, values: Tensor, basis: Tensor, grid: Tensor) -> Tensor:
    """Matrices from centred training rows to held-out rows, one for each penalty."""
    hats = heldout.new_empty(len(grid), len(heldout), len(basis))
    for hat, penalty in zip(hats, grid, strict=True):
        hat.copy_(product(heldout / (values + penalty), basis.T))
    return hats
