"""An inner fold of a joint fit: what nuisance columns add to a fit by the model's features.

With ``G`` the operator that leaves the residuals of the model's ridge fit, nuisance weights are
those of generalised least squares, ``w = (X' G X + b)^-1 X' G y``. With ``e`` the held-out errors
of responses and ``E`` those of the nuisance columns, which pass through the model's fit as if they
were responses, the joint fit leaves ``e - E w``, so that R2 grows by ``(2 w' E' e - w' E' E w) /
total``. ``X' G y`` and ``E' e`` are linear in responses: as many rows as nuisance columns for each
penalty of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.encode.design.kernel import DoubleArray, FloatArray, Spectrum
from harness.encode.design.splits import Fold, IntArray
from harness.encode.solve.leave_out import LeftOut
from harness.numeric.products import product

if TYPE_CHECKING:
    from torch import Tensor

Put = Callable[[FloatArray | IntArray], "Tensor"]


@dataclass(frozen=True, eq=False)
class JointFold:
    """An inner fold, the columns rotated so that ``X' G X`` is diagonal, by penalty.

    Parameters
    ----------
    test : Tensor
        Held-out rows, as positions among the training rows.
    curvature : Tensor, shape (n_penalties, n_columns)
        That diagonal; of shape (n_penalties, n_pairs, n_columns, n_columns), the inverses of
        ``X' G X`` and the columns' penalty, which is a matrix then, and nothing is rotated.
    tested : Tensor, shape (n_penalties, n_test, n_columns)
        ``E``.
    linear : Tensor, shape (2 * n_penalties * n_columns, n_rows), optional
        Rows of ``X' G``, then of ``E' e``. None where both come from responses with the fold's rows
        left out, as ``columns`` are.
    parts : tuple of Tensor, optional
        Training rows, eigenvectors and columns, from which the rows that ``linear`` takes are made.
        None where it takes the responses themselves.
    columns : LeftOut, optional
        The nuisance columns with the fold's rows left out.
    rotation : array, shape (n_penalties, n_columns, n_columns), optional
        Of these columns.
    """

    test: Tensor
    curvature: Tensor
    tested: Tensor
    linear: Tensor | None
    parts: tuple[Tensor, Tensor, Tensor] | None = None
    columns: LeftOut | None = None
    rotation: DoubleArray | None = None

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        each = (self.linear, self.curvature, self.tested, *(self.parts or ()))
        return sum(t.numel() * t.element_size() for t in each if t is not None)

    def weights(self, y: Tensor, penalties: Tensor, left: LeftOut | None) -> tuple[Tensor, Tensor]:
        """Nuisance weights and ``E' e``, of centred responses (n_train, n_voxels).

        ``left`` are these responses with the fold's rows left out, where folds are solved so.

        Returns
        -------
        weights : Tensor, shape (n_penalties, n_nuisance_penalties, n_columns, n_voxels)
        together : Tensor, shape (n_penalties, 1, n_columns, n_voxels)
        """
        n_penalties, _, n_columns = self.tested.shape
        if self.linear is None:
            along, together = self._left_out(left)
        else:
            rows = y if self.parts is None else self._rows(y, *self.parts)
            along, together = product(self.linear, rows).reshape(2, n_penalties, 1, n_columns, -1)
        if self.curvature.ndim == 4:
            return self.curvature @ along, together
        return along / (self.curvature[:, None, :, None] + penalties[:, None, None]), together

    def _rows(self, y: Tensor, train: Tensor, basis: Tensor, columns: Tensor) -> Tensor:
        import torch

        own = y[train]
        mean = own.mean(dim=0)
        own = own - mean
        return torch.cat([product(basis.T, own), product(columns.T, own), y[self.test] - mean])

    def _left_out(self, left: LeftOut | None) -> tuple[Tensor, Tensor]:
        import torch

        assert left is not None
        assert self.columns is not None
        assert self.rotation is not None
        along = self.rotation.swapaxes(1, 2) @ left.gains(self.columns)
        errors = torch.from_numpy(left.errors).to(self.tested)
        together = self.tested.swapaxes(1, 2) @ errors
        return torch.from_numpy(along).to(self.tested)[:, None], together[:, None]

    def gains(self, y: Tensor, penalties: Tensor, left: LeftOut | None) -> Tensor:
        """R2 beyond the model's own, (n_penalties, n_nuisance_penalties, n_voxels)."""
        weights, together = self.weights(y, penalties, left)
        moments = self.tested.swapaxes(1, 2) @ self.tested
        # Reuses what is no longer needed: this is bound by memory.
        change = (moments[:, None] @ weights).neg_().add_(together, alpha=2)
        gained: Tensor = change.mul_(weights).sum(dim=2)
        held = y[self.test]
        gained /= (held - held.mean(dim=0)).square().sum(dim=0)
        return gained


def solved(gram: DoubleArray, penalty: DoubleArray | None) -> tuple[DoubleArray, DoubleArray]:
    """Prepare the equations of the columns' weights, ``(X' G X + b) w = X' G y``.

    Parameters
    ----------
    gram : array, shape (n_penalties, n_columns, n_columns)
        ``X' G X`` for each penalty of the model.
    penalty : array, shape (n_penalties, n_pairs, n_columns, n_columns), optional
        Of the columns. None: a number, not yet known.

    Returns
    -------
    curvature : array
        As :class:`JointFold` has it.
    rotation : array, shape (n_penalties, n_columns, n_columns)
        Of the columns; the identity where a penalty is given.
    """
    if penalty is not None:
        return np.asarray(np.linalg.inv(gram[:, None] + penalty)), np.eye(gram.shape[1])[None]
    curvature, rotation = np.linalg.eigh(gram)
    # Rounding can leave the smallest a hair below 0.
    bounded: DoubleArray = np.maximum(curvature, 0)
    return bounded, rotation


def refitted_fold(
    fold: Fold,
    own: Spectrum,
    x: DoubleArray,
    penalties: DoubleArray,
    put: Put,
    penalty: DoubleArray | None = None,
) -> JointFold:
    """Make an inner fold from the decomposition of its own training rows.

    Parameters
    ----------
    fold : Fold
        Row numbers are positions among the training rows.
    own : Spectrum
        Of the fold's training rows.
    x : array, shape (n_train, n_columns)
        Nuisance columns.
    penalties : array, shape (n_penalties,)
        Of the model.
    put : callable
        Puts an array on the device, in the precision of products with voxels.
    penalty : array, shape (n_penalties, n_pairs, n_columns, n_columns), optional
        Of the columns, where it is a matrix.

    Returns
    -------
    JointFold
    """
    mean = x[fold.train].mean(axis=0)
    train, test = x[fold.train] - mean, x[fold.test] - mean
    axes = own.basis.T @ train
    filters = 1 / (own.values + penalties[:, None])
    shrunk = axes.T * (own.values * filters)[:, None]  # (n_penalties, n_columns, rank)
    curvature, rotation = solved(train.T @ train - shrunk @ axes, penalty)
    tested = (test - own.heldout @ (filters[:, :, None] * axes)) @ rotation
    back = np.broadcast_to(rotation, (len(penalties), *rotation.shape[1:])).swapaxes(1, 2)
    errors = tested.swapaxes(1, 2)
    n_test, n_columns = test.shape
    blank = np.zeros((len(penalties), n_columns, n_test))
    along = np.concatenate([-back @ shrunk, back, blank], axis=2)
    fitted = (errors @ own.heldout) * filters[:, None]
    together = np.concatenate([-fitted, blank[:, :, :1].repeat(n_columns, 2), errors], axis=2)
    linear = np.stack([along, together]).reshape(-1, along.shape[2])
    parts = (put(fold.train), put(own.basis), put(train))
    return JointFold(put(fold.test), put(curvature), put(tested), put(linear), parts)


def passed_fold(columns: LeftOut, put: Put, penalty: DoubleArray | None = None) -> JointFold:
    """Make an inner fold through which responses pass as the columns did: for few targets.

    Parameters
    ----------
    columns : LeftOut
        The columns with the fold's rows left out.
    put : callable
        Puts an array on the device.
    penalty : array, shape (n_penalties, n_pairs, n_columns, n_columns), optional
        Of the columns, where it is a matrix.

    Returns
    -------
    JointFold
    """
    curvature, rotation = solved(columns.gains(columns), penalty)
    tested = put(columns.errors @ rotation)
    test = put(columns.test)
    return JointFold(test, put(curvature), tested, None, None, columns, rotation)


def left_out_fold(
    spectrum: Spectrum,
    penalties: DoubleArray,
    everywhere: DoubleArray,
    columns: LeftOut,
    put: Put,
    penalty: DoubleArray | None = None,
) -> JointFold:
    """Make an inner fold from the decomposition of all training rows.

    Parameters
    ----------
    spectrum : Spectrum
        Of all training rows.
    penalties : array, shape (n_penalties,)
        Of the model.
    everywhere : array, shape (n_penalties, n_train, n_columns)
        Residuals of fits to the nuisance columns in all training rows.
    columns : LeftOut
        The columns with the fold's rows left out.
    put : callable
        Puts an array on the device.
    penalty : array, shape (n_penalties, n_pairs, n_columns, n_columns), optional
        Of the columns, where it is a matrix.

    Returns
    -------
    JointFold
    """
    piece, errors = columns.piece, columns.all_errors
    tested = errors[:, : piece.n_test]
    back = piece.inverse[:, :, : piece.n_test] @ tested
    spread = residuals(spectrum, penalties, piece.left_out, np.concatenate([errors, back], axis=2))
    left_out, together = np.split(spread, 2, axis=2)
    curvature, rotation = solved(columns.gains(columns), penalty)
    linear = np.stack([everywhere - left_out, together]) @ rotation
    return JointFold(
        put(columns.test),
        put(curvature),
        put(tested @ rotation),
        put(linear.swapaxes(2, 3).reshape(-1, spectrum.n_train)),
    )


def residuals(
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
