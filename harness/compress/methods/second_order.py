"""One second-order kernel for GPTQ, SparseGPT, and both at once.

A layer's output error is ``tr(D M D')``, with D the change of its weight and M the second moments
of its input. Columns are decided one after the other: a rule rounds or prunes a column, and the
columns not yet decided move so as to make up for it as well as they can (Frantar & Alistarh 2022,
Optimal Brain Compression, eq. 4). With ``M^-1 = U' U``, U upper triangular, the best move of column
k after an error e in column j is ``-e U[j, k] / U[j, j]`` (Frantar et al. 2023, GPTQ, section 3.3).

GPTQ and SparseGPT are this sweep with different rules, and run together when given both
(Frantar & Alistarh 2023, SparseGPT, section 3.5).

How it is made fast: U comes from one Cholesky factorisation of M read backwards and one triangular
inverse, where the references take three factorisations; the sweep halves the columns recursively,
so that all but the last few of a column's moves are matrix products; and weights lie transposed, so
that a column is contiguous. Neither changes a result beyond rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from harness.compress.methods.grid import Grid, Scales, fit_scales
from harness.compress.methods.sparsity import NOfM, Pattern, prune_mask
from harness.errors import CompressionError
from harness.numeric.factors import inverse_cholesky
from harness.numeric.float_products import add_product

MASK_BLOCK = 128
"""Columns whose unstructured mask is chosen together (SparseGPT, section 3.2)."""
PULL_BLOCK = 128
"""Columns a block of GPTAQ's, within which columns pull by what they were before rounding."""
LARGEST_DAMPING = 1.0
"""Damping is raised tenfold up to this share of the mean diagonal, then the layer is given up."""

_LEAF = 16

Decision = Callable[[int, Tensor], Tensor]
"""From a column's place in its window and its weights (out,) to what they become."""


class Rule(Protocol):
    """How a column is decided: ``period`` columns at a time share a decision."""

    @property
    def period(self) -> int:
        """Columns a window; the last window may be shorter."""

    def decide(self, columns: Tensor, spread: Tensor) -> Decision:
        """Look at a window when its first column is reached.

        Parameters
        ----------
        columns : Tensor
            (window, out): weights as they stand, all earlier errors made up for.
        spread : Tensor
            (window,): the diagonal of U.
        """


@dataclass(frozen=True)
class Rounding:
    """Round to a grid that is fitted to each window when it is reached.

    Parameters
    ----------
    grid : Grid
        Bits and symmetry.
    period : int
        Columns that share a scale.
    """

    grid: Grid
    period: int

    def decide(self, columns: Tensor, spread: Tensor) -> Decision:
        """Fit scale and zero point of each row to the window."""
        del spread
        channel = Grid(self.grid.bits, "channel", self.grid.symmetric)
        scales = fit_scales(columns.T, channel)
        steps = _Steps.of(scales)[0]
        return lambda _, column: steps.round(column)


@dataclass(frozen=True)
class FixedRounding:
    """Round to scales that were fitted beforehand (GPTQ's static groups).

    Parameters
    ----------
    scales : Scales
        (out, groups).
    groups : tuple of int
        The group of each column, in the order of the sweep.
    """

    scales: Scales
    groups: tuple[int, ...]

    @property
    def period(self) -> int:
        """All columns."""
        return len(self.groups)

    def decide(self, columns: Tensor, spread: Tensor) -> Decision:
        """Look up each column's own scale."""
        del columns, spread
        steps = _Steps.of(self.scales)
        return lambda place, column: steps[self.groups[place]].round(column)


@dataclass(frozen=True)
class Pruning:
    """Prune the weights whose loss is least: ``w^2 / U[j, j]^2`` (SparseGPT, eq. 5).

    Parameters
    ----------
    pattern : Pattern
        An unstructured share is met in every window of ``period`` columns over all rows.
    period : int
        128, or m for n:m.
    rows : tuple of int
        Rows of each of several layers that are swept together; each meets the share by itself.
        Empty: one layer.
    """

    pattern: Pattern
    period: int = MASK_BLOCK
    rows: tuple[int, ...] = ()

    @classmethod
    def of(cls, pattern: Pattern, group: int | None = None, rows: tuple[int, ...] = ()) -> Pruning:
        """Choose the window of a pattern, so that windows and groups of scales nest.

        Parameters
        ----------
        pattern : Pattern
            What to prune.
        group : int, optional
            Columns that share a scale, when the layer is rounded too.
        rows : tuple of int
            As for the class.
        """
        if isinstance(pattern, NOfM):
            return cls(pattern, pattern.m)
        if group is None or group % MASK_BLOCK == 0 or MASK_BLOCK % group == 0:
            return cls(pattern, rows=rows)
        return cls(pattern, group * max(1, MASK_BLOCK // group), rows)

    def decide(self, columns: Tensor, spread: Tensor) -> Decision:
        """Choose the window's mask."""
        loss = (columns / spread[:, None]).square_()
        if isinstance(self.pattern, NOfM):
            mask = prune_mask(loss.T, self.pattern).T.contiguous()
        else:
            rows = list(self.rows or loss.shape[1:])
            parts = torch.split_with_sizes(loss, rows, dim=1)
            mask = torch.cat([prune_mask(part, self.pattern) for part in parts], dim=1)
        return lambda place, column: column.masked_fill(mask[place], 0)


def inverse_factor(moments: Tensor, damping: float = 0.01) -> tuple[Tensor, float]:
    """Return U, upper triangular with ``(moments + damping)^-1 = U' U``, and the damping used.

    Read backwards (both axes flipped), the Cholesky factor of the moments is upper triangular, and
    its inverse is U: one factorisation and one triangular inverse, both in float64.

    Parameters
    ----------
    moments : Tensor
        (in, in), symmetric.
    damping : float
        Added to the diagonal, as a share of its mean; raised tenfold, up to
        :data:`LARGEST_DAMPING`, while the matrix is not positive definite.

    Returns
    -------
    U : Tensor
        (in, in), float64; on the CPU where the device has no room or no such type.
    damping : float
        What was added in the end.

    Raises
    ------
    CompressionError
        The moments cannot be factored, or the damping is not positive.
    """
    if not damping > 0:
        raise CompressionError(f"a damping of {damping} cannot be", "0.01 is usual")
    flipped = _exact(moments.flip(0, 1))
    mean = float(flipped.diagonal().mean())
    while mean > 0 and damping <= LARGEST_DAMPING:
        flipped.diagonal().copy_(moments.diagonal().flip(0)).add_(damping * mean)
        inverse = inverse_cholesky(flipped)
        if inverse is not None:
            return inverse.flip(0, 1), damping
        damping *= 10
    raise CompressionError(
        "the second moments of the inputs cannot be factored, damped by "
        f"{LARGEST_DAMPING:g} of their mean"
        if mean > 0
        else "the inputs are all zero on the calibration text",
        "give more or other calibration text",
    )


def _exact(matrix: Tensor) -> Tensor:
    """Return a matrix in float64: on its device where there is the type and the room, else here."""
    if matrix.device.type == "mps":
        return matrix.cpu().double()
    try:
        return matrix.double()
    except torch.OutOfMemoryError:
        return matrix.cpu().double()


def pull(drift: Tensor, factor: Tensor, share: float) -> Tensor:
    """Return P, by which each decided column moves later ones against the drift of the inputs.

    In a layer behind compressed ones an input x is no longer what it was, y. With
    ``D = E[(y - x) x']``, P is ``share * triu(D U', 1) U``, strictly upper triangular: what later
    columns can do, once earlier ones are decided, to give the output that y would have given
    (Li et al. 2025, GPTAQ, eq. 15 to 17).

    Parameters
    ----------
    drift : Tensor
        (in, in): D.
    factor : Tensor
        (in, in): U from :func:`inverse_factor`.
    share : float
        How much of it to take; .25 in the authors' code.

    Returns
    -------
    Tensor
        (in, in), float64, on the device of the factor.
    """
    product = drift.to(factor.device, factor.dtype) @ factor.T
    pulled: Tensor = product.triu_(1) @ factor
    return pulled.mul_(share)


def sweep(
    weight: Tensor, factor: Tensor, rules: Sequence[Rule], pulled: Tensor | None = None
) -> Tensor:
    """Decide the columns of a weight one after the other, and make up for each error.

    Parameters
    ----------
    weight : Tensor
        (out, in), float32 (or float64, and then so is the work).
    factor : Tensor
        (in, in): U from :func:`inverse_factor`.
    rules : sequence of Rule
        Applied to each column in this order; their periods nest (each divides the next larger, or
        spans all columns).
    pulled : Tensor, optional
        (in, in): P from :func:`pull`.

    Returns
    -------
    Tensor
        (out, in): the decided weight.
    """
    width = weight.shape[1]
    periods = sorted({min(rule.period, width) for rule in rules})
    if any(b % a for a, b in pairwise(periods) if b < width):
        raise ValueError(f"windows of {periods} columns do not nest")
    # Of its own where it is changed: the factor is the caller's.
    moves = factor.to(weight.device, weight.dtype, copy=pulled is not None)
    state = _Sweep(weight, moves, tuple(rules), tuple(periods))
    if pulled is not None:
        state.be_pulled(pulled.to(weight.device, weight.dtype))
    state.decide(0, width)
    return state.decided.T.contiguous()


class _Sweep:
    """The matrices of a sweep, transposed: a column of the weight is a row here."""

    def __init__(
        self, weight: Tensor, factor: Tensor, rules: tuple[Rule, ...], periods: tuple[int, ...]
    ) -> None:
        self.columns = weight.T.clone(memory_format=torch.contiguous_format)
        self.decided = torch.empty_like(self.columns)
        self.errors = torch.empty_like(self.columns)
        self.factor = factor
        # Rows, looked up once: the time of a column is that of a dozen calls, not of its numbers.
        self.column = self.columns.unbind()
        self.error = self.errors.unbind()
        self.outcome = self.decided.unbind()
        self.spread = factor.diagonal().contiguous()
        self.reciprocal = self.spread.cpu().double().reciprocal().tolist()
        self.rules = rules
        self.periods = periods
        self.decisions: list[Decision] = [_undecided] * len(rules)
        self.pulled: Tensor | None = None

    def be_pulled(self, pulled: Tensor) -> None:
        """Let decided columns pull later ones by P.

        Within a block of :data:`PULL_BLOCK` columns they pull by what they were, beyond it by what
        they have become, as in the authors' code. What they were is ``decided + U[j, j] error``, so
        the difference goes into the moves that errors make.
        """
        self.pulled = pulled
        for start in range(0, len(pulled), PULL_BLOCK):
            near = slice(start, start + PULL_BLOCK)
            self.factor[near, near] -= self.spread[near, None] * pulled[near, near]

    def decide(self, start: int, stop: int) -> None:
        """Decide columns start to stop, for whose earlier errors all is made up."""
        if stop - start <= _LEAF:
            for column in range(start, stop):
                self._decide_column(column, stop)
            return
        middle = self._middle(start, stop)
        self.decide(start, middle)
        moves = self.factor[start:middle, middle:stop]
        add_product(self.columns[middle:stop], moves, self.errors[start:middle], -1)
        if self.pulled is not None:
            moves = self.pulled[start:middle, middle:stop]
            add_product(self.columns[middle:stop], moves, self.decided[start:middle])
        self.decide(middle, stop)

    def _middle(self, start: int, stop: int) -> int:
        """Halve at the edge of a window, so that a rule sees each window brought up to date."""
        unit = max((period for period in self.periods if period < stop - start), default=1)
        return start + max(unit, (stop - start) // 2 // unit * unit)

    def _decide_column(self, column: int, stop: int) -> None:
        current = value = self.column[column]
        for index, rule in enumerate(self.rules):
            place = column % rule.period
            if place == 0:
                window = slice(column, column + rule.period)
                self.decisions[index] = rule.decide(self.columns[window], self.spread[window])
            value = self.decisions[index](place, value)
        self.outcome[column].copy_(value)
        error = self.error[column]
        torch.sub(current, value, out=error).mul_(self.reciprocal[column])
        if column + 1 < stop:
            later = slice(column + 1, stop)
            self.columns[later].addr_(self.factor[column, later], error, alpha=-1)
            if self.pulled is not None:
                self.columns[later].addr_(self.pulled[column, later], value)


def _undecided(place: int, column: Tensor) -> Tensor:
    """Stand in for a rule until its first window is reached, which is column 0."""
    raise AssertionError(f"column {place} of {len(column)} weights met no rule")


@dataclass(frozen=True)
class _Steps:
    """The grid of one group, (out,) each: its step, and its ends in steps from zero."""

    scale: Tensor
    lowest: Tensor
    highest: Tensor

    @classmethod
    def of(cls, scales: Scales) -> list[_Steps]:
        """Return the grid of each group."""
        scale, zero = scales.scale.T.contiguous(), scales.zero.T.contiguous()
        ends = scales.lowest - zero, scales.highest - zero
        return [cls(*rows) for rows in zip(scale, *ends, strict=True)]

    def round(self, column: Tensor) -> Tensor:
        """Round a column to the nearest points, as :meth:`Scales.round` does."""
        return (column / self.scale).round_().clamp_(self.lowest, self.highest).mul_(self.scale)
