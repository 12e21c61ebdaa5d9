"""Inner products of items, each once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

Floats = npt.NDArray[np.floating[Any]]


def lower_gram(x: Floats) -> Floats:
    """Return the lower half of ``x @ x.T``, which takes half of the product's time.

    Parameters
    ----------
    x : array (n, k)

    Returns
    -------
    array (n, n)
        With 0 above the diagonal.
    """
    product = scipy.linalg.blas.get_blas_funcs("syrk", (x,))
    # BLAS counts columns first: of a transposed array it reads the memory as it lies.
    out = product(1.0, x.T, trans=True) if x.flags.c_contiguous else product(1.0, x)
    return np.asarray(out.T)
