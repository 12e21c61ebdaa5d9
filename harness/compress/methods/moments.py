"""What a linear layer sees: second moments, maxima and mean magnitudes of its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from harness.errors import CompressionError
from harness.numeric.float_products import add_gram, add_product

_CHUNK = 64
"""Rows that stay in the cache while they are gone over more than once."""


@dataclass(frozen=True)
class InputStatistics:
    """Statistics of the inputs of a layer over all calibration tokens.

    Parameters
    ----------
    moments : Tensor
        (in, in), float32, symmetric: the mean over tokens of ``x x'``.
    maxima : Tensor
        (in,): the largest magnitude of each input.
    magnitude : Tensor
        (in,): the mean magnitude of each input.
    tokens : int
        Number of tokens.
    drift : Tensor, optional
        (in, in), float32: the mean over tokens of ``(y - x) x'``, with y what the same token gives
        the layer in the model before compression. None where nobody asked for it.
    """

    moments: Tensor
    maxima: Tensor
    magnitude: Tensor
    tokens: int
    drift: Tensor | None = None

    def mixed_with_white(self, floor: int, power: float) -> InputStatistics:
        """Return the statistics with as many white inputs as tokens are short of a floor.

        An expert that few tokens reach has second moments of low rank, which say nothing of most
        directions. ``(n M + (floor - n) power 1) / floor`` goes from the tokens' own moments at the
        floor to those of white inputs at no token, with which every method is its plain form:
        rounding to nearest, pruning by magnitude, the plain singular value decomposition.

        Parameters
        ----------
        floor : int
            Tokens from which on the statistics stay as they are.
        power : float
            Mean square of an input, of all tokens that reach an expert of the same layer.
        """
        if self.tokens >= floor:
            return self
        share = self.tokens / floor
        white = InputStatistics.white(len(self.maxima), power, self.moments.device)
        return InputStatistics(
            share * self.moments + (1 - share) * white.moments,
            torch.maximum(self.maxima, white.maxima) if self.tokens else white.maxima,
            share * self.magnitude + (1 - share) * white.magnitude,
            self.tokens,
        )

    @classmethod
    def white(cls, width: int, power: float, device: torch.device) -> InputStatistics:
        """Return the statistics of independent inputs of one size, of no token.

        Parameters
        ----------
        width : int
            Number of inputs.
        power : float
            Mean square of an input; 1 where none is known.
        device : torch.device
        """
        power = power if power > 0 else 1.0
        ones = torch.ones(width, device=device)
        # The mean magnitude of a normal variable is sqrt(2 / pi) of its root mean square.
        return cls(torch.diag(ones * power), ones * power**0.5, ones * (2 * power / pi) ** 0.5, 0)

    @property
    def norms(self) -> Tensor:
        """(in,): the root mean square of each input."""
        return self.moments.diagonal().sqrt()


class InputAccumulator:
    """Adds up the statistics of inputs that come batch by batch.

    Only the upper triangle of the second moments is computed.

    Parameters
    ----------
    width : int
        Number of inputs.
    device : torch.device
        Where they are.
    """

    def __init__(self, width: int, device: torch.device) -> None:
        self._upper = torch.zeros(width, width, device=device)
        self._maxima = torch.zeros(width, device=device)
        # Metal has no float64; there sums are of float32.
        exact = torch.float32 if device.type == "mps" else torch.float64
        self._magnitude = torch.zeros(width, dtype=exact, device=device)
        self._tokens = 0
        self._drift: Tensor | None = None

    def add(self, inputs: Tensor, uncompressed: Tensor | None = None) -> None:
        """Add a batch.

        Parameters
        ----------
        inputs : Tensor
            (..., in), of any dtype; worked on in float32.
        uncompressed : Tensor, optional
            (..., in): what the same tokens give the layer in the model before compression. It is
            given with every batch, or with none.
        """
        rows = inputs.detach().reshape(-1, inputs.shape[-1]).float()
        self._tokens += len(rows)
        for chunk in torch.split(rows, _CHUNK):
            magnitude = chunk.abs()
            self._maxima = torch.maximum(self._maxima, magnitude.amax(0))
            # Chunks are summed in float32, and their sums in float64.
            self._magnitude += magnitude.sum(0)
        add_gram(self._upper, rows)
        if uncompressed is not None:
            if self._drift is None:
                self._drift = torch.zeros_like(self._upper)
            apart = uncompressed.detach().reshape(rows.shape).float() - rows
            add_product(self._drift, apart, rows)

    @property
    def tokens(self) -> int:
        """Number of tokens so far."""
        return self._tokens

    def statistics(self, name: str) -> InputStatistics:
        """Return the statistics of all batches.

        Parameters
        ----------
        name : str
            The layer, for the messages.

        Raises
        ------
        CompressionError
            No token reached the layer, or its inputs are not finite.
        """
        if not self._tokens:
            raise CompressionError(
                f"{name}: no calibration token reached this layer",
                "the block does not use it, or multiplies by its weight in a way that is not seen",
            )
        upper = self._upper.triu_()
        moments = upper + upper.triu(1).T
        moments /= self._tokens
        if not bool(torch.isfinite(moments).all()):
            raise CompressionError(
                f"{name}: the inputs of this layer are NaN, infinite, or too large for float32",
                "run in float32 or bfloat16: float16 overflows in some models",
            )
        magnitude = (self._magnitude / self._tokens).float()
        drift = None if self._drift is None else self._drift.div_(self._tokens)
        return InputStatistics(moments, self._maxima, magnitude, self._tokens, drift)


def output_error(before: Tensor, after: Tensor, moments: Tensor) -> float:
    """Relative error of a layer's output, from the second moments of its input.

    ``sqrt(tr(D M D') / tr(W M W'))`` with D the change of W: what the calibration text itself would
    give, token by token, without running it.

    Parameters
    ----------
    before, after : Tensor
        (out, in).
    moments : Tensor
        (in, in).

    Returns
    -------
    float
        0 for a layer whose output is always zero.
    """
    power = output_power(before, moments)
    return (output_power(after - before, moments) / power) ** 0.5 if power > 0 else 0.0


def output_power(weight: Tensor, moments: Tensor) -> float:
    """Return the mean squared length of a layer's output, ``tr(W M W')``.

    Parameters
    ----------
    weight : Tensor
        (out, in).
    moments : Tensor
        (in, in): second moments of the input.
    """
    weight = weight.contiguous()
    gram = torch.zeros_like(moments)
    add_gram(gram, weight)
    # tr(W M W') is the sum of W'W times M, both symmetric.
    gram.triu_().diagonal().mul_(0.5)
    return max(0.0, 2 * float(gram.mul_(moments).sum(1).cpu().sum(dtype=torch.float64)))
