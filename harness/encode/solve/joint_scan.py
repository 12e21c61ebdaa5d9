"""What a nuisance band adds to each voxel's fit, beside a scan over the model's penalties.

The joint fit is that of :mod:`harness.encode.solve.joint`. A scan
(:mod:`harness.encode.solve.scan`) has the
inner R2 of the model alone; with ``e`` the held-out errors of responses, ``E`` those of the
nuisance columns and ``w`` the nuisance weights, the joint fit leaves ``e - E w``, so that R2 grows
by ``(2 w' E' e - w' E' E w) / total``. ``E' e`` and ``X' G y``, which give ``w``, are linear in
responses: as many rows as nuisance columns, multiplied out beforehand for every penalty.
No prediction is made again, whatever the number of voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from harness.encode.design.kernel import DoubleArray, FloatArray, Spectrum
from harness.encode.design.options import Precision
from harness.encode.design.splits import Fold, IntArray
from harness.encode.solve.leave_out import LeftOut, leave_block_out
from harness.encode.solve.scan import WIDTH, Scan
from harness.numeric.products import product

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class _JointFold:
    """An inner fold, the nuisance columns rotated so that ``X' G X`` is diagonal, by penalty."""

    test: Tensor
    linear: Tensor  # (2 * n_penalties * n_columns, n_train): rows of X' G, then of E' e
    curvature: Tensor  # (n_penalties, n_columns): that diagonal
    moments: Tensor  # (n_penalties, n_columns, n_columns): E' E

    @property
    def nbytes(self) -> int:
        each = (self.linear, self.curvature, self.moments)
        return sum(t.numel() * t.element_size() for t in each)

    def gains(self, y: Tensor, penalties: Tensor) -> Tensor:
        """R2 beyond the model's own, (n_penalties, n_nuisance_penalties, n_voxels)."""
        n_penalties, n_columns = self.curvature.shape
        along, together = product(self.linear, y).reshape(2, n_penalties, 1, n_columns, -1)
        weights = along / (self.curvature[:, None, :, None] + penalties[:, None, None])
        # Reuses what is no longer needed: this is bound by memory.
        change = (self.moments[:, None] @ weights).neg_().add_(together, alpha=2)
        gained: Tensor = change.mul_(weights).sum(dim=2)
        held = y[self.test]
        gained /= (held - held.mean(dim=0)).square().sum(dim=0)
        return gained


@dataclass(frozen=True, eq=False)
class JointScan:
    """Everything about joint fits of streaming voxels that does not depend on responses.

    Made by :func:`plan_joint_scan`.

    Parameters
    ----------
    scan : Scan
        Of the model band, which chooses by R2.
    penalties : array, shape (n_nuisance_penalties,)
        Of the nuisance band, ascending.
    """

    scan: Scan
    penalties: DoubleArray
    _columns: FloatArray  # (n_train, n_columns), centred
    _heldout: FloatArray  # (n_heldout, n_columns)
    _linear: Tensor  # (n_penalties, n_columns, n_train): X' G over all training rows, rotated
    _curvature: Tensor
    _rotation: Tensor  # (n_penalties, n_columns, n_columns)
    _folds: tuple[_JointFold, ...]

    @property
    def nbytes(self) -> int:
        """Memory held beside the scan's, in bytes."""
        own = self._linear.numel() * self._linear.element_size()
        return own + sum(fold.nbytes for fold in self._folds)

    def choose(self, responses: FloatArray, inner: DoubleArray) -> tuple[DoubleArray, IntArray]:
        """Choose the penalties of both bands for each voxel.

        Parameters
        ----------
        responses : array, shape (n_train, n_voxels)
            Finite.
        inner : array, shape (n_penalties, n_voxels)
            Inner R2 of the model alone: :attr:`harness.encode.solve.scan.ScanFit.inner`.

        Returns
        -------
        score : array, shape (n_voxels,)
            Inner R2 of that pair.
        chosen : array of int, shape (2, n_voxels)
            Its indices; of pairs that score the same, the one with the larger penalties.
        """
        import torch

        n_voxels = responses.shape[1]
        best, chosen = np.empty(n_voxels), np.empty((2, n_voxels), dtype=np.intp)
        grid = self._linear.new_tensor(self.penalties)
        for block in self._blocks(n_voxels):
            y = self._placed(responses[:, block])
            scores = torch.from_numpy(inner[:, None, block]).to(y.device)
            scores = scores.repeat(1, len(grid), 1)
            for fold in self._folds:
                scores += fold.gains(y, grid) / len(self._folds)
            flat = scores.nan_to_num(nan=-np.inf).flatten(0, 1)
            index = len(flat) - 1 - flat.flip(0).argmax(dim=0)
            best[block] = flat.gather(0, index[None])[0].cpu().numpy()
            chosen[:, block] = np.unravel_index(index.cpu().numpy(), scores.shape[:2])
        return best, chosen

    def predict(self, responses: FloatArray, chosen: IntArray) -> tuple[FloatArray, FloatArray]:
        """Predict the held-out rows from all training rows.

        Parameters
        ----------
        responses : array, shape (n_train, n_voxels)
            Finite.
        chosen : array of int, shape (2, n_voxels)
            Indices of the penalty of the model and of the nuisance band.

        Returns
        -------
        model, nuisance : array, shape (n_heldout, n_voxels)
            Parts of the predictions, without the mean of the responses.
        """
        weights = self._weights(responses, chosen)
        centred = responses - responses.mean(axis=0, dtype=np.float64)
        # What nuisance does not explain is the model's, at its penalty.
        rest = (centred - self._columns @ weights).astype(responses.dtype, copy=False)
        return self.scan.fit(rest, chosen[0]).predictions, self._heldout @ weights

    def _weights(self, responses: FloatArray, chosen: IntArray) -> DoubleArray:
        """Weights of the nuisance columns, (n_columns, n_voxels)."""
        import torch

        shape = self._linear.shape[:2]
        weights = np.empty((self._columns.shape[1], responses.shape[1]))
        for block in self._blocks(responses.shape[1]):
            y = self._placed(responses[:, block])
            model, nuisance = torch.from_numpy(chosen[:, block]).to(y.device)
            everywhere = product(self._linear.flatten(0, 1), y).reshape(*shape, -1)
            along = everywhere[model, :, torch.arange(y.shape[1], device=y.device)]
            grid = y.new_tensor(self.penalties)
            along = along / (self._curvature[model] + grid[nuisance, None])
            found = (self._rotation[model] @ along[:, :, None])[:, :, 0]
            weights[:, block] = found.T.cpu().numpy()
        return weights

    def _placed(self, responses: FloatArray) -> Tensor:
        """Responses about their mean, on the device."""
        import torch

        y = torch.from_numpy(np.ascontiguousarray(responses)).to(self._linear)
        return y - y.mean(dim=0)

    def _blocks(self, n_voxels: int) -> list[slice]:
        width = WIDTH["cpu" if self.scan.device == "cpu" else "cuda"]
        return [slice(start, start + width) for start in range(0, n_voxels, width)]


def plan_joint_scan(
    scan: Scan,
    spectrum: Spectrum,
    folds: Sequence[Fold],
    columns: FloatArray,
    heldout: FloatArray,
    penalties: DoubleArray,
    *,
    precision: Precision = Precision.SINGLE,
) -> JointScan:
    """Multiply out what voxels share of the joint fit.

    Inner folds come from the decomposition of all training rows
    (:mod:`harness.encode.solve.leave_out`).

    Parameters
    ----------
    scan : Scan
        Of the model band; it chooses by R2.
    spectrum : Spectrum
        Of the training rows, from which the scan was planned.
    folds : sequence of Fold
        Its inner folds.
    columns : array, shape (n_train, n_columns)
        Nuisance regressors (delayed) in the training rows.
    heldout : array, shape (n_heldout, n_columns)
        The same in the held-out rows.
    penalties : array, shape (n_nuisance_penalties,)
        Of the nuisance band; positive, ascending.
    precision : Precision
        Of products with voxels.

    Returns
    -------
    JointScan
    """
    import torch

    dtype = torch.float64 if precision is Precision.DOUBLE else torch.float32

    def put(array: FloatArray | IntArray, kind: torch.dtype | None = dtype) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(scan.device, kind)

    x = np.asarray(columns, dtype=np.float64)
    mean = x.mean(axis=0)
    x = x - mean
    everywhere = _residuals(
        spectrum,
        scan.penalties,
        np.arange(spectrum.n_train),
        np.broadcast_to(x, (len(scan.penalties), *x.shape)),
    )
    curvature, rotation = np.linalg.eigh(x.T @ everywhere)
    inner = []
    for fold in folds:
        # One at a time: the inverses that it takes are large.
        (item,) = leave_block_out(spectrum, [fold], scan.penalties, Precision.DOUBLE).each(x)
        linear, *own = _inner_fold(spectrum, scan.penalties, everywhere, cast(LeftOut, item))
        inner.append(_JointFold(put(fold.test, None), put(linear), *map(put, own)))
        del item
    return JointScan(
        scan,
        np.asarray(penalties, dtype=np.float64),
        x,
        np.asarray(heldout, dtype=np.float64) - mean,
        put((everywhere @ rotation).swapaxes(1, 2)),
        put(np.maximum(curvature, 0)),
        put(rotation),
        tuple(inner),
    )


def _inner_fold(
    spectrum: Spectrum, penalties: DoubleArray, everywhere: DoubleArray, columns: LeftOut
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Compute what :class:`_JointFold` holds, from the columns and their residuals in all rows."""
    piece, errors = columns.piece, columns.all_errors
    tested = errors[:, : piece.n_test]
    back = piece.inverse[:, :, : piece.n_test] @ tested
    spread = _residuals(spectrum, penalties, piece.left_out, np.concatenate([errors, back], axis=2))
    left_out, together = np.split(spread, 2, axis=2)
    curvature, rotation = np.linalg.eigh(columns.gains(columns))
    linear = np.stack([everywhere - left_out, together]) @ rotation
    tested = tested @ rotation
    return (
        linear.swapaxes(2, 3).reshape(-1, spectrum.n_train),
        # Rounding can leave the smallest a hair below 0.
        np.maximum(curvature, 0),
        tested.swapaxes(1, 2) @ tested,
    )


def _residuals(
    spectrum: Spectrum, penalties: DoubleArray, rows: IntArray, values: DoubleArray
) -> DoubleArray:
    """Residuals of ridge fits to columns that are 0 but in some rows, (n_penalties, n_train, k).

    Columns are given by these rows, (n_penalties, n_rows, k), each with its penalty.
    """
    n_penalties, n_rows, n_columns = values.shape
    flat = values.swapaxes(0, 1).reshape(n_rows, -1)
    shrink = spectrum.values / (spectrum.values + penalties[:, None])
    axes = spectrum.basis[rows].T @ flat
    axes *= np.repeat(shrink.T, n_columns, axis=1)
    left = -(spectrum.basis @ axes)
    left[rows] += flat
    left -= flat.sum(axis=0) / spectrum.n_train
    return left.reshape(-1, n_penalties, n_columns).swapaxes(0, 1)
