"""What a linear layer sees: second moments, maxima and mean magnitudes of its inputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.errors import CompressionError
from harness.numeric.float_products import add_gram

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
    """

    moments: Tensor
    maxima: Tensor
    magnitude: Tensor
    tokens: int

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
        self._magnitude = torch.zeros(width, dtype=torch.float64, device=device)
        self._tokens = 0

    def add(self, inputs: Tensor) -> None:
        """Add a batch.

        Parameters
        ----------
        inputs : Tensor
            (..., in), of any dtype; worked on in float32.
        """
        rows = inputs.detach().reshape(-1, inputs.shape[-1]).float()
        self._tokens += len(rows)
        for chunk in torch.split(rows, _CHUNK):
            magnitude = chunk.abs()
            self._maxima = torch.maximum(self._maxima, magnitude.amax(0))
            # Chunks are summed in float32, and their sums in float64.
            self._magnitude += magnitude.sum(0)
        add_gram(self._upper, rows)

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
                "a mixture of experts may need more calibration text",
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
        return InputStatistics(moments, self._maxima, magnitude, self._tokens)


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
    return max(0.0, 2 * float(gram.mul_(moments).sum(1).sum(dtype=torch.float64)))
