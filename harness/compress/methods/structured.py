"""Taking whole inputs out of a layer, and letting the others make up for them.

The output error of a layer is ``tr(D M D')``, D the change of its weight and M the second moments
of its inputs. If the inputs of a set S are taken out and the others' weights move so as to make up
for it as well as they can, the error grows by ``tr(W_S ([M^-1]_SS)^-1 W_S')`` (optimal brain
surgeon for structures: Kurtic, Frantar & Alistarh 2023, ZipLM, eq. 2 and 3).
"""

from __future__ import annotations

import torch
from torch import Tensor

from harness.compress.methods.second_order import inverse_factor


def losses(weight: Tensor, moments: Tensor, unit: int, damping: float = 0.01) -> Tensor:
    """Return what it costs to take out each unit of a layer's inputs, the others making up for it.

    Parameters
    ----------
    weight : Tensor
        (out, in).
    moments : Tensor
        (in, in): second moments of the inputs.
    unit : int
        Neighbouring inputs that go together; it divides ``in``.
    damping : float
        Added to the diagonal of the moments, as a share of its mean.

    Returns
    -------
    Tensor
        (in / unit,), float64: the growth of the mean squared length of the output's error.

    Raises
    ------
    CompressionError
        The moments cannot be factored.
    """
    factor, _ = inverse_factor(moments, damping)
    exact = weight.to(factor.device).double()
    count = weight.shape[1] // unit
    # [M^-1]_SS is U_S' U_S with M^-1 = U' U and U_S the unit's columns.
    columns = factor.reshape(len(factor), count, unit).permute(1, 0, 2)
    inside = columns.transpose(1, 2) @ columns
    parts = exact.reshape(len(exact), count, unit).permute(1, 2, 0)
    found: Tensor = (parts * torch.linalg.solve(inside, parts)).sum((1, 2))
    return found


def without_inputs(
    weight: Tensor, moments: Tensor, removed: Tensor, damping: float = 0.01
) -> Tensor:
    """Return the weight that makes the best of fewer inputs.

    Parameters
    ----------
    weight : Tensor
        (out, in).
    moments : Tensor
        (in, in): second moments of the inputs.
    removed : Tensor
        Inputs that are taken out, int64.
    damping : float
        Added to the diagonal of the moments, as a share of its mean; a ridge penalty that holds
        the weights that stay near what they were.

    Returns
    -------
    Tensor
        (out, in), float32; zero for the inputs that were taken out.
    """
    place = "cpu" if weight.device.type == "mps" else weight.device
    exact, metric = weight.to(place).double(), moments.to(place).double()
    stay = torch.ones(weight.shape[1], dtype=torch.bool, device=exact.device)
    stay[removed.to(exact.device)] = False
    inner = metric[stay][:, stay]
    inner.diagonal().add_(damping * metric.diagonal().mean())
    # Minimises |W x - V x_stay|^2 + damping |V - W_stay|^2: the move is W_S M_S,stay (M + d)^-1.
    moved = torch.linalg.solve(inner, metric[stay][:, ~stay] @ exact[:, ~stay].T).T
    new = torch.zeros_like(exact)
    new[:, stay] = exact[:, stay] + moved
    return new.to(weight)
