"""What a linear layer sees: second moments, maxima and mean magnitudes of its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from harness.compress.products import add_product, faster, product
from harness.errors import CompressionError

_BLOCKS = 8
_SMALLEST_BLOCK = 128
_CHUNK = 128


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

    Only the upper triangle of the second moments is computed, in blocks: 9/16 of the products of a
    full one.

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
        size = max(_SMALLEST_BLOCK, -(-width // _BLOCKS))
        self._edges = [*range(0, width, size), width]

    def add(self, inputs: Tensor) -> None:
        """Add a batch.

        Parameters
        ----------
        inputs : Tensor
            (..., in), of any dtype; worked on in float32.
        """
        rows = inputs.detach().reshape(-1, inputs.shape[-1]).float()
        self._tokens += len(rows)
        magnitude = rows.abs()
        self._maxima = torch.maximum(self._maxima, magnitude.amax(0))
        for chunk in torch.split(magnitude, _CHUNK):
            # torch sums float32 in float64 at a tenth of the speed of float64 that is in the cache.
            self._magnitude += chunk.double().sum(0)
        if faster(rows.T, rows.T):
            rows = rows.T.contiguous().T
        for start, stop in pairwise(self._edges):
            # One product per block row: from the block on the diagonal to the right edge.
            add_product(self._upper[start:stop, start:], rows[:, start:stop].T, rows[:, start:].T)

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
    return max(0.0, float((product(weight, moments) * weight).sum(dtype=torch.float64)))
